"""Random sequences of networks, each made of the one before by a few small changes, or quite another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from layer2_steps import SNOOPING, VLANS, child_port, localnet_port
from msgspec.structs import replace
from random_networks import networks
from random_policies import policed_networks

from tulle.logical import parse_file, parse_match, problems
from tulle.logical.snapshot import ordered
from tulle.values import Dhcp, Dns, Marking, Network, NextHop, Qos, Rate, RoutingPolicy, StaticRoute

TRANSLATED = parse_file(
    """networks:
  - name: red
    switches:
      - {name: outside, subnets: [192.0.2.0/24, "2001:db8::/64"]}
      - {name: web, subnets: [10.0.1.0/24, "fd00:1::/64"]}
      - {name: db, subnets: [10.0.2.0/24, "fd00:2::/64"]}
    routers:
      - name: edge
        ports:
          - {switch: outside, addresses: [192.0.2.1/24, "2001:db8::1/64"]}
          - {switch: web, addresses: [10.0.1.1/24, "fd00:1::1/64"]}
          - {switch: db, addresses: [10.0.2.1/24, "fd00:2::1/64"]}
        nat:
          - {name: all, kind: snat, external: 192.0.2.9, logical: 0.0.0.0/0}
          - {name: own, kind: dnat-and-snat, external: 192.0.2.25, logical: 10.0.1.12}
      - name: beyond
        ports: [{switch: outside, addresses: [192.0.2.2/24, "2001:db8::2/64"]}]
        routes: [{prefix: 10.0.0.0/16, next_hop: 192.0.2.1}, {prefix: 10.9.0.0/16, next_hop: 192.0.2.25}]
    ports:
      - {name: o1, switch: outside, addresses: [192.0.2.11, "2001:db8::11"]}
      - {name: w1, switch: web, addresses: [10.0.1.11, "fd00:1::11"]}
      - {name: w2, switch: web, addresses: [10.0.1.12, "fd00:1::12"]}
      - {name: d1, switch: db, addresses: [10.0.2.11, "fd00:2::11"]}
    load_balancers:
      - {name: shop, router: edge, protocol: tcp, vips: [192.0.2.80, "2001:db8::80"], dport: 80,
         backends: [{port: w1, dport: 8080}, {port: w2}, {port: d1}]}
      - {name: inner, switch: web, protocol: udp, vips: [10.0.1.80, "fd00:1::80"], dport: 80, check_s: 5,
         backends: [{port: w1, dport: 8081}, {port: d1, dport: 8082}]}
""",
    "translated.yaml",
).networks[0]
QOS = (
    Qos(Rate(1000), Rate(2000, 1200)),
    Qos(to_port=Rate(500)),
    Qos(dscp=46),
    Qos(
        Rate(1000),
        dscp=0,
        markings=(Marking(parse_match("udp,dport=53"), 46), Marking(parse_match("any"), 8)),
    ),
)
Edit = Callable[[st.DrawFn, Network], Network]


@st.composite
def sequences(draw: st.DrawFn, name: str = "red", most: int = 6) -> list[Network]:
    """Up to `most` networks of one name, all of them valid."""
    policed = policed_networks().map(lambda one: replace(one, name=name))
    strange = st.one_of(networks(name), policed, st.just(replace(TRANSLATED, name=name)))
    found = [draw(strange)]
    for _ in range(draw(st.integers(1, most - 1))):
        before = found[-1]
        wanted = draw(strange) if draw(st.integers(0, 5)) == 0 else edited(draw, before)
        found.append(before if problems(wanted) else ordered(wanted))
    return found


@st.composite
def doubtful_sequences(draw: st.DrawFn) -> list[Network]:
    """Valid networks, and a last one that may be contradictory."""
    found = draw(sequences())
    return [*found, ordered(edited(draw, found[-1]))]


def edited(draw: st.DrawFn, network: Network) -> Network:
    """The network after one or two edits; it may be contradictory."""
    for edit in draw(st.lists(st.sampled_from(EDITS), min_size=1, max_size=2)):
        network = edit(draw, network)
    return network


def _without_one(kind: str) -> Edit:
    def edit(draw: st.DrawFn, network: Network) -> Network:
        members = getattr(network, kind)
        if not members:
            return network
        gone = draw(st.sampled_from(members))
        return replace(network, **{kind: tuple(one for one in members if one is not gone)})

    return edit


def _changed_one(kind: str, **values: st.SearchStrategy[Any]) -> Edit:
    def edit(draw: st.DrawFn, network: Network) -> Network:
        members = getattr(network, kind)
        if not members:
            return network
        name = draw(st.sampled_from(sorted(values)))
        chosen = draw(st.sampled_from(members))
        other = replace(chosen, **{name: draw(values[name])})
        return replace(network, **{kind: tuple(other if one is chosen else one for one in members)})

    return edit


def _moved_port(draw: st.DrawFn, network: Network) -> Network:
    """To another switch, without addresses, since those are of the old one."""
    if not (network.ports and network.switches):
        return network
    chosen = draw(st.sampled_from(network.ports))
    moved = replace(chosen, switch=draw(st.sampled_from(network.switches)).name, addresses=())
    return replace(network, ports=tuple(moved if one is chosen else one for one in network.ports))


def _twin_port(draw: st.DrawFn, network: Network) -> Network:
    if not network.ports:
        return network
    chosen = draw(st.sampled_from(network.ports))
    number = draw(st.integers(20, 29))
    subnets = next(one.subnets for one in network.switches if one.name == chosen.switch)
    addresses = tuple(f"{one.rpartition('.')[0]}.{number}" for one in subnets if "." in one)
    twin = replace(chosen, name=f"twin{number}", mac=f"02:00:00:00:77:{number:02x}", addresses=addresses)
    return replace(network, ports=(*network.ports, replace(twin, interface=f"tap{number}")))


def _clashing_port(draw: st.DrawFn, network: Network) -> Network:
    """A port that may have the name, MAC address, addresses or place of another one."""
    if not network.ports:
        return network
    one, other = draw(st.sampled_from(network.ports)), draw(st.sampled_from(network.ports))
    router = [port for router in network.routers for port in router.ports]
    taken = [other.addresses, *(tuple(text.partition("/")[0] for text in port.addresses) for port in router)]
    made = replace(one, name=draw(st.sampled_from(("new", other.name, *(port.name for port in router)))))
    made = replace(
        made, mac=draw(st.sampled_from(("02:00:00:00:55:55", other.mac, *(p.mac for p in router))))
    )
    made = replace(
        made, addresses=draw(st.sampled_from((*taken, (), ("10.0.0.200",), ("10.0.0.0",), ("x",))))
    )
    space = draw(st.sampled_from((None, "space")))
    given_space = replace(network.ports[0], namespace=space)
    return replace(network, ports=(given_space, *network.ports[1:], replace(made, namespace=space)))


def _clashing_acl(draw: st.DrawFn, network: Network) -> Network:
    if not network.acls:
        return network
    one = draw(st.sampled_from(network.acls))
    action = draw(st.sampled_from(("allow", "drop")))
    name = draw(st.sampled_from(("another", one.name)))
    return replace(network, acls=(*network.acls, replace(one, name=name, action=action)))


def _whole(**values: st.SearchStrategy[Any]) -> Edit:
    def edit(draw: st.DrawFn, network: Network) -> Network:
        name = draw(st.sampled_from(sorted(values)))
        return replace(network, **{name: draw(values[name])})

    return edit


def _without_switch(draw: st.DrawFn, network: Network) -> Network:
    """With all that is on it."""
    if not network.switches:
        return network
    gone = draw(st.sampled_from(network.switches)).name
    ports = tuple(one for one in network.ports if one.switch != gone)
    names = {one.name for one in ports}
    return replace(
        network,
        switches=tuple(one for one in network.switches if one.name != gone),
        ports=ports,
        routers=tuple(
            replace(one, ports=tuple(port for port in one.ports if port.switch != gone))
            for one in network.routers
        ),
        acls=tuple(
            one for one in network.acls if one.switch != gone and (one.port is None or one.port in names)
        ),
        port_groups=tuple(
            replace(one, ports=tuple(port for port in one.ports if port in names))
            for one in network.port_groups
        ),
    )


def _policed_router(draw: st.DrawFn, network: Network) -> Network:
    """A router with other policies and routes by several next hops; neighbours of it, or nobody."""
    if not network.routers:
        return network
    chosen = draw(st.sampled_from(network.routers))
    four = draw(st.booleans())
    near = {port.switch for port in chosen.ports}
    known = [one for port in network.ports if port.switch in near for one in port.addresses]
    subnets = [one.partition("/")[0] for port in chosen.ports for one in port.addresses]
    nobody = [f"{one}7" for one in subnets]
    addresses = sorted({one for one in (*known, *nobody) if (":" not in one) == four})
    if not addresses:
        return network
    hop = st.builds(NextHop, st.sampled_from(addresses), st.sampled_from((1, 1, 2, 6)))
    hops = st.lists(hop, min_size=1, max_size=3, unique_by=lambda one: one.address).map(tuple)
    prefixes = ("198.51.100.0/24", "0.0.0.0/0") if four else ("2001:db8:9::/48", "::/0")
    routes = {
        one: StaticRoute(one, next_hops=draw(hops)) for one in draw(st.lists(st.sampled_from(prefixes)))
    }
    other = replace(
        chosen,
        routes=tuple(routes.values()),
        policies=tuple(_policy(draw, network, at, hops, four=four) for at in range(draw(st.integers(0, 3)))),
    )
    return replace(network, routers=tuple(other if one is chosen else one for one in network.routers))


def _policy(
    draw: st.DrawFn, network: Network, at: int, hops: st.SearchStrategy[tuple[NextHop, ...]], *, four: bool
) -> RoutingPolicy:
    own = (
        ("ip4", "tcp,src=10.0.0.0/16,dport=22") if four else ("ip6,dst=2001:db8::/32", "tcp,dst=fd00:2::/64")
    )
    named = [f"src=${one.name}" for one in network.address_sets]
    named += [f"udp,dst=@{one.name}" for one in network.port_groups]
    texts = ("any", "icmp" if four else "icmp6", "udp", *own, *named, *named)
    action = draw(st.sampled_from(("allow", "drop", "reroute", "reroute")))
    match, number = parse_match(draw(st.sampled_from(texts))), draw(st.integers(1, 9))
    return RoutingPolicy(
        f"pbr{at}", 10 * number + at, match, action, draw(hops) if action == "reroute" else ()
    )


def _advertising_port(draw: st.DrawFn, network: Network) -> Network:
    """A router's port that advertises itself, or does so no more."""
    if not network.routers or not network.routers[0].ports:
        return network
    router, *others = network.routers
    port, *rest = router.ports
    other = replace(port, ra=draw(st.sampled_from(("off", "dhcpv6"))))
    return replace(network, routers=(replace(router, ports=(other, *rest)), *others))


EDITS: list[Edit] = [
    *(_without_one(kind) for kind in ("ports", "acls", "routers", "port_groups", "address_sets")),
    _without_switch,
    _moved_port,
    child_port,
    localnet_port,
    _changed_one("switches", vlan=VLANS, multicast=SNOOPING),
    _twin_port,
    _clashing_port,
    _clashing_acl,
    _changed_one(
        "ports",
        mac=st.integers(1, 99).map(lambda one: f"02:00:00:00:99:{one:02x}"),
        addresses=st.just(()),
        port_security=st.booleans(),
        node=st.sampled_from(("node1", "node2", None)),
    ),
    _changed_one("ports", qos=st.sampled_from((None, *QOS))),
    _changed_one(
        "acls",
        action=st.sampled_from(("allow", "allow-related", "drop", "reject", "pass")),
        priority=st.integers(1, 9),
        tier=st.integers(0, 3),
        log=st.integers(0, 2),
        audit=st.booleans(),
    ),
    _changed_one("address_sets", addresses=st.sampled_from(((), ("10.0.0.10",), ("10.1.0.0/16",)))),
    _changed_one("routers", routes=st.just(()), nat=st.just(())),
    _without_one("load_balancers"),
    _advertising_port,
    _policed_router,
    _policed_router,
    _changed_one("load_balancers", check_s=st.sampled_from((0, 5)), dport=st.sampled_from((80, 81))),
    _changed_one(
        "switches",
        dhcp=st.sampled_from((None, Dhcp(), Dhcp(domain="red.internal"))),
        service_addresses=st.sampled_from(((), ("10.0.1.3",), ("10.0.0.3",))),
    ),
    _whole(
        paused=st.booleans(),
        dns=st.sampled_from((None, Dns(), Dns("red.example"))),
        forwarding=st.sampled_from(("dual", "dual", "ipv4", "ipv6", "l2")),
        default_deny=st.sampled_from(((), ("from-port",), ("to-port",), ("from-port", "to-port"))),
    ),
]
