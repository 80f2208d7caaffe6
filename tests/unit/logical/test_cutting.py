"""Cutting again only what differs gives the parts of cutting the whole."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from tulle.logical import document_of
from tulle.logical.cutting import Cutter
from tulle.logical.parts import Part, cut
from tulle.values import LogicalPort, LogicalSwitch, Network


def port(number: int, mac: int = 0) -> LogicalPort:
    return LogicalPort(f"p{number:04}", "lan", f"02:00:00:00:{mac:02x}:{number % 256:02x}")


def test_any_sequence_of_cuts_gives_the_parts_of_the_whole() -> None:
    random, cutter, kept = Random(1), Cutter(), dict[str, Part]()
    network = Network("red", (LogicalSwitch("lan"),), ports=tuple(map(port, range(300))))
    for round_ in range(60):
        gone = set(
            random.sample(range(len(network.ports)), min(len(network.ports), random.choice((0, 1, 9, 200))))
        )
        ports = {one.name: one for at, one in enumerate(network.ports) if at not in gone}
        ports |= {
            one.name: one
            for one in (port(random.randrange(400), round_) for _ in range(random.choice((0, 2, 60))))
        }
        network = replace(network, ports=tuple(ports[name] for name in sorted(ports)), paused=round_ % 7 == 0)
        more = {"numbers": [{"name": "lan", "number": round_}]} if round_ % 5 == 0 else {}
        root, made = cutter.cut(network, more, kept.__contains__)
        whole_root, whole = cut({**document_of(network), **more})
        assert root == whole_root and whole.keys() <= kept.keys() | made.keys()
        assert all((kept | made)[name] == part for name, part in whole.items())
        if random.randrange(10):
            kept |= made  # otherwise the transaction failed


def test_one_port_more_costs_the_parts_above_it() -> None:
    cutter, kept = Cutter(), dict[str, Part]()
    network = Network("red", (LogicalSwitch("lan"),), ports=tuple(map(port, range(2000))))
    kept |= cutter.cut(network, {}, lambda name: name in kept)[1]
    bigger = replace(network, ports=(*network.ports, port(2000)))
    _, made = cutter.cut(bigger, {}, lambda name: name in kept)
    assert len(made.keys() - kept.keys()) < 10 > len(made)
