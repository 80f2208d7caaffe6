"""Which node has not applied what yet: the condition that `--wait` waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping

import msgspec

from tulle import store
from tulle.errors import Unavailable
from tulle.ovsdb import Change
from tulle.store import Source, StoredNetwork
from tulle.values import Binding, LogicalPort

from .choice import Pairs
from .stores import Rows

_TABLES = frozenset({"Network", "Logical_Port", "Node", "Binding", "Tunnel", "Tunnel_End"})


class Behind(msgspec.Struct, frozen=True, order=True):
    """A node that lags, and a sentence about what is missing there; `generation` says that it is the flows."""

    node: str
    network: str
    reason: str
    generation: bool = False

    def __str__(self) -> str:
        return f"{self.node}: {self.reason}"


def behind(
    intent: Source,
    state: Source,
    wanted: Mapping[str, int],
    stored: Mapping[str, StoredNetwork] | None = None,
) -> list[Behind]:
    """Who lags for `wanted`, a map of network to generation; a network that is gone must be gone everywhere.

    External nodes have no agent and are never waited for.  `stored` are all networks, where they are known already.
    """
    stored = store.networks(intent) if stored is None else stored
    external = {name for name, node in store.declared_nodes(intent).items() if node.external}
    applied = store.applied(state)
    bindings = _bindings(state, wanted)
    found: list[Behind] = []
    for name, generation in wanted.items():
        if name not in stored:
            found += [
                Behind(node, name, f"still has network {name}") for node in applied if name in applied[node]
            ]
            continue
        asking = stored[name].placed
        nodes = {port.node for port in asking if port.node is not None}
        nodes = (nodes | {one.node for one in bindings if one.network == name}) - external
        found += _lagging(name, generation, nodes, applied)
        found += _unbound(name, asking, bindings, external)
        pairs = Pairs(intent, state, nodes | external)
        found += [Behind(node, name, reason) for node, reason in pairs.moving(name)]
    return sorted(set(found))


async def wait_applied(intent: Rows, state: Rows, wanted: Mapping[str, int], timeout_s: float) -> None:
    """Return when nobody is behind; Unavailable says who is when the time is over."""
    changed, whole = asyncio.Event(), [True]

    def note(changes: list[Change]) -> None:
        tables = {change.table for change in changes}
        if tables & _TABLES:
            whole[0] = whole[0] or bool(tables & _TABLES - {"Node"})
            changed.set()

    def late() -> list[Behind]:
        stored = store.followed(intent).networks()
        return behind(store.source(intent), store.source(state), wanted, stored)

    ends = [intent.subscribe(note), state.subscribe(note)]
    try:
        async with asyncio.timeout(timeout_s):
            while last := late():
                whole[0], is_known_late = False, True
                while is_known_late:
                    await changed.wait()
                    changed.clear()
                    is_known_late = not whole[0] and _still_lag(state, last, wanted)
    except TimeoutError:
        lines = "\n".join(f"  {one}" for one in late()[:20])
        raise Unavailable(
            f"not applied everywhere after {timeout_s:g} s:\n{lines}", code="timed-out"
        ) from None
    finally:
        for end in ends:
            end()


def _still_lag(state: Rows, last: Iterable[Behind], wanted: Mapping[str, int]) -> bool:
    """Whether for certain one of those who lagged still does, as far as nodes tell; anything else is looked into."""
    applied = store.applied(store.source(state))
    return any(
        one.generation and applied.get(one.node, {}).get(one.network, 0) < wanted[one.network] for one in last
    )


def _bindings(state: Source, networks: Collection[str]) -> tuple[Binding, ...]:
    return tuple(
        Binding(row["network"], row["port"], row["node"])
        for row in state("Binding")
        if row["network"] in networks
    )


def _lagging(
    name: str, generation: int, nodes: set[str], applied: Mapping[str, Mapping[str, int]]
) -> list[Behind]:
    found = []
    for node in nodes:
        if node not in applied:
            found.append(Behind(node, name, "has not registered"))
        elif applied[node].get(name, 0) < generation:
            has = applied[node].get(name)
            came = f"generation {has}" if has else "nothing"
            reason = f"generation {generation} of {name} was expected, it has {came}"
            found.append(Behind(node, name, reason, generation=True))
    return found


def _unbound(
    network: str, asking: Iterable[LogicalPort], bindings: tuple[Binding, ...], external: set[str]
) -> list[Behind]:
    """Ports that an agent has to plug in itself; others wait for an interface of somebody else's making."""
    at = {binding.port: binding.node for binding in bindings if binding.network == network}
    return [
        Behind(port.node, network, f"port {network}/{port.name} is not bound there yet")
        for port in asking
        if port.node is not None
        and port.node not in external
        and port.namespace is not None
        and at.get(port.name) != port.node
    ]
