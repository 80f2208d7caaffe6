"""One port for people: what it has, and what the services of its network tell it."""

from __future__ import annotations

from typing import Any

from tulle.errors import NotFound
from tulle.logical.document_routing import qos_document
from tulle.logical.serving import advertised, advertising, domain_of, leases, server_of, told_to
from tulle.logical.spelling import nearest
from tulle.values import LogicalPort, LogicalSwitch, Network

Document = dict[str, Any]


def port_document(network: Network, name: str, bound: str | None, mtu: int) -> Document:
    """Everything about a port; `bound` is the node where it is, `mtu` of its network.  NotFound."""
    port = next((one for one in network.ports if one.name == name), None)
    if port is None:
        hint = nearest(name, [one.name for one in network.ports])
        raise NotFound(f"no port {name!r} in network {network.name}{hint}")
    switch = next(one for one in network.switches if one.name == port.switch)
    return {
        "network": network.name,
        "name": port.name,
        "switch": port.switch,
        "mac": port.mac,
        "addresses": list(port.addresses),
        "mtu": mtu,
        "node": port.node,
        "bound": bound,
        "namespace": port.namespace,
        "interface": port.interface,
        "port_security": port.port_security,
        "configure": port.configure,
        "parent": port.parent,
        "tag": port.tag,
        "localnet": port.localnet,
        "qos": qos_document(port),
        "dns_name": f"{port.name}.{domain_of(network)}" if network.dns is not None else None,
        "dhcp": _dhcp(network, switch, port, mtu),
        "advertised": _advertised(network, port.switch),
    }


def _dhcp(network: Network, switch: LogicalSwitch, port: LogicalPort, mtu: int) -> Document | None:
    if switch.dhcp is None:
        return None
    [lease] = leases(network, switch, [port])
    told, server = told_to(network, switch), server_of(network, switch)
    return {
        "server": server.address(4) or None,
        "addresses": list(lease.addresses),
        "router": lease.gateway or None,
        "lease_s": told.lease_s,
        "hostname": port.name,
        "domain": told.domain or None,
        "dns": list(told.dns),
        "mtu": mtu,
        "routes": [f"{route.prefix} via {route.next_hop}" for route in told.routes],
    }


def _advertised(network: Network, switch: str) -> list[Document]:
    """What each router says to workloads there."""
    return [
        {"router_port": port.name, "mode": port.ra, "prefixes": list(advertised(port))}
        for port in advertising(network, switch)
    ]
