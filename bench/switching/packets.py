"""Small packets from port to port, and the processor time that each takes."""

from __future__ import annotations

from switching.bench import Bench
from switching.figures import Figure, Line
from switching.site import alternating, both_sites

FLOWS = (1, 10_000)


def measure(bench: Bench) -> list[Figure]:
    """64-byte UDP packets of one flow and of 10,000, as many as go through."""
    rates = {flows: Figure(_rate(flows)) for flows in FLOWS}
    costs = {flows: Figure(_cost(flows)) for flows in FLOWS}
    with both_sites(bench.directory) as sites:
        for site in sites:
            site.switch.replace_flows("in_port=1,actions=output:2")
            site.wait_for_packets()
        for flows in FLOWS:
            for site in alternating(sites, bench.size.runs):
                bench.tell(f"{flows:,} flows, {site.switch.name}")
                packets_s, cost_ns = site.rate(bench.size.seconds, "--flows", flows, "--size", 64)
                rates[flows].add(site.switch.name, packets_s)
                costs[flows].add(site.switch.name, cost_ns)
    return [*rates.values(), *costs.values()]


def _rate(flows: int) -> Line:
    title = f"64-byte packets, {flows:,} flow{'s' * (flows > 1)}"
    return Line(f"packets_{flows}_flows", title, "1/s", "higher", 1.7)


def _cost(flows: int) -> Line:
    title = f"the same: processor time a packet, {flows:,} flow{'s' * (flows > 1)}"
    return Line(f"cpu_per_packet_{flows}_flows", title, "ns", "lower")
