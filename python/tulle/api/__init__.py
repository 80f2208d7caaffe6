"""The controller's API for programs: a client that talks to its socket.

with connect() as tulle:
    tulle.apply(text, "networks.yaml", wait=True)
    print(tulle.tunnels())
"""

from __future__ import annotations

from .client import Client, connect

__all__ = ["Client", "connect"]
