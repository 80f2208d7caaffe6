"""TCP throughput over the tunnels of a lab, paired with a plain Linux bridge built beside it.

Runs of all paths alternate, so that a change of the machine's speed meets all of them alike.
Prints a table and writes bench/results/tunnels.json.  Needs root; takes about a minute.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path

import orjson
from pyroute2 import NetNS, netns
from rich.console import Console
from rich.table import Table

from tulle.lab import lifecycle
from tulle.lab.measure import throughput_bits_s
from tulle.logical import parse_file

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "two-tenants.yaml"
RESULTS = ROOT / "bench" / "results" / "tunnels.json"
ENDS = {"bench.left": "192.0.2.1", "bench.right": "192.0.2.2"}
# name -> (target, better) of the ratio to the bridge; the second one is a figure without a promise yet.
TARGETS = {"stt_to_bridge_one_flow": 0.5, "vxlan_to_bridge_one_flow": None}


def main() -> int:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    console = Console()
    with console.status("building the lab"):
        lab = lifecycle.up(EXAMPLE, name="bench")
    try:
        with bridge_path():
            figures = measure(console, paths(), options.runs, options.seconds)
    finally:
        lifecycle.down(lab)
    console.print(table(figures))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_bytes(orjson.dumps({"ratios": ratios(figures)}, option=orjson.OPT_INDENT_2) + b"\n")
    return 0


def paths() -> dict[str, tuple[str, str, str]]:
    """Path -> client namespace, server namespace, server address."""
    network = parse_file(EXAMPLE.read_text(), str(EXAMPLE)).networks[0]
    found = {"bridge": ("bench.left", "bench.right", ENDS["bench.right"])}
    for encapsulation, far_node in (("stt", "node2"), ("vxlan", "node3")):
        near, far = next(
            (near, far)
            for near, far in permutations(network.ports, 2)
            if (near.node, far.node, near.switch) == ("node1", far_node, far.switch)
        )
        found[encapsulation] = (str(near.namespace), str(far.namespace), far.addresses[0])
    return found


def measure(
    console: Console, routes: dict[str, tuple[str, str, str]], runs: int, seconds: float
) -> dict[str, list[float]]:
    """Bits per second of every run, path by path."""
    figures: dict[str, list[float]] = {name: [] for name in routes}
    with console.status("") as status:
        for run in range(runs):
            for name, (client, server, address) in routes.items():
                status.update(f"run {run + 1} of {runs}: {name}")
                figures[name].append(throughput_bits_s(client, server, address, seconds=seconds))
    return figures


def ratios(figures: dict[str, list[float]]) -> dict[str, dict[str, object]]:
    """Each path's ratio to the bridge, run by run; the value is the median."""
    found: dict[str, dict[str, object]] = {}
    for name, target in TARGETS.items():
        path = name.partition("_")[0]
        runs = [round(a / b, 3) for a, b in zip(figures[path], figures["bridge"], strict=True)]
        found[name] = {"value": statistics.median(runs), "target": target, "better": "higher", "runs": runs}
    return found


def table(figures: dict[str, list[float]]) -> Table:
    """Gbit/s: minimum, median, maximum, and the ratio to the bridge."""
    shown = Table("path", "min", "median", "max", "to the bridge", title="TCP, one flow, Gbit/s")
    for name, rates in figures.items():
        pairs = [a / b for a, b in zip(rates, figures["bridge"], strict=True)]
        cells = [f"{rate / 1e9:.2f}" for rate in (min(rates), statistics.median(rates), max(rates))]
        shown.add_row(name, *cells, f"{statistics.median(pairs):.2f}")
    return shown


@contextmanager
def bridge_path() -> Iterator[None]:
    """Two namespaces joined by a Linux bridge in a third: the same hops as a lab's, without tunnels."""
    spaces = [*ENDS, "bench.bridge"]
    try:
        for space in spaces:
            netns.create(space)
        with NetNS("bench.bridge") as middle:
            middle.link("add", ifname="br", kind="bridge")
            middle.link("set", index=middle.link_lookup(ifname="br")[0], state="up", mtu=1500)
        for number, (space, address) in enumerate(ENDS.items()):
            _cable(space, address, f"port{number}")
        yield
    finally:
        for space in spaces:
            if space in netns.listnetns():
                netns.remove(space)


def _cable(space: str, address: str, port: str) -> None:
    with NetNS(space) as end:
        end.link(
            "add", ifname="eth0", kind="veth", index=100, peer={"ifname": port, "net_ns_fd": "bench.bridge"}
        )
        index = end.link_lookup(ifname="eth0")[0]
        end.link("set", index=index, mtu=1500, state="up")
        end.addr("add", index=index, address=address, prefixlen=24)
    with NetNS("bench.bridge") as middle:
        bridge = middle.link_lookup(ifname="br")[0]
        middle.link("set", index=middle.link_lookup(ifname=port)[0], master=bridge, mtu=1500, state="up")


if __name__ == "__main__":
    sys.exit(main())
