"""What a question such as `tcp/443` asks about, and who may reach whom in a network as it is."""

from __future__ import annotations

from typing import Final

from tulle.errors import InvalidInput
from tulle.values import Network

from .reach import ReachChange, reach_change
from .services import ECHO, Service

PORTS_MAX: Final = 65_535
WORDS: Final = "tcp/PORT, udp/PORT or ping"


def reachability(network: Network) -> ReachChange:
    """Who can reach whom by what, as `gained`; `unknown` says why that was not computed."""
    return reach_change(None, network)


def asked_services(text: str) -> tuple[Service, ...]:
    """The packets of a question, one for IPv4 and one for IPv6; InvalidInput when it cannot be read."""
    protocol, slash, port = text.partition("/")
    if protocol == "ping" and not slash:
        return tuple(Service(version, *_echo(version), kind=ECHO[version][1]) for version in (4, 6))
    if protocol not in ("tcp", "udp") or not port.isdecimal() or not 0 < int(port) <= PORTS_MAX:
        raise InvalidInput(f"{WORDS} was expected, {text!r} came", where="service")
    return tuple(Service(version, protocol, text, dport=int(port)) for version in (4, 6))


def _echo(version: int) -> tuple[str, str]:
    return ECHO[version][0], "ping"
