"""A client keeps its backend for a time, whatever others come and go; what a node remembers is the switch's own."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from memory_lab import MemoryLab
from memory_node import Delivered
from msgspec.structs import replace

from tulle._native import emit_frame
from tulle.controller.frame import frame_match
from tulle.logical import parse_file, parse_match
from tulle.openflow.flows import flow_table
from tulle.values import Backend, LabFile
from tulle.values.pipeline import AFFINITY

TEXT = """
nodes:
  - {name: node1, address: 172.31.0.1, encapsulations: [stt]}
  - {name: node2, address: 172.31.0.2, encapsulations: [stt]}
networks:
  - name: red
    switches:
      - {name: clients, subnets: [192.0.2.0/24, "2001:db8::/64"]}
      - {name: web, subnets: [10.0.1.0/24, "fd00:1::/64"]}
    routers:
      - name: core
        ports:
          - {switch: clients, addresses: [192.0.2.1/24, "2001:db8::1/64"]}
          - {switch: web, addresses: [10.0.1.1/24, "fd00:1::1/64"]}
    ports:
      - {name: c1, switch: clients, node: node1, addresses: [192.0.2.11, "2001:db8::11"]}
      - {name: c2, switch: clients, node: node1, addresses: [192.0.2.12, "2001:db8::12"]}
      - {name: w1, switch: web, node: node1, addresses: [10.0.1.11, "fd00:1::11"]}
      - {name: w2, switch: web, node: node2, addresses: [10.0.1.12, "fd00:1::12"]}
      - {name: w3, switch: web, node: node2, addresses: [10.0.1.13, "fd00:1::13"]}
    load_balancers:
      - {name: shop, router: core, protocol: tcp, vips: [192.0.2.80, "2001:db8::80"], dport: 80, affinity_s: 60,
         backends: [{port: w1}, {port: w2}]}
"""


def lab() -> tuple[LabFile, MemoryLab]:
    document = parse_file(TEXT, "affinity")
    return document, MemoryLab(document)


def with_backends(document: LabFile, *names: str) -> Any:
    (network,) = document.networks
    shop = replace(network.load_balancers[0], backends=tuple(map(Backend, names)))
    return (replace(network, load_balancers=(shop,)),)


def server(document: LabFile, there: MemoryLab, client: str, sport: int, vip: str = "192.0.2.80") -> str:
    """Who gets a new connection."""
    words = frame_match(document.networks[0], client, parse_match(f"tcp,dst={vip},sport={sport},dport=80"))
    hops = there.send(f"red/{client}", emit_frame(f"{words},tcp_flags=+syn"))
    (end,) = (end for hop in hops for end in hop.ends if isinstance(end, Delivered))
    return end.port.removeprefix("red/")


def learned(there: MemoryLab) -> list[str]:
    texts = [text for text, _, _ in there.nodes["node1"]._datapath.flows()]
    return [text for text in texts if flow_table(text) == AFFINITY]


def test_all_connections_of_a_client_go_to_the_backend_of_the_first() -> None:
    document, there = lab()
    for vip in ("192.0.2.80", "2001:db8::80"):
        first = {client: server(document, there, client, 40000, vip) for client in ("c1", "c2")}
        for sport in range(40001, 40012):
            for client in ("c1", "c2"):
                assert server(document, there, client, sport, vip) == first[client]
    texts = learned(there)
    assert len(texts) == 4 and all("idle_timeout=60" in text for text in texts), texts


def test_clients_keep_their_backend_when_others_come_and_get_another_when_it_goes() -> None:
    document, there = lab()
    first = server(document, there, "c1", 40000)
    there.apply(with_backends(document, "w1", "w2", "w3"))
    assert {server(document, there, "c1", sport) for sport in range(40001, 40012)} == {first}
    others = tuple({"w1", "w2", "w3"} - {first})
    there.apply(with_backends(document, *others))
    second = server(document, there, "c1", 41000)
    assert second in others
    there.apply(with_backends(document, "w1", "w2", "w3"))
    assert {server(document, there, "c1", sport) for sport in range(41001, 41012)} == {second}
    assert len(learned(there)) == 1


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    st.lists(
        st.one_of(
            st.sets(st.sampled_from(["w1", "w2", "w3"]), min_size=1).map(lambda names: tuple(sorted(names))),
            st.sampled_from(["c1", "c2"]),
        ),
        max_size=25,
    )
)
def test_a_client_has_its_backend_as_long_as_that_is_there(steps: list[Any]) -> None:
    document, there = lab()
    backends: tuple[str, ...] = ("w1", "w2")
    known: dict[str, str] = {}
    for sport, step in enumerate(steps, 40000):
        if isinstance(step, tuple):
            backends = step
            there.apply(with_backends(document, *backends))
            continue
        found = server(document, there, step, sport)
        assert found in backends
        if known.get(step) in backends:
            assert found == known[step]
        known[step] = found
