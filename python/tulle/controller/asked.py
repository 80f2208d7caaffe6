"""How a change was asked for, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Final

import msgspec

from tulle.logical import diff
from tulle.store import StoredNetwork
from tulle.values import Change, Network


class Asked(msgspec.Struct, frozen=True):
    """`by` is who asks, as the transport knows it; `message` is why, in the user's own words.

    `expected` maps networks to the generation that the change builds upon (0: does not exist); where that is not the
    present one, the change is refused.  With `dry_run` nothing is written.  `atomic`: whether all nodes go over to
    the change as one, so that no packet meets old and new; None is as the operation usually does it.
    """

    by: str = ""
    message: str = ""
    expected: Mapping[str, int] = msgspec.field(default_factory=dict)
    dry_run: bool = False
    atomic: bool | None = None


ANYBODY: Final = Asked()
"""Who asks for nothing special."""


class Pair(msgspec.Struct, frozen=True, dict=True):
    """A network before and after a change; None where it does not exist."""

    name: str
    old: StoredNetwork | None
    new: Network | None

    @property
    def before(self) -> Network | None:
        """The old network without its generation."""
        return None if self.old is None else self.old.network

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """How the two differ."""
        return diff(self.before, self.new)

    @property
    def generation(self) -> int:
        """The old generation; 0 where it does not exist."""
        return 0 if self.old is None else self.old.generation


class Applied(msgspec.Struct, frozen=True):
    """What a change did, or would do: the differences, and the generation that each network it names has then.

    A network that is gone has generation 0.  `kept` is the automatic snapshot that undoes the change, `undo` the
    words after `tulle network` that do so.
    """

    changes: tuple[Change, ...]
    generations: dict[str, int]
    kept: str | None = None
    pairs: tuple[Pair, ...] = ()
    undo: str | None = None


def summary(changes: tuple[Change, ...]) -> str:
    """How many objects a change touched, e.g. `2 added, 1 changed`."""
    touched = {"/".join(one.path.split("/")[:3]): one.kind for one in changes}
    whole = {one.path: one.kind for one in changes if "/" not in one.path}
    if whole:
        return f"the whole network {next(iter(whole.values()))}"
    within = {"/".join(one.path.split("/")[:3]) for one in changes if one.path.count("/") != 2}
    kinds = ["changed" if path in within else kind for path, kind in touched.items()]
    return ", ".join(
        f"{kinds.count(kind)} {kind}" for kind in ("added", "removed", "changed") if kind in kinds
    )
