"""The words of the control plane: nodes, bindings, encapsulations and the tunnels between nodes."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from .network import Network


class Node(Struct, frozen=True):
    """A host on the underlay.

    `address` is its underlay address; `encapsulations` are in order of preference, best first.
    An `external` node is an endpoint of another make: it has no agent and routes nothing for us.
    """

    name: str
    address: str
    encapsulations: tuple[str, ...]
    external: bool = False


class NodeReport(Struct, frozen=True):
    """What a node's agent says of its host.

    `underlay_mtu`: the largest IP packet of its underlay, in bytes.  `capabilities`: what its switch has found that
    kernel and underlay devices can do, by name: "yes", "no" or a number; those of a device as `DEVICE/NAME`.
    """

    underlay_mtu: int = 1500
    capabilities: Mapping[str, str] = {}


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
    """How two nodes talk; `local` < `remote` in a list of pairs, `local` is oneself in a node's own list."""

    local: str
    remote: str
    encapsulation: str


class Unreachable(Struct, frozen=True):
    """Two nodes that cannot talk, and why."""

    local: str
    remote: str
    reason: str


class LabFile(Struct, frozen=True):
    """A whole document: networks, and for the lab also the underlay and the nodes."""

    networks: tuple[Network, ...] = ()
    nodes: tuple[Node, ...] = ()
    underlay: Underlay | None = None
