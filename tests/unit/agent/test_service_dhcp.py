"""DHCP of both families: what a client is told, refused, and not answered; questions are made by scapy."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import (
    DUID_LL,
    DHCP6_Confirm,
    DHCP6_InfoRequest,
    DHCP6_Release,
    DHCP6_Renew,
    DHCP6_Request,
    DHCP6_Solicit,
    DHCP6OptClientId,
    DHCP6OptDNSServers,
    DHCP6OptIA_NA,
    DHCP6OptIA_PD,
    DHCP6OptIAAddress,
    DHCP6OptRapidCommit,
    DHCP6OptServerId,
    DHCP6OptStatusCode,
)

from tulle.agent.services import dhcp4, dhcp6
from tulle.values import Lease, StaticRoute, Told

MAC, SERVER_MAC = "02:00:00:00:00:11", "02:00:00:00:00:01"
LEASE = Lease("web1", MAC, ("10.0.1.11/24", "fd00:1::11/64"), "10.0.1.1")
TOLD = Told(3600, ("10.0.1.1", "fd00:1::1"), "shop.internal", (StaticRoute("10.9.128.0/17", "10.0.1.9"),))
OFFER4 = dhcp4.Offer("10.0.1.1", LEASE, TOLD, 1450)
OFFER6 = dhcp6.Offer(SERVER_MAC, LEASE, TOLD)


def boot(kind: str, *options: tuple[str, Any], **head: Any) -> bytes:
    made = BOOTP(chaddr=bytes.fromhex(MAC.replace(":", "")), xid=7, **head)
    return bytes(made / DHCP(options=[("message-type", kind), *options, "end"]))


def answer4(payload: bytes, offer: dhcp4.Offer = OFFER4) -> tuple[str, str, str, dict[str, Any]] | None:
    """Kind, your address, target, options."""
    request = dhcp4.parse_request(payload)
    reply = None if request is None else dhcp4.answer(request, offer)
    if reply is None:
        return None
    said = BOOTP(reply.payload)
    assert said.op == 2 and said.xid == 7 and len(reply.payload) >= 300
    given = {
        one[0]: one[1] if len(one) == 2 else one[1:] for one in said[DHCP].options if isinstance(one, tuple)
    }
    kinds = {2: "offer", 5: "ack", 6: "nak"}
    return kinds[given["message-type"]], said.yiaddr, reply.target, given


def test_a_discover_is_offered_all_that_the_port_has() -> None:
    kind, yours, target, given = answer4(boot("discover")) or pytest.fail("no answer")
    assert (kind, yours, target) == ("offer", "10.0.1.11", "10.0.1.11")
    assert given["subnet_mask"] == "255.255.255.0" and given["router"] == "10.0.1.1"
    assert given["name_server"] == "10.0.1.1" and given["interface-mtu"] == 1450
    assert (given["hostname"], given["domain"]) == (b"web1", b"shop.internal")
    assert (given["lease_time"], given["renewal_time"], given["rebinding_time"]) == (3600, 1800, 3150)
    assert given["classless_static_routes"] == ["10.9.128.0/17:10.0.1.9", "0.0.0.0/0:10.0.1.1"]


@pytest.mark.parametrize(
    ("options", "head", "expected"),
    [
        ((("requested_addr", "10.0.1.11"), ("server_id", "10.0.1.1")), {}, ("ack", "10.0.1.11")),
        ((("requested_addr", "10.0.1.11"),), {"flags": "B"}, ("ack", "255.255.255.255")),
        ((("requested_addr", "10.0.1.12"),), {}, ("nak", "255.255.255.255")),
        ((), {"ciaddr": "10.0.1.11"}, ("ack", "10.0.1.11")),
        ((), {"ciaddr": "10.0.1.12"}, ("nak", "255.255.255.255")),
        ((("requested_addr", "10.0.1.11"), ("server_id", "10.0.1.2")), {}, None),
        ((), {}, ("nak", "255.255.255.255")),
    ],
)
def test_a_request_is_acknowledged_only_for_the_address_of_the_port(
    options: tuple[Any, ...], head: dict[str, Any], expected: tuple[str, str] | None
) -> None:
    found = answer4(boot("request", *options, **head))
    assert (found and (found[0], found[2])) == expected


def test_who_has_an_address_is_told_the_rest_without_a_lease() -> None:
    kind, yours, target, given = answer4(boot("inform", ciaddr="10.0.1.11")) or pytest.fail("no answer")
    assert (kind, yours, target) == ("ack", "0.0.0.0", "10.0.1.11") and "lease_time" not in given


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        boot("release", ciaddr="10.0.1.11"),
        boot("decline"),
        boot("discover", giaddr="10.0.9.1"),
        boot("discover", op=2),
        boot("discover").replace(b"\x35\x01\x01", b"\x34\x01\x01\x35\x01\x01"),
        boot("discover")[:240],
        boot("discover")[:-1],
        boot("discover", ("requested_addr", "10.0.1.11")).replace(b"\x32\x04", b"\x32\x03"),
        boot("discover").replace(b"\x63\x82\x53\x63", b"\x63\x82\x53\x64"),
        bytes(BOOTP(chaddr=b"\x02\0\0\0\0\x99") / DHCP(options=[("message-type", "discover"), "end"])),
    ],
)
def test_what_is_not_for_this_server_is_not_answered(payload: bytes) -> None:
    assert answer4(payload) is None


def test_a_port_without_an_ipv4_address_is_offered_none() -> None:
    bare = dhcp4.Offer("10.0.1.1", Lease("web1", MAC, ("fd00:1::11/64",)), TOLD, 1500)
    assert answer4(boot("discover"), bare) is None


def asked6(kind: type, *options: Any, server: bool = False) -> Any:
    """The answer to a message of a client, as scapy reads it; None for silence."""
    made = kind(trid=7) / DHCP6OptClientId(duid=DUID_LL(lladdr=MAC))
    if server:
        made /= DHCP6OptServerId(duid=DUID_LL(lladdr=SERVER_MAC))
    for option in options:
        made /= option
    request = dhcp6.parse_request(bytes(made))
    said = None if request is None else dhcp6.answer(request, OFFER6)
    if said is None:
        return None
    from scapy.layers.dhcp6 import DHCP6_Advertise, DHCP6_Reply

    return {2: DHCP6_Advertise, 7: DHCP6_Reply}[said[0]](said)


def wanted(*addresses: str, iaid: int = 1) -> Any:
    return DHCP6OptIA_NA(iaid=iaid, ianaopts=[DHCP6OptIAAddress(addr=one) for one in addresses])


def test_a_solicit_is_offered_the_address_and_the_name_server() -> None:
    said = asked6(DHCP6_Solicit, wanted())
    assert (said.msgtype, said.trid) == (2, 7)
    assert [one.addr for one in said[DHCP6OptIA_NA].ianaopts] == ["fd00:1::11"]
    assert said[DHCP6OptDNSServers].dnsservers == ["fd00:1::1"]
    assert (said[DHCP6OptIA_NA].T1, said[DHCP6OptIA_NA].T2) == (1800, 2880)


def test_a_client_in_a_hurry_gets_its_reply_at_once() -> None:
    said = asked6(DHCP6_Solicit, DHCP6OptRapidCommit(), wanted())
    assert said.msgtype == 7 and DHCP6OptRapidCommit in said


def test_a_second_association_gets_no_address_and_no_prefix_is_delegated() -> None:
    said = asked6(DHCP6_Request, wanted(), wanted(iaid=2), DHCP6OptIA_PD(iaid=3), server=True)
    first, second = said[DHCP6OptIA_NA], said[DHCP6OptIA_NA].payload
    assert first.ianaopts[0].addr == "fd00:1::11"
    assert second.ianaopts[0].statuscode == 2
    assert said[DHCP6OptIA_PD].iapdopt[0].statuscode == 6


def test_an_address_that_is_not_the_ports_is_not_renewed() -> None:
    said = asked6(DHCP6_Renew, wanted("fd00:1::99"), server=True)
    found = {one.addr: one.validlft for one in said[DHCP6OptIA_NA].ianaopts}
    assert found == {"fd00:1::11": 3600, "fd00:1::99": 0}


@pytest.mark.parametrize(("address", "status"), [("fd00:1::11", 0), ("fd00:9::11", 4)])
def test_a_client_that_has_moved_hears_whether_its_address_is_still_right(address: str, status: int) -> None:
    assert asked6(DHCP6_Confirm, wanted(address))[DHCP6OptStatusCode].statuscode == status


def test_who_needs_no_address_is_told_the_rest() -> None:
    said = asked6(DHCP6_InfoRequest)
    assert said.msgtype == 7 and DHCP6OptIA_NA not in said
    assert said[DHCP6OptDNSServers].dnsservers == ["fd00:1::1"]


def test_a_release_is_heard() -> None:
    assert asked6(DHCP6_Release, wanted("fd00:1::11"), server=True).msgtype == 7


@pytest.mark.parametrize("kind", [DHCP6_Request, DHCP6_Renew, DHCP6_Release])
def test_a_message_for_another_server_is_not_answered(kind: type) -> None:
    other = DHCP6OptServerId(duid=DUID_LL(lladdr="02:00:00:00:00:99"))
    assert asked6(kind, other, wanted()) is None
    assert asked6(kind, wanted()) is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x01\x00\x00",
        bytes(DHCP6_Solicit(trid=7)),
        bytes(DHCP6_Solicit(trid=7) / DHCP6OptClientId(duid=DUID_LL(lladdr=MAC)))[:-1],
        bytes(DHCP6_Solicit(trid=7) / DHCP6OptClientId(duid=DUID_LL(lladdr=MAC))) * 2,
        bytes(DHCP6_Solicit(trid=7)) + b"\x00\x08\x00\x02\x00\x00" * 80,
        b"\x0c" + bytes(33),
    ],
)
def test_broken_messages_are_not_answered(payload: bytes) -> None:
    request = dhcp6.parse_request(payload)
    assert request is None or dhcp6.answer(request, OFFER6) is None
