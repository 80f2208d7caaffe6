"""Services in the database `Tulle`: columns to values and back.  A column that is empty is as it was before it was."""

from __future__ import annotations

from typing import cast

from msgspec.structs import replace

from tulle.errors import InvalidInput
from tulle.values import Dhcp, Dns, LogicalSwitch, Network, StaticRoute
from tulle.values.network import Advertises, Configure, Forwarding

from .writer import Row


def switch_columns(switch: LogicalSwitch) -> Row:
    """What DHCP tells, as a map that is empty where there is none."""
    return {
        "dhcp": {} if switch.dhcp is None else _dhcp_map(switch.dhcp),
        "service_addresses": frozenset(switch.service_addresses),
    }


def with_switch_columns(switch: LogicalSwitch, row: Row) -> LogicalSwitch:
    """The switch with its services."""
    own = tuple(sorted(row["service_addresses"], key=lambda one: (":" in one, one)))
    return replace(switch, dhcp=_dhcp(row["dhcp"]) if row["dhcp"] else None, service_addresses=own)


def network_columns(network: Network) -> Row:
    """Names, and what the network speaks."""
    return {"dns": None if network.dns is None else network.dns.domain, "forwarding": network.forwarding}


def dns_of(row: Row) -> Dns | None:
    """The names of a network."""
    return None if row["dns"] is None else Dns(row["dns"])


def forwarding_of(row: Row) -> Forwarding:
    """What a network speaks."""
    return cast(Forwarding, row["forwarding"] or "dual")


def advertises_of(row: Row) -> Advertises:
    """What a router port advertises."""
    return cast(Advertises, row["ra"] or "off")


def configure_of(row: Row) -> Configure:
    """Who configures a workload's interface."""
    return cast(Configure, row["configure"] or "agent")


def _dhcp_map(dhcp: Dhcp) -> dict[str, str]:
    """`lease_s` is always there, so the map is never empty."""
    routes = " ".join(f"{route.prefix},{route.next_hop}" for route in dhcp.routes)
    texts = {"dns": " ".join(dhcp.dns), "domain": dhcp.domain, "routes": routes}
    return {"lease_s": str(dhcp.lease_s), **{key: text for key, text in texts.items() if text}}


def _dhcp(shown: dict[str, str]) -> Dhcp:
    try:
        routes = [one.partition(",") for one in shown.get("routes", "").split()]
        return Dhcp(
            int(shown["lease_s"]),
            tuple(shown.get("dns", "").split()),
            shown.get("domain", ""),
            tuple(sorted((StaticRoute(one, hop) for one, _, hop in routes), key=lambda one: one.prefix)),
        )
    except (KeyError, ValueError) as error:
        raise InvalidInput(f"what DHCP tells was expected, {shown} came ({error})") from None
