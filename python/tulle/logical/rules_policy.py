"""Rules about port groups, address sets and what ACLs say of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import ip_network
from typing import Final

from tulle.values import Acl, Network

from .match import is_reference
from .problem import Path, Problem, repeated
from .spelling import nearest

TIER_MAX: Final = 3
LOG_MAX: Final = 1000
MEMBERS_MAX: Final = 10_000
KINDS: Final = {"$": "address set", "@": "port group"}
DIRECTIONS: Final = ("from-port", "to-port")


def policy_names(network: Network) -> Iterator[tuple[Path, str, str]]:
    """(path, name space, name) of groups and sets."""
    for at, group in enumerate(network.port_groups):
        yield ("port_groups", at, "name"), "port group", group.name
    for at, one in enumerate(network.address_sets):
        yield ("address_sets", at, "name"), "address set", one.name


def policy_references(network: Network) -> Iterator[Problem]:
    """Names that are not there, of what groups hold and ACLs speak of."""
    ports = {port.name for port in network.ports}
    for at, group in enumerate(network.port_groups):
        for port in group.ports:
            if port not in ports:
                message = f"port group {group.name}: unknown port {port!r}{nearest(port, ports)}"
                yield Problem(("port_groups", at, "ports"), message)
    known = {
        "$": {one.name for one in network.address_sets},
        "@": {group.name for group in network.port_groups},
    }
    for at, acl in enumerate(network.acls):
        yield from _references(at, acl, known)


def policy_problems(network: Network) -> Iterator[Problem]:
    """What is wrong with groups, sets and defaults whose names are right."""
    for at, group in enumerate(network.port_groups):
        path: Path = ("port_groups", at, "ports")
        yield from repeated(f"port group {group.name}: the port", [(path, port) for port in group.ports])
        yield from _too_many(path, f"port group {group.name}", group.ports)
    for at, one in enumerate(network.address_sets):
        path = ("address_sets", at, "addresses")
        yield from _malformed(path, one.name, one.addresses)
        yield from repeated(f"address set {one.name}: the address", [(path, text) for text in one.addresses])
        yield from _too_many(path, f"address set {one.name}", one.addresses)
    for direction in network.default_deny:
        if direction not in DIRECTIONS:
            yield Problem(("default_deny",), f"from-port or to-port was expected, {direction!r} came")
    yield from repeated("default_deny: the direction", [(("default_deny",), d) for d in network.default_deny])


def acl_extras(at: int, acl: Acl) -> Iterator[Problem]:
    """What is wrong with the tier, the log rate and the audit of an ACL."""
    for name, value, limit in (("tier", acl.tier, TIER_MAX), ("log", acl.log, LOG_MAX)):
        if not 0 <= value <= limit:
            message = f"ACL {acl.name}: a {name} from 0 to {limit} was expected, {value} came"
            yield Problem(("acls", at, name), message)
    if acl.audit and acl.action not in ("drop", "reject"):
        message = f"ACL {acl.name}: audit is for drop and reject, {acl.action} came"
        yield Problem(("acls", at, "audit"), message)


def _references(at: int, acl: Acl, known: dict[str, set[str]]) -> Iterator[Problem]:
    groups = known["@"]
    if acl.group is not None and acl.group not in groups:
        hint = nearest(acl.group, groups)
        yield Problem(("acls", at, "group"), f"ACL {acl.name}: unknown port group {acl.group!r}{hint}")
    for text in (acl.match.src, acl.match.dst):
        if text is not None and is_reference(text) and text[1:] not in known[text[0]]:
            what, hint = KINDS[text[0]], nearest(text[1:], known[text[0]])
            yield Problem(("acls", at, "match"), f"ACL {acl.name}: unknown {what} {text[1:]!r}{hint}")


def _malformed(path: Path, name: str, addresses: Collection[str]) -> Iterator[Problem]:
    for text in addresses:
        try:
            if usual(text) != text:
                yield Problem(path, f"address set {name}: {text!r} is not the usual spelling")
        except ValueError as error:
            message = f"address set {name}: an address or a prefix was expected, {text!r} came ({error})"
            yield Problem(path, message)


def usual(text: str) -> str:
    """An address or a prefix in its usual spelling; ValueError."""
    if "%" in text:
        raise ValueError("a zone has no meaning here")
    network = ip_network(text)
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _too_many(path: Path, what: str, members: Collection[str]) -> Iterator[Problem]:
    if len(members) > MEMBERS_MAX:
        yield Problem(path, f"{what}: at most {MEMBERS_MAX} members were expected, {len(members)} came")
