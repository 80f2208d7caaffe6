"""Routes with several next hops, policies of routers, and what ports are held to, from rows to values and back.

Next hops are one text, `10.0.1.2 3,10.0.1.3`: address and weight, which is left out where it is 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from msgspec.structs import replace

from tulle.errors import InvalidInput
from tulle.logical import emit_match, parse_match
from tulle.values import LogicalPort, LogicalRouter, Marking, NextHop, Qos, Rate, RoutingPolicy, StaticRoute

from .writer import Row

TABLE: Final = "Routing_Policy"
_DIRECTIONS: Final = ("from_port", "to_port")


def route_columns(router: LogicalRouter) -> Row:
    """The routes of a router, those with several next hops by themselves."""
    return {
        "routes": {one.prefix: one.next_hop for one in router.routes if not one.next_hops},
        "multipath": {one.prefix: _hops_text(one.next_hops) for one in router.routes if one.next_hops},
    }


def routes_of(row: Row) -> tuple[StaticRoute, ...]:
    """The same from its row."""
    single = [StaticRoute(prefix, next_hop) for prefix, next_hop in row["routes"].items()]
    several = [StaticRoute(prefix, next_hops=_hops_of(text)) for prefix, text in row["multipath"].items()]
    return (*single, *several)


def policy_rows(router: LogicalRouter) -> list[Row]:
    """The rows of a router's policies."""
    return [
        {
            "router": router.name,
            "name": one.name,
            "priority": one.priority,
            "match": emit_match(one.match),
            "action": one.action,
            "next_hops": _hops_text(one.next_hops),
        }
        for one in router.policies
    ]


def policies_of(rows: Iterable[Row], router: str) -> tuple[RoutingPolicy, ...]:
    """The policies of a router, in the order of their names."""
    found = [
        RoutingPolicy(
            row["name"], row["priority"], parse_match(row["match"]), row["action"], _hops_of(row["next_hops"])
        )
        for row in rows
        if row["router"] == router
    ]
    return tuple(sorted(found, key=lambda one: one.name))


def port_columns(port: LogicalPort) -> Row:
    """What a port is held to, as a map that is empty where that is nothing."""
    qos, found = port.qos or Qos(), dict[str, str]()
    for name in _DIRECTIONS:
        rate: Rate | None = getattr(qos, name)
        if rate is not None:
            found[name] = f"{rate.rate_kbps} {rate.burst_kbit}"
    if qos.dscp is not None:
        found["dscp"] = str(qos.dscp)
    if qos.markings:
        found["markings"] = "\n".join(f"{one.dscp} {emit_match(one.match)}" for one in qos.markings)
    return {"qos": found}


def with_port_columns(port: LogicalPort, row: Row) -> LogicalPort:
    """The port with what it is held to."""
    return replace(port, qos=_qos_of(row["qos"])) if row["qos"] else port


def _qos_of(shown: dict[str, str]) -> Qos:
    try:
        rates = {name: Rate(*map(int, shown[name].split())) for name in _DIRECTIONS if name in shown}
        lines = [line.partition(" ") for line in shown.get("markings", "").splitlines()]
        markings = tuple(Marking(parse_match(match), int(dscp)) for dscp, _, match in lines)
        dscp = int(shown["dscp"]) if "dscp" in shown else None
        return Qos(rates.get("from_port"), rates.get("to_port"), dscp, markings)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"what a port is held to was expected, {shown} came ({error})") from None


def _hops_text(hops: Iterable[NextHop]) -> str:
    return ",".join(one.address if one.weight == 1 else f"{one.address} {one.weight}" for one in hops)


def _hops_of(text: str) -> tuple[NextHop, ...]:
    found: list[Any] = [one.partition(" ") for one in text.split(",") if one]
    return tuple(NextHop(address, int(weight or 1)) for address, _, weight in found)
