"""What an agent is told at its start, and what it finds in a pass."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from tulle.agent.interfaces import Present
from tulle.agent.placing import Places
from tulle.agent.view import PortName, View
from tulle.ovsdb.tls import Credentials
from tulle.values import Binding, TunnelInterface


class Options(Struct, frozen=True):
    """What the command line gives; `address` is the underlay address, `switch` the vswitch's directory.

    `second_address` is that of a second endpoint, if there is one; `encapsulations` are in order of preference;
    `underlay_mtu` is in bytes.  `credentials` are for TLS with the controller.
    `physical` are the devices by which this node has physical networks, by the names of these.
    """

    name: str
    address: str
    encapsulations: tuple[str, ...]
    controller: str
    switch: Path
    underlay_mtu: int = 1500
    second_address: str = ""
    credentials: Credentials | None = None
    physical: Mapping[str, str] = {}


class Situation(Struct, frozen=True):
    """What a pass found out."""

    view: View
    there: dict[str, Present]
    places: Places
    ready: frozenset[PortName]
    bindings: tuple[Binding, ...]
    remotes: frozenset[str]
    retiring: tuple[TunnelInterface, ...]
    attached: frozenset[str]
