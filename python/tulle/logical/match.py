"""The match language of ACLs and traces: `tcp,src=10.0.1.0/24,dport=80`.

A protocol word, if any, and `key=value` pairs, joined by commas.  Keys: src, dst (an address or
a prefix; in an ACL also `$NAME`, an address set, or `@NAME`, the ports of a group), sport, dport
(tcp and udp), type, code (icmp and icmp6).  `any` is every frame.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from tulle.errors import InvalidInput
from tulle.values import FieldMatch, Match, Protocol, fields
from tulle.values.pipeline import (
    ETH_ARP,
    ETH_IPV4,
    ETH_IPV6,
    PROTO_ICMP,
    PROTO_ICMP6,
    PROTO_TCP,
    PROTO_UDP,
)

from .spelling import nearest

IpNetwork = IPv4Network | IPv6Network

FAMILIES: Final[dict[Protocol, frozenset[str]]] = {
    "": frozenset({"arp", "ip4", "ip6", "other"}),
    "ip": frozenset({"ip4", "ip6"}),
    "ip4": frozenset({"ip4"}),
    "ip6": frozenset({"ip6"}),
    "tcp": frozenset({"ip4", "ip6"}),
    "udp": frozenset({"ip4", "ip6"}),
    "icmp": frozenset({"ip4"}),
    "icmp6": frozenset({"ip6"}),
    "arp": frozenset({"arp"}),
}
NUMBERS: Final[dict[str, int]] = {
    "tcp": PROTO_TCP,
    "udp": PROTO_UDP,
    "icmp": PROTO_ICMP,
    "icmp6": PROTO_ICMP6,
}
KEYS: Final = {
    "src": "src",
    "dst": "dst",
    "sport": "sport",
    "dport": "dport",
    "type": "icmp_type",
    "code": "icmp_code",
}
TEXT_MAX: Final = 1000
REFERENCES: Final = ("$", "@")
REFERENCE: Final = re.compile(r"[$@][a-z0-9][a-z0-9-]{0,62}")


def parse_match(text: str) -> Match:
    """The match that `text` writes; InvalidInput names the position (from 1) of what is wrong."""
    if len(text) > TEXT_MAX:
        raise InvalidInput(f"match: at most {TEXT_MAX} characters were expected, {len(text)} came")
    found: dict[str, object] = {}
    position = 1
    for part in text.split(","):
        name, value = _parse_part(part.strip(), position, first=position == 1)
        if name in found:
            raise _bad(position, f"{part.strip()!r} says again what was said before")
        found[name] = value
        position += len(part) + 1
    match = Match(**{name: value for name, value in found.items() if value is not None})  # type: ignore[arg-type]
    _refuse_contradictions(match)
    return match


def emit_match(match: Match) -> str:
    """The canonical text of a match; `parse_match` gives the same match back."""
    parts: list[str] = [match.protocol] if match.protocol else []
    for key, name in KEYS.items():
        value = getattr(match, name)
        if value is not None:
            parts.append(f"{key}={value}")
    return ",".join(parts) or "any"


def families(match: Match) -> frozenset[str]:
    """Which of ip4, ip6, arp, other the match can be true for."""
    given = FAMILIES[match.protocol]
    if (match.src is None and match.dst is None) or match.protocol == "arp":
        return given
    versions = {address.version for address in _literals(match)} or {4, 6}
    return given.intersection(f"ip{version}" for version in versions)


def is_reference(text: str | None) -> bool:
    """Whether an address of a match is `$NAME` or `@NAME`."""
    return text is not None and text[:1] in REFERENCES


def overlap(one: Match, other: Match, meet: Callable[[str, str], bool] | None = None) -> bool:
    """Whether some packet fits both; `meet` tells it of two addresses, where they may be references."""
    if not families(one) & families(other):
        return False
    numbers = {NUMBERS[match.protocol] for match in (one, other) if match.protocol in NUMBERS}
    return (
        len(numbers) < 2
        and all(
            _meet(getattr(one, name), getattr(other, name), meet or _prefixes_meet) for name in ("src", "dst")
        )
        and all(
            _equal_or_any(getattr(one, name), getattr(other, name))
            for name in ("sport", "dport", "icmp_type", "icmp_code")
        )
    )


def expand_match(match: Match) -> tuple[tuple[FieldMatch, ...], ...]:
    """The field matches that together are true for exactly what `match`, without references, describes."""
    if match == Match():
        return ((),)
    return tuple(_fields_of(match, family) for family in sorted(families(match)))


@lru_cache(maxsize=65536)
def prefix_field(name: str, prefix: str) -> tuple[FieldMatch, ...]:
    """An address field within a prefix: nothing for /0, no mask for a host."""
    network = ip_network(prefix)
    if network.prefixlen == 0:
        return ()
    mask = None if network.prefixlen == network.max_prefixlen else str(network.netmask)
    return (FieldMatch(name, str(network.network_address), mask),)


def _parse_part(part: str, position: int, *, first: bool) -> tuple[str, object]:
    if "=" not in part:
        return _parse_protocol(part, position, first=first)
    key, _, value = part.partition("=")
    if key not in KEYS:
        raise _bad(position, f"unknown key {key!r}{nearest(key, KEYS)}")
    readers: dict[str, Callable[[str, int], object]] = {"src": _parse_prefix, "dst": _parse_prefix}
    limit = 65535 if key.endswith("port") else 255
    name = KEYS[key]
    reader = readers.get(key)
    at = position + len(key) + 1
    return name, reader(value, at) if reader else _parse_number(value, at, limit)


def _parse_protocol(word: str, position: int, *, first: bool) -> tuple[str, object]:
    if word == "any":
        return "protocol", None
    if word and word in FAMILIES and first:
        return "protocol", word
    if word in FAMILIES and word:
        raise _bad(position, f"the protocol {word!r} was expected first")
    names = [name for name in FAMILIES if name]
    hint = nearest(word, names) or f"; one of any, {', '.join(names)} or KEY=VALUE was expected"
    raise _bad(position, f"unknown protocol {word!r}{hint}")


def _parse_prefix(value: str, position: int) -> str:
    if value[:1] in REFERENCES and value:
        if not REFERENCE.fullmatch(value):
            raise _bad(position, f"the name of a set ($NAME) or group (@NAME) was expected, {value!r} came")
        return value
    try:
        if "%" in value:
            raise ValueError("a zone has no meaning here")
        network = ip_network(value)
    except ValueError as error:
        raise _bad(position, f"an address or prefix was expected, {value!r} came ({error})") from None
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _parse_number(value: str, position: int, limit: int) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 5 and int(value) <= limit):
        raise _bad(position, f"a number from 0 to {limit} was expected, {value!r} came")
    return int(value)


def _refuse_contradictions(match: Match) -> None:
    if (match.sport is not None or match.dport is not None) and match.protocol not in ("tcp", "udp"):
        raise InvalidInput("match: sport and dport need tcp or udp")
    if match.icmp_type is not None or match.icmp_code is not None:
        _refuse_without_icmp(match)
    return _refuse_mixed(match)


def _refuse_without_icmp(match: Match) -> None:
    if match.protocol not in ("icmp", "icmp6"):
        raise InvalidInput("match: type and code need icmp or icmp6")


def _refuse_mixed(match: Match) -> None:
    addresses = _literals(match)
    if match.protocol == "arp" and len(addresses) < len([one for one in (match.src, match.dst) if one]):
        raise InvalidInput("match: arp goes with an address or a prefix, not with a set or a group")
    if len({address.version for address in addresses}) > 1:
        raise InvalidInput(f"match: src {match.src} and dst {match.dst} are of different families")
    if match.protocol == "arp" and any(address.version == 6 for address in addresses):
        raise InvalidInput("match: arp speaks of IPv4 addresses only")
    if not families(match):
        raise InvalidInput(f"match: {match.protocol} does not go with {match.src or match.dst}")


def _literals(match: Match) -> list[IpNetwork]:
    """The addresses that are written out."""
    given = (match.src, match.dst)
    return [ip_network(one) for one in given if one is not None and not is_reference(one)]


def _fields_of(match: Match, family: str) -> tuple[FieldMatch, ...]:
    source, target = {"ip4": ("nw_src", "nw_dst"), "ip6": ("ipv6_src", "ipv6_dst")}.get(
        family, ("arp_spa", "arp_tpa")
    )
    masked: tuple[FieldMatch, ...] = ()
    for name, prefix in ((source, match.src), (target, match.dst)):
        masked += prefix_field(name, prefix) if prefix else ()
    exact: dict[str, int] = {"dl_type": {"ip4": ETH_IPV4, "ip6": ETH_IPV6, "arp": ETH_ARP}[family]}
    if match.protocol in NUMBERS:
        exact["nw_proto"] = NUMBERS[match.protocol]
    return fields(masked, **exact, **_transport_of(match))


def _transport_of(match: Match) -> dict[str, int]:
    icmp = "icmpv6" if match.protocol == "icmp6" else "icmp"
    named = {
        f"{match.protocol}_src": match.sport,
        f"{match.protocol}_dst": match.dport,
        f"{icmp}_type": match.icmp_type,
        f"{icmp}_code": match.icmp_code,
    }
    return {name: value for name, value in named.items() if value is not None}


def _meet(one: str | None, other: str | None, meet: Callable[[str, str], bool]) -> bool:
    return one is None or other is None or meet(one, other)


def _prefixes_meet(one: str, other: str) -> bool:
    left, right = ip_network(one), ip_network(other)
    return left.version == right.version and left.overlaps(right)


def _equal_or_any(one: int | None, other: int | None) -> bool:
    return one is None or other is None or one == other


def _bad(position: int, message: str) -> InvalidInput:
    return InvalidInput(f"match, position {position}: {message}")
