"""The rows of the benchmark; each has a fresh pair of sites, or shares the loaded one with the others."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from switching.figures import Figure, Line
from switching.spaces import namespace

from controlling.deployment import Deployment
from controlling.ours import Ours
from controlling.site import Site
from controlling.theirs import Theirs

SITES: dict[str, type[Site]] = {"ours": Ours, "theirs": Theirs}
ROUTER, SWITCH = 0, 1
LINGER_S = 3.0
SAMPLE_S = 0.05

LOAD = Line("load_s", "whole deployment, from the file to all flows", "s", "lower", 10.0, is_ratio=False)
PORT = Line("port_p50_ms", "one port more, p50", "ms", "lower", 20.0, is_ratio=False)
PORT_LATE = Line("port_p99_ms", "one port more, p99", "ms", "lower", 100.0, is_ratio=False)
PORT_RATIO = Line("port_times_faster", "one port more, peer to ours", "times", "higher", 30.0)
ACL = Line("acl_times_faster", "one ACL more, peer to ours", "times", "higher", 30.0)
SWITCH_GONE = Line("switch_times_faster", "a switch deleted, peer to ours", "times", "higher", 30.0)
MEMORY = Line("memory", "memory of all processes, ours to the peer's", "MB", "lower", 1.0)
RESTART = Line("restart_s", "agent restarted: time without all flows", "s", "lower", 0.0, is_ratio=False)
COMPILED = Line("port_objects", "objects compiled for one port more", "objects", "lower", 5.0, is_ratio=False)
SNAPSHOT = Line("snapshot_ms", "snapshot of 1,000 ports", "ms", "lower", 50.0, is_ratio=False)
ROLLBACK = Line("rollback_s", "rollback of 1,000 ports", "s", "lower", 1.0, is_ratio=False)
CLONE = Line("clone_s", "clone of 1,000 ports", "s", "lower", 1.0, is_ratio=False)

Tell = Callable[[str], None]


class Faster(Figure):
    """The peer's time to ours."""

    @property
    def runs(self) -> list[float]:
        """How many times faster ours is, run by run."""
        return [theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=False)]


def deployment_rows(directory: Path, runs: int, deployment: Deployment, tell: Tell) -> list[Figure]:
    """Everything that is done to the deployment, for both sides in turn."""
    lines = (LOAD, PORT, PORT_LATE, MEMORY, RESTART, COMPILED)
    found = {line.name: Figure(line) for line in lines}
    found |= {line.name: Faster(line) for line in (PORT_RATIO, ACL, SWITCH_GONE)}
    for side, kind in SITES.items():
        with namespace(side) as space:
            site = kind(directory / side, space)
            try:
                _one_side(site, side, runs, deployment, found, tell)
            except Exception as error:
                raise RuntimeError(f"{error}\n{site.tail()}") from error
            finally:
                site.stop()
    return list(found.values())


def _one_side(
    site: Site, side: str, runs: int, deployment: Deployment, found: dict[str, Figure], tell: Tell
) -> None:
    tell(f"{site.name}: the deployment")
    site.start()
    site.plug(deployment)
    found[LOAD.name].add(side, _seconds(lambda: site.load(deployment)))
    found[MEMORY.name].add(side, site.memory_mb())
    _ports(site, side, runs, deployment, found, tell)
    tell(f"{site.name}: ACLs")
    site.add_acl(ROUTER, SWITCH, 0)
    for number in range(runs):
        found[ACL.name].add(
            side, 1000 * _seconds(lambda number=number: site.add_acl(ROUTER, SWITCH, number + 1))
        )  # type: ignore[misc]
    tell(f"{site.name}: a restart")
    found[RESTART.name].add(side, _time_without_flows(site, deployment.ports))
    tell(f"{site.name}: switches")
    for number in range(min(runs, deployment.switches - 2)):
        gone = SWITCH + 1 + number
        found[SWITCH_GONE.name].add(side, 1000 * _seconds(lambda gone=gone: site.delete_switch(ROUTER, gone)))  # type: ignore[misc]


def _ports(
    site: Site, side: str, runs: int, deployment: Deployment, found: dict[str, Figure], tell: Tell
) -> None:
    """Each port is added and deleted again; of a run's additions the median and the 99th percentile count."""
    port = deployment.ports
    for run in range(runs):
        tell(f"{site.name}: ports, run {run + 1}")
        times = []
        before = compiled(site)
        additions = 40 if isinstance(site, Ours) else 2
        for _ in range(additions):
            times.append(1000 * _seconds(lambda: site.add_port(ROUTER, SWITCH, port)))
            objects = compiled(site)
            site.delete_port(ROUTER, SWITCH, port)
        middle = statistics.median(times)
        found[PORT.name].add(side, middle)
        found[PORT_RATIO.name].add(side, middle)
        found[PORT_LATE.name].add(side, sorted(times)[-1 if len(times) < 100 else -len(times) // 100])
        if isinstance(site, Ours) and before is not None and objects is not None:
            found[COMPILED.name].add(side, objects)


def compiled(site: Site) -> float | None:
    """How many objects the agent compiled for the last change, as it says in its log."""
    if not isinstance(site, Ours):
        return None
    return site.compiled()


def _time_without_flows(site: Site, port: int) -> float:
    """The time in which the switch has fewer flows than before, until another agent has made a change."""
    before, watched, done = site.flows(), list[tuple[float, int]](), threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLE_S):
            watched.append((time.monotonic(), site.flows()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        site.restart_agent()
        site.add_port(ROUTER, SWITCH, port)
        time.sleep(LINGER_S)
    finally:
        done.set()
        watcher.join()
    site.delete_port(ROUTER, SWITCH, port)
    spans = pairwise(watched)
    return sum(after - at for (at, flows), (after, _) in spans if flows < before)


def history_rows(directory: Path, runs: int, tell: Tell) -> list[Figure]:
    """Snapshot, rollback and clone of a network of 1,000 ports; the peer has nothing of the kind."""
    deployment = Deployment("shop", routers=2, switches=5, ports=100, bound=10)
    found = [Figure(line) for line in (SNAPSHOT, ROLLBACK, CLONE)]
    with namespace("history") as space:
        site = Ours(directory / "history", space)
        try:
            tell("a network of 1,000 ports")
            site.start()
            site.plug(deployment)
            site.load(deployment)
            for run in range(runs):
                for figure, seconds in zip(found, _history(site, run), strict=True):
                    figure.add("ours", 1000 * seconds if figure.line is SNAPSHOT else seconds)
        except Exception as error:
            raise RuntimeError(f"{error}\n{site.tail()}") from error
        finally:
            site.stop()
    return found


def _history(site: Ours, run: int) -> tuple[float, float, float]:
    network = site.client.network("shop")
    snapshot = _seconds(lambda: network.snapshot(f"run-{run}"))
    for number in range(5):
        site.add_port(ROUTER, SWITCH, 100 + number)
    site.add_acl(ROUTER, SWITCH, 50 + run)
    rollback = _seconds(lambda: network.rollback(f"run-{run}", wait=True))
    clone = _seconds(lambda: network.clone(f"copy-{run}", wait=True))
    return snapshot, rollback, clone


def _seconds(do: Callable[[], object]) -> float:
    begin = time.monotonic()
    do()
    return time.monotonic() - begin
