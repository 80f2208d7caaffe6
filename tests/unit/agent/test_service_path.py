"""Whose questions are answered, how often, and when routers say that they are there."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import ICMPv6ND_RA, ICMPv6ND_RS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import Ether

from tulle.agent.services import Advertising, Services
from tulle.agent.services.router_advertisement import is_solicitation
from tulle.control import allocate, versioned
from tulle.logical import compile_services, parse_file
from tulle.openflow import PacketIn
from tulle.values import Ids, Network

EXAMPLE = Path(__file__).parents[3] / "examples" / "services.yaml"
NETWORK: Network = parse_file(EXAMPLE.read_text(), EXAMPLE.name).networks[0]
IDS = allocate((NETWORK,), Ids())
PORTS = {port.name: port for port in NETWORK.ports}
REASONS = {(11, 1): "DHCP of shop/web"}
MTUS = {"shop": 1450}


def services(now: list[float]) -> Services:
    made = Services(lambda: now[0])
    made.configure(compile_services(NETWORK, IDS), REASONS, MTUS)
    return made


def discover(port: str = "web1", mac: str = "", key: int | None = None, cookie: int = 1) -> PacketIn:
    own = mac or PORTS[port].mac
    boot = BOOTP(chaddr=bytes.fromhex(own.replace(":", "")), xid=7) / DHCP(
        options=[("message-type", 1), "end"]
    )
    head = Ether(src=PORTS[port].mac, dst="ff:ff:ff:ff:ff:ff") / IP(src="0.0.0.0", dst="255.255.255.255")
    frame = bytes(head / UDP(sport=68, dport=67) / boot)
    switch = f"shop/{PORTS[port].switch}"
    at = IDS.ports[f"{switch}/{port}"] if key is None else key
    return PacketIn(1, 11, cookie, IDS.datapaths[switch], {"reg14": at}, frame)


def test_a_question_is_answered_to_its_port_with_the_mtu_of_the_network() -> None:
    found = services([0.0]).answer(discover())
    assert found is not None
    options = dict(one for one in Ether(found.frame)[DHCP].options if isinstance(one, tuple))
    assert options["interface-mtu"] == 1450


def test_a_port_that_is_not_known_and_a_mac_of_others_get_no_answer() -> None:
    made = services([0.0])
    assert made.answer(discover(key=999)) is None
    assert made.answer(discover(mac=PORTS["web2"].mac)) is None
    assert (made.counts["unknown"], made.counts["silent"], made.counts["broken"]) == (1, 1, 0)


def test_one_port_that_asks_too_often_takes_nothing_from_another() -> None:
    now = [0.0]
    made = services(now)
    answered = sum(made.answer(discover()) is not None for _ in range(200))
    assert answered == 100 and made.counts["limited"] == 100
    assert made.answer(discover("web2")) is not None
    now[0] = 1.0
    assert made.answer(discover()) is not None


def test_other_packets_are_not_its_concern() -> None:
    made = services([0.0])
    assert made.concerns(discover()) and not made.concerns(discover(cookie=2))


def solicitation(**how: object) -> bytes:
    ether = Ether(src="02:00:00:00:00:11", dst="33:33:00:00:00:02")
    said = ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:11")
    return bytes(ether / IPv6(**{"src": "fe80::11", "dst": "ff02::2", **how}) / said)


def test_only_right_solicitations_are_taken_for_such() -> None:
    right = solicitation()
    assert is_solicitation(right)
    assert not is_solicitation(solicitation(hlim=64))
    assert not is_solicitation(solicitation(src="::"))
    assert not is_solicitation(right[:-1])
    assert not is_solicitation(right[:-1] + b"\x12")
    assert not any(is_solicitation(right[:end]) for end in range(len(right)))


def said(
    advertising: Advertising, now: float, network: Network = NETWORK, local: str = "web1 db2"
) -> list[str]:
    """Who says at this time that it is there, with how long it stays a router."""
    ports = {f"shop/{name}" for name in local.split()}
    found = advertising.due(compile_services(network, IDS), MTUS, ports, now)
    assert all("resubmit(,32)" in one.actions for one in found)
    frames = [Ether(one.frame) for one in found]
    assert all(one[IPv6].hlim == 255 and one.dst == "33:33:00:00:00:01" for one in frames)
    macs = {port.mac: port.name for router in NETWORK.routers for port in router.ports}
    return [f"{macs[one.src]} {one[ICMPv6ND_RA].routerlifetime}" for one in frames]


BOTH = ["core-db 1800", "core-web 1800"]


def test_routers_say_where_a_workload_is_that_they_are_there_first_often_then_now_and_then() -> None:
    one = Advertising()
    times = [now for now in range(700) if said(one, float(now))]
    assert times == [0, 16, 32, 232, 432, 632]
    assert said(Advertising(), 0.0, local="web1") == ["core-web 1800"]


def test_a_change_and_a_new_workload_are_told_soon() -> None:
    one = Advertising()
    assert sorted(said(one, 0.0)) == BOTH
    assert said(one, 1.0, local="web1 web2 db2") == []
    assert said(one, 3.0, local="web1 web2 db2") == ["core-web 1800"]
    managed = {"core-web": "dhcpv6"}
    assert said(one, 6.0, with_ra(managed), "web1 web2 db2") == ["core-web 1800"]


def test_a_router_that_stops_says_so_once() -> None:
    one = Advertising()
    assert sorted(said(one, 0.0)) == BOTH
    silent = with_ra({"core-web": "off"})
    assert said(one, 1.0, silent) == ["core-web 0"]
    assert said(one, 2.0, silent) == []


def test_what_ends_with_a_version_is_said_by_the_numbers_of_the_next_one() -> None:
    """The flows of the former version go a moment after it, and would no longer take the packet anywhere."""
    one, former = Advertising(), {"shop/web1"}
    one.due(compile_services(NETWORK, IDS), MTUS, former, 0.0)
    later = versioned(IDS, 1)
    [last] = one.due(compile_services(with_ra({"core-web": "off"}), later), MTUS, former, 0.5)
    assert Ether(last.frame)[ICMPv6ND_RA].routerlifetime == 0
    assert f"set_field:{later.datapaths['shop/web']:#x}->metadata" in last.actions
    assert later.datapaths != IDS.datapaths


def with_ra(modes: dict[str, str]) -> Network:
    [router] = NETWORK.routers
    ports = tuple(replace(one, ra=modes.get(one.name, one.ra)) for one in router.ports)
    return replace(NETWORK, routers=(replace(router, ports=ports),))


@pytest.mark.parametrize(
    "text", ["DHCP of shop/web", "DHCPv6 of a/b", "DNS of a/b", "router advertisement of a/b"]
)
def test_reasons_of_services_are_known(text: str) -> None:
    made = Services(lambda: 0.0)
    made.configure((), {(11, 1): text, (11, 2): "reject", (20, 1): "ttl-exceeded"}, {})
    assert made.concerns(discover()) and not made.concerns(discover(cookie=2))
