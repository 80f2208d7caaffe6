"""Which generation of each network a node says that it has.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tulle.agent.editions import Editions
from tulle.agent.view import View


def applied_generations(
    view: View,
    local: Collection[str],
    late: Collection[str],
    reported: Mapping[str, int],
    before: Mapping[str, int],
    editions: Editions,
) -> dict[str, int]:
    """By network; one with two versions keeps the generation of the former.

    Those that are `late` stay at what was `reported` last, by this agent or by the one `before`: as long as the switch
    has their old flows, the numbers in these must not be given to others.
    """
    applied: dict[str, int] = {}
    for name, stored in view.networks.items():
        if editions.is_settled(name):
            known = reported.get(name, before.get(name)) if name in late else stored.generation
            if name in local and known is not None:
                applied[name] = known
        elif name in before and (name in local or name in editions.holding()):
            applied[name] = before[name]
    return applied
