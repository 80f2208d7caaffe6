"""Rules about how much ports may send and get, and what their packets are marked with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tulle.values import LogicalPort, Network, Rate

from .file_qos import BURST_MAX_KBIT, DSCP_MAX, RATE_MAX_KBPS
from .match import families, is_reference
from .problem import Path, Problem
from .qos import BURST_MIN_KBIT

MARKINGS_MAX: Final = 32


def qos_problems(network: Network) -> Iterator[Problem]:
    """All that is wrong with what ports are held to."""
    owners = {port: one.name for one in network.appliances for port in one.ports}
    for at, port in enumerate(network.ports):
        if port.qos is not None:
            path: Path = ("ports", at, "qos")
            if port.name in owners:
                # What comes out of one goes on as what went in: it is of its sender.
                message = f"port {port.name} is of appliance {owners[port.name]}, whose ports have no qos"
                yield Problem(path, message)
            yield from _shared(path, port)
            for name, rate in (("from_port", port.qos.from_port), ("to_port", port.qos.to_port)):
                if rate is not None:
                    yield from _rate((*path, name), f"port {port.name}: {name}", rate)
            yield from _markings(path, port)


def _shared(path: Path, port: LogicalPort) -> Iterator[Problem]:
    """A meter is of a port of the switch, and these have none for themselves."""
    if port.qos is not None and (port.qos.from_port or port.qos.to_port):
        if port.parent is not None:
            yield Problem(
                path, f"port {port.name} shares the device of {port.parent}, so it has no rate of its own"
            )
        elif port.localnet is not None:
            yield Problem(path, f"port {port.name}: many speak at a localnet port, so it has no rate")


def _rate(path: Path, what: str, rate: Rate) -> Iterator[Problem]:
    if not 1 <= rate.rate_kbps <= RATE_MAX_KBPS:
        message = f"{what}: rate_kbps from 1 to {RATE_MAX_KBPS} was expected, {rate.rate_kbps} came"
        yield Problem((*path, "rate_kbps"), message)
    if rate.burst_kbit and not BURST_MIN_KBIT <= rate.burst_kbit <= BURST_MAX_KBIT:
        expected = (
            f"burst_kbit from {BURST_MIN_KBIT} to {BURST_MAX_KBIT} was expected, {rate.burst_kbit} came"
        )
        why = "a workload hands over 64 KB at once, of which nothing would ever pass"
        yield Problem((*path, "burst_kbit"), f"{what}: {expected} ({why})")


def _markings(path: Path, port: LogicalPort) -> Iterator[Problem]:
    assert port.qos is not None
    if port.qos.dscp is not None and not 0 <= port.qos.dscp <= DSCP_MAX:
        message = f"port {port.name}: a dscp from 0 to {DSCP_MAX} was expected, {port.qos.dscp} came"
        yield Problem((*path, "dscp"), message)
    if len(port.qos.markings) > MARKINGS_MAX:
        message = f"at most {MARKINGS_MAX} markings were expected, {len(port.qos.markings)} came"
        yield Problem((*path, "markings"), f"port {port.name}: {message}")
    for at, marking in enumerate(port.qos.markings):
        place = (*path, "markings", at)
        if not 0 <= marking.dscp <= DSCP_MAX:
            message = f"a dscp from 0 to {DSCP_MAX} was expected, {marking.dscp} came"
            yield Problem((*place, "dscp"), f"port {port.name}: {message}")
        if any(map(is_reference, (marking.match.src, marking.match.dst))):
            message = "addresses and prefixes were expected, a set or a group came"
            yield Problem((*place, "match"), f"port {port.name}: marking: {message}")
        elif not {"ip4", "ip6"} & families(marking.match):
            message = "only IP packets can be marked, the match is about others"
            yield Problem((*place, "match"), f"port {port.name}: marking: {message}")
