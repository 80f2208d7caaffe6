"""Who reaches whom, by real pings: same switch, across the router, across nodes, IPv4 and IPv6."""

from __future__ import annotations

from tulle.lab.demo.report import Report
from tulle.lab.demo.scene import Scene, probes, workloads
from tulle.lab.measure import reachable
from tulle.values import Network


def show(scene: Scene, report: Report) -> None:
    """Prints one matrix a network and checks that every pair answers."""
    for network in scene.networks:
        report.title(f"Reachability in {network.name}: IPv4 and IPv6 pings from row to column")
        with report.progress("pinging"):
            answered = measure(network)
        names = [port.name for port in workloads(network)]
        report.table(["", *names], [_row(name, names, answered) for name in names])
        good = sum(answered.values())
        report.check(
            f"every pair of {network.name} reaches each other", good == len(answered), _share(answered)
        )


def measure(network: Network) -> dict[tuple[str, str, int], bool]:
    """(source, target, family) -> whether the ping was answered."""
    listed = [(s.name, t.name, family, probe) for family in (4, 6) for s, t, probe in probes(network, family)]
    answered = reachable(probe for *_, probe in listed)
    return {(source, target, family): answered[probe] for source, target, family, probe in listed}


def _row(name: str, names: list[str], answered: dict[tuple[str, str, int], bool]) -> list[str]:
    def cell(other: str) -> str:
        if other == name:
            return "·"
        words = [_word(family, answered[name, other, family]) for family in (4, 6)]
        return " ".join(words)

    return [name, *map(cell, names)]


def _word(family: int, ok: bool) -> str:
    return f"[green]v{family}[/green]" if ok else "[red]--[/red]"


def _share(answered: dict[tuple[str, str, int], bool]) -> str:
    return f"{sum(answered.values())} of {len(answered)} pings answered"
