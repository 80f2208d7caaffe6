"""The cost of Python's garbage collector beside many rows, which it would pass over again and again.

Rows refer to values only, never in circles, so counting references frees them; the collector finds nothing there.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_THRESHOLDS = (50_000, 20, 100)


@contextmanager
def paused_collector() -> Iterator[None]:
    """Collect nothing meanwhile: for work that builds much, once."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def relax_collector() -> None:
    """Collect seldom, and never what exists now: for processes, when their databases are open."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
