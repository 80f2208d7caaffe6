"""Ports on their way: prepared at a node, taken by it, and nodes that are drained of theirs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from tulle import store
from tulle.control.draining import Removal, by_network, drained
from tulle.errors import Conflict, InvalidInput, NotFound, TulleError, Unavailable
from tulle.logical.spelling import nearest
from tulle.ovsdb import Change
from tulle.store import Writer, moving
from tulle.values import Unreachable
from tulle.values.moving import Prepared

from .asked import ANYBODY, Applied, Asked
from .intent import Intent
from .stores import Store

KEPT_S = 5.0
"""How long it is still said that a port has been taken: until all agents have heard of users' intent."""
RETRY_S = 1.0
PortName = tuple[str, str]
_logger = structlog.get_logger(__name__)


class Moving:
    """Prepares ports, and makes users' intent follow when they have been taken."""

    def __init__(self, intent: Intent, state: Store, now: Callable[[], float] = time.monotonic) -> None:
        self._intent = intent
        self._state = state
        self._rows = store.source(state)
        self._now = now
        self._done: dict[PortName, float] = {}
        self._due = asyncio.Event()

    async def prepare(self, network: str, port: str, node: str) -> None:
        """Have `node` ready for a port; it takes it with the first packet that the port's device sends there."""
        asked = self._asked(network, port)
        self._refuse_target(node)
        self._refuse_child(network, port)
        at = self._at(network, port)
        if at is None:
            raise Conflict(f"port {network}/{port} is nowhere yet, so it cannot be taken from there")
        if node in (at, asked):
            raise Conflict(f"port {network}/{port} is at {node} already, or asks to be")
        writer = Writer(self._state.schema)
        moving.write_prepared(writer, self._rows, Prepared(network, port, asked, node))
        await self._state.transact(writer.operations)
        _logger.info("prepared", port=f"{network}/{port}", node=node)

    async def wait_ready(self, network: str, port: str, node: str, timeout_s: float) -> None:
        """Return when `node` has a prepared port ready, or has taken it; Unavailable when the time is over."""
        changed = asyncio.Event()
        end = self._state.subscribe(lambda changes: changed.set() if _tell_of_ports(changes) else None)
        try:
            async with asyncio.timeout(timeout_s):
                while self._at(network, port) != node and not moving.is_ready(
                    self._rows, (network, port), node
                ):
                    self._refuse_unprepared(network, port, node)
                    await changed.wait()
                    changed.clear()
        except TimeoutError:
            said = f"{node} does not have port {network}/{port} ready after {timeout_s:g} s; it stays prepared there"
            raise Unavailable(said, code="timed-out") from None
        finally:
            end()

    def is_made_there(self, network: str, port: str) -> bool:
        """Whether a node makes the device of a port itself, so that it can have it ready before anybody else acts."""
        ports = self._intent.network(network).network.ports
        return any(one.name == port and one.namespace is not None for one in ports)

    async def cancel(self, network: str, port: str) -> None:
        """Prepare a port no more."""
        if (network, port) not in moving.prepared(self._rows):
            raise NotFound(f"port {network}/{port} is prepared nowhere")
        await self._forget([(network, port)])

    async def move(self, network: str, port: str, node: str, asked: Asked = ANYBODY) -> Applied:
        """Ask for a port to be at another node; what was prepared for it is forgotten."""
        applied = await self._intent.move(network, port, node, asked)
        if not asked.dry_run:
            await self._forget([(network, port)])
        return applied

    async def drain(
        self,
        node: str,
        to: str | None,
        asked: Asked = ANYBODY,
        connected: Callable[[str], bool] = lambda _: True,
    ) -> tuple[tuple[Removal, ...], list[Applied]]:
        """Move all ports away from a node, one transaction for each network; also what could not be moved."""
        targets = self._targets(node, to, connected)
        networks = [one.network for one in self._intent.networks().values()]
        apart = {
            frozenset((one.local, one.remote))
            for one in store.tunnels(self._rows)
            if isinstance(one, Unreachable)
        }
        plan = drained(node, networks, store.bindings(self._rows), targets, apart)
        done = []
        for network, places in by_network(plan).items():
            done.append(await self._intent.move_all(network, places, f"drain {node}", asked))
            if not asked.dry_run:
                await self._forget([(network, port) for port in places])
        return plan, done

    def _targets(self, node: str, to: str | None, connected: Callable[[str], bool]) -> list[str]:
        known = store.nodes(self._rows)
        if node not in known:
            raise NotFound(f"no node {node!r}{nearest(node, known)}")
        if to is not None:
            self._refuse_target(to)
            if to == node:
                raise InvalidInput(f"node {node} cannot be drained to itself")
            return [to]
        return [name for name, one in known.items() if name != node and not one.external and connected(name)]

    async def run(self) -> None:
        """Follow what nodes take, as long as it runs."""
        self._due.set()
        end = self._state.subscribe(self._note)
        try:
            while True:
                wait_s = await self._follow()
                self._due.clear()
                try:
                    async with asyncio.timeout(wait_s):
                        await self._due.wait()
                except TimeoutError:
                    pass
        finally:
            end()

    def _note(self, changes: list[Change]) -> None:
        if _tell_of_ports(changes):
            self._due.set()

    async def _follow(self) -> float | None:
        """Do what is due; gives in how many seconds to look again."""
        try:
            return await self._follow_all()
        except TulleError as error:
            _logger.warning("moves not followed", error=str(error))
        except Exception:
            _logger.exception("moves not followed")
        return RETRY_S

    async def _follow_all(self) -> float | None:
        bound, now = self._bound(), self._now()
        rows = moving.prepared(self._rows)
        self._done = {port: end for port, end in self._done.items() if port in rows}
        stale = []
        for port, one in rows.items():
            asked = self._asked_or_none(port)
            if asked is MISSING or (asked not in (one.source, one.target)):
                stale.append(port)
            elif bound.get(port) == one.target and asked is not None:
                if asked != one.target:
                    await self._intent.move(
                        *port, one.target, Asked(by="tulle", message="it has spoken there")
                    )
                self._done.setdefault(port, now + KEPT_S)
        over = [port for port, end in self._done.items() if end <= now]
        await self._forget([*stale, *over])
        return min((max(0.1, end - now) for end in self._done.values() if end > now), default=None)

    async def _forget(self, ports: list[PortName]) -> None:
        writer = Writer(self._state.schema)
        moving.delete_prepared(writer, self._rows, ports)
        if writer.operations:
            await self._state.transact(writer.operations)

    def _refuse_unprepared(self, network: str, port: str, node: str) -> None:
        one = moving.prepared(self._rows).get((network, port))
        if one is None or one.target != node:
            raise Conflict(f"port {network}/{port} is prepared at {node} no more")

    def _at(self, network: str, port: str) -> str | None:
        return self._bound().get((network, port))

    def _bound(self) -> dict[PortName, str]:
        return {(one.network, one.port): one.node for one in store.bindings(self._rows)}

    def _asked(self, network: str, port: str) -> str | None:
        ports = {one.name: one for one in self._intent.network(network).network.ports}
        if port not in ports:
            raise NotFound(f"no port {port!r} in network {network}{nearest(port, ports)}")
        return ports[port].node

    def _asked_or_none(self, port: PortName) -> str | None:
        try:
            return self._asked(*port)
        except NotFound:
            return MISSING

    def _refuse_child(self, network: str, port: str) -> None:
        ports = {one.name: one for one in self._intent.network(network).network.ports}
        if (parent := ports[port].parent) is not None:
            raise InvalidInput(f"port {network}/{port} goes where its parent {parent} goes; prepare that")

    def _refuse_target(self, node: str) -> None:
        known = store.nodes(self._rows)
        if node not in known:
            raise NotFound(f"no node {node!r} has registered{nearest(node, known)}")
        if known[node].external:
            raise InvalidInput(f"node {node} has no agent that could take a port")


def _tell_of_ports(changes: list[Change]) -> bool:
    return any(change.table in ("Move", "Binding", "Port_State") for change in changes)


MISSING = ""
"""No node has this name."""
