"""Questions to the services of a network, and their answers in words: by scapy, not by the product.

dhcp PORT discover|request ADDRESS|inform ADDRESS
dhcpv6 PORT solicit|request|confirm ADDRESS
dns PORT NAME TYPE [SERVER]
router PORT        a router solicitation
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import (
    DUID_LL,
    DHCP6_Confirm,
    DHCP6_Request,
    DHCP6_Solicit,
    DHCP6OptClientId,
    DHCP6OptIA_NA,
    DHCP6OptIAAddress,
    DHCP6OptServerId,
)
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import ICMPv6ND_RS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import Ether
from scapy.utils6 import in6_mactoifaceid

from tulle.values import LogicalPort, Network

OPTIONS = (
    "message-type",
    "server_id",
    "lease_time",
    "subnet_mask",
    "router",
    "name_server",
    "hostname",
    "domain",
    "interface-mtu",
    "classless_static_routes",
)
KINDS = {1: "discover", 2: "offer", 3: "request", 5: "ack", 6: "nak"}
TRANSACTION = 0x70001
UNSAID = [
    "cksum",
    "optlen",
    "len",
    "type",
    "optcode",
    "msgtype",
    "res",
    "res1",
    "res2",
    "ianaopts",
    "trid",
    "reserved",
]


def link_local(mac: str) -> str:
    """The address that a workload has before it has any other."""
    return str(ip_address(f"fe80::{in6_mactoifaceid(mac)}".lower()))


def dhcp(port: LogicalPort, words: list[str]) -> bytes:
    """A client's message of DHCPv4."""
    kind, *rest = words
    options: list[Any] = [("message-type", kind)]
    client = "0.0.0.0"
    if kind == "request":
        options.append(("requested_addr", rest[0]))
    elif rest:
        client = rest[0]
    boot = BOOTP(chaddr=bytes.fromhex(port.mac.replace(":", "")), xid=TRANSACTION, ciaddr=client)
    to_all = Ether(src=port.mac, dst="ff:ff:ff:ff:ff:ff") / IP(src=client, dst="255.255.255.255")
    return bytes(to_all / UDP(sport=68, dport=67) / boot / DHCP(options=[*options, "end"]))


def dhcpv6(port: LogicalPort, words: list[str], server: bytes | None = None) -> bytes:
    """A client's message of DHCPv6; `server` is the DUID of whom it asks."""
    kind, *rest = words
    made = {"solicit": DHCP6_Solicit, "request": DHCP6_Request, "confirm": DHCP6_Confirm}[kind]
    said = made(trid=TRANSACTION) / DHCP6OptClientId(duid=DUID_LL(lladdr=port.mac))
    if server is not None:
        said /= DHCP6OptServerId(duid=DUID_LL(server))
    said /= DHCP6OptIA_NA(iaid=1, ianaopts=[DHCP6OptIAAddress(addr=one) for one in rest])
    sent = IPv6(src=link_local(port.mac), dst="ff02::1:2") / UDP(sport=546, dport=547) / said
    return bytes(Ether(src=port.mac, dst="33:33:00:01:00:02") / sent)


def dns(network: Network, port: LogicalPort, words: list[str]) -> bytes:
    """A question to the server of the port's switch, or to the one that is named."""
    name, kind, *rest = words
    router = next((p for r in network.routers for p in r.ports if p.switch == port.switch), None)
    switch = next(one for one in network.switches if one.name == port.switch)
    server = (
        rest[0] if rest else (router.addresses[0].split("/")[0] if router else switch.service_addresses[0])
    )
    own = next(one for one in port.addresses if (":" in one) == (":" in server))
    head = IPv6(src=own, dst=server) if ":" in server else IP(src=own, dst=server)
    from tulle.logical.serving import server_of

    mac = server_of(network, switch).mac
    question = DNS(id=7, rd=1, qd=DNSQR(qname=name, qtype=kind))
    return bytes(Ether(src=port.mac, dst=mac) / head / UDP(sport=40000, dport=53) / question)


def solicitation(port: LogicalPort) -> bytes:
    """What a kernel asks when its interface comes up."""
    said = ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr=port.mac)
    return bytes(
        Ether(src=port.mac, dst="33:33:00:00:00:02") / IPv6(src=link_local(port.mac), dst="ff02::2") / said
    )


def service_lines(frame: bytes) -> list[str]:
    """What an answer of a service says; nothing for other frames."""
    packet = Ether(frame)
    if DHCP in packet:
        return [*_dhcp_lines(packet)]
    if IPv6 in packet and UDP in packet and packet[UDP].sport == 547:
        return [*_layers(packet[UDP].payload)]
    if IPv6 in packet and packet[IPv6].nh == 58 and bytes(packet[IPv6].payload)[0] == 134:
        return [*_layers(packet[IPv6].payload)]
    if DNS in packet and packet[UDP].sport == 53:
        return [*_dns_lines(packet[DNS])]
    return []


def _dhcp_lines(packet: Any) -> Iterator[str]:
    options = dict(
        one[:2] if len(one) == 2 else (one[0], list(one[1:]))
        for one in packet[DHCP].options
        if isinstance(one, tuple)
    )
    yield f"{KINDS[options['message-type']]} {packet[BOOTP].yiaddr}"
    yield ", ".join(f"{name} {_text(options[name])}" for name in OPTIONS[1:] if name in options)


def _dns_lines(said: Any) -> Iterator[str]:
    codes = {0: "no error", 3: "no such name", 4: "not implemented", 5: "refused"}
    yield f"{codes[said.rcode]}{', authoritative' if said.aa else ''}"
    for record in said.an or ():
        kind = {1: "A", 28: "AAAA", 12: "PTR"}[record.type]
        yield f"{_text(record.rrname)} {kind} {_text(record.rdata)}"


def _layers(layer: Any) -> Iterator[str]:
    """Each header or option with its fields, but for checksums and lengths."""
    while layer:
        shown = ", ".join(f"{key} {_text(value)}" for key, value in layer.fields.items() if _matters(key))
        yield f"{layer.name}: {shown}"
        for inner in layer.fields.get("ianaopts", ()):
            yield f"  {inner.name}: {inner.addr if hasattr(inner, 'addr') else _text(inner.statuscode)}"
        layer = layer.payload


def _matters(key: str) -> bool:
    return key not in UNSAID


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return " ".join(map(_text, value)) if isinstance(value, list) else str(value)
