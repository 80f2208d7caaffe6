"""Tulle: virtual networks over any physical network, operated as whole objects.

from tulle import connect

net = connect().network("shop")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tulle.api import connect as connect


def __getattr__(name: str) -> Any:
    """`connect`, found when it is asked for: nobody else pays for the client."""
    if name == "connect":
        from tulle.api import connect

        return connect
    raise AttributeError(f"module 'tulle' has no attribute {name!r}")
