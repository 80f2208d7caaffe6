"""A network of one family over an underlay of the other, both ways."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest
from lab_bench import Bench

from tulle.lab.measure import Probe, reachable
from tulle.lab.waiting import wait_until

EXAMPLES = Path(__file__).parents[2] / "examples"
NETWORKS = {"ipv6-over-ipv4": "six", "ipv4-over-ipv6": "four"}
ADDRESSES = {
    "six": {"web1": "fd00:6:1::11", "web2": "fd00:6:1::12", "web3": "fd00:6:1::13", "db1": "fd00:6:2::11"},
    "four": {"web1": "10.4.1.11", "web2": "10.4.1.12", "web3": "10.4.1.13", "db1": "10.4.2.11"},
}


class OneFamily(Bench):
    """An example with workload namespaces of its own."""

    def __init__(self, directory: Path, example: str) -> None:
        self.network = NETWORKS[example]
        super().__init__(directory, self.network)
        text = (EXAMPLES / f"{example}.yaml").read_text()
        self.text = text.replace(f"namespace: {self.network}", f"namespace: {self.name}-{self.network}")
        self.path.write_text(self.text)


@pytest.fixture(
    scope="module", params=["ipv6-over-ipv4", pytest.param("ipv4-over-ipv6", marks=pytest.mark.slow)]
)
def lab(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[OneFamily]:
    bench = OneFamily(tmp_path_factory.mktemp("lab"), request.param)
    try:
        bench.up()
        yield bench
    finally:
        bench.down()


def test_all_workloads_reach_each_other(lab: OneFamily) -> None:
    own = ADDRESSES[lab.network]
    probes = [
        Probe(lab.workload(f"{lab.network}-{source}"), own[target]) for source, target in permutations(own, 2)
    ]

    def unreached() -> list[Probe]:
        return [probe for probe, answered in reachable(probes, at_once=4).items() if not answered]

    wait_until(lambda: not unreached(), what="all pings", limit_s=60)


def test_a_large_packet_arrives_whole(lab: OneFamily) -> None:
    target = ADDRESSES[lab.network]["db1"]
    said = lab.run(lab.workload(f"{lab.network}-web3"), "ping", "-n", "-c", "2", "-s", "4000", target)
    assert " 2 received" in said, said


def test_no_workload_and_no_node_has_an_address_of_the_other_family(lab: OneFamily) -> None:
    inner, outer = ("-4", "-6") if lab.network == "six" else ("-6", "-4")
    pairs = [(lab.workload(f"{lab.network}-web1"), inner), (lab.node("node1"), outer)]
    for namespace, family in pairs:
        said = lab.run(namespace, "ip", family, "-br", "address", "show", "scope", "global")
        assert not re.search(r"UP|UNKNOWN", said.replace("lo ", "")), (namespace, said)


def test_tunnels_are_between_addresses_of_the_underlay(lab: OneFamily) -> None:
    addresses = {one["address"] for one in lab.json("node", "list")}
    assert {":" in one for one in addresses} == {lab.network == "four"}, addresses
