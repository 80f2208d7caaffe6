"""Where everything of a lab lies: names of namespaces and devices, addresses, directories.  Pure.

A lab called `two-tenants` has the network namespaces `two-tenants.underlay` (a bridge),
`two-tenants.controller` and `two-tenants.NODE`; each workload has the namespace that its port names.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

import msgspec

from tulle.errors import InvalidInput

ROOT = Path("/run/tulle/labs")


class Host(msgspec.Struct, frozen=True):
    """A namespace with one foot on the underlay."""

    name: str
    namespace: str
    device: str  # the bridge's end of its cable, in the underlay namespace
    address: str
    prefix: int
    directory: str


class Layout(msgspec.Struct, frozen=True):
    """The whole lab, before anything exists; saved first, so that `down` knows what to remove."""

    name: str
    directory: str
    underlay: str  # namespace of the bridge
    mtu: int
    controller: Host
    nodes: tuple[Host, ...]
    workloads: tuple[str, ...]  # namespaces

    def node(self, name: str) -> Host:
        """The node of this name; KeyError where there is none."""
        return next(host for host in self.nodes if host.name == name)

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Every namespace that the lab makes."""
        hosts = (self.controller.namespace, *(node.namespace for node in self.nodes))
        return (self.underlay, *hosts, *self.workloads)


def layout(name: str, *, subnet: str, mtu: int, nodes: list[str], workloads: list[str]) -> Layout:
    """Lays out a lab: node i has the i-th address of the underlay subnet, the controller the last one."""
    directory = ROOT / name
    network = ip_network(subnet)
    if network.num_addresses < len(nodes) + 3:
        raise InvalidInput(f"underlay subnet {subnet} has no room for {len(nodes)} nodes and a controller")

    def host(index: int, host_name: str) -> Host:
        return Host(
            name=host_name,
            namespace=f"{name}.{host_name}",
            device=f"port{index}",
            address=str(_address(network, index)),
            prefix=network.prefixlen,
            directory=str(directory / host_name),
        )

    return Layout(
        name=name,
        directory=str(directory),
        underlay=f"{name}.underlay",
        mtu=mtu,
        controller=host(0, "controller"),
        nodes=tuple(host(index, node) for index, node in enumerate(nodes, start=1)),
        workloads=tuple(sorted(set(workloads))),
    )


def _address(network: IPv4Network | IPv6Network, index: int) -> object:
    return network[index] if index else network[network.num_addresses - 2]
