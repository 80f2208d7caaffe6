"""What every section of the demo works with: the lab, its file's networks, and a client."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import NamedTuple

from tulle.api.client import Client
from tulle.errors import NotFound
from tulle.lab.measure import Probe
from tulle.lab.state import Lab
from tulle.values import LogicalPort, Network


class Scene(NamedTuple):
    """The lab as the file describes it, and a way to talk to its controller."""

    lab: Lab
    text: str
    networks: tuple[Network, ...]
    client: Client

    def network(self, name: str) -> Network:
        """The network of this name, as the file has it."""
        return next(network for network in self.networks if network.name == name)

    def port(self, network: str, name: str) -> LogicalPort:
        """A port of a network, as the file has it."""
        return next(port for port in self.network(network).ports if port.name == name)

    def pair(self, network: str, node_a: str, node_b: str) -> tuple[LogicalPort, LogicalPort]:
        """Two ports of one switch, on these two nodes."""
        for one, other in permutations(workloads(self.network(network)), 2):
            if one.switch == other.switch and (one.node, other.node) == (node_a, node_b):
                return one, other
        raise NotFound(f"{network} has no switch with a port on {node_a} and one on {node_b}")


def workloads(network: Network) -> list[LogicalPort]:
    """The ports of a network behind which the lab has a workload."""
    return [port for port in network.ports if port.namespace is not None]


def namespace(port: LogicalPort) -> str:
    """The namespace of a port's workload."""
    if port.namespace is None:
        raise NotFound(f"port {port.name} has no namespace")
    return port.namespace


def address(port: LogicalPort, family: int) -> str:
    """The port's first IPv4 (4) or IPv6 (6) address."""
    return next(text for text in port.addresses if (":" in text) == (family == 6))


def probes(network: Network, family: int) -> Iterator[tuple[LogicalPort, LogicalPort, Probe]]:
    """Every ordered pair of workloads, with the ping that tries it."""
    for source, target in permutations(workloads(network), 2):
        yield source, target, Probe(namespace(source), address(target, family))
