"""Flow set-up: every packet is the first of its 5-tuple, and the tables look at all of that."""

from __future__ import annotations

from switching.bench import Bench
from switching.figures import Figure, Line
from switching.site import Site, alternating, both_sites

# Well above what either switch can set up, below what the load and the packet sockets can carry.
OFFERED = 400_000
# The tables of a small logical network (ARCHITECTURE.md, one packet's walk), with access lists of 100 lines.
# Copying a field makes the way depend on every bit of it: no prefix stands for several flows.
FLOWS = (
    "table=0,priority=10,in_port=1,actions=load:7->OXM_OF_METADATA[],load:1->NXM_NX_REG14[],resubmit(,10)",
    "table=10,priority=1,metadata=7,actions=resubmit(,12)",
    "table=12,priority=10,metadata=7,dl_dst=02:00:00:00:00:02,actions=load:2->NXM_NX_REG15[],resubmit(,30)",
    "table=30,priority=10,reg15=2,metadata=7,actions=resubmit(,40)",
    "table=40,priority=1,metadata=7,reg15=2,udp,actions=move:NXM_OF_IP_SRC[]->NXM_NX_REG0[],"
    "move:NXM_OF_UDP_SRC[]->NXM_NX_REG1[0..15],resubmit(,41)",
    "table=41,priority=1,metadata=7,reg15=2,actions=output:2",
    *(
        f"table=10,priority={10 + line},metadata=7,reg14=1,udp,nw_src=10.2.{line}.0/24,"
        f"tp_src={1024 + line},actions=drop"
        for line in range(100)
    ),
    *(
        f"table=40,priority={10 + line},metadata=7,reg15=2,tcp,tp_dst={1 + line},actions=resubmit(,41)"
        for line in range(100)
    ),
)
LINE = Line("flow_setup", "flow set-up, a new 5-tuple each packet", "1/s", "higher", 2.0)
SAMPLE = 2000
# 5-tuples for as long as load runs before and after what is measured.
SPARE_S = 2


def measure(bench: Bench) -> list[Figure]:
    """Packets that come through, each of which needed a cache entry of its own."""
    figure = Figure(LINE)
    seconds = bench.size.seconds
    flows = int(OFFERED * (seconds + SPARE_S))
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
    with site.flood("--flows", SAMPLE, "--rate", 10 * SAMPLE):
        site.count(0.5)
        entries = site.switch.cached_flows()
    if entries < SAMPLE * 0.9:
        raise RuntimeError(
            f"{site.switch.name}: {SAMPLE} 5-tuples took {entries} cache entries, not one each"
        )
