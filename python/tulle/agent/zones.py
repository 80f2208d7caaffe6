"""Zones of connection tracking, which are the numbers of ports at the switch.

A number that another port had before must not bring that port's connections along.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import structlog

from tulle.errors import ProtocolError, TulleError, Unavailable
from tulle.ovsdb.unixctl import call
from tulle.values import LocalPort, TunnelPort

Ports = Mapping[LocalPort | TunnelPort, int]
_logger = structlog.get_logger(__name__)


def reused_zones(before: Ports | None, after: Ports) -> list[int]:
    """The numbers of workloads' ports that are new.

    An agent that has just begun does not know what was before (None): the ports that it finds keep their connections.
    """
    if before is None:
        return []
    new = (number for port, number in after.items() if before.get(port) != number)
    return sorted(number for number in new if number in _local(after))


def remembered(before: Ports | None, after: Ports, plugged: Collection[LocalPort]) -> Ports:
    """What the next pass is to take for the numbers before.

    A port of `plugged` that has no number for a moment, as while the switch starts anew, keeps its connections unless
    another port got its number.
    """
    taken = set(after.values())
    waiting = {port: number for port, number in (before or {}).items() if number not in taken}
    return {**{port: number for port, number in waiting.items() if port in plugged}, **after}


async def forget_connections(control: Path, zones: Collection[int]) -> None:
    """Ask the switch to forget those of zones, see `forget`."""
    await forget(control, [(zone,) for zone in zones])


async def forget(control: Path, some: Collection[tuple[int, *tuple[str, ...]]]) -> None:
    """Ask the switch to forget connections of a zone: all, or those with a first packet and an answer.

    Raises `Unavailable` if it does not answer, as they may still be there.
    A switch of another make may have no such command, or not at this place.
    """
    for zone, *ends in some:
        try:
            await call(control, "dpctl/flush-conntrack", f"zone={zone}", *ends)
        except (ConnectionError, TimeoutError, ProtocolError) as error:
            raise Unavailable(f"connections of port {zone} not forgotten: {error!r}") from None
        except (OSError, TulleError) as error:
            _logger.info("connections not forgotten", zone=zone, error=str(error))


def _local(ports: Ports) -> set[int]:
    return {number for port, number in ports.items() if isinstance(port, LocalPort)}
