"""What is written and read only where it differs comes to the same as the whole."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Any
from uuid import UUID

from msgspec.structs import replace
from test_store_services import network as translated

from tulle import store
from tulle.logical import problems
from tulle.ovsdb import Database
from tulle.ovsdb.schema import load
from tulle.store import Row, Writer
from tulle.values import (
    Backend,
    Dhcp,
    Dns,
    LogicalRouter,
    Marking,
    Match,
    Nat,
    Network,
    NextHop,
    Qos,
    Rate,
    RoutingPolicy,
    StaticRoute,
)

TABLES = (
    "Network",
    "Logical_Switch",
    "Logical_Router",
    "Router_Port",
    "NAT",
    "Routing_Policy",
    "Logical_Port",
    "Load_Balancer",
)


def with_router(one: Network, **values: Any) -> Network:
    return replace(one, routers=(replace(one.routers[0], **values),))


def served(one: Network) -> Network:
    """With DHCP, names, advertisements, and a port that is configured by DHCP."""
    dhcp = Dhcp(600, ("10.0.1.53",), "red.internal", (StaticRoute("10.7.0.0/16", "10.0.1.9"),))
    outside, web = one.switches
    ports = (one.routers[0].ports[0], replace(one.routers[0].ports[1], ra="dhcpv6"))
    return replace(
        with_router(one, ports=ports),
        switches=(outside, replace(web, dhcp=dhcp)),
        ports=tuple(replace(port, configure="dhcp") for port in one.ports),
        dns=Dns("red.example"),
    )


def routed(one: Network, *names: str) -> Network:
    """With next hops by weight, these policies, and ports that are held to something."""
    hops = (NextHop("192.0.2.3", 3), NextHop("192.0.2.4"))
    routes = (StaticRoute("10.7.0.0/16", "192.0.2.3"), StaticRoute("10.8.0.0/16", next_hops=hops))
    policies = tuple(
        RoutingPolicy(name, 7 + at, Match("tcp", dport=25), "reroute", hops[at:])
        for at, name in enumerate(names)
    )
    qos = Qos(Rate(1000), Rate(2000, 600), 0, (Marking(Match("udp", dport=53), 46), Marking(Match(), 8)))
    return replace(
        with_router(one, routes=routes, policies=policies),
        ports=(replace(one.ports[0], qos=qos if names[1:] else Qos(dscp=1)), *one.ports[1:]),
    )


def variants() -> list[Network]:
    one = store.canonical(translated())
    router, shop = one.routers[0], next(lb for lb in one.load_balancers if lb.name == "shop")
    backends = (Backend("web1", None, 81),)
    mail = Nat("mail", "dnat", "192.0.2.26", "10.0.1.11")
    own = replace(one.switches[1], subnets=("10.0.1.0/24",), service_addresses=("10.0.1.3",))
    return [
        one,
        Network("red", one.switches, (LogicalRouter("core", router.ports),), one.ports),
        with_router(one, nat=(router.nat[0], mail)),
        routed(one, "mail"),
        routed(one, "aa", "mail"),
        replace(
            one,
            load_balancers=(replace(shop, vips=("192.0.2.80",), backends=backends, check_s=1),),
        ),
        served(one),
        replace(served(one), load_balancers=(), paused=True),
        Network("red", (own,), forwarding="ipv4", encapsulations=("vxlan",), dns=Dns()),
    ]


def rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    """All rows without what is by chance; those that are referred to stand in place of the reference."""
    every = {row["_uuid"]: (table, row) for table in TABLES for row in store.source(database)(table)}

    def shown(value: Any) -> Any:
        if isinstance(value, UUID):
            table, row = every[value]
            return table, row["network"], row.get("router", ""), row["name"]
        if isinstance(value, (set, frozenset, tuple)):
            return sorted(map(shown, value), key=repr)
        return value

    def shown_row(row: Row) -> dict[str, Any]:
        return {key: shown(value) for key, value in sorted(row.items()) if key[0] != "_"}

    return {
        table: sorted(
            (
                {key: shown(value) for key, value in row.items() if key[0] != "_"}
                for row in store.source(database)(table)
            ),
            key=lambda row: repr((row.get("router", ""), row["name"])),
        )
        for table in TABLES
    }


def pairs() -> Iterator[tuple[Network, Network]]:
    canonical = [store.canonical(one) for one in variants()]
    assert [problems(one) for one in canonical] == [[]] * len(canonical)
    yield from permutations(canonical, 2)


def begun(one: Network) -> Database:
    database, writer = Database(load("tulle")), Writer(load("tulle"))
    store.write_network(writer, store.source(database), one, 1)
    database.transact(writer.operations)
    return database


def test_a_change_by_what_differs_gives_the_rows_of_the_whole() -> None:
    for old, new in pairs():
        whole, changed = begun(old), begun(old)
        writer = Writer(load("tulle"))
        store.write_network(writer, store.source(whole), new, 2, {"web": 7}, 3)
        whole.transact(writer.operations)
        writer = Writer(load("tulle"))
        store.write_changed_network(writer, changed, old, new, 2, {"web": 7}, 3)
        changed.transact(writer.operations)
        assert rows(changed) == rows(whole)
        assert store.networks(store.source(changed))["red"] == store.StoredNetwork(new, 2, 3)


def test_what_is_followed_is_what_is_read_as_a_whole() -> None:
    for old, new in pairs():
        database = begun(old)
        followed = store.followed(database)
        assert followed.networks() == store.networks(store.source(database))
        writer = Writer(load("tulle"))
        store.write_network(writer, store.source(database), new, 2, version=9)
        database.transact(writer.operations)
        assert followed.networks() == store.networks(store.source(database))
        assert followed.networks()["red"] == store.StoredNetwork(new, 2, 9)
