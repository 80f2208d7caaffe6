"""The deployment that both sides are given: switches of ports, joined by routers over a backbone, with ACLs.

Switch `s-R-S` has the subnet 10.R.S.0/24; each router joins ten of them, and knows the others by one route each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

BACKBONE = "backbone"
NODE = "node1"
FIRST_HOST = 10


@dataclass(frozen=True)
class Deployment:
    """How much of everything; the first port of each of the first `bound` switches is plugged in here."""

    network: str = "big"
    routers: int = 10
    switches: int = 10
    ports: int = 100
    acls: int = 10
    bound: int = 50

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Router and switch numbers."""
        return ((router, switch) for router in range(self.routers) for switch in range(self.switches))

    def bound_ports(self) -> list[str]:
        """The names of the ports that are plugged in here."""
        return [port_name(*pair, 0) for pair in list(self.pairs())[: self.bound]]


def switch_name(router: int, switch: int) -> str:
    """Of a switch."""
    return f"s-{router}-{switch}"


def port_name(router: int, switch: int, port: int) -> str:
    """Of a port."""
    return f"p-{router}-{switch}-{port}"


def address(router: int, switch: int, port: int) -> str:
    """The address of a port, in text."""
    return f"10.{router}.{switch}.{FIRST_HOST + port}"


def mac(router: int, switch: int, port: int) -> str:
    """The MAC address of a port."""
    return f"02:0a:{router:02x}:{switch:02x}:00:{FIRST_HOST + port:02x}"


def router_mac(router: int, switch: int) -> str:
    """The MAC address of a router's port on a switch."""
    return f"02:0b:{router:02x}:{switch:02x}:00:01"


def acl_matches(deployment: Deployment) -> Iterator[tuple[int, str, int]]:
    """(priority, action, TCP port; 0: all IPv4) of each switch's ACLs."""
    yield 100, "drop", 0
    for number in range(1, deployment.acls):
        yield 1000 + number, "allow-related", 8000 + number


def document(deployment: Deployment) -> dict[str, Any]:
    """The network in the words of a network file."""
    here = set(deployment.bound_ports())
    return {
        "name": deployment.network,
        "switches": [{"name": BACKBONE, "subnets": ["10.255.0.0/24"]}, *_switches(deployment)],
        "routers": [router_document(deployment, router) for router in range(deployment.routers)],
        "ports": [
            {
                "name": port_name(router, switch, port),
                "switch": switch_name(router, switch),
                "mac": mac(router, switch, port),
                "addresses": [address(router, switch, port)],
                **({"node": NODE} if port_name(router, switch, port) in here else {}),
            }
            for router, switch in deployment.pairs()
            for port in range(deployment.ports)
        ],
        "acls": [acl for pair in deployment.pairs() for acl in _acls(deployment, *pair)],
    }


def text(deployment: Deployment) -> str:
    """The network file."""
    return orjson.dumps({"networks": [document(deployment)]}, option=orjson.OPT_INDENT_2).decode()


def _switches(deployment: Deployment) -> list[dict[str, Any]]:
    return [
        {"name": switch_name(router, switch), "subnets": [f"10.{router}.{switch}.0/24"]}
        for router, switch in deployment.pairs()
    ]


def router_document(deployment: Deployment, router: int) -> dict[str, Any]:
    """A router in the words of a network file."""
    ports = [
        {
            "switch": switch_name(router, switch),
            "mac": router_mac(router, switch),
            "addresses": [f"10.{router}.{switch}.1/24"],
        }
        for switch in range(deployment.switches)
    ]
    uplink = {"switch": BACKBONE, "mac": router_mac(router, 255), "addresses": [f"10.255.0.{router + 1}/24"]}
    routes = [
        {"prefix": f"10.{other}.0.0/16", "next_hop": f"10.255.0.{other + 1}"}
        for other in range(deployment.routers)
        if other != router
    ]
    return {"name": f"r-{router}", "ports": [*ports, uplink], "routes": routes}


def _acls(deployment: Deployment, router: int, switch: int) -> Iterator[dict[str, Any]]:
    for priority, action, port in acl_matches(deployment):
        yield {
            "name": f"a-{router}-{switch}-{priority}",
            "direction": "to-port",
            "switch": switch_name(router, switch),
            "priority": priority,
            "match": f"tcp,dport={port}" if port else "ip4",
            "action": action,
        }
