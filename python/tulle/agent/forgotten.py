"""Whether what a flow has counted is still told of, when the flow goes.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tulle.agent.totals import Whereabouts
from tulle.agent.view import View


def is_counted(
    cookie: int, known: Iterable[Mapping[int, str]], view: View | None, places: Whereabouts
) -> bool:
    """Of a flow of a port: not where users have deleted the port's switch too.

    `known` names the owners of cookies, `places` are those of before.
    """
    owner = next((owners[cookie] for owners in known if cookie in owners), None)
    if owner is None or view is None:
        return True
    kind, _, path = owner.partition(" ")
    network, _, port = path.partition("/")
    if kind != "port":
        return kind != "router"
    return (network, port) in view.requested or _has_switch(view, path, places)


def _has_switch(view: View, port: str, places: Whereabouts) -> bool:
    """Whether the switch where a port was is there still, which counts what its ports have passed."""
    if port not in places.ports:
        return True
    network, switch = places.ports[port]
    found = view.networks.get(network)
    return found is not None and any(one.name == switch for one in found.network.switches)
