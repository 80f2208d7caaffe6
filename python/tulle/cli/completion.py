"""Names that the shell completes; without a controller that answers at once there are none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import typer

ANSWER_S: Final = 1.0


def network_names(context: typer.Context, incomplete: str) -> list[str]:
    """Networks."""
    return _names(context, "/v1/networks", "networks", incomplete)


def snapshot_names(context: typer.Context, incomplete: str) -> list[str]:
    """Snapshots of the network that stands before."""
    return _names(context, f"{_network(context)}/snapshots", "snapshots", incomplete)


def change_numbers(context: typer.Context, incomplete: str) -> list[str]:
    """Snapshots, and numbers of changes."""
    changes = _names(context, f"{_network(context)}/history", "history", incomplete, "generation")
    return [*snapshot_names(context, incomplete), *reversed(changes)]


def port_names(context: typer.Context, incomplete: str) -> list[str]:
    """Ports of the network that stands before."""
    return _names(context, f"/v1/ports?network={context.params.get('network')}", "ports", incomplete)


def chain_names(context: typer.Context, incomplete: str) -> list[str]:
    """Chains of the network that stands before."""
    try:
        found = _answer(context, _network(context))["network"].get("chains", ())
    except Exception:
        return []  # As in `_names`.
    return [one["name"] for one in found if one["name"].startswith(incomplete)]


def node_names(context: typer.Context, incomplete: str) -> list[str]:
    """Nodes."""
    return _names(context, "/v1/nodes", "nodes", incomplete)


def _network(context: typer.Context) -> str:
    return f"/v1/networks/{context.params.get('network') or _first_word(context)}"


def _first_word(context: typer.Context) -> str:
    """What stands after the command: an option that still lacks its value keeps click from reading arguments."""
    typed = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
    _, _, rest = typed.partition(f" {context.info_name} ")
    return next((word for word in rest.split() if not word.startswith("-")), "")


def _names(context: typer.Context, target: str, key: str, incomplete: str, column: str = "name") -> list[str]:
    try:
        found = [str(one[column]) for one in _answer(context, target)[key]]
    except Exception:
        return []  # Whatever is wrong, a shell that completes is not the place to say so.
    return [name for name in found if name.startswith(incomplete)]


def _answer(context: typer.Context, target: str) -> dict[str, Any]:
    from tulle.api.client import connect
    from tulle.api.transport import request

    api = context.find_root().params.get("api")
    return request(connect(Path(api) if api else None).path, "GET", target, None, ANSWER_S)
