"""The processes of `tulle vswitch`, which replaces itself by this one: without what only a command line needs.

A library brings more along than a switch asks of it, and supervisor and forwarding process have all of it in memory:
together about 15 MB that are left out here.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from tulle.errors import TulleError

NETLINK = "pyroute2.iproute.linux"


@contextmanager
def without(name: str) -> Iterator[None]:
    """Meanwhile a module that others would use if it were there seems not to be."""
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


def import_netlink() -> None:
    """Load of pyroute2 what speaks of links and routes; loading the package would load all of it, sqlite included."""
    spec = find_spec("pyroute2")
    if spec is None or spec.submodule_search_locations is None:
        return
    package = ModuleType(spec.name)
    package.__path__ = spec.submodule_search_locations
    sys.modules[spec.name] = package
    try:
        package.AsyncIPRoute = importlib.import_module(NETLINK).AsyncIPRoute  # type: ignore[attr-defined]
    except (ImportError, AttributeError):
        # Another version, with other places: then the whole of it.
        for loaded in [loaded for loaded in sys.modules if loaded.split(".")[0] == spec.name]:
            del sys.modules[loaded]


def main(directory: str, database: str, name: str, *options: str) -> int:
    """Be the supervisor; the exit code.  An empty `database` is the usual one of the directory, an empty
    `name` the one that the database says."""
    with without("rich"):
        importlib.import_module("structlog")
    import_netlink()
    from tulle.vswitch.process import Options, main_supervised

    wanted = Options(Path(directory), Path(database) if database else None, name or None)
    try:
        return main_supervised(wanted, take_over="--take-over" in options)
    except TulleError as error:
        from tulle.cli.output import print_error

        print_error(error)
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
