"""The kinds of traffic that a network tells apart: what its ACLs speak of, and everything else.

Reachability is asked for each of them.  Not a list of what exists: two packets of one kind are treated alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Final

from msgspec import Struct

from tulle.values import Match, Network

ECHO: Final = {4: ("icmp", 8), 6: ("icmp6", 128)}
TRANSPORTS: Final = ("tcp", "udp")
FIRST_TARGET: Final = 1024
FIRST_SOURCE: Final = 49152


class Service(Struct, frozen=True, order=True):
    """A packet without its addresses; `kind` and `code` are those of ICMP, `label` is for people."""

    version: int
    protocol: str
    label: str
    sport: int = 0
    dport: int = 0
    kind: int = 0
    code: int = 0


def services(networks: Iterable[Network]) -> tuple[Service, ...]:
    """All kinds that the ACLs and the policies of these networks tell apart."""
    matches = [match for network in networks for match in told_apart(network)]
    ports = {port for match in matches for port in (match.sport, match.dport)}
    source = next(port for port in count(FIRST_SOURCE) if port not in ports)
    target = next(port for port in count(FIRST_TARGET) if port not in ports)
    named = {one for match in matches for one in _of_match(match, source, target)}
    return tuple(sorted({*named, *_others(named, source, target)}))


def told_apart(network: Network) -> Iterator[Match]:
    """What the ACLs and the policies of a network speak of."""
    yield from (acl.match for acl in network.acls)
    yield from (policy.match for router in network.routers for policy in router.policies)


def _of_match(match: Match, source: int, target: int) -> Iterator[Service]:
    if match.protocol in TRANSPORTS and (match.sport, match.dport) != (None, None):
        where = [] if match.dport is None else [str(match.dport)]
        where += [] if match.sport is None else [f"from {match.sport}"]
        label = f"{match.protocol}/{' '.join(where)}"
        sport = source if match.sport is None else match.sport
        dport = target if match.dport is None else match.dport
        for version in (4, 6):
            yield Service(version, match.protocol, label, sport, dport)
    elif match.protocol in ("icmp", "icmp6") and match.icmp_type is not None:
        version = 4 if match.protocol == "icmp" else 6
        if match.icmp_type != ECHO[version][1]:
            label = f"{match.protocol} type {match.icmp_type}"
            yield Service(version, match.protocol, label, kind=match.icmp_type, code=match.icmp_code or 0)


def _others(named: Iterable[Service], source: int, target: int) -> Iterator[Service]:
    special = {one.protocol for one in named}
    for version, (protocol, kind) in ECHO.items():
        yield Service(version, protocol, "ping", kind=kind)
        for transport in TRANSPORTS:
            label = f"other {transport}" if transport in special else transport
            yield Service(version, transport, label, source, target)
