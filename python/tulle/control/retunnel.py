"""From the encapsulations in use to those that are chosen, without a moment in which packets are lost.

1. What is chosen is `coming`: both ends make the tunnel and receive, nobody sends by it.
2. When both ends report that generation and receive it, it is in use; what was in use is `leaving`.
3. When both ends report that generation and send by it no more, it is gone; they still receive it a moment longer.

One generation is waited for before the next step, so whatever dies in between, the pair stays as it is and goes
on when the end is back.  Nothing is waited for where nothing can be lost: while no end needs the tunnel, or when an
end is not able any more to do what is in use.  Pure: every call gives the next row, and the same one again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from msgspec.structs import replace

from tulle.values import Node, Tunnel, TunnelEnd, Unreachable

Pair = Tunnel | Unreachable
Ends = Mapping[tuple[str, str], TunnelEnd]
"""Reports by (node, remote)."""
BELIEVED_MAX: Final = 1 << 62
"""An agent that reports a later generation is wrong; what follows it has to fit the database for a long time."""


def advance(
    current: Iterable[Pair],
    chosen: Iterable[Pair],
    ends: Ends,
    nodes: Mapping[str, Node],
    mute: Collection[str] = frozenset(),
) -> list[Pair]:
    """The pairs as they are to be now; `nodes` with all that they are able to do, `mute` as in `settled`."""
    known = {(one.local, one.remote): one for one in current}
    return [_advanced(known.get((one.local, one.remote)), one, ends, nodes, mute) for one in chosen]


def settled(
    tunnel: Tunnel, ends: Ends, nodes: Mapping[str, Node], mute: Collection[str] = frozenset()
) -> bool:
    """Whether both ends have applied this generation.

    Ends without an agent do as they are told, and so do those with the agent of an early release, which never
    reports (`mute`).
    """
    waited = [pair for pair in _both(tunnel) if not nodes[pair[0]].external]
    spoken = [pair for pair in waited if pair in ends or pair[0] not in mute]
    return all(pair in ends and ends[pair].generation == tunnel.generation for pair in spoken)


def _advanced(
    current: Pair | None, chosen: Pair, ends: Ends, nodes: Mapping[str, Node], mute: Collection[str]
) -> Pair:
    if isinstance(chosen, Unreachable):
        return chosen
    reports = [ends[pair] for pair in _both(chosen) if pair in ends]
    latest = max((one.generation for one in reports if one.generation <= BELIEVED_MAX), default=0)
    if not isinstance(current, Tunnel):
        return replace(chosen, generation=latest + 1)
    if not reports or _has_lost(current, nodes):
        wanted = chosen
    else:
        wanted = _step(current, chosen, reports, settled(current, ends, nodes, mute))
    same = replace(wanted, generation=current.generation) == current
    return current if same else replace(wanted, generation=max(current.generation, latest) + 1)


def _step(current: Tunnel, chosen: Tunnel, reports: list[TunnelEnd], is_settled: bool) -> Tunnel:
    """One step of every network of the pair, "" being all that are not named."""
    before, used, coming = _used(current, chosen), {}, {}
    for network, now in before.items():
        want = chosen.networks.get(network, chosen.encapsulation)
        announced = is_settled and current.coming.get(network) == want
        if announced and all(want in one.receives for one in reports):
            now = want
        used[network] = now
        if now != want:
            coming[network] = want
    left = {name for network, name in before.items() if used[network] != name}
    still = {name for name in current.leaving if not is_settled or any(name in one.sends for one in reports)}
    leaving = (left | still) - set(used.values()) - set(coming.values())
    default = used.pop("")
    networks = {
        network: name for network, name in used.items() if name != default or network in chosen.networks
    }
    ends = (current.local, current.remote)
    return Tunnel(*ends, default, networks, coming, tuple(sorted(leaving)))


def _used(current: Tunnel, chosen: Tunnel) -> dict[str, str]:
    """What each network that is told apart is sent in now."""
    names = sorted({*current.networks, *chosen.networks, *current.coming, ""})
    return {name: current.networks.get(name, current.encapsulation) for name in names}


def _has_lost(tunnel: Tunnel, nodes: Mapping[str, Node]) -> bool:
    """Whether an end is not able any more to do what is in use, so that nothing is gained by waiting."""
    common = {*nodes[tunnel.local].encapsulations}.intersection(nodes[tunnel.remote].encapsulations)
    return not common.issuperset({tunnel.encapsulation, *tunnel.networks.values()})


def _both(tunnel: Tunnel) -> tuple[tuple[str, str], tuple[str, str]]:
    return (tunnel.local, tunnel.remote), (tunnel.remote, tunnel.local)
