"""Tunnels to those who get the copies of mirrors."""

from __future__ import annotations

from tulle.agent.interfaces import Interface, collector_interface
from tulle.agent.placing import Places
from tulle.agent.view import View
from tulle.control import collector_name
from tulle.encap import encapsulations
from tulle.values import Node, TunnelInterface


def collectors(node: Node, view: View, places: Places) -> list[Interface]:
    """For the mirrors whose ports are at this node.

    Never to a node: it would take a copy for a packet of the network whose number is the mirror's key.
    """
    here = {network for network, _ in places.local}
    nodes = {at for one in view.nodes.values() for at in (one.address, one.second_address)}
    wanted = {
        (mirror.remote, mirror.encapsulation)
        for network in view.all_networks
        for mirror in network.mirrors
        if network.name in here and mirror.remote is not None and mirror.remote not in nodes
        if mirror.encapsulation in encapsulations()
    }
    ends = (TunnelInterface(collector_name(at), at, kind) for at, kind in sorted(wanted))
    return [collector_interface(node, one) for one in ends]
