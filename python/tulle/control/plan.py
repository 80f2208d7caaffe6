"""Plan, then apply: the steps from what a node has to what it should have.

Pure; planning again after applying gives nothing.  Steps are in the order in which they hurt no
traffic: what is used comes before its users, and goes after them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from tulle.values import (
    AddAttachment,
    AddFlow,
    AddTunnel,
    Attachment,
    DeleteFlow,
    Flow,
    ModifyAttachment,
    ModifyFlow,
    ModifyTunnel,
    NodeState,
    RemoveAttachment,
    RemoveTunnel,
    Step,
    TunnelInterface,
)

Thing = TypeVar("Thing")


def plan(current: NodeState, desired: NodeState) -> list[Step]:
    """What to do, in order."""
    added_tunnels, removed_tunnels = plan_tunnels(current.tunnels, desired.tunnels)
    added_attachments, removed_attachments = plan_attachments(current.attachments, desired.attachments)
    flows = plan_flows(current.flows, desired.flows)
    return [*added_tunnels, *added_attachments, *flows, *removed_attachments, *removed_tunnels]


def plan_flows(current: Iterable[Flow], desired: Iterable[Flow]) -> list[Step]:
    """Adds and modifications from the last table to the first, then deletions from the first on."""
    added, modified, removed = _differences(current, desired, lambda one: one.key)
    written: list[Step] = [*map(AddFlow, added), *map(ModifyFlow, modified)]
    written.sort(key=_table, reverse=True)
    deleted: list[Step] = [*map(DeleteFlow, removed)]
    deleted.sort(key=_table)
    return [*written, *deleted]


def plan_tunnels(
    current: Iterable[TunnelInterface], desired: Iterable[TunnelInterface]
) -> tuple[list[Step], list[Step]]:
    """(before the flows, after the flows)."""
    added, modified, removed = _differences(current, desired, lambda one: (one.remote, one.encapsulation))
    return [*map(AddTunnel, added), *map(ModifyTunnel, modified)], [*map(RemoveTunnel, removed)]


def plan_attachments(
    current: Iterable[Attachment], desired: Iterable[Attachment]
) -> tuple[list[Step], list[Step]]:
    """(before the flows, after the flows)."""
    added, modified, removed = _differences(current, desired, lambda one: one.port)
    return [*map(AddAttachment, added), *map(ModifyAttachment, modified)], [*map(RemoveAttachment, removed)]


def _differences(
    current: Iterable[Thing], desired: Iterable[Thing], key: Callable[[Thing], Hashable]
) -> tuple[list[Thing], list[Thing], list[Thing]]:
    """(added, modified, removed), in the order in which they were given."""
    before = {key(one): one for one in current}
    after = {key(one): one for one in desired}
    added = [one for name, one in after.items() if name not in before]
    modified = [one for name, one in after.items() if name in before and before[name] != one]
    removed = [one for name, one in before.items() if name not in after]
    return added, modified, removed


def _table(step: Step) -> int:
    return step.flow.table if isinstance(step, (AddFlow, ModifyFlow, DeleteFlow)) else 0
