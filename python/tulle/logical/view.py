"""A network together with its numbers, indexed the way the feature compilers ask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property
from ipaddress import ip_interface

from msgspec import Struct

from tulle.errors import NotFound
from tulle.values import Ids, LogicalPort, LogicalRouter, Network, RouterPort

from .numbers import NONE, grouped
from .topology import borne


class Station(Struct, frozen=True):
    """Something plugged into a switch, with its port key there; addresses are without prefix.

    `port` is there where it is a workload.
    """

    key: int
    mac: str
    addresses: tuple[str, ...]
    owner: str
    router_port: str | None = None
    router: str | None = None
    port: LogicalPort | None = None


class View:
    """Read-only; made anew for each compilation.

    `down` are the backends, as load balancer and address, that do not serve.
    `ports` are those of the network by switch, if known already.
    """

    def __init__(
        self,
        network: Network,
        ids: Ids,
        down: frozenset[tuple[str, str]] = frozenset(),
        ports: Mapping[str, Mapping[str, LogicalPort]] | None = None,
    ) -> None:
        self.network = network
        self.down = down
        self._ids = ids
        self._given = ports
        self._stations: dict[str, list[Station]] = {}

    def datapath(self, name: str) -> int:
        """The id of a switch or router of this network."""
        return _number(self._ids.datapaths, f"{self.network.name}/{name}")

    def key(self, datapath: str, port: str) -> int:
        """The key of a port on a switch or router of this network."""
        return _number(self._ids.ports, f"{self.network.name}/{datapath}/{port}")

    def numbers(self) -> tuple[object, ...]:
        """All numbers of the network, to be compared."""
        name, keys = self.network.name, grouped(self._ids.ports)
        switches = [one.name for one in self.network.switches]
        names = [*switches, *(one.name for one in self.network.routers)]
        return tuple((one, self.datapath(one), keys.groups.get(f"{name}/{one}", NONE)) for one in names)

    def datapaths(self) -> tuple[tuple[str, int], ...]:
        """The ids of all that has one in this network, to be compared."""
        own = f"{self.network.name}/"
        return tuple((name, number) for name, number in self._ids.datapaths.items() if name.startswith(own))

    def switch_of(self, port: str) -> str:
        """The switch that a logical port is plugged into."""
        return next(one.switch for one in self.network.ports if one.name == port)

    def owner(self, kind: str, name: str) -> str:
        """How flows name an object of this network, e.g. `port red/web1`."""
        return f"{kind} {self.network.name}/{name}"

    def stations(self, switch: str) -> list[Station]:
        """All that is plugged into the switch: workloads, then router ports."""
        if switch not in self._stations:
            workloads = map(self._workload, self.ports.get(switch, {}).values())
            legs = (self._router_station(*leg) for leg in self.legs(switch))
            self._stations[switch] = [*workloads, *legs]
        return self._stations[switch]

    def legs(self, switch: str) -> list[tuple[LogicalRouter, RouterPort]]:
        """The routers that meet a switch, each with its port there."""
        return self._legs.get(switch, [])

    @cached_property
    def ports(self) -> Mapping[str, Mapping[str, LogicalPort]]:
        """Workloads' ports by switch and name."""
        return ports_by_switch(self.network) if self._given is None else self._given

    @cached_property
    def _legs(self) -> dict[str, list[tuple[LogicalRouter, RouterPort]]]:
        found: defaultdict[str, list[tuple[LogicalRouter, RouterPort]]] = defaultdict(list)
        for router in self.network.routers:
            for port in router.ports:
                found[port.switch].append((router, port))
        return dict(found)

    def _workload(self, port: LogicalPort) -> Station:
        key = self.key(port.switch, port.name)
        return Station(key, port.mac, port.addresses, self.owner("port", port.name), port=port)

    def _router_station(self, router: LogicalRouter, port: RouterPort) -> Station:
        own = (str(ip_interface(one).ip) for one in port.addresses)
        addresses = tuple(dict.fromkeys((*own, *borne(self.network, router, port))))
        owner = self.owner("router", router.name)
        return Station(self.key(port.switch, port.name), port.mac, addresses, owner, port.name, router.name)


def ports_by_switch(network: Network) -> dict[str, dict[str, LogicalPort]]:
    """The workloads' ports of a network by switch and name."""
    found: defaultdict[str, dict[str, LogicalPort]] = defaultdict(dict)
    for port in network.ports:
        found[port.switch][port.name] = port
    return dict(found)


def _number(numbers: Mapping[str, int], name: str) -> int:
    try:
        return numbers[name]
    except KeyError:
        raise NotFound(f"no number is allocated for {name}") from None
