"""Random networks that are valid by construction, and nodes for them."""

from __future__ import annotations

from itertools import count

from hypothesis import strategies as st
from msgspec.structs import replace

from tulle.logical import parse_match
from tulle.logical.fill import with_service_addresses
from tulle.logical.rules_acl import acl_problems
from tulle.logical.rules_services import service_problems
from tulle.logical.snapshot import ordered
from tulle.values import (
    Acl,
    Dhcp,
    Dns,
    LogicalPort,
    LogicalRouter,
    LogicalSwitch,
    Network,
    Node,
    RouterPort,
    StaticRoute,
)

NODES = ("node1", "node2", "node3")
STEMS = st.sampled_from(("a", "0", "null", "web-", "0x", "1e", "yes", "x" * 20))
MATCHES = st.sampled_from(
    [
        "any",
        "ip",
        "ip4",
        "ip6",
        "arp",
        "tcp",
        "udp,sport=53",
        "tcp,dport=22",
        "icmp,type=8",
        "icmp6,type=128,code=0",
        "src=10.1.0.0/24",
        "ip4,dst=10.2.0.10",
        "dst=fd00:1::/64",
        "udp,src=fd00:2::10,dport=9",
        "arp,src=10.1.0.10",
    ]
).map(parse_match)


@st.composite
def networks(draw: st.DrawFn, name: str | None = None, with_acls: bool = True) -> Network:
    """One network, in canonical order."""
    stem = draw(STEMS)
    names = (f"{stem}{number}" for number in count())
    of = name or next(names)
    switches = tuple(
        LogicalSwitch(next(names), (f"10.{at}.0.0/24", f"fd00:{at + 1}::/64")[: draw(st.integers(0, 2))])
        for at in range(draw(st.integers(0, 3)))
    )
    routers = tuple(_router(draw, at, next(names), switches) for at in range(draw(st.integers(0, 2))))
    ports = (
        tuple(_port(draw, at, next(names), switches, of) for at in range(draw(st.integers(0, 6))))
        if switches
        else ()
    )
    made = _with_services(draw, Network(of, switches, routers, ports))
    switches, routers = made.switches, made.routers
    if with_acls and switches:
        number_of_acls = draw(st.integers(0, 5))
        acls = tuple(_acl(draw, f"acl{at}", made) for at in range(number_of_acls))
        made = replace(made, acls=acls)
        if acl_problems(made):
            made = replace(made, acls=acls[:1])
    return ordered(made)


def _with_services(draw: st.DrawFn, network: Network) -> Network:
    """The network with services here and there, as far as they make sense."""
    told = st.sampled_from((None, Dhcp(), Dhcp(600, ("10.9.9.9", "fd00:9::9"), "x.internal")))
    modes = st.sampled_from(("off", "off", "dhcpv6"))
    routers = tuple(
        replace(router, ports=tuple(replace(port, ra=draw(modes)) for port in router.ports))
        for router in network.routers
    )
    made = replace(
        network,
        switches=tuple(replace(switch, dhcp=draw(told)) for switch in network.switches),
        routers=routers,
        dns=draw(st.sampled_from((None, Dns(), Dns("a.internal")))),
    )
    made = with_service_addresses(made)
    return network if any(service_problems(made)) else made


def _router(draw: st.DrawFn, at: int, name: str, switches: tuple[LogicalSwitch, ...]) -> LogicalRouter:
    joined = draw(st.lists(st.sampled_from(range(len(switches))), unique=True)) if switches else []
    ports = tuple(
        RouterPort(
            f"{name}-{switches[one].name}",
            switches[one].name,
            f"02:00:00:ff:{at:02x}:{one:02x}",
            tuple(
                subnet.replace("0.0/", f"0.{at + 1}/").replace("::/", f"::{at + 1}/")
                for subnet in switches[one].subnets
            ),
        )
        for one in joined
    )
    hops = [address.partition("/")[0] for port in ports for address in port.addresses if "." in address]
    routes: tuple[StaticRoute, ...] = ()
    has_routes: bool = draw(st.booleans())
    if hops and has_routes:
        hop = hops[0].rpartition(".")[0]
        routes = (
            StaticRoute("192.0.2.0/24", f"{hop}.{draw(st.integers(10, 16))}"),
            StaticRoute("0.0.0.0/0", f"{hop}.9"),
        )
    return LogicalRouter(name, ports, routes)


def _port(draw: st.DrawFn, at: int, name: str, switches: tuple[LogicalSwitch, ...], of: str) -> LogicalPort:
    switch = draw(st.sampled_from(switches))
    addresses = tuple(
        subnet.replace("0.0/24", f"0.{at + 10}").replace("::/64", f"::{at + 10:x}")
        for subnet in switch.subnets
    )
    node = draw(st.sampled_from((*NODES, None)))
    return LogicalPort(
        name,
        switch.name,
        f"02:00:00:00:00:{at:02x}",
        addresses,
        node,
        draw(st.sampled_from((None, f"{of}-{name}"))),
    )


def _acl(draw: st.DrawFn, name: str, network: Network) -> Acl:
    at_port = bool(network.ports) and draw(st.booleans())
    return Acl(
        name,
        draw(st.sampled_from(("from-port", "to-port"))),
        draw(st.sampled_from((1, 100, 60000))),
        draw(MATCHES),
        draw(st.sampled_from(("allow", "drop"))),
        None if at_port else draw(st.sampled_from(network.switches)).name,
        draw(st.sampled_from(network.ports)).name if at_port else None,
    )


@st.composite
def nodes(draw: st.DrawFn) -> tuple[Node, ...]:
    """Three nodes that can all talk, in one way or another."""
    speaks = st.sampled_from((("stt", "vxlan"), ("vxlan", "stt"), ("vxlan",)))
    return tuple(Node(name, f"192.0.2.{at + 1}", draw(speaks)) for at, name in enumerate(NODES))
