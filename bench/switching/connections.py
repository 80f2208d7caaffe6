"""New TCP connections through a stateful access list: opened, acknowledged, closed."""

from __future__ import annotations

from itertools import count

from switching import load
from switching.bench import Bench
from switching.figures import Figure, Line
from switching.site import LOAD_CPU, Site, alternating, both_sites

FLOWS = (
    "table=0,priority=10,tcp,actions=ct(table=1)",
    "table=1,priority=30,tcp,ct_state=+trk+inv,actions=drop",
    "table=1,priority=20,tcp,in_port=1,ct_state=+trk+est,actions=output:2",
    "table=1,priority=20,tcp,in_port=2,ct_state=+trk+est,actions=output:1",
    "table=1,priority=10,tcp,in_port=1,ct_state=+trk+new,tp_dst=80,actions=ct(commit),output:2",
    "table=1,priority=0,actions=drop",
)
OPEN_FLOWS = ("in_port=1,actions=output:2", "in_port=2,actions=output:1")
LINE = Line("connections", "TCP connections through a stateful ACL", "1/s", "higher", 2.0)
# More than this share of lost connections, and the rate is that of something else.
MOST_LOST = 0.01
# Each run's connections have numbers of their own, more than a run can make.
_firsts = count(step=2_000_000)


def measure(bench: Bench) -> list[Figure]:
    """Connections that opened and closed in order."""
    figure = Figure(LINE)
    with both_sites(bench.directory) as sites:
        for site in list(sites):
            site.switch.replace_flows(*OPEN_FLOWS)
            site.wait_for_packets()
            try:
                site.switch.replace_flows(*FLOWS)
                _rate(site, 0.2)
            except RuntimeError as error:
                if site.switch.name == "theirs":
                    raise
                figure.note = f"ours not yet: {_reason(error)}"
                sites.remove(site)
        for site in alternating(sites, bench.size.runs):
            bench.tell(f"connections, {site.switch.name}")
            figure.add(site.switch.name, _rate(site, bench.size.seconds))
    return [figure]


def _rate(site: Site, seconds: float) -> float:
    # What a switch still remembers of earlier connections is not met again.
    first = next(_firsts)
    told = load.run(
        site.hosts, "connections", "h1", "h2", "--seconds", seconds, "--first", first, cpu=LOAD_CPU
    )
    if told["lost"] > MOST_LOST * told["connections"]:
        raise RuntimeError(f"{site.switch.name} loses connections: {told}")
    return float(told["connections_per_second"])


def _reason(error: RuntimeError) -> str:
    """The line of a tool's words that says what is wrong; hexadecimal dumps follow it."""
    lines = str(error).splitlines()
    return next((line for line in lines if "OFPB" in line or "OFPT_ERROR" in line), lines[0])[-100:]
