"""Where everything of a lab lies: names of namespaces and devices, addresses, directories.  Pure.

A lab called `two-tenants` has the network namespaces `two-tenants.underlay` (a bridge),
`two-tenants.controller` and `two-tenants.NODE`; each workload has the namespace that its port names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

import msgspec

from tulle.errors import InvalidInput
from tulle.values import Node, Underlay

ROOT = Path("/run/tulle/labs")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
"""A lab's directory is named so, and `down` removes it whole."""


class Host(msgspec.Struct, frozen=True):
    """A namespace with one foot on the underlay."""

    name: str
    namespace: str
    device: str  # the bridge's end of its cable, in the underlay namespace
    address: str
    prefix: int
    directory: str

    @property
    def socket_address(self) -> str:
        """The address as it stands before a port number (RFC 3986 section 3.2.2)."""
        return f"[{self.address}]" if ":" in self.address else self.address


class Layout(msgspec.Struct, frozen=True):
    """The whole lab, before anything exists; saved first, so that `down` knows what to remove."""

    name: str
    directory: str
    underlay: str  # namespace of the bridge
    mtu: int
    controller: Host
    nodes: tuple[Host, ...]
    externals: tuple[Host, ...]  # endpoints of another make: a namespace on the underlay, no processes
    workloads: tuple[str, ...]  # namespaces
    physical: tuple[str, ...] = ()  # physical networks, each a bridge in the namespace of the underlay

    def node(self, name: str) -> Host:
        """The node of this name; KeyError where there is none."""
        return next(host for host in self.nodes if host.name == name)

    def physical_devices(self) -> dict[str, str]:
        """The device of a node in each physical network; the bridge of that has the same name."""
        return {name: f"physical{at}" for at, name in enumerate(self.physical)}

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Every namespace that the lab makes."""
        return (self.underlay, *(host.namespace for host in self.hosts), *self.workloads)

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Everything with a foot on the underlay."""
        return (self.controller, *self.nodes, *self.externals)


def layout(
    name: str,
    *,
    underlay: Underlay,
    nodes: Sequence[Node],
    workloads: Iterable[str],
    physical: Iterable[str] = (),
) -> Layout:
    """Lays out a lab; the controller gets the last address of the underlay subnet.

    Raises `InvalidInput` for a name that is no plain file name.
    """
    if not NAME.fullmatch(name):
        raise InvalidInput(f"a lab's name of 1 to 40 letters, digits, -, _ and . was expected, {name!r} came")
    directory = ROOT / name
    network = ip_network(underlay.subnet)

    def host(index: int, host_name: str, address: str) -> Host:
        return Host(
            name=host_name,
            namespace=f"{name}.{host_name}",
            device=f"port{index}",
            address=address,
            prefix=network.prefixlen,
            directory=str(directory / host_name),
        )

    hosts = [host(index, node.name, node.address) for index, node in enumerate(nodes, start=1)]
    external = {node.name for node in nodes if node.external}
    return Layout(
        name=name,
        directory=str(directory),
        underlay=f"{name}.underlay",
        mtu=underlay.mtu,
        controller=host(0, "controller", _controller_address(network, {node.address for node in nodes})),
        nodes=tuple(host for host in hosts if host.name not in external),
        externals=tuple(host for host in hosts if host.name in external),
        workloads=tuple(sorted(set(workloads))),
        physical=tuple(sorted(set(physical))),
    )


def _controller_address(network: IPv4Network | IPv6Network, taken: set[str]) -> str:
    address = str(network[network.num_addresses - 2])
    if address in taken:
        raise InvalidInput(f"the underlay address {address} is the controller's; give it to no node")
    return address
