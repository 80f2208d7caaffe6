"""Connections that are translated to a backend which does not serve any more.

Of TCP the host itself tells the client; whoever speaks UDP from one port number would be sent there as long as it
goes on, so what is known of it is forgotten, and its next packet begins anew.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tulle.logical.targets import targets
from tulle.values import Network, Zone
from tulle.values.pipeline import PROTO_UDP

Down = frozenset[tuple[str, str, str]]


def stranded(
    networks: Mapping[str, Network], zones: Mapping[Zone, int], down: Down
) -> Iterator[tuple[int, str, str]]:
    """Zone, first packet and answer of such connections, as `dpctl/flush-conntrack` takes them."""
    for name, balancer, address in sorted(down):
        own = [
            number for zone, number in sorted(zones.items(), key=_name) if zone.name.startswith(f"{name}/")
        ]
        for ends in _ends(networks[name], balancer, address) if name in networks else ():
            yield from ((zone, *ends) for zone in own)


def _ends(network: Network, name: str, address: str) -> Iterator[tuple[str, str]]:
    udp = (one for one in network.load_balancers if one.name == name and one.protocol == "udp")
    for balancer in udp:
        for vip in balancer.vips:
            for target in targets(network, balancer, vip):
                if target.address == address:
                    yield _tuples(vip, balancer.dport, address, target.dport)


def _tuples(vip: str, dport: int, address: str, target_dport: int) -> tuple[str, str]:
    family = "ipv6" if ":" in vip else "nw"
    asked = f"ct_{family}_dst={vip},ct_nw_proto={PROTO_UDP},ct_tp_dst={dport}"
    return asked, f"ct_{family}_src={address},ct_nw_proto={PROTO_UDP},ct_tp_src={target_dport}"


def _name(one: tuple[Zone, int]) -> str:
    return one[0].name
