"""A port on its way from one node to another, as its nodes and the controller speak of it."""

from __future__ import annotations

from msgspec import Struct


class Prepared(Struct, frozen=True):
    """A port that `target` is to have ready, and takes when the port's device there sends its first packet.

    `source` is the node that the port asked for when this was wanted; None: for no node.
    """

    network: str
    port: str
    source: str | None
    target: str


class Transit(Struct, frozen=True):
    """A port whose device this node serves, while others look for it at `node`.

    One that `comes` is delivered to if it is sent here by a node that does not have it any more; what goes to one
    that does not is sent on to `node`.  `activates`: the first packet of its device is to be heard of.
    """

    network: str
    port: str
    node: str
    comes: bool
    activates: bool = False


class PortState(Struct, frozen=True):
    """What `node` hands on of a port to `target`: its connections, or why there are none.

    `serial` rises with everything that is handed on.  By one to itself a node says that it has a prepared port ready.
    """

    node: str
    network: str
    port: str
    target: str
    serial: int
    connections: str = ""
    problem: str = ""
