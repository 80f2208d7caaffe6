"""Steps: what brings a node from what it has to what it should have, in the imperative."""

from __future__ import annotations

from msgspec import Struct

from .flow import Flow


class TunnelInterface(Struct, frozen=True):
    """A tunnel as a switch port of one node: to `remote` at underlay `address`.

    Where both nodes have a second endpoint there is a second port, to `second_address`, for when the first fails.
    An `external` remote has no agent: what its ports may send and get is decided on this side.
    """

    remote: str
    address: str
    encapsulation: str
    external: bool = False
    second_address: str = ""


class Attachment(Struct, frozen=True):
    """A logical port as a switch port of one node; `port` is `network/port`.

    `addresses` carry the prefix of their subnet; `gateways` are the router's addresses there;
    `mtu` is for the workload's interface, in bytes.  With `configures_itself` addresses and routes are the
    workload's own business.
    """

    port: str
    mac: str
    addresses: tuple[str, ...]
    gateways: tuple[str, ...]
    namespace: str | None
    interface: str
    mtu: int
    configures_itself: bool = False


class NodeState(Struct, frozen=True):
    """All that one node has, or should have."""

    tunnels: tuple[TunnelInterface, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    flows: tuple[Flow, ...] = ()


class AddTunnel(Struct, frozen=True, tag=True):
    """Make a tunnel port."""

    tunnel: TunnelInterface


class ModifyTunnel(Struct, frozen=True, tag=True):
    """Change the tunnel port to the same remote node."""

    tunnel: TunnelInterface


class RemoveTunnel(Struct, frozen=True, tag=True):
    """Take a tunnel port away."""

    tunnel: TunnelInterface


class AddAttachment(Struct, frozen=True, tag=True):
    """Plug a workload in."""

    attachment: Attachment


class ModifyAttachment(Struct, frozen=True, tag=True):
    """Change how a workload is plugged in."""

    attachment: Attachment


class RemoveAttachment(Struct, frozen=True, tag=True):
    """Unplug a workload."""

    attachment: Attachment


class AddFlow(Struct, frozen=True, tag=True):
    """Add a flow whose key is new."""

    flow: Flow


class ModifyFlow(Struct, frozen=True, tag=True):
    """Replace actions, owner and cookie of the flow with the same key."""

    flow: Flow


class DeleteFlow(Struct, frozen=True, tag=True):
    """Delete the flow with exactly this key."""

    flow: Flow


Step = (
    AddTunnel
    | ModifyTunnel
    | RemoveTunnel
    | AddAttachment
    | ModifyAttachment
    | RemoveAttachment
    | AddFlow
    | ModifyFlow
    | DeleteFlow
)
