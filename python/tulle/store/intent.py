"""The database `Tulle`: networks and declared nodes, from rows to values and back.

Sets have no order in OVSDB, so values come back in canonical order: by name, addresses by number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache
from ipaddress import ip_interface, ip_network
from typing import Any

import msgspec

from tulle.errors import InvalidInput, TulleError
from tulle.logical import emit_match, parse_match, problems
from tulle.values import (
    Acl,
    AddressSet,
    Ids,
    LogicalPort,
    LogicalRouter,
    LogicalSwitch,
    Network,
    Node,
    PortGroup,
    RouterPort,
)

from . import insertion, layer2, routing, services
from .translation import balancer_of, balancer_row, canonical_balancer, nat_of, nat_rows
from .writer import Row, Source, Writer

Rows = dict[str, list[Row]]
_CHECKED_MAX = 1024
_PARTS = (
    "Logical_Switch",
    "Logical_Router",
    "Logical_Port",
    "ACL",
    "Port_Group",
    "Address_Set",
    "Load_Balancer",
    *insertion.TABLES,
)


class StoredNetwork(msgspec.Struct, frozen=True, dict=True):
    """A network, the generation that it has, and the version that its packets carry."""

    network: Network
    generation: int
    version: int = 0

    @cached_property
    def placed(self) -> tuple[LogicalPort, ...]:
        """The ports that ask for a node, looked for once."""
        return tuple([port for port in self.network.ports if port.node is not None])

    @cached_property
    def children(self) -> tuple[LogicalPort, ...]:
        """The child ports, looked for once."""
        return tuple([port for port in self.network.ports if port.parent is not None])

    @cached_property
    def nodes(self) -> dict[str, str | None]:
        """The node that each port asks for; a child asks for its parent's."""
        found = {port.name: port.node for port in self.network.ports}
        return found | {port.name: found.get(port.parent or "") for port in self.children}


def networks(
    source: Source, on_problem: Callable[[str, Exception], None] | None = None
) -> dict[str, StoredNetwork]:
    """All networks by name.

    A network whose rows make no sense (another client wrote them) is left out; `on_problem` is told.
    """
    tables = {table: _by_network(source(table)) for table in _PARTS}
    router_ports = _by_network(source("Router_Port"))
    nats = _by_network(source("NAT"))
    policies = _by_network(source(routing.TABLE))
    out = {}
    for row in sorted(source("Network"), key=_name):
        name = row["name"]
        parts = {table: rows[name] for table, rows in tables.items()}
        try:
            network = _checked(_network(row, parts, router_ports[name], nats[name], policies[name]))
        except (TulleError, ValueError) as error:
            if on_problem is not None:
                on_problem(name, error)
            continue
        out[name] = StoredNetwork(network, row["generation"], row["version"])
    return out


def write_network(
    writer: Writer,
    source: Source,
    network: Network,
    generation: int,
    numbers: Mapping[str, int] | None = None,
    version: int | None = None,
) -> None:
    """Operations that make the stored network equal this one; rows that stay keep their uuids.

    `version` None leaves it as it is.
    `numbers` are those that it had once and is to have again where they are free: a switch's or a router's by its
    name, a port's on it as `switch/port`.
    """
    name = network.name

    def upsert(table: str, rows: Iterable[Row]) -> frozenset[Any]:
        return frozenset(
            writer.upsert(table, _of(source(table), name), [{"network": name, **row} for row in rows])
        )

    routers = []
    for router in network.routers:
        ports = upsert(
            "Router_Port", [{"router": router.name, **router_port_row(port)} for port in router.ports]
        )
        own = {
            "ports": ports,
            "nat": upsert("NAT", nat_rows(router)),
            "policies": upsert(routing.TABLE, routing.policy_rows(router)),
        }
        routers.append({"name": router.name, **routing.route_columns(router), **own})
    root = {
        "name": name,
        "generation": generation,
        "switches": upsert("Logical_Switch", map(switch_row, network.switches)),
        "routers": upsert("Logical_Router", routers),
        "ports": upsert("Logical_Port", map(port_row, network.ports)),
        "acls": upsert("ACL", map(acl_row, network.acls)),
        "port_groups": upsert("Port_Group", map(group_row, network.port_groups)),
        "address_sets": upsert("Address_Set", map(set_row, network.address_sets)),
        "load_balancers": upsert("Load_Balancer", map(balancer_row, network.load_balancers)),
        **{column: upsert(table, rows) for column, table, rows in insertion.rows(network)},
        **network_columns(network),
    }
    if numbers is not None:
        root["numbers"] = dict(numbers)
    if version is not None:
        root["version"] = version
    writer.upsert("Network", source("Network"), [root])


def delete_network(writer: Writer, source: Source, name: str) -> None:
    """Operations that remove a network; its parts go with it, as nothing refers to them any more."""
    for row in source("Network"):
        if row["name"] == name:
            writer.delete("Network", row)


def preferred(source: Source) -> Ids:
    """The numbers that networks would have, by their full names."""
    datapaths: dict[str, int] = {}
    ports: dict[str, int] = {}
    for row in source("Network"):
        for name, number in row["numbers"].items():
            (ports if "/" in name else datapaths)[f"{row['name']}/{name}"] = number
    return Ids(datapaths, ports)


def canonical(network: Network) -> Network:
    """The same network in the order in which it comes back from the database."""
    return msgspec.structs.replace(
        network,
        switches=_named(map(_canonical_switch, network.switches)),
        routers=_named(map(_canonical_router, network.routers)),
        ports=_named(map(canonical_port, network.ports)),
        acls=_named(network.acls),
        port_groups=_named(map(_canonical_group, network.port_groups)),
        address_sets=_named(map(_canonical_set, network.address_sets)),
        default_deny=tuple(sorted(network.default_deny)),
        load_balancers=_named(map(canonical_balancer, network.load_balancers)),
        appliances=_named(network.appliances),
        chains=_named(network.chains),
        mirrors=_named(network.mirrors),
    )


def declared_nodes(source: Source) -> dict[str, Node]:
    """The nodes that files declare, by name; those with an agent register themselves in `Tulle_State` too."""
    return {row["name"]: node_of(row) for row in sorted(source("Node"), key=_name)}


def write_declared_nodes(writer: Writer, source: Source, nodes: Iterable[Node]) -> None:
    """Operations that add or change declared nodes; others stay."""
    writer.upsert("Node", source("Node"), map(node_row, nodes))


def node_of(row: Row) -> Node:
    """A node, from its row in either database."""
    second = row.get("second_address", "")
    return Node(row["name"], row["address"], _listed(row["encapsulations"]), row["external"], second)


def node_row(node: Node) -> dict[str, Any]:
    """The columns of a node that both databases have."""
    return {
        "name": node.name,
        "address": node.address,
        "encapsulations": ",".join(node.encapsulations),
        "external": node.external,
    }


def network_facts(root: Row) -> dict[str, Any]:
    """What the row of a network itself says of it."""
    return {
        "paused": root["paused"],
        "default_deny": tuple(sorted(root["default_deny"])),
        "encapsulations": _listed(root["encapsulations"]),
        "dns": services.dns_of(root),
        "forwarding": services.forwarding_of(root),
    }


def _network(
    root: Row, parts: Rows, router_ports: list[Row], nats: list[Row], policies: list[Row]
) -> Network:
    ports_of = defaultdict(list)
    for port in router_ports:
        ports_of[port["router"]].append(port)
    return Network(
        root["name"],
        tuple(map(_switch, parts["Logical_Switch"])),
        tuple(_router(row, ports_of[row["name"]], nats, policies) for row in parts["Logical_Router"]),
        tuple(map(_port, parts["Logical_Port"])),
        tuple(map(_acl, parts["ACL"])),
        port_groups=tuple(map(_group, parts["Port_Group"])),
        address_sets=tuple(map(_set, parts["Address_Set"])),
        load_balancers=tuple(map(balancer_of, parts["Load_Balancer"])),
        **insertion.values(parts),
        **network_facts(root),
    )


def _switch(row: Row) -> LogicalSwitch:
    made = services.with_switch_columns(LogicalSwitch(row["name"], tuple(row["subnets"])), row)
    return layer2.with_switch_columns(made, row)


@lru_cache(maxsize=_CHECKED_MAX)
def _checked(network: Network) -> Network:
    """The canonical network; InvalidInput if it is contradictory.  Most are the same as last time."""
    found = problems(network)
    if found:
        raise InvalidInput("; ".join(one.message for one in found[:5]))
    return canonical(network)


def router_of(row: Row, ports: Iterable[Row], nats: Iterable[Row], policies: Iterable[Row]) -> LogicalRouter:
    """A router in canonical order, from its row, those of its ports, of its translations and of its policies."""
    return _canonical_router(_router(row, ports, nats, policies))


def _router(row: Row, ports: Iterable[Row], nats: Iterable[Row], policies: Iterable[Row]) -> LogicalRouter:
    return LogicalRouter(
        row["name"],
        tuple(
            RouterPort(
                port["name"],
                port["switch"],
                port["mac"],
                tuple(port["addresses"]),
                services.advertises_of(port),
            )
            for port in ports
        ),
        routing.routes_of(row),
        tuple(nat_of(nat) for nat in nats if nat["router"] == row["name"]),
        routing.policies_of(policies, row["name"]),
    )


def _port(row: Row) -> LogicalPort:
    made = LogicalPort(
        row["name"],
        row["switch"],
        row["mac"],
        tuple(row["addresses"]),
        row["node"],
        row["namespace"],
        row["interface"],
        row["port_security"],
        services.configure_of(row),
        **layer2.port_columns(row),
    )
    return routing.with_port_columns(made, row)


def _acl(row: Row) -> Acl:
    return Acl(
        row["name"],
        row["direction"],
        row["priority"],
        parse_match(row["match"]),
        row["action"],
        row["switch"],
        row["port"],
        row["group"],
        row["tier"],
        row["log"],
        row["audit"],
    )


def _group(row: Row) -> PortGroup:
    return PortGroup(row["name"], tuple(row["ports"]))


def _set(row: Row) -> AddressSet:
    return AddressSet(row["name"], tuple(row["addresses"]))


def network_columns(network: Network) -> Row:
    """What the row of a network itself says of it; see `network_facts`."""
    return {
        "paused": network.paused,
        "default_deny": frozenset(network.default_deny),
        "encapsulations": ",".join(network.encapsulations),
        **services.network_columns(network),
    }


def switch_row(switch: LogicalSwitch) -> Row:
    """The columns of a switch, but for its network."""
    columns = {**services.switch_columns(switch), **layer2.switch_columns(switch)}
    return {"name": switch.name, "subnets": frozenset(switch.subnets), **columns}


def router_port_row(port: RouterPort) -> Row:
    """The columns of a router's port, but for its network and router."""
    return {**msgspec.structs.asdict(port), "addresses": frozenset(port.addresses)}


def port_row(port: LogicalPort) -> Row:
    """The columns of a port, but for its network."""
    own = {**msgspec.structs.asdict(port), "addresses": frozenset(port.addresses)}
    return {**own, **routing.port_columns(port)}


def acl_row(acl: Acl) -> Row:
    """The columns of an ACL, but for its network."""
    return {**msgspec.structs.asdict(acl), "match": emit_match(acl.match)}


def group_row(group: PortGroup) -> Row:
    """The columns of a port group, but for its network."""
    return {"name": group.name, "ports": frozenset(group.ports)}


def set_row(one: AddressSet) -> Row:
    """The columns of an address set, but for its network."""
    return {"name": one.name, "addresses": frozenset(one.addresses)}


def canonical_port(port: LogicalPort) -> LogicalPort:
    """The same port with its addresses in order; the port itself where they are."""
    if len(port.addresses) < 2:
        return port
    return msgspec.structs.replace(port, addresses=_sorted_addresses(port.addresses))


def _canonical_switch(switch: LogicalSwitch) -> LogicalSwitch:
    own = tuple(sorted(switch.service_addresses, key=lambda text: (":" in text, text)))
    return msgspec.structs.replace(switch, subnets=_sorted_subnets(switch.subnets), service_addresses=own)


def _canonical_group(group: PortGroup) -> PortGroup:
    return msgspec.structs.replace(group, ports=tuple(sorted(group.ports)))


def _canonical_set(one: AddressSet) -> AddressSet:
    return msgspec.structs.replace(one, addresses=tuple(sorted(one.addresses)))


def _canonical_router(router: LogicalRouter) -> LogicalRouter:
    ports = (msgspec.structs.replace(one, addresses=_sorted_addresses(one.addresses)) for one in router.ports)
    routes = tuple(sorted(router.routes, key=lambda route: _subnet_key(route.prefix)))
    return LogicalRouter(router.name, _named(ports), routes, _named(router.nat), _named(router.policies))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def _named(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted(values, key=lambda one: one.name))


def _sorted_subnets(subnets: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(subnets, key=_subnet_key))


def _subnet_key(subnet: str) -> tuple[int, int, int]:
    network = ip_network(subnet)
    return network.version, int(network.network_address), network.prefixlen


def _sorted_addresses(addresses: Iterable[str]) -> tuple[str, ...]:
    return tuple(
        sorted(addresses, key=lambda one: (ip_interface(one).version, int(ip_interface(one).ip), one))
    )


def _by_network(rows: Iterable[Row]) -> defaultdict[str, list[Row]]:
    out: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        out[row["network"]].append(row)
    return out


def _of(rows: Iterable[Row], network: str) -> list[Row]:
    return [row for row in rows if row["network"] == network]


def _name(row: Row) -> str:
    return str(row["name"])


READERS: dict[str, Callable[[Row], Any]] = {
    "Logical_Switch": lambda row: _canonical_switch(_switch(row)),
    "Logical_Port": lambda row: canonical_port(_port(row)),
    "ACL": _acl,
    "Port_Group": lambda row: _canonical_group(_group(row)),
    "Address_Set": lambda row: _canonical_set(_set(row)),
    "Load_Balancer": balancer_of,
    **insertion.READERS,
}
"""Members of networks in canonical order, from rows of these tables."""
