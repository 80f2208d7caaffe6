"""Random conversations through translations: who is asked answers, and is heard as who was asked.

Two networks have the same inside, the same addresses too, and hold the same conversations.
"""

from __future__ import annotations

from ipaddress import ip_address
from struct import unpack_from
from typing import NamedTuple

from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from memory_lab import MemoryLab
from memory_node import Delivered, Hop
from msgspec.structs import replace

from tulle._native import emit_frame
from tulle.controller.frame import frame_match
from tulle.logical import parse_file, parse_match
from tulle.values import LabFile, Network

NODES = """nodes:
  - {{name: node1, address: 172.31.0.1, encapsulations: [{}]}}
  - {{name: node2, address: 172.31.0.2, encapsulations: [{}]}}
  - {{name: node3, address: 172.31.0.3, encapsulations: [{}]}}
"""
SPEAKS = ("stt, vxlan", "vxlan", "geneve, vxlan")
TEXT = """networks:
  - name: red
    switches:
      - {{name: outside, subnets: [192.0.2.0/24, "2001:db8::/64"]}}
      - {{name: far, subnets: [198.51.100.0/24, "2001:db8:1::/64"]}}
      - {{name: web, subnets: [10.0.1.0/24, "fd00:1::/64"]}}
      - {{name: db, subnets: [10.0.2.0/24, "fd00:2::/64"]}}
    routers:
      - name: edge
        ports:
          - {{switch: outside, addresses: [192.0.2.1/24, "2001:db8::1/64"]}}
          - {{switch: web, addresses: [10.0.1.1/24, "fd00:1::1/64"]}}
          - {{switch: db, addresses: [10.0.2.1/24, "fd00:2::1/64"]}}
        routes:
          - {{prefix: 198.51.100.0/24, next_hop: 192.0.2.2}}
          - {{prefix: "2001:db8:1::/64", next_hop: "2001:db8::2"}}
        nat:
          - {{name: web, kind: snat, external: 192.0.2.1, logical: 10.0.1.0/24}}
          - {{name: all, kind: snat, external: 192.0.2.9, logical: 0.0.0.0/0}}
          - {{name: six, kind: snat, external: "2001:db8::1", logical: "::/0"}}
          - {{name: own, kind: dnat-and-snat, external: 192.0.2.25, logical: 10.0.1.12}}
          - {{name: six-in, kind: dnat, external: "2001:db8::25", logical: "fd00:1::12"}}
      - name: beyond
        ports:
          - {{switch: outside, addresses: [192.0.2.2/24, "2001:db8::2/64"]}}
          - {{switch: far, addresses: [198.51.100.1/24, "2001:db8:1::1/64"]}}
        routes:
          - {{prefix: 10.0.0.0/16, next_hop: 192.0.2.1}}
          - {{prefix: "fd00::/16", next_hop: "2001:db8::1"}}
    ports:
      - {{name: o1, switch: outside, node: {0}, addresses: [192.0.2.11, "2001:db8::11"]}}
      - {{name: o2, switch: outside, node: {1}, addresses: [192.0.2.12, "2001:db8::12"]}}
      - {{name: f1, switch: far, node: {2}, addresses: [198.51.100.11, "2001:db8:1::11"]}}
      - {{name: w1, switch: web, node: {3}, addresses: [10.0.1.11, "fd00:1::11"]}}
      - {{name: w2, switch: web, node: {4}, addresses: [10.0.1.12, "fd00:1::12"]}}
      - {{name: d1, switch: db, node: {5}, addresses: [10.0.2.11, "fd00:2::11"]}}
    load_balancers:
      - {{name: shop, router: edge, protocol: {6}, vips: [192.0.2.80, "2001:db8::80"], dport: 80,
         affinity: {7}, affinity_s: {8}, backends: [{{port: w1, dport: 8080}}, {{port: w2}}, {{port: d1}}]}}
      - {{name: inner, switch: web, protocol: {6}, vips: [10.0.1.80, "fd00:1::80"], dport: 80,
         affinity: {7}, backends: [{{port: w1, dport: 8081}}, {{port: d1, dport: 8082}}]}}
"""
OUTSIDE = {"o1", "o2", "f1"}
SHOP, INNER = {"w1", "w2", "d1"}, {"w1", "d1"}
# Who may be sent what goes to these.
TRANSLATED = {
    "192.0.2.80": SHOP,
    "2001:db8::80": SHOP,
    "10.0.1.80": INNER,
    "fd00:1::80": INNER,
    "192.0.2.25": {"w2"},
    "2001:db8::25": {"w2"},
}
# By which address those outside know these.
KNOWN = {"10.0.1.11": "192.0.2.1", "10.0.1.12": "192.0.2.25", "10.0.2.11": "192.0.2.9"}


class Heard(NamedTuple):
    """What a frame says of its ends."""

    source: str
    source_port: int
    target: str
    target_port: int


def heard(frame: bytes) -> Heard:
    six = frame[12:14] == b"\x86\xdd"
    at, size, ports = (22, 16, 54) if six else (26, 4, 34)
    ends = [str(ip_address(frame[one : one + size])) for one in (at, at + size)]
    numbers = unpack_from("!HH", frame, ports)
    return Heard(ends[0], numbers[0], ends[1], numbers[1])


def arrived(hops: list[Hop]) -> list[Delivered]:
    return [end for hop in hops for end in hop.ends if isinstance(end, Delivered)]


@st.composite
def labs(draw: st.DrawFn) -> LabFile:
    nodes = [draw(st.sampled_from(("node1", "node2", "node3"))) for _ in range(6)]
    speaks = [draw(st.sampled_from(SPEAKS)) for _ in range(3)]
    how = [draw(st.sampled_from(some)) for some in (("tcp", "udp"), ("connection", "source"), (0, 60))]
    document = parse_file(NODES.format(*speaks) + TEXT.format(*nodes, *how), "random")
    (red,) = document.networks
    return replace(document, networks=(replace(red, name="blue"), red))


class Conversations:
    """One network; `hold` lets two workloads speak and says what was wrong."""

    def __init__(self, network: Network, lab: MemoryLab) -> None:
        self.network, self.lab = network, lab
        self.protocol = self.network.load_balancers[0].protocol
        self.addresses = {port.name: port.addresses for port in self.network.ports}

    def send(self, port: str, text: str, flags: str) -> list[Delivered]:
        words = frame_match(self.network, port, parse_match(f"{self.protocol},{text}"))
        frame = emit_frame(words + (f",tcp_flags={flags}" if self.protocol == "tcp" else ""), b"hello")
        return arrived(self.lab.send(f"{self.network.name}/{port}", frame))

    def hold(self, client: str, target: str, sport: int) -> None:
        own = next(one for one in self.addresses[client] if (":" in one) == (":" in target))
        asked = f"src={own},dst={target},sport={sport},dport=80"
        for flags in ("+syn", "+syn"):  # Perhaps the first one was lost.
            found = self.send(client, asked, flags)
            assert len(found) == 1, (client, asked, found)
        server, request = found[0].port.removeprefix(f"{self.network.name}/"), heard(found[0].frame)
        assert server in self.may_serve(target), (client, asked, server)
        assert request.source == self.seen(client, own, server, target), (client, asked, request)
        event(
            f"{target} from {'itself' if server == client else 'outside' if client in OUTSIDE else 'inside'}"
        )
        back = f"src={request.target},dst={request.source},sport={request.target_port},dport={request.source_port}"
        answers = self.send(server, back, "+syn+ack")
        assert [one.port for one in answers] == [f"{self.network.name}/{client}"], (
            client,
            asked,
            request,
            answers,
        )
        assert heard(answers[0].frame) == Heard(target, 80, own, sport), (client, asked, request)

    def may_serve(self, target: str) -> set[str]:
        owners = {name for name, own in self.addresses.items() if target in own}
        return TRANSLATED.get(target, owners)

    def seen(self, client: str, own: str, server: str, target: str) -> str:
        if server == client:
            return target
        if server in OUTSIDE and client not in OUTSIDE:
            return "2001:db8::1" if ":" in own else KNOWN[own]
        return own


def targets_of(client: str, network: Network) -> list[str]:
    """What a workload may ask for: a virtual IP on a switch only from there."""
    plain = [one for port in network.ports if port.name != client for one in port.addresses]
    near = client.startswith("w")
    return plain + [one for one in TRANSLATED if near or TRANSLATED[one] is not INNER]


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(labs(), st.data())
def test_who_was_asked_is_heard(document: LabFile, data: st.DataObject) -> None:
    lab = MemoryLab(document)
    talks = [Conversations(network, lab) for network in document.networks]
    for _ in range(16):
        talk = data.draw(st.sampled_from(talks))
        client = data.draw(st.sampled_from(sorted(talk.addresses)))
        target = data.draw(st.sampled_from(targets_of(client, talk.network)))
        # A port number of its own for each way to a server: see the limits in the reference.
        sport = data.draw(st.sampled_from((40000, 40001))) + 10 * sorted(
            (*TRANSLATED, *(one for own in talk.addresses.values() for one in own))
        ).index(target)
        talk.hold(client, target, sport)
