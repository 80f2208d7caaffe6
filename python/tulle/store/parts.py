"""Documents in the table `Part`: each part is one row, whose uuid is the hash of its content.

What several documents share is there once, and goes when the last row that refers to it has gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from tulle.logical.cutting import Cutter
from tulle.logical.parts import Part, cut, joined
from tulle.values import Network

from .writer import Row, Writer

Parts = Mapping[UUID, Row]


def write_document(writer: Writer, present: Parts, document: dict[str, Any]) -> UUID:
    """Operations that add those parts of a document that are not `present`; the uuid of its root."""
    root, parts = cut(document)
    _write(writer, present, parts)
    return UUID(root)


def write_network_document(
    writer: Writer, present: Parts, cutter: Cutter, network: Network, more: dict[str, Any]
) -> UUID:
    """The same for the document of a network with `more` in it, of which `cutter` knows what was written last."""
    root, parts = cutter.cut(network, more, lambda name: bool(name) and UUID(name) in present)
    _write(writer, present, parts)
    return UUID(root)


def _write(writer: Writer, present: Parts, parts: Mapping[str, Part]) -> None:
    for name, part in parts.items():
        if UUID(name) not in present:
            values = {"content": part.content, "parts": frozenset(map(UUID, part.parts))}
            writer.insert_as("Part", UUID(name), values)


def read_document(present: Parts, root: UUID) -> dict[str, Any]:
    """The document of a root; InvalidInput when a part is missing or damaged."""
    return joined(root.hex, parts_of(present))


def parts_of(present: Parts) -> Callable[[str], Part | None]:
    """Finds a part by its name."""

    def part(name: str) -> Part | None:
        row = present.get(UUID(name))
        return None if row is None else Part(row["content"], tuple(sorted(one.hex for one in row["parts"])))

    return part
