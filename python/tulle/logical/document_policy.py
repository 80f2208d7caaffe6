"""What the document of a network leaves out: what policies and services are when nobody says anything of them."""

from __future__ import annotations

from typing import Any, Final

Document = dict[str, Any]
NETWORK_DEFAULTS: Final[Document] = {
    "port_groups": [],
    "address_sets": [],
    "default_deny": [],
    "dns": None,
    "forwarding": "dual",
    "load_balancers": [],
    "appliances": [],
    "chains": [],
    "mirrors": [],
}
SWITCH_DEFAULTS: Final[Document] = {
    "dhcp": None,
    "service_addresses": [],
    "vlan": "refuse",
    "multicast": None,
}
MULTICAST_DEFAULTS: Final[Document] = {
    "flood_unregistered": False,
    "querier": True,
    "query_s": 125,
    "idle_s": 260,
}
DHCP_DEFAULTS: Final[Document] = {"lease_s": 3600, "dns": [], "domain": "", "routes": []}
DNS_DEFAULTS: Final[Document] = {"domain": ""}
ROUTER_PORT_DEFAULTS: Final[Document] = {"ra": "off"}
ROUTER_DEFAULTS: Final[Document] = {"nat": [], "policies": []}
PORT_DEFAULTS: Final[Document] = {"port_security": False, "configure": "agent"}
ACL_DEFAULTS: Final[Document] = {"tier": 0, "log": 0, "audit": False}


def without_defaults(document: Document) -> Document:
    """The same document, shorter; its switches, routers, ports and ACLs too."""
    made = _without(document, NETWORK_DEFAULTS)
    if document.get("dns") is not None:
        made["dns"] = _without(document["dns"], DNS_DEFAULTS)
    made["switches"] = [_without(switch, SWITCH_DEFAULTS) for switch in document["switches"]]
    for switch in made["switches"]:
        if "dhcp" in switch:
            switch["dhcp"] = _without(switch["dhcp"], DHCP_DEFAULTS)
        if "multicast" in switch:
            switch["multicast"] = _without(switch["multicast"], MULTICAST_DEFAULTS)
    made["routers"] = [_without(router, ROUTER_DEFAULTS) for router in document["routers"]]
    for router in made["routers"]:
        router["ports"] = [_without(port, ROUTER_PORT_DEFAULTS) for port in router["ports"]]
    made["ports"] = [_without(port, PORT_DEFAULTS) for port in document["ports"]]
    made["acls"] = [_without(acl, ACL_DEFAULTS) for acl in document["acls"]]
    return made


def _without(document: Document, defaults: Document) -> Document:
    return {key: value for key, value in document.items() if key not in defaults or value != defaults[key]}
