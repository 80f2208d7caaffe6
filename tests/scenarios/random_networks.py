"""Random networks, nodes and packets, small and dense, so that most packets meet something."""

from __future__ import annotations

from hypothesis import strategies as st

from tulle.logical import parse_match, problems
from tulle.logical.snapshot import ordered
from tulle.values import (
    Acl,
    LogicalPort,
    LogicalRouter,
    LogicalSwitch,
    Match,
    Network,
    Node,
    RouterPort,
    StaticRoute,
)

NODES = ("node1", "node2", "node3")
SWITCHES = 3
BOTH = (("stt", "vxlan"), ("vxlan", "stt"))
PREFIXES = st.sampled_from(
    (
        "0.0.0.0/0",
        "192.0.2.0/24",
        "10.2.0.0/16",
        "10.1.0.8/29",
        "fd00:2::/48",
        "::/0",
        "192.0.2.1/32",
        "10.1.0.10/32",
        "10.0.0.0/24",
    )
)
ACL_MATCHES = st.sampled_from(
    (
        "any",
        "ip4",
        "ip6",
        "tcp",
        "udp,dport=53",
        "tcp,dport=80",
        "icmp",
        "icmp6,type=128",
        "icmp,type=0",
        "src=10.0.0.0/24",
        "ip6,dst=fd00:1::/64",
        "tcp,src=10.1.0.10,dport=22",
        "udp,dst=10.0.0.8/29",
        "udp,dst=255.255.255.255",
        "src=fd00:2::/64",
        "src=10.1.0.0/24",
        "udp",
    )
).map(parse_match)


def all_nodes(speaks: list[tuple[str, ...]]) -> tuple[Node, ...]:
    """The three nodes with what they speak."""
    return tuple(
        Node(name, f"192.0.2.{at + 1}", wish)
        for at, (name, wish) in enumerate(zip(NODES, speaks, strict=True))
    )


NODE_SETS = st.sampled_from(("stt", "vxlan")).flatmap(
    lambda common: st.lists(st.sampled_from((*BOTH, (common,))), min_size=3, max_size=3).map(all_nodes)
)
"""Nodes that can all talk; for others there is `no_common_encapsulation.txt`."""


@st.composite
def networks(draw: st.DrawFn, name: str) -> Network:
    """One valid network of three switches, up to two routers, ports and ACLs."""
    switches = tuple(_switch(draw, at) for at in range(SWITCHES))
    ports = tuple(_port(draw, at, draw(st.sampled_from(switches))) for at in range(draw(st.integers(2, 6))))
    routers = tuple(_router(draw, at, switches) for at in range(draw(st.integers(0, 2))))
    routed = tuple(_with_routes(draw, router) for router in routers)
    made = Network(name, switches, routed, ports)
    if problems(made):
        made = Network(name, switches, routers, ports)
    acls = tuple(_acl(draw, at, made) for at in range(draw(st.integers(1, 5))))
    made = ordered(Network(name, switches, made.routers, ports, acls))
    assert problems(made) == [], made
    return made


@st.composite
def packets(draw: st.DrawFn, network: Network) -> tuple[str, Match]:
    """A port that is somewhere, and what its workload sends."""
    source = draw(st.sampled_from([port for port in network.ports if port.node is not None]))
    others = [port for port in network.ports if port != source] or [source]
    known = [address for port in others for address in port.addresses]
    routers = [
        one.split("/")[0] for router in network.routers for port in router.ports for one in port.addresses
    ]
    strange = ["10.0.0.99", "10.1.0.9", "192.0.2.1", "203.0.113.9", "fd00:2::99", "2001:db8::1"]
    target = draw(st.sampled_from(known) | st.sampled_from([*source.addresses, *routers, *strange]))
    icmp = "icmp6" if ":" in target else "icmp"
    form = draw(st.sampled_from(("tcp,{},dport=80", "tcp,{},dport=22", "udp,{},dport=53", f"{icmp},{{}}")))
    return source.name, parse_match(form.format(f"dst={target}"))


def _switch(draw: st.DrawFn, at: int) -> LogicalSwitch:
    both = (f"10.{at}.0.0/24", f"fd00:{at + 1}::/64")
    return LogicalSwitch(f"s{at}", draw(st.sampled_from((both, both, both[:1], both[1:]))))


def _port(draw: st.DrawFn, at: int, switch: LogicalSwitch) -> LogicalPort:
    addresses = tuple(_host(subnet, at + 10) for subnet in switch.subnets)
    node = draw(st.sampled_from(NODES)) if at == 0 else draw(st.sampled_from((*NODES, *NODES, None)))
    return LogicalPort(f"p{at}", switch.name, f"02:00:00:00:00:{at:02x}", addresses, node)


def _router(draw: st.DrawFn, at: int, switches: tuple[LogicalSwitch, ...]) -> LogicalRouter:
    joined = draw(st.lists(st.sampled_from(range(SWITCHES)), unique=True, min_size=1))
    ports = tuple(
        RouterPort(
            f"r{at}-s{one}",
            f"s{one}",
            f"02:00:00:00:f{at}:{one:02x}",
            tuple(f"{_host(subnet, at + 1)}/{subnet.partition('/')[2]}" for subnet in switches[one].subnets),
        )
        for one in sorted(joined)
    )
    return LogicalRouter(f"r{at}", ports)


def _with_routes(draw: st.DrawFn, router: LogicalRouter) -> LogicalRouter:
    subnets = [
        one.rpartition("1/" if router.name == "r0" else "2/")[0] for p in router.ports for one in p.addresses
    ]
    routes = {}
    for prefix in draw(st.lists(PREFIXES, max_size=3, unique=True)):
        own = [one for one in subnets if (":" in one) == (":" in prefix)]
        if own:
            hop = draw(st.sampled_from((1, 2, 10, 11, 12, 77)))
            routes[prefix] = StaticRoute(prefix, f"{draw(st.sampled_from(own))}{_last(prefix, hop)}")
    return LogicalRouter(router.name, router.ports, tuple(routes.values()))


def _acl(draw: st.DrawFn, at: int, network: Network) -> Acl:
    at_port = draw(st.booleans())
    return Acl(
        f"acl{at}",
        draw(st.sampled_from(("from-port", "to-port"))),
        draw(st.integers(1, 9)) * 10 + at,
        draw(ACL_MATCHES),
        draw(st.sampled_from(("allow", "drop"))),
        None if at_port else draw(st.sampled_from(network.switches)).name,
        draw(st.sampled_from(network.ports)).name if at_port else None,
    )


def _host(subnet: str, number: int) -> str:
    base = subnet.partition("/")[0]
    return f"{base}{number:x}" if ":" in base else f"{base[:-1]}{number}"


def _last(prefix: str, number: int) -> str:
    return f"{number:x}" if ":" in prefix else str(number)
