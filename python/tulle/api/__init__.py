"""The controller's API for programs: a client that talks to its socket.

with connect() as tulle:
    tulle.apply(text, "networks.yaml", wait=True)
    with tulle.network("shop").change("more web servers") as c:
        c.port("web3", switch="web")
"""

from __future__ import annotations

from .client import Client, connect
from .network import Draft, Network

__all__ = ["Client", "Draft", "Network", "connect"]
