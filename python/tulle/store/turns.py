"""Versions of networks in `Tulle_State`: what the controller says of them, and what nodes report."""

from __future__ import annotations

from collections.abc import Mapping

from tulle.values import Turn, VersionReport

from .writer import Row, Source, Writer


def versions(intent: Source) -> dict[str, int]:
    """The version of each network that users want, from `Tulle`."""
    return {row["name"]: row.get("version", 0) for row in intent("Network")}


def turns(state: Source) -> dict[str, Turn]:
    """Where networks are on their way from one version to the next; those without a row never had another one."""
    return {
        row["network"]: Turn(row["stamped"], tuple(sorted(row["former"])), dict(row["behind"]))
        for row in state("Turn")
    }


def version_reports(state: Source) -> dict[str, VersionReport]:
    """What each node with an agent has done."""
    return {
        row["name"]: VersionReport(row["prepared"], row["stamped"])
        for row in state("Node")
        if not row["external"]
    }


def write_turns(writer: Writer, state: Source, wanted: Mapping[str, Turn]) -> None:
    """Operations that make the turns equal these."""
    writer.replace("Turn", state("Turn"), [_turn_row(name, one) for name, one in sorted(wanted.items())])


def write_version_report(writer: Writer, state: Source, node: str, report: VersionReport) -> None:
    """Operations by which a registered agent says what it has done."""
    values = {"prepared": dict(report.prepared), "stamped": dict(report.stamped)}
    for row in state("Node"):
        if row["name"] == node:
            writer.update("Node", row, values)


def _turn_row(network: str, turn: Turn) -> Row:
    return {
        "network": network,
        "stamped": turn.stamped,
        "former": frozenset(turn.former),
        "behind": dict(turn.behind),
    }
