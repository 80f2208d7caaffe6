"""`make demo-chain`: a firewall with nftables put in the path of a web server, and taken out, under traffic.

Builds the lab of examples/service-chain.yaml, checks with real packets, takes it down; exit code 1 on failure.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import orjson
from rich.console import Console

from tulle.api.client import Client
from tulle.errors import TulleError, Unavailable
from tulle.lab import lifecycle
from tulle.lab.demo.report import Report
from tulle.lab.live import Download, connects
from tulle.lab.measure import PingResult, Probe, RunningPing, frames_captured, ping, run_in
from tulle.lab.state import Lab
from tulle.lab.waiting import wait_until

EXAMPLE: Final = Path(__file__).parents[3] / "examples" / "service-chain.yaml"
WEB: Final = "10.9.1.11"
WEB_PORT, OTHER_PORT = 80, 8080
PATIENCE_S: Final = 60.0
PERIOD_S: Final = 0.001
MANY: Final = 50
NETWORK, CHAIN = "shop", "guard"
RULES: Final = """
table bridge firewall {
  counter web {}
  counter pings {}
  counter refused {}
  chain forward {
    type filter hook forward priority 0; policy drop;
    ether type 0x88b5 accept comment "the probes of tulle"
    ip protocol icmp counter name pings accept
    tcp dport 80 counter name web accept
    tcp sport 80 counter name web accept
    counter name refused
  }
}
"""


class Stage:
    """The lab while it runs; workloads go by the last part of their namespaces' names."""

    def __init__(self, lab: Lab, client: Client, report: Report) -> None:
        self.lab, self.client, self.report = lab, client, report

    def space(self, name: str) -> str:
        """The namespace of a workload."""
        return next(one for one in self.lab.layout.workloads if one.endswith(f"chain-{name}"))

    def appliance_state(self) -> str:
        """What the firewall's node says of it."""
        return next((one["state"] for one in self.client.appliances(NETWORK)), "not heard of")

    def wait_for_appliance(self, state: str) -> None:
        """Until the firewall's node says so."""
        what = f"the firewall to be {state}"
        wait_until(lambda: self.appliance_state() == state, what=what, limit_s=PATIENCE_S)

    def change_chain(self, **values: Any) -> None:
        """As `tulle chain insert` and `tulle chain remove` do it; returns when every node has it."""
        with self.client.network(NETWORK).change(wait=True) as draft:
            draft.chain(CHAIN, **values)

    def counted(self, kind: str, name: str) -> int:
        """Packets of a chain or mirror, on all nodes."""
        rows = self.client.counters(NETWORK)
        return sum(row["packets"] for row in rows if (row["kind"], row["name"]) == (kind, name))

    def passed(self, counter: str) -> int:
        """Packets that a counter of the firewall itself has seen."""
        done = run_in(self.space("firewall"), ["nft", "list", "counter", "bridge", "firewall", counter])
        found = re.search(r"packets (\d+)", done.stdout)
        if found is None:
            raise Unavailable(f"nft tells no counter {counter}: {done.stdout}{done.stderr}")
        return int(found[1])


def build_firewall(stage: Stage) -> None:
    """A bridge of the firewall's two devices.  It learns no addresses: what comes by one leaves by the other."""
    space = stage.space("firewall")
    commands = [["ip", "link", "add", "firewall", "type", "bridge"], ["ip", "link", "set", "firewall", "up"]]
    for device in ("eth0", "eth1"):
        commands.append(["ip", "link", "set", "dev", device, "master", "firewall", "up"])
        commands.append(["bridge", "link", "set", "dev", device, "learning", "off"])
    commands.append(["nft", RULES])
    for command in commands:
        done = run_in(space, command)
        if done.returncode:
            raise Unavailable(f"{' '.join(command)}: {done.stderr}")


def without(stage: Stage) -> None:
    """Before the chain is in the path."""
    reached = ping(Probe(stage.space("client"), WEB), count=3).received == 3
    stage.report.check(
        "without the chain, web1 is reached past the firewall", reached and not stage.passed("pings")
    )
    open_ = connects(stage.space("client"), WEB, OTHER_PORT)
    stage.report.check(f"and so is its port {OTHER_PORT}", open_)


def under_traffic(stage: Stage) -> None:
    """In and out of the path, with a download and a ping every millisecond."""
    download = Download(stage.space("client"), stage.space("web1"), WEB, WEB_PORT)
    for idle, word in ((False, "insertion"), (True, "removal"), (False, "insertion once more")):
        lost, moved = _while_changing(stage, download, idle=idle)
        saw = f"{lost.sent} pings, {lost.lost} lost"
        stage.report.check(f"{word} under traffic loses nothing", lost.sent > MANY and lost.lost == 0, saw)
        saw = f"{moved} packets of it through the firewall"
        stage.report.check("the download goes on", (moved > MANY) is not idle, saw)
    good = download.stop()
    stage.report.check("every byte of it arrived, in order", good, f"{download.received_bytes} bytes")


def _while_changing(stage: Stage, download: Download, *, idle: bool) -> tuple[PingResult, int]:
    """Pings of a change, and packets of the download that the firewall saw after it."""
    with RunningPing(Probe(stage.space("client"), WEB), interval_s=PERIOD_S) as running:
        _wait_for_bytes(download, 60)
        stage.change_chain(idle=idle)
        _wait_for_bytes(download, 5)
        before = stage.passed("web")
        _wait_for_bytes(download, 80)
        return running.stop(), stage.passed("web") - before


def _wait_for_bytes(download: Download, chunks: int) -> None:
    wanted = download.received_bytes + (chunks << 16)
    wait_until(lambda: download.received_bytes >= wanted, what="the download", limit_s=PATIENCE_S)


def both_ways(stage: Stage) -> None:
    """What the firewall allows passes it in both directions, what it does not ends there."""
    before = stage.passed("pings")
    answered = ping(Probe(stage.space("client"), WEB), count=3).received
    seen = stage.passed("pings") - before
    stage.report.check("requests and answers pass it", (answered, seen) == (3, 6), f"3 pings, {seen} packets")
    refused = stage.passed("refused")
    blocked = not connects(stage.space("client"), WEB, OTHER_PORT)
    ended = stage.passed("refused") > refused
    stage.report.check(f"port {OTHER_PORT} is closed by the firewall", blocked and ended)
    counted = stage.counted("chain", CHAIN)
    wait_until(lambda: stage.counted("chain", CHAIN) > MANY, what="the chain's counter", limit_s=PATIENCE_S)
    stage.report.check(
        "the chain counts what goes in", counted >= 0, f"{stage.counted('chain', CHAIN)} packets"
    )


def copies(stage: Stage) -> None:
    """The mirror's port gets a copy of both directions."""
    before = _received(stage)
    with frames_captured([(stage.space("watcher"), "eth0")]) as frames:
        ping(Probe(stage.space("client"), WEB), count=2)
        wait_until(lambda: _received(stage) >= before + 4, what="the copies", limit_s=PATIENCE_S)
    kinds = [frame[34] for _, frame in frames if frame[12:14] == b"\x08\x00" and frame[23] == 1]
    seen = kinds.count(8), kinds.count(0)
    saw = f"{seen[0]} requests, {seen[1]} replies"
    stage.report.check("the watcher sees copies of what web1 gets and sends", seen == (2, 2), saw)
    what = "the mirror's counter"
    wait_until(lambda: stage.counted("mirror", "watch-web1") > 0, what=what, limit_s=PATIENCE_S)


def _received(stage: Stage) -> int:
    """Frames that the watcher's device has received."""
    done = run_in(stage.space("watcher"), ["ip", "-s", "-j", "link", "show", "dev", "eth0"])
    return int(orjson.loads(done.stdout)[0]["stats64"]["rx"]["packets"])


def failing(stage: Stage) -> None:
    """A firewall that hands nothing through any more: closed drops, open goes past it, and it comes back."""
    space, client = stage.space("firewall"), stage.space("client")
    for fail in ("closed", "open"):
        stage.change_chain(fail=fail)
        run_in(space, ["ip", "link", "set", "dev", "eth1", "nomaster"])
        stage.wait_for_appliance("down")
        reached = ping(Probe(client, WEB), count=2).received
        if fail == "closed":
            wait_until(lambda: _dropped(stage) > 0, what="drops by the chain", limit_s=PATIENCE_S)
            stage.report.check("fail closed: nothing passes, and drops have the chain's name", reached == 0)
        else:
            stage.report.check("fail open: packets go past it", reached == 2)
        run_in(space, ["ip", "link", "set", "dev", "eth1", "master", "firewall"])
        run_in(space, ["bridge", "link", "set", "dev", "eth1", "learning", "off"])
        stage.wait_for_appliance("up")
        wait_until(lambda: _goes_through(stage), what="the firewall in the path again", limit_s=PATIENCE_S)
        stage.report.check("it is in the path again as soon as it works", True)


def _dropped(stage: Stage) -> int:
    rows = stage.client.drops()
    return sum(
        row["packets"] for row in rows if (row["reason"], row["object"]) == ("chain", f"{NETWORK}/{CHAIN}")
    )


def _goes_through(stage: Stage) -> bool:
    before = stage.passed("pings")
    return ping(Probe(stage.space("client"), WEB)).received == 1 and stage.passed("pings") > before


Step = Callable[[Stage], None]
STEPS: Final[tuple[Step, ...]] = (without, under_traffic, both_ways, copies, failing)


def run(lab: Lab, report: Report) -> None:
    """All checks in a lab that is up."""
    with lifecycle.client(lab) as client:
        stage = Stage(lab, client, report)
        build_firewall(stage)
        stage.wait_for_appliance("up")
        for step in STEPS:
            report.title((step.__doc__ or "").rstrip("."))
            try:
                step(stage)
            except TulleError as error:
                report.check(f"step {step.__name__}", False, str(error))


def main() -> int:
    """Runs the example; 0 if all was as expected."""
    parser = argparse.ArgumentParser(prog="make demo-chain", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the lab running")
    options = parser.parse_args()
    report = Report(Console())
    report.title(f"Building the lab from {EXAMPLE.name}")
    lab = lifecycle.up(EXAMPLE)
    try:
        run(lab, report)
    finally:
        if not options.keep:
            lifecycle.down(lab)
    report.title(f"{report.checks - len(report.failures)} of {report.checks} checks as expected")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
