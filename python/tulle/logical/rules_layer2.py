"""Rules about child ports, localnet ports, and what a switch does with tags and groups."""

from __future__ import annotations

from collections.abc import Iterator

from tulle.values import LogicalPort, LogicalSwitch, Network

from .file_layer2 import TAG_MAX, TAG_MIN
from .problem import Path, Problem, repeated
from .spelling import nearest, valid_name


def layer2_references(network: Network) -> Iterator[Problem]:
    """Parents that are not there."""
    ports = {port.name: port for port in network.ports} if any(map(_is_inner, network.ports)) else {}
    for at, port in enumerate(network.ports):
        if port.parent is not None and port.parent not in ports:
            message = f"port {port.name}: unknown parent {port.parent!r}{nearest(port.parent, ports)}"
            yield Problem(("ports", at, "parent"), message)


def layer2_problems(network: Network) -> list[Problem]:
    """All that is wrong where the names are right."""
    found = list(_timer_problems(network))
    if any(map(_is_inner, network.ports)):
        found += [*_tag_problems(network), *_child_problems(network), *_localnet_problems(network)]
        found += _appliance_problems(network)
    return found


def _is_inner(port: LogicalPort) -> bool:
    return port.parent is not None or port.localnet is not None or port.tag is not None


def _tag_problems(network: Network) -> Iterator[Problem]:
    places: list[tuple[Path, tuple[str, object]]] = []
    for at, port in enumerate(network.ports):
        path: Path = ("ports", at, "tag")
        if port.tag is not None and not TAG_MIN <= port.tag <= TAG_MAX:
            expected = f"a VLAN from {TAG_MIN} to {TAG_MAX} was expected"
            yield Problem(path, f"port {port.name}: {expected}, {port.tag} came")
        elif port.parent is not None and port.localnet is not None:
            message = f"port {port.name}: either a parent or a localnet was expected, both came"
            yield Problem(("ports", at, "localnet"), message)
        elif port.parent is not None and port.tag is None:
            yield Problem(("ports", at), f"port {port.name}: its tag at parent {port.parent} is missing")
        elif port.tag is not None and port.parent is None and port.localnet is None:
            message = f"port {port.name}: a tag is for a port with a parent or a localnet"
            yield Problem(path, message)
        elif port.parent is not None:
            places.append((path, (port.parent, f"{port.tag} at parent {port.parent}")))
        elif port.localnet is not None:
            shown = f"{port.tag or 'none'} at physical network {port.localnet}"
            places.append((path if port.tag else ("ports", at, "localnet"), ("/", shown)))
    yield from repeated("tag", places)


def _child_problems(network: Network) -> Iterator[Problem]:
    ports = {port.name: port for port in network.ports}
    switches = {switch.name: switch for switch in network.switches}
    for at, port in enumerate(network.ports):
        if port.parent is None:
            continue
        parent = ports[port.parent]
        if parent.parent is not None or parent.localnet is not None:
            kind = "a child itself" if parent.parent is not None else "a localnet port"
            message = f"port {port.name}: parent {parent.name} is {kind}"
            yield Problem(("ports", at, "parent"), message)
        elif switches[parent.switch].vlan == "transparent":
            message = (
                f"port {port.name}: switch {parent.switch} of parent {parent.name} carries all tags itself"
            )
            yield Problem(("ports", at, "parent"), message)
        yield from _owned(at, port, f"is where its parent {parent.name} is, and")


def _owned(at: int, port: LogicalPort, why: str) -> Iterator[Problem]:
    """What only a port with an interface of its own has."""
    usual = LogicalPort(port.name, port.switch, port.mac)
    for key in ("node", "namespace", "interface", "configure"):
        if getattr(port, key) != getattr(usual, key):
            yield Problem(("ports", at, key), f"port {port.name}: it {why} has no {key}")


def _localnet_problems(network: Network) -> Iterator[Problem]:
    routed = {port.switch: router.name for router in network.routers for port in router.ports}
    switches = {switch.name: switch for switch in network.switches}
    found: list[tuple[Path, str]] = []
    for at, port in enumerate(network.ports):
        if port.localnet is None:
            continue
        found.append((("ports", at, "switch"), port.switch))
        yield from _owned(at, port, "is on every node that has its physical network, and")
        yield from _localnet_alone(at, port, switches[port.switch])
        if port.switch in routed:
            message = f"port {port.name}: switch {port.switch} meets router {routed[port.switch]},"
            message += " whose MAC address would be in many places of the physical network"
            yield Problem(("ports", at, "switch"), message)
    yield from repeated("the localnet port of switch", found)


def _localnet_alone(at: int, port: LogicalPort, switch: LogicalSwitch) -> Iterator[Problem]:
    if not valid_name(port.localnet or ""):
        expected = "the name of a physical network, of a-z, 0-9 and dash, was expected"
        yield Problem(("ports", at, "localnet"), f"port {port.name}: {expected}, {port.localnet!r} came")
    for key in ("addresses", "port_security"):
        if getattr(port, key):
            message = f"port {port.name}: many speak at a localnet port, so it has no {key}"
            yield Problem(("ports", at, key), message)
    if switch.vlan == "transparent":
        message = (
            f"port {port.name}: switch {switch.name} carries all tags itself, so whoever is there would speak"
        )
        yield Problem(("ports", at, "localnet"), f"{message} in every VLAN of the physical network")


def _appliance_problems(network: Network) -> Iterator[Problem]:
    """Appliances have their devices for themselves; copies and backends are for workloads."""
    parents = {port.parent for port in network.ports if port.parent is not None}
    kinds = {port.name: "a child port" for port in network.ports if port.parent is not None}
    kinds |= {name: "the parent of child ports" for name in parents if name is not None}
    localnets = {port.name: "a localnet port" for port in network.ports if port.localnet is not None}
    kinds |= localnets
    for at, appliance in enumerate(network.appliances):
        for key, name in (("in", appliance.inlet), ("out", appliance.outlet)):
            if name in kinds:
                message = f"appliance {appliance.name}: port {name} is {kinds[name]}"
                yield Problem(("appliances", at, key), message)
    for at, mirror in enumerate(network.mirrors):
        if mirror.to in kinds:
            yield Problem(
                ("mirrors", at, "to"), f"mirror {mirror.name}: port {mirror.to} is {kinds[mirror.to]}"
            )
    for at, chain in enumerate(network.chains):
        if chain.port in localnets:
            message = f"chain {chain.name}: port {chain.port} is a localnet port"
            yield Problem(("chains", at, "port"), message)


def _timer_problems(network: Network) -> Iterator[Problem]:
    for at, switch in enumerate(network.switches):
        one = switch.multicast
        if one is not None and one.querier and one.idle_s <= one.query_s:
            message = f"switch {switch.name}: memberships would end after {one.idle_s} s, before they are"
            yield Problem(
                ("switches", at, "multicast", "idle_s"), f"{message} asked for after {one.query_s} s"
            )
