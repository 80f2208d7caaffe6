"""Tuple-space explosion: what crafted packets of one tenant cost the flow of another."""

from __future__ import annotations

import time

from switching.bench import Bench
from switching.figures import Figure, Line
from switching.site import Site, alternating, both_sites

VICTIM, ATTACKER = "02:00:00:00:00:01", "02:00:00:00:00:66"
# Crafted packets a second: a tenth of a saturated port, two orders more than the published attack needs.
ATTACK = 20_000
# All 8,192 masks have been shown several times by then.
GROWING_S = 1.5
# The attacker's access list names an address and two ports, each alone, as `crates/io/examples/crafted` knows.
FLOWS = (
    f"table=0,priority=10,dl_src={VICTIM},actions=load:1->NXM_NX_REG0[],resubmit(,1)",
    f"table=0,priority=10,dl_src={ATTACKER},actions=load:2->NXM_NX_REG0[],resubmit(,1)",
    "table=1,priority=30,reg0=1,udp,tp_dst=9,actions=output:2",
    "table=1,priority=40,reg0=2,udp,nw_src=10.66.10.10,actions=output:2",
    "table=1,priority=30,reg0=2,udp,tp_src=12345,actions=output:2",
    "table=1,priority=20,reg0=2,udp,tp_dst=443,actions=output:2",
    "table=1,priority=0,actions=drop",
)
TITLE = "slowdown of another tenant under crafted packets"
# Port of the attacker -> line; port 1 is the victim's own, as behind a trunk or an uplink.
LINES = {
    3: Line("explosion_other_port", f"{TITLE}, another port", "times", "lower", 2.0, is_ratio=False),
    1: Line("explosion_same_port", f"{TITLE}, the same port", "times", "lower", 2.0, is_ratio=False),
}


def measure(bench: Bench) -> list[Figure]:
    """The victim's rate without the attack, divided by that under it."""
    figures = {port: Figure(line) for port, line in LINES.items()}
    with both_sites(bench.directory, ports=3) as sites:
        for site in sites:
            site.switch.replace_flows(*FLOWS)
            site.wait_for_packets()
        for port, figure in figures.items():
            for site in alternating(sites, bench.size.runs):
                bench.tell(f"tuple-space explosion from port {port}, {site.switch.name}")
                figure.add(site.switch.name, _slowdown(site, port, bench.size.seconds))
    return list(figures.values())


def _slowdown(site: Site, attacked_from: int, seconds: float) -> float:
    site.switch.forget_cached_flows()
    before = _victims_rate(site, seconds)
    with site.flood("--rate", ATTACK, port=attacked_from, program="crafted"):
        time.sleep(GROWING_S)
        return before / _victims_rate(site, seconds)


def _victims_rate(site: Site, seconds: float) -> float:
    packets_s, _ = site.rate(seconds, "--flows", 1000)
    return packets_s
