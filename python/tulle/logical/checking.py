"""Feature: health checks of backends: where to ask, and what brings the answers to the agent.

The agent of a backend's node asks in the name of a virtual IP, past all ACLs; what the backend answers to the
port numbers of checks is taken off before the from-port ACLs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tulle.values import Controller, FieldMatch, Flow, Probe, fields, flow
from tulle.values.pipeline import FROM_PORT_ACL, PROTO_ICMP, PROTO_ICMP6, PROTO_TCP, PROTO_UDP
from tulle.values.translation import PROBE_PORT_FIRST, PROBE_PORT_MASK

from .targets import targets, vip_mac
from .translating import Matched, by, to
from .view import View

PRIORITY: Final = 65100
ANSWERS_PER_S: Final = 200
PROTOCOLS: Final = {"tcp": PROTO_TCP, "udp": PROTO_UDP}
# RFC 792, RFC 4443 section 3.1.
UNREACHABLE: Final[dict[int, dict[str, Any]]] = {
    4: {"nw_proto": PROTO_ICMP, "icmp_type": 3},
    6: {"nw_proto": PROTO_ICMP6, "icmpv6_type": 1},
}


def probes(view: View) -> Iterator[Probe]:
    """What the agents may ask; a backend that is no port of the network is not asked."""
    asking = [one for one in view.network.load_balancers if one.check_s]
    if view.network.paused or not asking:
        return
    owners = {address: port for port in view.network.ports for address in port.addresses}
    for balancer in asking:
        for vip in balancer.vips:
            for target in targets(view.network, balancer, vip):
                port = owners.get(target.address)
                if port is not None:
                    yield Probe(
                        view.network.name,
                        balancer.name,
                        target.address,
                        port.name,
                        balancer.protocol,
                        target.dport,
                        vip,
                        vip_mac(view.network, balancer),
                        port.mac,
                        view.datapath(port.switch),
                        view.key(port.switch, port.name),
                        balancer.check_s,
                    )


def checking_flows(view: View) -> Iterator[Flow]:
    """What hands answers to the agent."""
    for probe in probes(view):
        owner = view.owner("check", probe.balancer)
        for match in _answers(probe):
            yield flow(FROM_PORT_ACL, PRIORITY, match, (Controller("check", ANSWERS_PER_S),), owner)


def _answers(probe: Probe) -> Iterator[Matched]:
    ends = (*by(probe.address), *(one for one in to(probe.vip) if one.field != "dl_type"))
    here = fields(ends, metadata=probe.datapath, reg14=probe.key)
    mine = FieldMatch(f"{probe.protocol}_dst", PROBE_PORT_FIRST, PROBE_PORT_MASK)
    number = {"nw_proto": PROTOCOLS[probe.protocol], f"{probe.protocol}_src": probe.dport}
    yield fields((*here, mine), **number)
    if probe.protocol == "udp":
        yield fields(here, **UNREACHABLE[6 if ":" in probe.vip else 4])
