"""Networks of which the switch has refused a flow: each keeps the flows that it had, all of them, for a while.

It is tried again once it differs, and every half minute.  Pure: it is given the time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from tulle.openflow import FlowChanges, flow_key

RETRY_S = 30.0
"""How long a switch is not asked again for what it has refused."""
NetworkOf = Callable[[str], str | None]
"""Whose a flow is, by key; "" is what every network needs, and None that nobody knows."""


class Refusals:
    """`reasons` says why networks have not the flows that they should have; "" is what every network needs.

    `has_strays` says that flows have stayed of which nobody knows whether a refused network had them.
    """

    def __init__(self) -> None:
        self.clear()

    def next_end(self) -> float | None:
        """When a network is to be tried again."""
        return min(self._until.values(), default=None)

    def clear(self) -> None:
        """Everything is to be tried again."""
        self.reasons: dict[str, str] = {}
        self.has_strays = False
        self._until: dict[str, float] = {}
        self._held: dict[str, dict[str, str]] = {}

    def released(self, changed: Collection[str], now: float) -> dict[str, str]:
        """The keys, each with its network, that were held back and may now be tried again; `changed` are networks."""
        found: dict[str, str] = {}
        for network in [one for one, until in self._until.items() if one in changed or until <= now]:
            found |= self._held.pop(network)
            del self._until[network], self.reasons[network]
        return found

    def note(self, refused: Mapping[str, str], network_of: NetworkOf, now: float) -> None:
        """The switch has refused flows: `refused` has what it said, by key."""
        for key, reason in refused.items():
            network = network_of(key) or ""
            self.reasons.setdefault(network, reason)
            self._until[network] = now + RETRY_S
            self._held.setdefault(network, {})

    def without(self, todo: FlowChanges, network_of: NetworkOf) -> FlowChanges:
        """What of these changes is to be made; what is not is held back."""
        if not self.reasons:
            return todo
        return FlowChanges(
            tuple(text for text in todo.add if not self._holds(flow_key(text), network_of)),
            tuple(text for text in todo.modify if not self._holds(flow_key(text), network_of)),
            tuple(key for key in todo.delete if not self._holds(key, network_of, is_going=True)),
        )

    def _holds(self, key: str, network_of: NetworkOf, *, is_going: bool = False) -> bool:
        network = network_of(key)
        if network is None:
            self.has_strays |= is_going
            return is_going
        if network not in self._held:
            return False
        self._held[network][key] = network
        return True


def taken_back(
    sent: Iterable[str],
    refused: Collection[str],
    before: Mapping[str, str],
    is_concerned: Callable[[str], bool],
) -> tuple[dict[str, str], dict[str, str]]:
    """What the switch has of the flows concerned, now that these texts were sent, and what it had; both by key."""
    texts = {key: text for text in sent if is_concerned(key := flow_key(text))}
    had = {key: before[key] for key in texts if key in before}
    has = {key: text for key, text in texts.items() if key not in refused}
    return {**{key: text for key, text in had.items() if key in refused}, **has}, had
