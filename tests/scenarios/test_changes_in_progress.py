"""While a change is applied, flow by flow, traffic that it does not concern goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from memory_lab import MemoryLab
from memory_node import Delivered
from minutes import ROOT
from scenario_commands import Commands

from tulle._native import emit_frame
from tulle.controller.frame import frame_match
from tulle.logical import parse_file, parse_match

EXAMPLE = ROOT / "examples" / "two-tenants.yaml"
PINGS = {
    ("red/web1", "icmp,dst=10.0.1.12"): ["red/web2"],
    ("red/web3", "icmp,dst=10.0.1.11"): ["red/web1"],
    ("red/web1", "icmp6,dst=fd00:2::11"): ["red/db1"],
    ("blue/web2", "icmp,dst=10.0.2.11"): ["blue/db1"],
    ("blue/web1", "icmp6,dst=fd00:1::1"): ["blue/web1"],
}


@dataclass
class Watch:
    """Pings at every moment; `lost` are those that did not arrive where they should."""

    lab: MemoryLab
    count: int = 0
    lost: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._frames = {ping: _frame(self.lab, *ping) for ping in PINGS}

    def look(self) -> None:
        for (port, match), expected in PINGS.items():
            self.count += 1
            hops = self.lab.send(port, self._frames[port, match])
            got = [end.port for hop in hops for end in hop.ends if isinstance(end, Delivered)]
            if got != expected:
                self.lost.append(f"{port} {match}: {got} instead of {expected}")


def _frame(lab: MemoryLab, port: str, match: str) -> bytes:
    network, _, name = port.partition("/")
    return emit_frame(frame_match(lab.networks[network], name, parse_match(match)))


def watched(change: Callable[[MemoryLab], object]) -> Watch:
    lab = MemoryLab(parse_file(EXAMPLE.read_text(), EXAMPLE.name))
    watch = Watch(lab)
    for node in lab.nodes.values():
        node.between = watch.look
    change(lab)
    assert watch.count >= len(PINGS), "nothing changed"
    return watch


@pytest.mark.parametrize(
    "command",
    [
        "set red/ports/db2/node node3",
        "remove red/ports/db2",
        "set red/ports/db2/addresses [10.0.2.99]",
        "remove red/acls/no-ssh-to-db",
        "add red/acls {name: a, direction: from-port, switch: web, priority: 5, match: udp, action: drop}",
        "add red/ports {name: n, switch: web, node: node3, mac: '02:00:00:00:01:77', addresses: [10.0.1.7]}",
        "add red/switches {name: third, subnets: [10.0.3.0/24]}",
        "add red/routers/core/ports {name: core-x, switch: web, mac: '02:00:00:00:01:02', addresses: []}",
    ],
)
def test_a_change_interrupts_nothing_else(command: str) -> None:
    watch = watched(lambda lab: Commands(lab).run(command))
    assert watch.lost == []


def test_a_change_that_concerns_a_ping_is_noticed() -> None:
    watch = watched(lambda lab: Commands(lab).run("remove blue/routers/core"))
    assert {one.partition(" ")[0] for one in watch.lost} == {"blue/web1", "blue/web2"}, watch.lost
