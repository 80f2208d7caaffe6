"""A node's word that it has ports, as rows of `Binding`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import structlog

from tulle import store
from tulle.agent.interfaces import Present
from tulle.agent.requested import PortName
from tulle.store import Source, Writer
from tulle.values import Binding

_logger = structlog.get_logger(__name__)


def write_claims(
    writer: Writer, state: Source, node: str, ports: Iterable[PortName], there: Mapping[str, Present]
) -> None:
    """Operations that bind these ports to the node, each with the interface by which it is plugged in."""
    for port in ports:
        interface = next((one.interface.name for one in there.values() if one.logical_port == port), "")
        _logger.info("claimed", port="/".join(port))
        store.write_binding(writer, state, Binding(*port, node), interface)


def write_releases(writer: Writer, state: Source, node: str, ports: Collection[PortName]) -> None:
    """Operations that let these ports go, where the node has them."""
    for row in state("Binding"):
        if (row["network"], row["port"]) in ports and row["node"] == node:
            writer.delete("Binding", row)
