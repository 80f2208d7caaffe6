"""Edits of layer 2: ports that become children of others or join a physical network, and switches that snoop."""

from __future__ import annotations

from hypothesis import strategies as st
from msgspec.structs import replace

from tulle.values import LogicalPort, Multicast, Network

SNOOPING = st.sampled_from((None, Multicast(), Multicast(flood_unregistered=True)))
VLANS = st.sampled_from(("refuse", "transparent"))


def child_port(draw: st.DrawFn, network: Network) -> Network:
    """A port that becomes a child of another one, or a child that becomes a port of its own."""
    if len(network.ports) < 2:
        return network
    chosen, parent = draw(st.sampled_from(network.ports)), draw(st.sampled_from(network.ports))
    own = LogicalPort("", "", "")
    bare = replace(chosen, node=None, namespace=None, interface=own.interface, configure=own.configure)
    made = replace(bare, parent=None, tag=None)
    if chosen is not parent and chosen.parent is None:
        made = replace(bare, parent=parent.name, tag=draw(st.integers(10, 12)))
    return replace(network, ports=tuple(made if one is chosen else one for one in network.ports))


def localnet_port(draw: st.DrawFn, network: Network) -> Network:
    """A localnet port that comes to a switch."""
    if not network.switches or any(one.name == "campus" for one in network.ports):
        return network
    switch = draw(st.sampled_from(network.switches)).name
    tag = draw(st.sampled_from((None, 100)))
    made = LogicalPort("campus", switch, "02:00:00:00:66:66", tag=tag, localnet="campus")
    return replace(network, ports=(*network.ports, made))
