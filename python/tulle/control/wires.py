"""The wires that a network needs: none without appliances that are in a chain, and without mirrors."""

from __future__ import annotations

from collections.abc import Iterator

from tulle.values import Chain, Network, inlet_wire, mirror_wire, outlet_wire, switch_wire


def wires(network: Network) -> Iterator[str]:
    """Their names within the network, each once."""
    for chain in network.chains:
        for name in chain.appliances:
            yield from (inlet_wire(name), outlet_wire(name))
    yield from map(switch_wire, sorted({place_switch(network, chain) for chain in network.chains}))
    yield from (mirror_wire(one.name) for one in network.mirrors)


def place_switch(network: Network, chain: Chain) -> str:
    """The switch that a chain is at, or that its port is plugged into."""
    if chain.switch is not None:
        return chain.switch
    return next((port.switch for port in network.ports if port.name == chain.port), "")
