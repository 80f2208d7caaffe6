"""Zones of connection tracking, which are the numbers of ports at the switch.

A number that another port had before must not bring that port's connections along.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import structlog

from tulle.errors import TulleError
from tulle.ovsdb.unixctl import call
from tulle.values import LocalPort, TunnelPort

Ports = Mapping[LocalPort | TunnelPort, int]
_logger = structlog.get_logger(__name__)


def reused_zones(before: Ports, after: Ports) -> list[int]:
    """The numbers of workloads' ports that are new.

    An agent that has just begun knows of no ports before: those that it finds keep their connections.
    """
    if not before:
        return []
    new = (number for port, number in after.items() if before.get(port) != number)
    return sorted(number for number in new if number in _local(after))


async def forget_connections(control: Path, zones: Collection[int]) -> None:
    """Ask the switch to forget them; a switch that does not answer has none, as it starts anew."""
    for zone in zones:
        try:
            await call(control, "dpctl/flush-conntrack", f"zone={zone}")
        except (OSError, TulleError) as error:
            _logger.info("connections not forgotten", zone=zone, error=str(error))


def _local(ports: Ports) -> set[int]:
    return {number for port, number in ports.items() if isinstance(port, LocalPort)}
