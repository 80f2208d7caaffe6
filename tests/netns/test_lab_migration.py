"""A worker moves from node to node while it probes and downloads, through stateful ACLs."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from moving_traffic import Migration, traffic


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Migration]:
    bench = Migration(tmp_path_factory.mktemp("lab"))
    try:
        bench.up()
        yield bench
    finally:
        bench.down()


def test_a_moving_port_loses_no_probe_and_no_byte_of_a_download(lab: Migration) -> None:
    with traffic(lab) as flowing:
        for node in ("node3", "node1", "node2"):
            lab.client.move_port("farm", "worker", node, wait=True)
            assert lab.bound() == node
            time.sleep(0.4)  # so much traffic by the new node as by the old one, not a wait for anything
        downloaded = flowing.downloaded()
        sent, lost, said = flowing.lost()
    assert sent > 2000
    assert lost == 0, (said, lab.state())
    assert downloaded > 1_000_000
