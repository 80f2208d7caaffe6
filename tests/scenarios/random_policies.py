"""Random policies for one network, dense enough for most packets to meet several of them."""

from __future__ import annotations

from hypothesis import strategies as st
from msgspec.structs import replace
from random_networks import NODES

from tulle.logical import parse_match, problems
from tulle.logical.snapshot import ordered
from tulle.values import (
    Acl,
    AddressSet,
    LogicalPort,
    LogicalRouter,
    LogicalSwitch,
    Match,
    Network,
    PortGroup,
    RouterPort,
)

MATCHES = st.sampled_from(
    (
        "any",
        "ip4",
        "tcp",
        "udp",
        "icmp",
        "icmp6",
        "tcp,dport=80",
        "tcp,src=$some,dport=22",
        "src=$some",
        "src=@g0,dst=@g1",
        "udp,src=@g1,dst=$some",
        "ip,src=@g0",
        "ip6,dst=$some",
        "tcp,dst=@g0,dport=80",
        "src=10.0.0.0/24",
        "udp,dst=@g1,dport=53",
    )
).map(parse_match)
ADDRESSES = (
    "10.0.0.0/24",
    "10.0.0.10",
    "10.0.0.12",
    "10.1.0.0/16",
    "10.1.0.11",
    "10.1.0.13",
    "fd00:1::a",
    "fd00:1::c",
    "fd00:2::b",
    "fd00:2::/64",
)
ACTIONS = ("allow", "allow-related", "allow-related", "drop", "drop", "reject", "pass")


def _port(at: int) -> LogicalPort:
    switch = at % 2
    addresses = (f"10.{switch}.0.{at + 10}", f"fd00:{switch + 1}::{at + 10:x}")
    return LogicalPort(f"p{at}", f"s{switch}", f"02:00:00:00:00:{at:02x}", addresses, NODES[at % 3])


def _router_port(at: int) -> RouterPort:
    addresses = (f"10.{at}.0.1/24", f"fd00:{at + 1}::1/64")
    return RouterPort(f"r-s{at}", f"s{at}", f"02:00:00:00:f0:{at:02x}", addresses)


BASE = ordered(
    Network(
        "red",
        tuple(LogicalSwitch(f"s{at}", (f"10.{at}.0.0/24", f"fd00:{at + 1}::/64")) for at in range(2)),
        (LogicalRouter("r", (_router_port(0), _router_port(1))),),
        tuple(map(_port, range(6))),
    )
)


@st.composite
def policed_networks(draw: st.DrawFn) -> Network:
    """The network under random policies."""
    names = [port.name for port in BASE.ports]
    groups = tuple(PortGroup(f"g{at}", _some(draw, names)) for at in range(2))
    sets = (AddressSet("some", _some(draw, ADDRESSES)),)
    acls = tuple(_acl(draw, at) for at in range(draw(st.integers(1, 7))))
    deny = draw(st.sampled_from(((), (), ("to-port",), ("from-port",), ("from-port", "to-port"))))
    made = ordered(replace(BASE, acls=acls, port_groups=groups, address_sets=sets, default_deny=deny))
    assert problems(made) == [], made
    return made


@st.composite
def talks(draw: st.DrawFn) -> tuple[str, Match]:
    """Who sends what to whom; sometimes to the router."""
    source, target = draw(st.lists(st.sampled_from(BASE.ports), min_size=2, max_size=2, unique=True))
    four = draw(st.booleans())
    address = draw(
        st.sampled_from((target.addresses[not four],) * 7 + (("10.0.0.1", "fd00:1::1")[not four],))
    )
    icmp = "icmp" if four else "icmp6"
    form = draw(st.sampled_from(("tcp,{},dport=80", "tcp,{},dport=22", "udp,{},dport=53", f"{icmp},{{}}")))
    return source.name, parse_match(form.format(f"dst={address}"))


def _some(draw: st.DrawFn, given: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return tuple(sorted(draw(st.lists(st.sampled_from(given), unique=True, min_size=1, max_size=6))))


def _acl(draw: st.DrawFn, at: int) -> Acl:
    place = draw(st.sampled_from(("switch", "port", "group", "group")))
    action = draw(st.sampled_from(ACTIONS))
    named = {
        "switch": draw(st.sampled_from(BASE.switches)).name,
        "port": draw(st.sampled_from(BASE.ports)).name,
        "group": draw(st.sampled_from(("g0", "g1"))),
    }
    return Acl(
        f"acl{at}",
        draw(st.sampled_from(("from-port", "to-port"))),
        draw(st.integers(1, 9)) * 10 + at,
        draw(MATCHES),
        action,
        tier=draw(st.sampled_from((0, 0, 1, 3))),
        log=draw(st.sampled_from((0, 0, 7))),
        audit=action in ("drop", "reject") and draw(st.sampled_from((False, False, True))),
        **{place: named[place]},
    )
