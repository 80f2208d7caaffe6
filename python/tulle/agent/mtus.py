"""The MTU of each network, as this node knows where its ports are and ask to be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tulle.agent.view import View
from tulle.control import network_mtu
from tulle.encap import encapsulations
from tulle.values import Binding, NodeReport


def network_mtus(
    view: View, bindings: Iterable[Binding], reports: Mapping[str, NodeReport], underlay_mtu: int
) -> dict[str, int]:
    """By network, in bytes."""
    asked = [Binding(*port, at) for port, at in view.requested.asking.items()]
    places = [*bindings, *asked]
    known = encapsulations()
    return {
        network.name: network_mtu(
            network.name, places, view.tunnels, known, underlay_mtu, view.nodes.values(), reports
        )
        for network in view.all_networks
    }
