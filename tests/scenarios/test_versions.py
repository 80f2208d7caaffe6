"""While a network goes over to its next version, no packet meets a mix, whoever hears of it when."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from memory_lab import MemoryLab
from msgspec.structs import replace
from random_networks import all_nodes, networks, packets
from versioned_lab import Judge, Packet, VersionedLab

from tulle._native import emit_frame
from tulle.controller.frame import frame_match
from tulle.errors import InvalidInput
from tulle.logical import parse_match
from tulle.values import Acl, LabFile, LogicalPort, LogicalSwitch, Match, Network, Turn

NODES = all_nodes([("stt",)] * 3)
STEPS_MAX = 200
WALK = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)


def acl(direction: str, port: str) -> Acl:
    return Acl("no-echo", direction, 10, parse_match("udp,dport=7"), "drop", None, port)


def pair() -> tuple[Network, Network]:
    """Both drop the same packet from a to b: the old one where it enters, the new one where it leaves."""
    ports = tuple(
        LogicalPort(name, "lan", f"02:00:00:00:00:0{at}", (f"10.0.0.{at}",), f"node{at}")
        for at, name in enumerate(("a", "b", "c"), 1)
    )
    bare = Network("red", (LogicalSwitch("lan", ("10.0.0.0/24",)),), (), ports)
    return replace(bare, acls=(acl("from-port", "a"),)), replace(bare, acls=(acl("to-port", "b"),))


def probes(network: Network, *said: tuple[str, str]) -> tuple[Packet, ...]:
    return tuple(
        (f"{network.name}/{port}", emit_frame(frame_match(network, port, parse_match(match))))
        for port, match in said
    )


def turned(
    lab: VersionedLab,
    judge: Judge,
    new: tuple[Network, ...],
    random: Random,
    *,
    atomic: bool = True,
    mortal: bool = False,
) -> list[Turn]:
    """Bring all nodes to `new` in some order, and look at any moment; the turns that there were."""
    for node in lab.nodes.values():
        node.between = lambda: random.random() < 0.1 and judge.look(hold=random.random() < 0.5)
    lab.want(new, atomic=atomic)
    turns = []
    for _ in range(STEPS_MAX):
        node = random.choice(list(lab.nodes))
        if mortal and random.random() < 0.3:
            lab.die(node)
        lab.hear(node)
        judge.look(hold=random.random() < 0.5)
        if random.random() < 0.5 and lab.lead():
            turns.append(dict(lab.turns))
        if random.random() < 0.5:
            judge.land()
            lab.pass_time()
    judge.land()
    assert all(lab.is_settled(node) for node in lab.nodes)
    return turns


def judged(old: Network, new: Network, said: tuple[Packet, ...], nodes=NODES) -> tuple[VersionedLab, Judge]:
    lab = VersionedLab(LabFile((old,), nodes))
    judge = Judge(lab, MemoryLab(LabFile((old,), nodes)), MemoryLab(LabFile((new,), nodes)), said)
    return lab, judge


SAID = (
    ("a", "udp,dst=10.0.0.2,dport=7"),
    ("a", "udp,dst=10.0.0.3,dport=7"),
    ("c", "udp,dst=10.0.0.2,dport=7"),
    ("a", "udp,dst=10.0.0.2,dport=9"),
    ("c", "udp,dst=10.0.0.1,dport=9"),
)


@pytest.mark.parametrize("carrier", ["stt", "gre"])
@pytest.mark.parametrize("seed", range(5))
def test_what_both_drop_at_different_ends_never_gets_through(seed: int, carrier: str) -> None:
    old, new = pair()
    lab, judge = judged(old, new, probes(old, *SAID), all_nodes([(carrier,)] * 3))
    turned(lab, judge, (new,), Random(seed))
    assert judge.telling == 2
    assert judge.wrong == []
    assert lab.turns == {"red": replace(lab.turns["red"], stamped=1, former=(), behind={})}


@pytest.mark.parametrize("carrier", ["vxlan", "geneve", "nvgre"])
def test_where_tunnels_carry_no_version_what_nothing_touches_still_arrives(carrier: str) -> None:
    """Each node handles a packet in one version; two nodes may do so in different ones for a moment."""
    old, new = pair()
    lab, judge = judged(old, new, probes(old, *SAID[3:]), all_nodes([(carrier,)] * 3))
    turned(lab, judge, (new,), Random(1))
    assert judge.wrong == []
    after = Judge(lab, *[MemoryLab(LabFile((new,), all_nodes([(carrier,)] * 3)))] * 2, probes(new, *SAID))
    after.look()
    assert after.wrong == []


def test_without_versions_it_gets_through() -> None:
    old, new = pair()
    lab, judge = judged(old, new, probes(old, *SAID))
    for seed in range(5):
        turned(lab, judge, ((new, old)[seed % 2],), Random(seed), atomic=False)
    assert any("from red/a: ['red/b']" in one for one in judge.wrong), judge.wrong


def test_a_packet_under_way_finds_the_flows_of_its_version_until_it_must_have_arrived() -> None:
    old, _ = pair()
    new = replace(old, acls=())
    lab, judge = judged(old, new, probes(old, SAID[3]))
    lab.want((new,))
    for late in (False, True):
        judge.look(hold=True)
        for _ in range(2):  # all prepare, then all stamp
            for node in lab.nodes:
                lab.hear(node)
            assert lab.lead()
        assert lab.turns["red"].former == ()
        for _ in range(2):
            for node in lab.nodes:
                lab.hear(node)
            if late:
                lab.pass_time()
        judge.land()
        assert bool(judge.wrong) == late, judge.wrong
        lab.pass_time()
        for node in lab.nodes:
            lab.hear(node)
        lab.want((old,))


def test_afterwards_there_are_as_many_flows_as_before() -> None:
    old, _ = pair()
    lab, judge = judged(old, replace(old, acls=()), probes(old, *SAID))
    before = {node: len(flows) for node, flows in lab.flows().items()}
    turned(lab, judge, (replace(old, acls=()),), Random(1))
    turned(lab, judge, (old,), Random(2))
    assert {node: len(flows) for node, flows in lab.flows().items()} == before
    assert lab.versions == {"red": 2}


def test_the_numbers_of_versions_begin_again_after_the_last_one() -> None:
    old, new = pair()
    lab, judge = judged(old, new, probes(old, *SAID))
    lab.versions["red"], lab.turns["red"] = 254, Turn(254)
    for node in lab.nodes:
        lab.hear(node)
    for seed in range(4):
        lab.want(((new, old)[seed % 2],))
        for _ in range(4):
            for node in lab.nodes:
                lab.hear(node)
                judge.look()
            lab.lead()
            lab.pass_time()
        assert all(lab.is_settled(node) for node in lab.nodes)
    assert judge.wrong == []
    assert lab.versions == {"red": 2}


@WALK
@given(st.data())
def test_every_packet_meets_the_old_or_the_new_network_alone(data: st.DataObject) -> None:
    old = data.draw(networks("red"))
    new = data.draw(st.one_of(networks("red").map(lambda other: at_home(other, old)), turned_round(old)))
    said = [(one, *data.draw(packets(one))) for one in (old, new) for _ in range(3)]
    stay = {port.name for port in old.ports if port.node} & {port.name for port in new.ports if port.node}
    frames = tuple(
        frame for network, port, match in said if port in stay for frame in built(network, port, match)
    )
    carriers = all_nodes([(data.draw(st.sampled_from(("stt", "gre"))),)] * 3)
    lab, judge = judged(old, new, frames, carriers)
    turned(lab, judge, (new,), Random(data.draw(st.integers(0, 1000))))
    assert judge.wrong == []


@WALK
@given(st.data())
def test_an_agent_that_begins_anew_at_any_moment_leaves_no_packet_to_a_mix(data: st.DataObject) -> None:
    old = data.draw(networks("red"))
    new = data.draw(turned_round(old))
    said = [data.draw(packets(old)) for _ in range(5)]
    frames = tuple(frame for port, match in said for frame in built(old, port, match))
    lab, judge = judged(old, new, frames)
    judge.spare_errors()
    turned(lab, judge, (new,), Random(data.draw(st.integers(0, 1000))), mortal=True)
    assert judge.wrong == []


def test_a_node_that_does_not_follow_is_gone_on_without_and_keeps_its_traffic() -> None:
    old, new = pair()
    said = probes(old, ("a", "udp,dst=10.0.0.3,dport=9"), ("c", "udp,dst=10.0.0.1,dport=9"))
    lab, judge = judged(old, new, said)
    lab.want((new,))
    for late in ((), ("node3",), ("node3",), ("node3",)):
        for node in ("node1", "node2"):
            lab.hear(node)
            judge.look()
        lab.lead(late)
        lab.pass_time()
    assert lab.turns == {"red": Turn(1, (), {"node3": 0})}
    for _ in range(3):
        for node in lab.nodes:
            lab.hear(node)
            judge.look()
        lab.lead()
    lab.pass_time()
    for node in lab.nodes:
        lab.hear(node)
        judge.look()
    assert judge.wrong == []
    assert lab.turns == {"red": Turn(1)} and all(map(lab.is_settled, lab.nodes))


def at_home(network: Network, old: Network) -> Network:
    """A network whose ports are at the nodes where they were: moves are another matter."""
    homes = {port.name: port.node for port in old.ports}
    return replace(
        network, ports=tuple(replace(one, node=homes.get(one.name, one.node)) for one in network.ports)
    )


@st.composite
def turned_round(draw: st.DrawFn, old: Network) -> Network:
    """The same network with ACLs that apply at the other end, or not at all."""
    other = {"from-port": "to-port", "to-port": "from-port"}
    kept = [one for one in old.acls if draw(st.booleans())]
    return replace(
        old,
        acls=tuple(
            replace(one, direction=other[one.direction]) if draw(st.booleans()) else one for one in kept
        ),
    )


def built(network: Network, port: str, match: Match) -> tuple[Packet, ...]:
    """The frame, if the workload would know where to send it."""
    try:
        return ((f"red/{port}", emit_frame(frame_match(network, port, match))),)
    except InvalidInput:
        return ()
