"""What is forgotten when a backend goes down: UDP connections to it, in the zones of its network alone."""

from __future__ import annotations

from tulle.agent.stranded import stranded
from tulle.values import Backend, LoadBalancer, LogicalPort, Network, Zone

PORT = LogicalPort("web1", "web", "02:00:00:00:00:11", ("10.0.1.11", "fd00:1::11"))


def network(protocol: str) -> dict[str, Network]:
    vips, backends = ("192.0.2.80", "2001:db8::80"), (Backend("web1", dport=5353),)
    balancer = LoadBalancer("dns", protocol, vips, 53, backends, router="core")  # type: ignore[arg-type]
    return {"red": Network("red", ports=(PORT,), load_balancers=(balancer,))}


ZONES = {Zone("red/client"): 40000, Zone("blue/client"): 40001}


def test_udp_to_a_backend_that_is_down_is_forgotten() -> None:
    down = frozenset(
        {("red", "dns", "10.0.1.11"), ("red", "dns", "fd00:1::11"), ("gone", "dns", "10.0.1.11")}
    )
    assert list(stranded(network("udp"), ZONES, down)) == [
        (
            40000,
            "ct_nw_dst=192.0.2.80,ct_nw_proto=17,ct_tp_dst=53",
            "ct_nw_src=10.0.1.11,ct_nw_proto=17,ct_tp_src=5353",
        ),
        (
            40000,
            "ct_ipv6_dst=2001:db8::80,ct_nw_proto=17,ct_tp_dst=53",
            "ct_ipv6_src=fd00:1::11,ct_nw_proto=17,ct_tp_src=5353",
        ),
    ]


def test_tcp_stays_where_it_is() -> None:
    assert list(stranded(network("tcp"), ZONES, frozenset({("red", "dns", "10.0.1.11")}))) == []
