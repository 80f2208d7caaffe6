"""Names of wires: datapath numbers of their own for one way into an appliance, or back from a chain.

A wire tells a node what to do with a frame even where a context has room for nothing else, and the frame stays as it
was.  No switch or router can have such a name.
"""

from __future__ import annotations


def inlet_wire(appliance: str) -> str:
    """Into an appliance by `in`, or out of it by there."""
    return f"in:{appliance}"


def outlet_wire(appliance: str) -> str:
    """Into an appliance by `out`, or out of it by there."""
    return f"out:{appliance}"


def switch_wire(switch: str) -> str:
    """To a port of a switch whose chain the packet has passed."""
    return f"to:{switch}"


def mirror_wire(mirror: str) -> str:
    """To the port that a mirror's copies are for."""
    return f"mirror:{mirror}"
