"""Feature: what a router itself answers or refuses before it routes."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_interface
from typing import Final

from tulle.values import (
    Controller,
    FieldMatch,
    Flow,
    LogicalRouter,
    Move,
    Resubmit,
    RouterPort,
    SetField,
    Slice,
    fields,
    flow,
)
from tulle.values.pipeline import (
    ETH_IPV4,
    ETH_IPV6,
    PROTO_ICMP,
    PROTO_ICMP6,
    ROUTER_INPUT,
    ROUTING,
    ROUTING_POLICY,
)

from .hops import back_to_switch
from .routing import destination
from .view import View

# Never forwarded: RFC 1112 section 6.1 and RFC 3927 section 2.7; RFC 4291 sections 2.5.6 and 2.7.
NOT_ROUTED: Final = ("169.254.0.0/16", "224.0.0.0/4", "fe80::/10", "ff00::/8")
REPLY_TTL: Final = 64


class _Echo:
    """How a family writes an echo request and its reply (RFC 792, RFC 4443 section 4)."""

    def __init__(self, version: int) -> None:
        four = version == 4
        self.request = (
            {"nw_proto": PROTO_ICMP, "icmp_type": 8}
            if four
            else {"nw_proto": PROTO_ICMP6, "icmpv6_type": 128}
        )
        self.kind = SetField("icmp_type", 0) if four else SetField("icmpv6_type", 129)
        self.source, self.target = ("nw_src", "nw_dst") if four else ("ipv6_src", "ipv6_dst")
        self.bits = 32 if four else 128


def router_input_flows(view: View, router: LogicalRouter) -> Iterator[Flow]:
    """Echo replies, an end for what else is for the router, and packets whose time is over."""
    addresses = [str(ip_interface(one).ip) for port in router.ports for one in port.addresses]
    owner = view.owner("router", router.name)
    for address in addresses:
        for port in router.ports:
            yield _echo_reply(view, router, port, address)
        yield flow(ROUTER_INPUT, 105, destination(view, router, address), (), f"{owner} (not a service)")
    yield from _expired(view, router)
    for prefix in NOT_ROUTED:
        yield flow(ROUTER_INPUT, 103, destination(view, router, prefix), (), f"{owner} (not routed)")
    datapath = view.datapath(router.name)
    onward = ROUTING_POLICY if router.policies else ROUTING
    yield flow(ROUTER_INPUT, 0, fields(metadata=datapath), (Resubmit(onward),), owner)


def _echo_reply(view: View, router: LogicalRouter, port: RouterPort, address: str) -> Flow:
    """The reply leaves by the port where the request came in."""
    echo = _Echo(6 if ":" in address else 4)
    asked: tuple[FieldMatch, ...] = destination(view, router, address)
    match = fields(asked, reg14=view.key(router.name, port.name), **echo.request)
    actions = (
        Move(Slice(echo.source, 0, echo.bits), Slice(echo.target, 0, echo.bits)),
        SetField(echo.source, address),
        SetField("nw_ttl", REPLY_TTL),
        echo.kind,
        Move(Slice("dl_src", 0, 48), Slice("dl_dst", 0, 48)),
        SetField("dl_src", port.mac),
        *back_to_switch(view, port),
    )
    return flow(ROUTER_INPUT, 110, match, actions, view.owner("router", router.name))


def _expired(view: View, router: LogicalRouter) -> Iterator[Flow]:
    datapath = view.datapath(router.name)
    owner = f"{view.owner('router', router.name)} (time exceeded)"
    for eth_type in (ETH_IPV4, ETH_IPV6):
        for ttl in (0, 1):
            match = fields(metadata=datapath, dl_type=eth_type, nw_ttl=ttl)
            yield flow(ROUTER_INPUT, 100, match, (Controller("ttl-exceeded"),), owner)
