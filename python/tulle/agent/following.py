"""What the agent knows of the world, kept up with every event of its replicas.

`view` gives it as it is now; what has not changed since the last one is the same objects.
Beside that it tells whether anything has changed that decides where ports are and what tunnels there are to be:
most changes of a network do not, and then the flows are all that there is to do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import structlog

from tulle import store
from tulle.agent.view import PortName, View, with_children
from tulle.logical.numbers import PortKeys
from tulle.logical.translation import is_translated
from tulle.ovsdb import Replica, RowEvent, RowUpdated
from tulle.ovsdb.events import change_of
from tulle.ovsdb.table import Change
from tulle.store import StoredNetwork, layer2, moving, source
from tulle.store.followed import Networks
from tulle.values import Ids, Network

_logger = structlog.get_logger(__name__)
_QUIET_TABLES = frozenset({"Counter", "Drop", "Total", "Tunnel_End"})
_QUIET_COLUMNS = frozenset(
    {"heartbeat", "applied", "prepared", "refused", "stamped", "statistics", "next_cfg", "cur_cfg"}
)
_ONLY_LOGICAL = frozenset({"ACL", "Port_Group", "Address_Set", "Datapath", "Port_Key"})
_SHAPE = frozenset({"Logical_Switch", "Logical_Router", "Router_Port"})
_INSIDE_COLUMNS = frozenset(
    {"generation", "numbers", "default_deny"}
    | {"switches", "routers", "ports", "acls", "port_groups", "address_sets"}
)


class Following:
    """Follows the databases `Tulle` and `Tulle_State`."""

    def __init__(self, intent: Replica, state: Replica) -> None:
        self._intent, self._state = source(intent), source(state)
        self._networks = Networks(self._intent)
        self._bindings: dict[PortName, str] = {}
        self._datapaths: dict[str, int] = {}
        self._keys = PortKeys({})
        self._last: dict[str, StoredNetwork] = {}
        intent.subscribe(self._note_intent)
        state.subscribe(self._note_state)

    def view(self) -> View:
        """Everything as it is; a network whose rows make no sense is as it was in the last view."""
        kept: dict[str, StoredNetwork] = {}

        def keep(network: str, problem: Exception) -> None:
            _logger.warning("network not understood", network=network, problem=str(problem))
            if network in self._last:
                kept[network] = self._last[network]

        found = self._networks.networks(keep)
        self._last = {**found, **kept} if kept else found
        nodes = store.declared_nodes(self._intent) | store.nodes(self._state)
        ids = Ids(self._datapaths, self._keys)
        return View(
            self._last,
            nodes,
            store.tunnels(self._state),
            self._bindings,
            ids,
            store.down(self._state),
            store.turns(self._state),
            with_children(moving.prepared(self._state), self._last),
            store.appliances(self._state),
            layer2.memberships(self._state),
            layer2.physical(self._state),
            layer2.speakers(self._state),
        )

    def _note_intent(self, events: list[RowEvent]) -> None:
        self._networks.note(map(change_of, events))

    def _note_state(self, events: list[RowEvent]) -> None:
        changes = [change_of(event) for event in events]
        self._note_bindings([one for one in changes if one.table == "Binding"])
        self._note_datapaths([one for one in changes if one.table == "Datapath"])
        self._note_keys([one for one in changes if one.table == "Port_Key"])

    def _note_bindings(self, changes: list[Change]) -> None:
        if changes:
            self._bindings = dict(self._bindings)
        for old, new in _pairs(changes):
            if old is not None:
                self._bindings.pop((old["network"], old["port"]), None)
            if new is not None:
                self._bindings[new["network"], new["port"]] = new["node"]

    def _note_datapaths(self, changes: list[Change]) -> None:
        if changes:
            self._datapaths = dict(self._datapaths)
        for old, new in _pairs(changes):
            if old is not None:
                self._datapaths.pop(f"{old['network']}/{old['name']}", None)
            if new is not None:
                self._datapaths[f"{new['network']}/{new['name']}"] = new["id"]

    def _note_keys(self, changes: list[Change]) -> None:
        groups: dict[str, dict[str, int]] = {}
        for old, new in _pairs(changes):
            row = new or old
            path = f"{row['network']}/{row['datapath']}"
            if path not in groups:
                groups[path] = dict(self._keys.groups.get(path, {}))
            if old is not None:
                groups[path].pop(old["port"], None)
            if new is not None:
                groups[path][new["port"]] = new["key"]
        if groups:
            self._keys = self._keys.replaced(groups)


def _pairs(changes: Iterable[Change]) -> Iterable[tuple[Any, Any]]:
    """Old and new rows; what goes comes first, since what comes may have its name."""
    gone = [(one.old, None) for one in changes if one.new is None]
    return [*gone, *((one.old, one.new) for one in changes if one.new is not None)]


def is_quiet(event: RowEvent) -> bool:
    """Whether an event changes nothing for the agent's decisions."""
    if event.table in _QUIET_TABLES:
        return True
    return isinstance(event, RowUpdated) and event.changed <= _QUIET_COLUMNS


def is_due(event: RowEvent, node: str, here: Collection[str]) -> bool:
    """Whether a node is to look again: not for questions, nor for groups that it told of or whose networks it lacks."""
    if event.table == "Membership":
        return event.row["node"] != node and event.row["network"] in here
    return event.table not in ("Question", "Trace")


def concerns_places(event: RowEvent, served: Collection[PortName], shaped: Collection[str]) -> bool:
    """Whether an event may change which interfaces, attachments, bindings or tunnels there are to be.

    `served` are the ports that are or were here or bound anywhere, `shaped` the networks whose workloads this agent
    attaches, which are told the routers and subnets of their switches.
    """
    if event.table in _ONLY_LOGICAL:
        return False
    if event.table in _SHAPE:
        return event.row["network"] in shaped
    if event.table == "Network":
        return not isinstance(event, RowUpdated) or not event.changed <= _INSIDE_COLUMNS
    if event.table != "Logical_Port":
        return True
    rows = (event.row, event.old) if isinstance(event, RowUpdated) else (event.row,)
    placed = any(
        row.get(name) is not None for row in rows for name in ("node", "namespace", "parent", "localnet")
    )
    return placed or (event.row["network"], event.row["name"]) in served


def looks_around(network: Network) -> bool:
    """Whether more than flows follows from what a network is inside: translations, appliances, groups."""
    is_snooped = any(one.multicast is not None for one in network.switches)
    return is_translated(network) or is_snooped or bool(network.appliances or network.mirrors)
