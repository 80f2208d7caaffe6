"""Random chains over random nodes: each packet passes the appliances in order, once, and arrives as it was sent.

The same holds in a later version of the network, and in one whose packets may be translated.
"""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_lab import MemoryLab
from memory_node import Delivered, Hop
from msgspec.structs import replace
from versioned_lab import VersionedLab

from tulle._native import emit_frame
from tulle.controller.frame import frame_match
from tulle.logical import parse_match, problems
from tulle.logical.chains import mirrored
from tulle.values import (
    Acl,
    Appliance,
    Backend,
    Chain,
    LabFile,
    LoadBalancer,
    LogicalPort,
    LogicalRouter,
    LogicalSwitch,
    Network,
    Node,
    RouterPort,
)

SETTINGS = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
SPOKEN = (("stt",), ("vxlan",), ("geneve",), ("gre",), ("stt", "vxlan"), ("geneve", "vxlan"))
ADDRESSES = {"a": "10.0.1.11", "b": "10.0.1.12", "c": "10.0.2.11"}
NODES = st.sampled_from(("node1", "node2", "node3"))
APPLIANCES = ("one", "two")
PASSES_MAX = 12
VIP = "10.0.2.80"
SYN, SYN_ACK = ",tcp_flags=+syn", ",tcp_flags=+syn+ack"
ACLS = tuple(
    Acl(f"{direction}-{switch}", direction, 10, parse_match("tcp,dport=80"), "allow-related", switch)
    for direction in ("from-port", "to-port")
    for switch in ("left", "right")
)
"""Connections are tracked at each port, so a packet that is asked about twice, or never, would be noticed."""


@st.composite
def documents(draw: st.DrawFn) -> tuple[LabFile, Chain]:
    """A network of three ports, two appliances and a chain, somewhere."""
    common = draw(st.sampled_from(SPOKEN))
    speaks = [
        draw(st.sampled_from([common, *[one for one in SPOKEN if set(one) & set(common)]])) for _ in "123"
    ]
    nodes = tuple(
        Node(f"node{at}", f"192.0.2.{at}", tuple(dict.fromkeys((*own, *common))))
        for at, own in enumerate(speaks, 1)
    )
    ports = [
        LogicalPort(name, "left" if address < "10.0.2" else "right", mac_of(name), (address,), draw(NODES))
        for name, address in ADDRESSES.items()
    ]
    listens = draw(st.booleans())
    for at, name in enumerate(APPLIANCES):
        home, sides = draw(NODES), ("in",) if listens and name == "two" else ("in", "out")
        ports += [
            LogicalPort(f"{name}-{side}", "services", f"02:00:00:00:0{at}:0{key}", (), home, interface=side)
            for key, side in enumerate(sides)
        ]
    appliances = (
        Appliance("one", "one-in", "one-out"),
        Appliance("two", "two-in", None if listens else "two-out"),
    )
    place = draw(st.sampled_from(("port", "switch")))
    chain = Chain(
        "guard",
        draw(st.sampled_from(("from-port", "to-port"))),
        parse_match("tcp,dport=80"),
        "closed",
        draw(st.sampled_from((("one",), ("one", "two"), ("two", "one")))),
        "left" if place == "switch" else None,
        "b" if place == "port" else None,
    )
    routers = (
        LogicalRouter(
            "core",
            (
                RouterPort("core-left", "left", "02:00:00:00:99:01", ("10.0.1.1/24",)),
                RouterPort("core-right", "right", "02:00:00:00:99:02", ("10.0.2.1/24",)),
            ),
        ),
    )
    switches = (
        LogicalSwitch("left", ("10.0.1.0/24",)),
        LogicalSwitch("right", ("10.0.2.0/24",)),
        LogicalSwitch("services"),
    )
    network = Network("red", switches, routers, tuple(ports), appliances=appliances, chains=(chain,))
    if draw(st.booleans()):
        network = replace(network, acls=ACLS, default_deny=("from-port", "to-port"))
    return LabFile((network,), nodes), chain


def mac_of(name: str) -> str:
    return f"02:00:00:00:88:0{'abc'.index(name)}"


def walk(lab: MemoryLab, port: str, frame: bytes) -> tuple[list[str], list[tuple[str, bytes]]]:
    """Where a frame goes while appliances hand it through: their ports as they are entered, and all that arrives."""
    entered: list[str] = []
    arrived: list[tuple[str, bytes]] = []
    waiting = [(port, frame)]
    while waiting:
        for name, got in delivered(lab.send(*waiting.pop())):
            short = name.removeprefix("red/")
            if short in ADDRESSES:
                arrived.append((short, got))
                continue
            entered.append(short)
            assert len(entered) < PASSES_MAX, entered
            other = f"{short[:-2]}out" if short.endswith("-in") else f"{short[:-3]}in"
            if not is_listener(lab, short):
                waiting.append((f"red/{other}", got))
    return entered, arrived


def delivered(hops: list[Hop]) -> list[tuple[str, bytes]]:
    return [(end.port, end.frame) for hop in hops for end in hop.ends if isinstance(end, Delivered)]


def is_listener(lab: MemoryLab, port: str) -> bool:
    return any(port == one.inlet and one.listens for one in lab.networks["red"].appliances)


def expected(lab: MemoryLab, chain: Chain, source: str, target: str, is_forward: bool) -> list[str]:
    """The ports of appliances that a packet enters: there by `in`, back by `out` and in reverse order."""
    at = {chain.port} if chain.port else {"a", "b"}
    # The place of a packet is where it leaves a port or enters one, whichever the chain is about.
    place = source if (chain.direction == "from-port") == is_forward else target
    if place not in at:
        return []
    found = {one.name: one for one in lab.networks["red"].appliances}
    names = chain.appliances if is_forward else chain.appliances[::-1]
    return [
        found[name].inlet if is_forward or found[name].listens else found[name].outlet or "" for name in names
    ]


def turned(document: LabFile) -> VersionedLab:
    """The network after it has got its chains in a new version."""
    (network,) = document.networks
    lab = VersionedLab(replace(document, networks=(without_chains(network),)))
    lab.want((network,))
    for _ in range(4):
        for node in lab.nodes:
            lab.hear(node)
        lab.lead()
        lab.pass_time()
    assert lab.versions == {"red": 1} and all(map(lab.is_settled, lab.nodes))
    return lab


@SETTINGS
@given(documents(), st.sampled_from(("ab", "ba", "bc", "cb", "ac", "ca")), st.booleans())
def test_a_packet_and_its_answer_pass_the_chain_in_opposite_order_and_arrive_unchanged(
    drawn: tuple[LabFile, Chain], ends: str, is_turned: bool
) -> None:
    document, chain = drawn
    assert problems(document.networks[0]) == []
    lab = turned(document) if is_turned else MemoryLab(document)
    bare = MemoryLab(LabFile((without_chains(document.networks[0]),), document.nodes))
    there = parse_match(f"tcp,src={ADDRESSES[ends[0]]},dst={ADDRESSES[ends[1]]},sport=40000,dport=80")
    for match, source, target, is_forward in ((there, *ends, True), (mirrored(there), *ends[::-1], False)):
        frame = emit_frame(frame_match(lab.networks["red"], source, match))
        entered, arrived = walk(lab, f"red/{source}", frame)
        assert entered == expected(lab, chain, source, target, is_forward)
        assert arrived == walk(bare, f"red/{source}", frame)[1] and [name for name, _ in arrived] == [target]


@SETTINGS
@given(documents(), st.sampled_from("ac"), st.booleans())
def test_a_chain_before_a_backend_sees_it_under_its_own_address_and_the_client_does_not(
    drawn: tuple[LabFile, Chain], client: str, is_turned: bool
) -> None:
    document, chain = drawn
    chain = replace(chain, direction="to-port", port="b", switch=None)
    shop = LoadBalancer("shop", "tcp", (VIP,), 80, (Backend(port="b"),), router="core")
    network = replace(document.networks[0], chains=(chain,), load_balancers=(shop,))
    assert problems(network) == []
    document = replace(document, networks=(network,))
    lab = turned(document) if is_turned else MemoryLab(document)
    there = parse_match(f"tcp,src={ADDRESSES[client]},dst={VIP},sport=40000,dport=80")
    entered, arrived = walk(lab, f"red/{client}", emit_frame(frame_match(network, client, there) + SYN))
    assert entered == expected(lab, chain, client, "b", is_forward=True)
    assert [(name, addresses_of(frame)) for name, frame in arrived] == [
        ("b", (ADDRESSES[client], ADDRESSES["b"]))
    ]
    back = parse_match(f"tcp,src={ADDRESSES['b']},dst={ADDRESSES[client]},sport=80,dport=40000")
    entered, arrived = walk(lab, "red/b", emit_frame(frame_match(network, "b", back) + SYN_ACK))
    assert entered == expected(lab, chain, "b", client, is_forward=False)
    assert [(name, addresses_of(frame)) for name, frame in arrived] == [(client, (VIP, ADDRESSES[client]))]


def addresses_of(frame: bytes) -> tuple[str, str]:
    """Source and destination of an IPv4 packet."""
    return str(ip_address(frame[26:30])), str(ip_address(frame[30:34]))


def without_chains(network: Network) -> Network:
    return replace(network, appliances=(), chains=())
