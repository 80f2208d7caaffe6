"""The word for a network of which two configurations are live at once, so that no packet meets a mix of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

VERSIONS: Final = 256
"""Numbers of versions; they are used in turn."""


class Turn(Struct, frozen=True):
    """Which versions of a network nodes keep, besides the one that users want.

    `stamped`: the one that packets get where they enter.  `former`: those that packets may still have.
    `behind`: nodes that did not follow in time, with the version that they were last known to stamp.
    """

    stamped: int = 0
    former: tuple[int, ...] = ()
    behind: Mapping[str, int] = {}


class VersionReport(Struct, frozen=True):
    """What a node has done: for each network, the latest version that it can handle, and the one that it stamps."""

    prepared: Mapping[str, int] = {}
    stamped: Mapping[str, int] = {}
