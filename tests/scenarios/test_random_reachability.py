"""Random packets through random networks: what happens is what the network says, on all nodes."""

from __future__ import annotations

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from memory_lab import MemoryLab
from memory_node import Delivered, Dropped, Hop, Punted
from random_networks import NODE_SETS, networks, packets
from reach_model import LOOP, Model, Packet

from tulle._native import emit_frame
from tulle.controller.frame import frame_match
from tulle.errors import InvalidInput
from tulle.values import LabFile, Network, Node

SETTINGS = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
BROADCAST = "udp,dl_dst=ff:ff:ff:ff:ff:ff,nw_dst=255.255.255.255,udp_dst=53"


def before_the_agent(hops: list[Hop]) -> list[Hop]:
    """The way of the packet itself, without that of the agent's answer to it."""
    until = next((at for at, hop in enumerate(hops) if hop.entered == "agent"), len(hops))
    return hops[:until]


def fate(hops: list[Hop], network: str) -> str:
    """What happened, in the words of the model."""
    ends = [end for hop in before_the_agent(hops) for end in hop.ends]
    said = []
    for end in ends:
        match end:
            case Delivered(port, _):
                said.append(f"delivered to {port.removeprefix(f'{network}/')}")
            case Punted(reason, _):
                said.append(f"agent {reason}")
            case Dropped(_, _, owner):
                said.append(owner.replace(f"{network}/", ""))
    return ", ".join(said)


@SETTINGS
@given(networks("red"), networks("blue"), NODE_SETS, st.data())
def test_a_packet_ends_where_the_network_says(
    red: Network, blue: Network, nodes: tuple[Node, ...], data: st.DataObject
) -> None:
    lab = MemoryLab(LabFile((blue, red), nodes))
    for network in (red, blue):
        model = Model(network)
        for _ in range(8):
            source, match = data.draw(packets(network))
            try:
                frame = emit_frame(frame_match(network, source, match))
            except InvalidInput:
                continue  # A host would not know where to send it.
            hops = lab.send(f"{network.name}/{source}", frame)
            expected = model.fate(source, match)
            event(expected.split()[0])
            if expected != LOOP:
                assert fate(hops, network.name) == expected, hops
            foreign = [hop for hop in hops for end in hop.ends if not _of(network.name, end)]
            assert not foreign, foreign


@SETTINGS
@given(networks("red"), NODE_SETS, st.data())
def test_a_broadcast_reaches_every_other_port_of_its_switch_once(
    red: Network, nodes: tuple[Node, ...], data: st.DataObject
) -> None:
    lab = MemoryLab(LabFile((red,), nodes))
    source = data.draw(st.sampled_from([port for port in red.ports if port.node is not None]))
    frame = emit_frame(f"{BROADCAST},dl_src={source.mac},nw_src=10.0.0.99")
    hops = lab.send(f"red/{source.name}", frame)
    got = sorted(
        end.port.removeprefix("red/") for hop in hops for end in hop.ends if isinstance(end, Delivered)
    )
    assert got == Model(red).broadcast(source.name, Packet("udp", "10.0.0.99", "255.255.255.255", 53)), hops


def _of(network: str, end: object) -> bool:
    return not isinstance(end, Delivered) or end.port.startswith(f"{network}/")
