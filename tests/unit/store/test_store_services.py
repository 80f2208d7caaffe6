"""Address translation, load balancers and the health of backends: rows to values and back."""

from __future__ import annotations

from msgspec.structs import replace

from tulle import store
from tulle.logical import parse_file
from tulle.ovsdb import Database
from tulle.ovsdb.schema import load
from tulle.store import Writer
from tulle.values import BackendState, Network

TEXT = """networks:
  - name: red
    switches:
      - {name: outside, subnets: [192.0.2.0/24, "2001:db8::/64"]}
      - {name: web, subnets: [10.0.1.0/24, "fd00:1::/64"]}
    routers:
      - name: core
        ports:
          - {switch: outside, addresses: [192.0.2.1/24, "2001:db8::1/64"]}
          - {switch: web, addresses: [10.0.1.1/24, "fd00:1::1/64"]}
        nat:
          - {name: all, kind: snat, external: 192.0.2.1, logical: 10.0.1.0/24}
          - {name: mail, kind: dnat, external: 192.0.2.25, logical: 10.0.1.11}
    ports:
      - {name: web1, switch: web, addresses: [10.0.1.11, "fd00:1::11"]}
    load_balancers:
      - {name: shop, router: core, protocol: tcp, vips: [192.0.2.80, "2001:db8::80"], dport: 80, check_s: 5,
         affinity: source, backends: [{port: web1}, {address: "fd00:1::99", dport: 8080}]}
      - {name: dns, switch: web, protocol: udp, vips: [10.0.1.53], dport: 53, backends: [{address: 10.0.1.11}]}
"""


def network() -> Network:
    return parse_file(TEXT, "red.yaml").networks[0]


def written(database: Database, one: Network, generation: int) -> Network:
    writer = Writer(load("tulle"))
    store.write_network(writer, store.source(database), one, generation)
    database.transact(writer.operations)
    return store.networks(store.source(database))["red"].network


def test_a_network_with_services_comes_back_as_it_was_written() -> None:
    assert written(Database(load("tulle")), network(), 1) == store.canonical(network())


def test_what_is_taken_out_goes_with_its_rows() -> None:
    database = Database(load("tulle"))
    written(database, network(), 1)
    plain = replace(
        network(),
        load_balancers=(),
        routers=tuple(replace(router, nat=()) for router in network().routers),
    )
    assert written(database, plain, 2) == store.canonical(plain)
    assert not database.rows("NAT") and not database.rows("Load_Balancer")


def state(address: str, up: bool) -> BackendState:
    return BackendState("red", "shop", address, up)


def report(database: Database, node: str, *found: BackendState) -> None:
    writer = Writer(load("tulle_state"))
    store.write_backends(writer, store.source(database), node, found)
    database.transact(writer.operations)


def test_a_backend_is_down_when_nobody_says_that_it_serves() -> None:
    database = Database(load("tulle_state"))
    report(database, "node1", state("10.0.1.11", False), state("10.0.1.12", False))
    report(database, "node2", state("10.0.1.12", True))
    assert store.down(store.source(database)) == {("red", "shop", "10.0.1.11")}
    report(database, "node1", state("10.0.1.11", True))
    assert store.down(store.source(database)) == frozenset()
    report(database, "node1")
    assert [one.address for one in store.backends(store.source(database))] == ["10.0.1.12"]
