"""A data centre in memory: native datapaths, the flows of the real compilers, real bytes in the tunnels.

No thread, no device, no clock.  What a workload sends is followed to all its ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from memory_node import Delivered, Hop, MemoryNode, Punted, Sent, TunnelKey

from tulle._native import Encapsulator
from tulle.agent.compilation import Tunnels
from tulle.control import (
    all_tunnels_of,
    allocate,
    choice_between,
    choose,
    placement,
    requested_bindings,
    tunnels_of,
)
from tulle.encap import encapsulations
from tulle.openflow.changes import FlowChanges
from tulle.values import Binding, Ids, LabFile, LocalPort, Network, Tunnel, TunnelPort
from tulle.values.moving import Transit

HOPS_MAX = 64


class Wire(Protocol):
    """One end of a tunnel, as bytes."""

    def push(self, frame: bytes, context: int) -> list[bytes]: ...
    def pop(self, frame: bytes) -> list[tuple[int, bytes]]: ...


WireMaker = Callable[[str, str], Wire]
"""Makes the end at the first underlay address, towards the second one."""


def native_wires() -> dict[str, WireMaker]:
    """The encapsulations whose bytes the native side knows."""

    def maker(name: str) -> WireMaker:
        return lambda local, remote: Encapsulator(name, local, remote)

    return {name: maker(name) for name in ("stt", "vxlan", "geneve", "gre", "nvgre")}


class MemoryLab:
    """All nodes of a document, and the networks that are applied to them."""

    def __init__(self, document: LabFile, wires: Mapping[str, WireMaker] | None = None) -> None:
        self.known = encapsulations()
        self._wires = native_wires() if wires is None else wires
        self.addresses = {node.name: node.address for node in document.nodes}
        self._declared = {node.name: node for node in document.nodes}
        self.nodes = {one.name: MemoryNode(one) for one in document.nodes if not one.external}
        self.tunnels = choose(document.nodes, self.known)
        self.used = {
            frozenset((one.local, one.remote)): one.encapsulation
            for one in self.tunnels
            if isinstance(one, Tunnel)
        }
        self.networks: dict[str, Network] = {}
        self.homes: dict[str, str] = {}
        self.ids = Ids()
        self.apply(document.networks)

    def apply(self, networks: tuple[Network, ...]) -> dict[str, FlowChanges]:
        """Put these networks in place of all that were; what had to change, node by node."""
        self.networks = {network.name: network for network in networks}
        orders = {one.name: one.encapsulations for one in networks if one.encapsulations}
        self.tunnels = choice_between(self._declared, {}, orders).pairs(self.known)
        self.ids = allocate(networks, self.ids)
        bindings = requested_bindings(networks, self._declared)
        self.homes = {f"{one.network}/{one.port}": one.node for one in bindings}
        return {
            name: node.apply(
                placement(name, networks, bindings),
                self._tunnels(name),
                self.ids,
                self.known,
            )
            for name, node in self.nodes.items()
        }

    def move(self, port: str, node: str, transit: Transit | None) -> FlowChanges:
        """What changes at a node that has a port's device: it has the port, or the port is on its way."""
        network, _, name = port.partition("/")
        networks = tuple(self.networks.values())
        bindings = [
            one
            for one in requested_bindings(networks, self._declared)
            if (one.network, one.port) != (network, name)
        ]
        placed = placement(node, networks, [*bindings, Binding(network, name, node)])
        transits = () if transit is None else (transit,)
        self.homes[port] = node
        return self.nodes[node].apply(placed, self._tunnels(node), self.ids, self.known, transits=transits)

    def send(self, port: str, frame: bytes) -> list[Hop]:
        """All that becomes of a frame that the workload at `network/port` sends, in order."""
        node = self.nodes[self.homes[port]]
        return self._follow(node.receive(LocalPort(port), frame))

    def send_from(self, remote: str, node: str, context: int, frame: bytes) -> list[Hop]:
        """All that becomes of a frame that `remote` puts into its tunnel to `node`."""
        sent = Sent(node, self.encapsulation(remote, node), context, frame)
        return self._follow(self._through(remote, sent))

    def encapsulation(self, one: str, other: str) -> str:
        """What the tunnel between two nodes uses."""
        return self.used[frozenset((one, other))]

    def flows(self) -> dict[str, dict[str, str]]:
        """All flows, by node and key."""
        return {name: node.flows() for name, node in self.nodes.items()}

    def _tunnels(self, node: str) -> Tunnels:
        networks = {name for one in self.tunnels if isinstance(one, Tunnel) for name in one.networks}
        own = {name: tunnels_of(node, self.tunnels, self._declared, name) for name in networks}
        made = all_tunnels_of(node, self.tunnels, self._declared)
        return Tunnels(made, tunnels_of(node, self.tunnels, self._declared), own)

    def _follow(self, first: Hop) -> list[Hop]:
        hops: list[Hop] = []
        waiting = deque([first])
        while waiting:
            hop = waiting.popleft()
            hops.append(hop)
            assert len(hops) <= HOPS_MAX, f"a packet runs in circles: {hops[-8:]}"
            waiting.extend(self._next(hop))
        return hops

    def _next(self, hop: Hop) -> list[Hop]:
        following = []
        for end in hop.ends:
            if isinstance(end, Delivered) and end.port.startswith("/"):
                following += self._on_the_wire(hop.node, end)
            elif isinstance(end, Sent) and end.node in self.nodes:
                following.append(self._through(hop.node, end))
            elif isinstance(end, Punted) and end.reply is not None:
                following.append(self.nodes[hop.node].receive_from_agent(*end.reply))
        return following

    def _on_the_wire(self, sender: str, sent: Delivered) -> list[Hop]:
        """A physical network is one broadcast domain: all others that have it get the frame."""
        name = sent.port.removeprefix("/")
        return [
            node.receive(LocalPort(sent.port), sent.frame)
            for other, node in self.nodes.items()
            if other != sender and name in node.physical.networks.get(other, ())
        ]

    def _through(self, sender: str, sent: Sent) -> Hop:
        """Push and pop the frame, so that the far node gets what the bytes say."""
        make, frame, context = self._wires[sent.encapsulation], sent.frame, sent.context
        there, here = self.addresses[sent.node], self.addresses[sender]
        outer = make(here, there).push(frame, context)
        end = make(there, here)
        popped = [one for piece in outer for one in end.pop(piece)]
        assert [(number, _without_dei(inner)) for number, inner in popped] == [(context, _without_dei(frame))]
        number, inner = popped[0]
        return self.receive_popped(sender, sent.node, number, inner, sent.encapsulation)

    def receive_popped(
        self, sender: str, receiver: str, context: int, frame: bytes, encapsulation: str | None = None
    ) -> Hop:
        """What `receiver` does with what came out of a tunnel to `sender`; None: the one that most use."""
        key: TunnelKey = (context, self.addresses[sender], self.addresses[receiver])
        port = TunnelPort(sender, encapsulation or self.encapsulation(sender, receiver))
        return self.nodes[receiver].receive(port, frame, key)


def _without_dei(frame: bytes) -> bytes:
    """STT says with that bit of a VLAN tag that there is one (draft-davie-stt-08 section 3)."""
    if frame[12:14] != b"\x81\x00" or len(frame) < 16:
        return frame
    return frame[:14] + bytes([frame[14] & 0xEF]) + frame[15:]
