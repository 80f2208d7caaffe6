"""Hands the connections of moving ports, and those of their translations, from the old node's switch to the new one's.

The old node exports them when it hears of the move, again once others have been told of the new node, and a little
later, for what it has still seen; the new node imports whatever has come.  They travel in rows of `Port_State`.
A switch of another make can do neither; then the port moves without, and the row says so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import structlog

from tulle import store
from tulle.agent.handed import joined, parted
from tulle.agent.view import PortName, View
from tulle.errors import TulleError
from tulle.logical.translation import is_translated
from tulle.ovsdb.unixctl import call
from tulle.store import Source, Writer, moving
from tulle.values import LocalPort, Tunnel, TunnelPort, Zone
from tulle.values.moving import PortState

BRIDGE = "br-int"
PATIENCE_S = 2.0
"""How long a new node waits for connections before it takes a port without."""
LENIENT_MS = 5000
"""How long both trackers put up with packets that the other has seen: the move, and a moment."""
LOOK_AGAIN_S = 0.05
AGAIN_S = 2.0
"""How often connections are handed on while a port is about to move."""
AFTERWARDS_S = (0.0, 0.05, 0.2, 0.6)
"""When, after a port has gone."""
Zones = Mapping[LocalPort | TunnelPort | Zone, int]
"""Numbers of ports, which are those of their connections' zones too, and of the zones of their translations."""
_logger = structlog.get_logger(__name__)


class Handing:
    """Remembers what has been given, what has been taken, and what is waited for; `control` is the switch's socket."""

    def __init__(self, node: str, control: Path) -> None:
        self._node = node
        self._control = control
        self._due: dict[tuple[PortName, bool], list[float]] = {}
        self._taken: dict[LocalPort | Zone, tuple[str, int]] = {}
        self._since: dict[PortName, float] = {}
        self._now = 0.0

    async def give(
        self, departing: Mapping[PortName, str], gone: Collection[PortName], zones: Zones, now: float
    ) -> list[PortState]:
        """What is to be handed on now of ports, to nodes; `gone` are bound there already."""
        asked = {(port, port in gone) for port in departing}
        self._due = {key: self._due.get(key, _first(key[1], now)) for key in asked}
        given = []
        for (port, is_gone), times in self._due.items():
            if not times or times[0] > now:
                continue
            left = [time for time in times if time > now]
            self._due[port, is_gone] = left if is_gone else [now + AGAIN_S]
            if LocalPort("/".join(port)) in zones:
                given.append(await self._export(port, departing[port], zones, now))
                if given[-1].problem:
                    self._due[port, is_gone] = []  # it would be the same again
        return given

    async def _export(self, port: PortName, target: str, zones: Zones, now: float) -> PortState:
        serial, name = int(now * 1000), "/".join(port)
        translations = zones.get(Zone(name))
        try:
            text = await self._exported(zones[LocalPort(name)])
            text = joined(text, None if translations is None else await self._exported(translations))
            return PortState(self._node, *port, target, serial, text)
        except (TulleError, OSError, TimeoutError) as error:
            _logger.warning("connections do not move", port=name, error=str(error))
            return PortState(self._node, *port, target, serial, problem=f"{self._node}: {error}")

    async def _exported(self, zone: int) -> str:
        return await call(self._control, "tulle/ct-export", BRIDGE, str(zone), str(LENIENT_MS))

    async def take(self, states: Collection[PortState], zones: Zones) -> None:
        """Import what has come for ports that are served here, as soon as they have zones."""
        for one in states:
            if one.node == self._node or one.target != self._node:
                continue
            name = f"{one.network}/{one.port}"
            for place, text, problem in _parts(name, one):
                number, stamp = zones.get(place), (one.node, one.serial)
                if number is not None and self._taken.get(place) != stamp:
                    self._taken[place] = stamp
                    await self._import(one, number, text, problem)

    async def _import(self, one: PortState, zone: int, text: str, problem: str) -> None:
        name = f"{one.network}/{one.port}"
        if not problem:
            words = (BRIDGE, str(zone), str(LENIENT_MS), text)
            try:
                done = await call(self._control, "tulle/ct-import", *words)
                _logger.info("connections taken", port=name, source=one.node, zone=zone, done=done)
                return
            except (TulleError, OSError, TimeoutError) as error:
                problem = str(error)
        _logger.warning("connections not taken", port=name, source=one.node, problem=problem)

    def waiting(
        self,
        view: View,
        wanted: Collection[PortName],
        ready: Collection[PortName],
        heard: Collection[str],
        now: float,
    ) -> frozenset[PortName]:
        """The ports that are not to be taken yet, or not said to be ready.

        Their connections are on their way, or other nodes of the network have no tunnel to here; `heard` are those
        that have one.
        """
        moved = {
            port: at
            for port in wanted
            if port in ready and (at := view.bindings.get(port)) not in (None, self._node)
        }
        deaf = {network: self._peers(view, network) - set(heard) for network in {name for name, _ in moved}}
        found = {port for port, at in moved.items() if deaf[port[0]] or self._is_given(view, port, at)}
        self._now = now
        self._since = {port: self._since.get(port, now) for port in found}
        return frozenset(port for port, since in self._since.items() if now < since + PATIENCE_S)

    def _is_given(self, view: View, port: PortName, at: str | None) -> bool:
        """Whether connections are still expected from a node that has some to give."""
        source, network = view.nodes.get(at or ""), view.networks.get(port[0])
        if source is None or source.external or network is None:
            return False
        name = "/".join(port)
        places = (LocalPort(name), Zone(name)) if is_translated(network.network) else (LocalPort(name),)
        came = all(self._taken.get(place, ("", 0))[0] == at for place in places)
        return is_tracked(view, port[0]) and not came

    def _peers(self, view: View, network: str) -> set[str]:
        """The nodes that send to a network's ports, as far as tunnels join them to this one."""
        joined = {
            end
            for one in view.tunnels
            if isinstance(one, Tunnel) and self._node in (one.local, one.remote)
            for end in (one.local, one.remote)
        }
        bound = {at for (name, _), at in view.bindings.items() if name == network}
        return {at for at in bound & joined if at in view.nodes and not view.nodes[at].external} - {
            self._node
        }

    def forget(self, kept: Collection[PortName]) -> None:
        """Ports that have gone begin anew when they come again."""
        names = {"/".join(port) for port in kept}
        self._taken = {place: stamp for place, stamp in self._taken.items() if place.name in names}

    def next_end(self) -> float | None:
        """When something is due."""
        times = [times[0] for times in self._due.values() if times]
        if any(self._now < since + PATIENCE_S for since in self._since.values()):
            times.append(self._now + LOOK_AGAIN_S)
        return min(times, default=None)


def hearing(state: Source, node: str) -> frozenset[str]:
    """The nodes that say that they receive from this one."""
    ends = store.tunnel_ends(state).items()
    return frozenset(other for (other, remote), end in ends if remote == node and end.receives)


def is_tracked(view: View, network: str) -> bool:
    """Whether a network's ports have connections, of their ACLs or of translations."""
    stored = view.networks.get(network)
    if stored is None:
        return False
    return is_translated(stored.network) or any(acl.action == "allow-related" for acl in stored.network.acls)


def tracked(view: View, ports: Mapping[PortName, str]) -> dict[PortName, str]:
    """Those of the ports that have connections."""
    return {port: target for port, target in ports.items() if is_tracked(view, port[0])}


def _parts(name: str, one: PortState) -> list[tuple[LocalPort | Zone, str, str]]:
    """What has come, by where it goes: text, and what is wrong with it.

    With a problem, or from a node that knows of no translations, nothing will come for these: that is taken, too.
    """
    problem, connections, translations = one.problem, "", None
    if not problem:
        try:
            connections, translations = parted(one.connections)
        except TulleError as error:
            problem = str(error)
    none = problem or ("" if translations is not None else f"{one.node} handed on no translations")
    return [(LocalPort(name), connections, problem), (Zone(name), translations or "", none)]


def _first(is_gone: bool, now: float) -> list[float]:
    return [now + wait for wait in AFTERWARDS_S] if is_gone else [now]


def write_states(
    writer: Writer, source: Source, node: str, given: Collection[PortState], kept: Collection[PortName]
) -> None:
    """Operations that hand on what is given, and take back what is of no use any more."""
    for one in given:
        moving.write_port_state(writer, source, one)
    moving.delete_port_states(writer, source, node, kept)
