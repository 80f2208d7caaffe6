"""Rules about address translation on routers."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_interface, ip_network

from tulle.values import LogicalRouter, Nat, Network

from .problem import Path, Problem, repeated
from .rules_address import canonical
from .topology import around, inside, outside, own_addresses, port_of


def nat_problems(network: Network) -> Iterator[Problem]:
    """All that is wrong with the rules of all routers, whose addresses are right."""
    rules = list(_rules(network))
    malformed = [problem for path, _, nat in rules for problem in _malformed(path, nat)]
    if malformed:
        yield from malformed
        return
    for path, router, nat in rules:
        yield from _misplaced(path, network, router, nat)
    yield from _shared(rules)


def nat_names(network: Network) -> Iterator[tuple[Path, str, str]]:
    """(path, name space, name) of all rules."""
    for path, _, nat in _rules(network):
        yield (*path, "name"), "nat", nat.name


def _rules(network: Network) -> Iterator[tuple[Path, LogicalRouter, Nat]]:
    for at, router in enumerate(network.routers):
        for nat_at, nat in enumerate(router.nat):
            yield ("routers", at, "nat", nat_at), router, nat


def _malformed(path: Path, nat: Nat) -> Iterator[Problem]:
    yield from _not_canonical((*path, "external"), nat.external, "an address such as 10.9.0.5", "address")
    if nat.kind == "snat" and "/" in nat.logical:
        yield from _not_canonical((*path, "logical"), nat.logical, "a prefix such as 10.1.0.0/24", "route")
    else:
        yield from _not_canonical((*path, "logical"), nat.logical, "an address such as 10.1.0.5", "address")
    if (":" in nat.external) != (":" in nat.logical):
        yield Problem((*path, "logical"), f"{nat.logical} is of another family than {nat.external}")


def _not_canonical(path: Path, text: str, expected: str, kind: str) -> Iterator[Problem]:
    try:
        if canonical(text, kind) != text:
            yield Problem(
                path, f"{canonical(text, kind)!r} was expected as the usual spelling, {text!r} came"
            )
    except ValueError as error:
        yield Problem(path, f"{expected} was expected, {text!r} came ({error})")


def _misplaced(path: Path, network: Network, router: LogicalRouter, nat: Nat) -> Iterator[Problem]:
    port = port_of(router, nat.external)
    if port is None:
        yield Problem((*path, "external"), f"{nat.external} is on no subnet of router {router.name}")
        return
    yield from _taken(path, network, router, nat)
    beyond = outside(network, router, nat)
    twice = [one.name for one in router.ports if one.switch in beyond and one != port]
    if twice:
        message = f"outside of port {port.name} one gets to port {twice[0]} of router {router.name} too"
        yield Problem((*path, "external"), message)
    elif nat.kind == "snat" and not inside(network, router, nat):
        yield Problem((*path, "logical"), f"{nat.logical} holds no address behind router {router.name}")
    elif nat.kind != "snat":
        yield from _unknown(path, network, router, nat, beyond)


def _taken(path: Path, network: Network, router: LogicalRouter, nat: Nat) -> Iterator[Problem]:
    """An external address is nobody else's; of a router's own one only `snat` makes use."""
    place = (*path, "external")
    port = next((one.name for one in network.ports if nat.external in one.addresses), None)
    other = next(
        (one.name for one in network.routers if one != router and nat.external in own_addresses(one)), None
    )
    if port is not None:
        yield Problem(place, f"{nat.external} is an address of port {port}")
    elif other is not None:
        yield Problem(place, f"{nat.external} is an address of router {other}")
    elif nat.external in own_addresses(router) and nat.kind != "snat":
        yield Problem(place, f"{nat.external} is router {router.name} itself: only snat can use it")
    elif _stands_for_all(router, nat.external):
        yield Problem(place, f"address {nat.external} stands for all of its subnet")


def _stands_for_all(router: LogicalRouter, address: str) -> bool:
    """Network and broadcast address."""
    for port in router.ports:
        for one in port.addresses:
            home = ip_interface(one).network
            if ip_address(address) in home and home.max_prefixlen - home.prefixlen >= 2:
                return ip_address(address) in (home[0], *([home[-1]] if home.version == 4 else []))
    return False


def _unknown(
    path: Path, network: Network, router: LogicalRouter, nat: Nat, beyond: frozenset[str]
) -> Iterator[Problem]:
    place = (*path, "logical")
    port = next((one for one in network.ports if nat.logical in one.addresses), None)
    if port is None:
        yield Problem(place, f"no port has the address {nat.logical}")
    elif port.switch in beyond or port.switch not in around(network, [one.switch for one in router.ports]):
        yield Problem(place, f"port {port.name} ({nat.logical}) is not behind router {router.name}")


def _shared(rules: list[tuple[Path, LogicalRouter, Nat]]) -> Iterator[Problem]:
    """Many may share an address by `snat`; who is sent what comes to one is alone with it."""
    owners: dict[str, str] = {}
    for path, router, nat in rules:
        known = owners.setdefault(nat.external, f"{router.name}/{nat.kind}")
        if known != f"{router.name}/snat" or nat.kind != "snat":
            first = next(one.name for _, _, one in rules if one.external == nat.external)
            if first != nat.name:
                yield Problem((*path, "external"), f"{nat.external} is used by {first} already")
    sources = [
        ((*path, "logical"), (router.name, port_of(router, nat.external), ip_network(nat.logical)))
        for path, router, nat in rules
        if nat.kind != "dnat"
    ]
    yield from repeated("on one side of a router the translation of", sources)
