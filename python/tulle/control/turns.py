"""From one version of a network to the next, so that every packet is handled by one of them alone, on all nodes.

1. Users want another version.  Every node that has the network installs it beside the one that packets are in.
2. When all have, packets are stamped with it where they enter; the former one stays for those that are under way.
3. When all stamp it, the former one is not kept any more; nodes remove it a moment later.

Each step waits for what all nodes report, and what is reached stands in one row, so whoever dies in between leaves
the network in the old or the new version, and the next one goes on from there.  A node that takes too long is left
*behind*: the others go on, speak to it in the version that it has, and take what it sends for their own; packets from
and to it may meet a mix until it has followed.  Pure: every call gives the next turn, and the same one again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct

from tulle.values import VERSIONS, Turn, VersionReport


class Wanted(Struct, frozen=True):
    """The version of a network that users want, and the nodes that have or should have the network."""

    version: int
    nodes: frozenset[str]


def next_version(version: int) -> int:
    """The number of the version after this one."""
    return (version + 1) % VERSIONS


def advance_turn(
    current: Turn,
    wanted: Wanted,
    reports: Mapping[str, VersionReport],
    network: str,
    late: Collection[str] = (),
) -> Turn:
    """The turn as it is to be now; `late` are nodes that are not waited for any longer."""
    stamped = {node: reports[node].stamped.get(network) for node in wanted.nodes if node in reports}
    prepared = {node: reports[node].prepared.get(network) for node in wanted.nodes if node in reports}
    behind = {
        node: version
        for node, version in current.behind.items()
        if node in wanted.nodes and stamped.get(node) != current.stamped
    }
    waited = wanted.nodes - behind.keys()
    if current.former:
        missing = {node for node in waited if stamped.get(node) != current.stamped}
        step = Turn(current.stamped)
    elif current.stamped != wanted.version:
        missing = {node for node in waited if prepared.get(node) != wanted.version}
        step = Turn(wanted.version, (current.stamped,))
    else:
        return Turn(current.stamped, (), behind)
    if not missing <= set(late):
        return Turn(current.stamped, current.former, behind)
    left = {node: _last(stamped.get(node), current) for node in missing}
    return Turn(step.stamped, step.former, {**behind, **left})


def _last(stamped: int | None, current: Turn) -> int:
    """What a node was last known to stamp; one that never said has what all had before."""
    if stamped is not None:
        return stamped
    return current.former[0] if current.former else current.stamped


def is_turning(turn: Turn, wanted: int) -> bool:
    """Whether something is to be waited for."""
    return bool(turn.former or turn.behind) or turn.stamped != wanted
