"""The words of the control plane: nodes, bindings, encapsulations and the tunnels between nodes."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from .network import Network


class Node(Struct, frozen=True):
    """A host on the underlay.

    `address` is its underlay address, `second_address` the one of a second endpoint, if it has one;
    `encapsulations` are in order of preference, best first.
    An `external` node is an endpoint of another make: it has no agent and routes nothing for us.
    """

    name: str
    address: str
    encapsulations: tuple[str, ...]
    external: bool = False
    second_address: str = ""


class NodeReport(Struct, frozen=True):
    """What a node's agent says of its host.

    `underlay_mtu`: the largest IP packet of its underlay, in bytes.  `capabilities`: what its switch has found that
    kernel and underlay devices can do, by name: "yes", "no" or a number; those of a device as `DEVICE/NAME`.
    `refused`: why its switch has not the flows that a network should have but those of before, by network; "" is what
    every network needs.
    `physical`: the physical networks that it has for localnet ports.
    """

    underlay_mtu: int = 1500
    capabilities: Mapping[str, str] = {}
    refused: Mapping[str, str] = {}
    physical: frozenset[str] = frozenset()


class Underlay(Struct, frozen=True):
    """The physical network below; `mtu` is the largest IP packet in bytes."""

    subnet: str
    mtu: int = 1500


class Binding(Struct, frozen=True):
    """Port `port` of network `network` is at `node`."""

    network: str
    port: str
    node: str


class Encapsulation(Struct, frozen=True):
    """What others may know of an encapsulation.

    `context_bits`: size of the opaque context that it carries.  `overhead_bytes`: what it takes
    from the underlay's MTU on IPv4, i.e. outer IP, outer transport, its own header and the inner
    Ethernet header.  `limited_by_mtu`: False when frames larger than the underlay's MTU are cut
    and joined by the encapsulation itself.  `offload`: the NIC feature that carries large frames.
    """

    name: str
    context_bits: int
    overhead_bytes: int
    limited_by_mtu: bool = True
    offload: str = "none"


class Tunnel(Struct, frozen=True):
    """How two nodes talk; `local` < `remote` in a list of pairs, `local` is oneself in a node's own list.

    Senders use `encapsulation`, or that of their network in `networks` where it has another one.
    `coming` are chosen by network ("" for all that are not in `networks`) and not used before both ends receive
    them; `leaving` may still be used by an end that has not heard of the change.  Both ends receive all of these.
    `generation` rises with every change, so that reports of the ends say what they have seen.
    """

    local: str
    remote: str
    encapsulation: str
    networks: Mapping[str, str] = {}
    coming: Mapping[str, str] = {}
    leaving: tuple[str, ...] = ()
    generation: int = 1


class TunnelEnd(Struct, frozen=True):
    """What a node says of its tunnels to `remote`, having applied a generation of the pair.

    `receives`: encapsulations in which packets are accepted; `sends`: those that are sent in.
    """

    node: str
    remote: str
    generation: int
    receives: tuple[str, ...] = ()
    sends: tuple[str, ...] = ()


class Unreachable(Struct, frozen=True):
    """Two nodes that cannot talk, and why."""

    local: str
    remote: str
    reason: str


class LabFile(Struct, frozen=True):
    """A whole document: networks, and for the lab also the underlay and the nodes.

    `generations` tells of which generation an exported network was, by name.
    """

    networks: tuple[Network, ...] = ()
    nodes: tuple[Node, ...] = ()
    underlay: Underlay | None = None
    generations: Mapping[str, int] = field(default_factory=dict)
