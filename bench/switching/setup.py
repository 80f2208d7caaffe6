"""Flow set-up: every packet is the first of its 5-tuple, and the tables look at all of that."""

from __future__ import annotations

from switching.bench import Bench
from switching.figures import Figure, Line
from switching.site import LEAD_S, Site, alternating, both_sites

# Well above what either switch can set up, below what the load and the packet sockets can carry.
OFFERED = 400_000
# Copying a field makes the way depend on every bit of it: no prefix can stand for several flows.
FLOWS = (
    "table=0,priority=10,udp,actions=move:NXM_OF_IP_SRC[]->NXM_NX_REG0[],"
    "move:NXM_OF_UDP_SRC[]->NXM_NX_REG1[0..15],move:NXM_OF_UDP_DST[]->NXM_NX_REG1[16..31],resubmit(,1)",
    "table=1,priority=20,udp,tp_dst=53,actions=drop",
    "table=1,priority=10,in_port=1,actions=output:2",
)
LINE = Line("flow_setup", "flow set-up, a new 5-tuple each packet", "1/s", "higher", 2.0)
SAMPLE = 2000


def measure(bench: Bench) -> list[Figure]:
    """Packets that come through, each of which needed a cache entry of its own."""
    figure = Figure(LINE)
    seconds = bench.size.seconds
    flows = int(OFFERED * (seconds + 5 * LEAD_S))
    with both_sites(bench.directory) as sites:
        for site in sites:
            site.switch.replace_flows(*FLOWS)
            site.wait_for_packets()
            _check_entries(site)
        for site in alternating(sites, bench.size.runs):
            bench.tell(f"flow set-up, {site.switch.name}")
            site.switch.forget_cached_flows()
            packets_s, _ = site.rate(seconds, "--flows", flows, "--rate", OFFERED)
            figure.add(site.switch.name, packets_s)
    return [figure]


def _check_entries(site: Site) -> None:
    """The row says nothing unless each 5-tuple really takes an entry."""
    site.switch.forget_cached_flows()
    with site.flood(2.0, "--flows", SAMPLE, "--rate", 10 * SAMPLE):
        site.count(0.5)
        entries = site.switch.cached_flows()
    if entries < SAMPLE * 0.9:
        raise RuntimeError(
            f"{site.switch.name}: {SAMPLE} 5-tuples took {entries} cache entries, not one each"
        )
