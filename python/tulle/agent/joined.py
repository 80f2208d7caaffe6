"""What a node does for switches that are joined to its physical networks, beside flows.

It speaks where nobody does, and lets the physical network know where a workload's MAC address is from now on: the
switches there would otherwise go on sending to the node that it has left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from tulle.agent.editions import Live
from tulle.agent.services.answering import to_port
from tulle.agent.slowpath import Answer
from tulle.agent.snooped import NOT_LIVE
from tulle.agent.view import PortName
from tulle.control import in_version, placement
from tulle.control.localnets import Localnet, Physical, claimed, localnets
from tulle.store import Source, Writer, layer2
from tulle.values import Binding, Ids, Network

EVERYBODY: Final = b"\xff" * 6
RARP: Final = bytes.fromhex("8035") + bytes.fromhex("0001080006040003")
"""The Ethernet type, and a request of reverse ARP (RFC 903), as hypervisors send it for what has moved."""
FRAME_BYTES: Final = 60
Joined = tuple[Network, Mapping[str, Localnet]]


def joined_networks(
    node: str, networks: Iterable[Network], bindings: Collection[Binding], physical: Physical
) -> list[Joined]:
    """The networks here with switches that are joined."""
    here = placement(node, networks, bindings).networks
    found = ((one, localnets(node, one, bindings, physical)) for one in here)
    return [(network, switches) for network, switches in found if switches]


def write_speakers(writer: Writer, source: Source, node: str, joined: Iterable[Joined]) -> None:
    """Operations by which a node speaks for the nodes that do not have a physical network, where nobody does."""
    for network, switches in joined:
        for switch in claimed(switches.values()):
            layer2.write_speaker(writer, source, network.name, switch, node)


def announcements(
    ports: Collection[PortName], joined: Iterable[Joined], ids: Ids, live: Mapping[str, Live]
) -> Iterator[Answer]:
    """A frame into the physical network for each of these ports, which have just come to this node."""
    for network, switches in joined if ports else ():
        version = live.get(network.name, NOT_LIVE).stamped
        for port in network.ports:
            localnet = switches.get(port.switch)
            if (network.name, port.name) not in ports or localnet is None or not localnet.is_here:
                continue
            path = f"{network.name}/{port.switch}"
            datapath, key = ids.datapaths.get(path), ids.ports.get(f"{path}/{localnet.port}")
            if datapath is not None and key is not None:
                yield Answer(to_port(in_version(datapath, version), key), _rarp(port.mac))


def _rarp(mac: str) -> bytes:
    own = bytes.fromhex(mac.replace(":", ""))
    return (EVERYBODY + own + RARP + own + bytes(4) + own + bytes(4)).ljust(FRAME_BYTES, b"\0")
