"""A network together with its numbers, indexed the way the feature compilers ask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property
from ipaddress import ip_interface

from msgspec import Struct

from tulle.errors import NotFound
from tulle.values import Ids, LogicalPort, LogicalRouter, Network, RouterPort

from .topology import borne


class Station(Struct, frozen=True):
    """Something plugged into a switch, with its port key there; addresses are without prefix."""

    key: int
    mac: str
    addresses: tuple[str, ...]
    owner: str
    router_port: str | None = None
    router: str | None = None


class View:
    """Read-only; made anew for each compilation.

    `down` are the backends, as load balancer and address, that do not serve.
    """

    def __init__(self, network: Network, ids: Ids, down: frozenset[tuple[str, str]] = frozenset()) -> None:
        self.network = network
        self.down = down
        self._ids = ids

    def datapath(self, name: str) -> int:
        """The id of a switch or router of this network."""
        return _number(self._ids.datapaths, f"{self.network.name}/{name}")

    def key(self, datapath: str, port: str) -> int:
        """The key of a port on a switch or router of this network."""
        return _number(self._ids.ports, f"{self.network.name}/{datapath}/{port}")

    def owner(self, kind: str, name: str) -> str:
        """How flows name an object of this network, e.g. `port red/web1`."""
        return f"{kind} {self.network.name}/{name}"

    def stations(self, switch: str) -> list[Station]:
        """All that is plugged into the switch: workloads, then router ports."""
        return self._stations.get(switch, [])

    def switch_of(self, port: str) -> str:
        """The switch that a logical port is plugged into."""
        return self._ports[port].switch

    @cached_property
    def _ports(self) -> dict[str, LogicalPort]:
        return {port.name: port for port in self.network.ports}

    @cached_property
    def _stations(self) -> dict[str, list[Station]]:
        found: defaultdict[str, list[Station]] = defaultdict(list)
        for port in self.network.ports:
            found[port.switch].append(self._workload(port))
        for router in self.network.routers:
            for router_port in router.ports:
                found[router_port.switch].append(self._router_station(router, router_port))
        return dict(found)

    def _workload(self, port: LogicalPort) -> Station:
        key = self.key(port.switch, port.name)
        return Station(key, port.mac, port.addresses, self.owner("port", port.name))

    def _router_station(self, router: LogicalRouter, port: RouterPort) -> Station:
        own = (str(ip_interface(one).ip) for one in port.addresses)
        addresses = tuple(dict.fromkeys((*own, *borne(self.network, router, port))))
        owner = self.owner("router", router.name)
        return Station(self.key(port.switch, port.name), port.mac, addresses, owner, port.name, router.name)


def _number(numbers: Mapping[str, int], name: str) -> int:
    try:
        return numbers[name]
    except KeyError:
        raise NotFound(f"no number is allocated for {name}") from None
