"""The logical pipeline of one network, kept compiled: a change compiles again only the objects that it touches.

A *unit* is what is compiled at once: a switch by itself, a port of it, a router, the ACLs at a switch, a feature
of the whole network.  For each unit its inputs are kept, which are small and frozen; units whose inputs are equal
are left alone, and a switch none of whose objects is another one is not even looked into.
The flows of all units are those of `compile_network`.  What a feature may look at is told in `features`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from tulle.values import Flow, Ids, LogicalPort, LogicalRouter, LogicalSwitch, Network, RouterInterface

from .acl import Policies, acl_flows
from .differing import differing
from .features import NETWORK, of_router, of_station, of_switch
from .numbers import NONE, PortKeys, grouped
from .routing import next_hops, router_interfaces
from .topology import borne
from .view import View, ports_by_switch

SWITCH_UNIT, STATION_UNIT, ACL_UNIT, ROUTER_UNIT, NETWORK_UNIT = range(5)
Unit = tuple[int, str, str]
"""Rank, switch or other object, port.  Of two units with a flow of the same key, the greater one has it."""
NO_PORTS: Final[Mapping[str, LogicalPort]] = {}


class Delta(Struct, frozen=True):
    """What an update compiled: flows by unit; units that are gone; ports that are other than before, by name."""

    compiled: Mapping[Unit, tuple[Flow, ...]]
    gone: tuple[Unit, ...]
    ports: frozenset[str]
    routers: tuple[RouterInterface, ...]


class Incremental:
    """`update` brings it from one state of the network to the next."""

    def __init__(self) -> None:
        self._network = Network("")
        self._ports: Mapping[str, Mapping[str, LogicalPort]] = {}
        self._keys = PortKeys({})
        self._datapaths: Mapping[str, int] = {}
        self._inputs: dict[Unit, Any] = {}
        self._stations: dict[str, tuple[Unit, ...]] = {}
        self._policies: Policies | None = None
        self._members: frozenset[str] = frozenset()
        self._routers: tuple[RouterInterface, ...] = ()

    def update(self, network: Network, ids: Ids, down: frozenset[tuple[str, str]] = frozenset()) -> Delta:
        """Compile what is not as it was; a paused network has no flows.  `down` as in `compile_network`.

        NotFound when `ids` lacks a number: then everything is as it was before.
        """
        step = _Step(self, Network(network.name) if network.paused else network, ids, down)
        delta = step.run()
        self._network, self._ports, self._keys = step.network, step.ports, step.keys
        self._datapaths = dict(ids.datapaths)
        for unit in delta.gone:
            del self._inputs[unit]
        self._inputs |= step.inputs
        self._stations = step.stations
        self._policies, self._members = step.policies, step.members
        self._routers = delta.routers
        return delta


class _Step:
    """One update; nothing of what is kept is changed before it is done."""

    def __init__(
        self, kept: Incremental, network: Network, ids: Ids, down: frozenset[tuple[str, str]]
    ) -> None:
        self.kept, self.network = kept, network
        self.touched: set[str] = set()
        self.keys = grouped(ids.ports)
        self.gone_ports, self.new_ports = differing(kept._network.ports, network.ports)
        self.ports = self._ports_by_switch()
        self.view = View(network, Ids(ids.datapaths, self.keys), down, self.ports)
        self.same_around = kept._datapaths == ids.datapaths and self._same_routers()
        self.inputs: dict[Unit, Any] = {}
        self.flows: dict[Unit, tuple[Flow, ...]] = {}
        self.gone: set[Unit] = set()
        self.stations: dict[str, tuple[Unit, ...]] = {}
        self.policies, self.members = kept._policies, kept._members

    def run(self) -> Delta:
        names = {one.name for one in (*self.gone_ports, *self.new_ports)}
        for switch in self.network.switches:
            names |= self._switch(switch)
        known = {switch.name for switch in self.network.switches}
        for name in self.kept._stations.keys() - known:
            self.gone |= {(SWITCH_UNIT, name, ""), (ACL_UNIT, name, ""), *self.kept._stations[name]}
        self._acls(names)
        self._of_routers()
        for feature in NETWORK:
            unit = NETWORK_UNIT, feature.name, ""
            self._put(unit, feature.inputs(self.view), lambda feature=feature: feature.flows(self.view))
        self.gone -= self.inputs.keys()
        return Delta(self.flows, tuple(sorted(self.gone)), frozenset(names), self._interfaces())

    def _switch(self, switch: LogicalSwitch) -> set[str]:
        """The switch and its ports; the names of those ports whose inputs are others than before."""
        name = switch.name
        unit = SWITCH_UNIT, name, ""
        same_ports = self._same_keys(name) and name not in self.touched and name in self.kept._stations
        if same_ports and self.same_around and self.kept._inputs[unit][0] is switch:
            self.stations[name] = self.kept._stations[name]
            return set()
        moved = self._put(unit, self._context(switch), lambda: of_switch(self.view, switch))
        if not moved and same_ports:
            self.stations[name] = self.kept._stations[name]
            return set()
        self.touched.add(name)
        return self._of_stations(switch, again=moved)

    def _same_routers(self) -> bool:
        """Whether routers, with their numbers and all that they answer for, are as they were at every switch."""
        kept, new = self.kept._network, self.network
        lists = ("name", "routers", "load_balancers", "default_deny")
        same = all(getattr(kept, one) is getattr(new, one) for one in lists)
        return same and all(self._same_keys(router.name) for router in new.routers)

    def _same_keys(self, datapath: str) -> bool:
        """Whether the keys of the ports of a switch or router are as they were."""
        path = f"{self.network.name}/{datapath}"
        before = self.kept._keys.groups.get(path, NONE) if self.kept._network.name else NONE
        own = self.keys.groups.get(path, NONE)
        return own is before or own == before

    def _of_stations(self, switch: LogicalSwitch, *, again: bool) -> set[str]:
        units, names = [], set()
        for station in self.view.stations(switch.name):
            name = station.router_port or (station.port.name if station.port is not None else "")
            unit = STATION_UNIT, switch.name, name
            units.append(unit)
            flows = lambda station=station: of_station(self.view, switch, station)  # noqa: E731
            if self._put(unit, station, flows, again=again):
                names.add(name)
        self.stations[switch.name] = tuple(units)
        self.gone |= set(self.kept._stations.get(switch.name, ())) - set(units)
        return names

    def _context(self, switch: LogicalSwitch) -> tuple[object, ...]:
        """What all flows of a switch and its ports may follow from."""
        view, name = self.view, switch.name
        legs = tuple(
            (
                router.name,
                port,
                view.datapath(router.name),
                view.key(router.name, port.name),
                view.key(name, port.name),
                tuple(borne(self.network, router, port)),
            )
            for router, port in view.legs(name)
        )
        return (switch, view.datapath(name), self.network.default_deny, legs)

    def _acls(self, names: set[str]) -> None:
        kept, new = self.kept._network, self.network
        lists = ("switches", "acls", "port_groups", "address_sets", "default_deny", "dns")
        same = all(getattr(kept, one) is getattr(new, one) for one in lists)
        if self.policies is not None and same and not names & self.members:
            policies, switches = self.policies, [one for one in new.switches if one.name in self.touched]
        else:
            former, policies = self.policies, Policies(new)
            self.policies = policies
            grouped_ports = {port for group in new.port_groups for port in group.ports}
            self.members = frozenset(grouped_ports | {acl.port for acl in new.acls if acl.port is not None})
            same = former is not None and kept.default_deny == new.default_deny == ()
            known = former if same else None
            switches = [one for one in new.switches if not self._has_same_acls(policies, known, one.name)]
        for switch in switches:
            flows = lambda name=switch.name: acl_flows(self.view, policies, name)  # noqa: E731
            self._put((ACL_UNIT, switch.name, ""), policies.inputs(self.view, switch.name), flows)

    def _has_same_acls(self, policies: Policies, former: Policies | None, switch: str) -> bool:
        """Whether the flows of the ACLs at a switch follow from nothing that is other than before."""
        if former is None or (ACL_UNIT, switch, "") not in self.kept._inputs:
            return False
        before = self.kept._datapaths.get(f"{self.network.name}/{switch}")
        return before == self.view.datapath(switch) and policies.is_plainly(former, switch)

    def _of_routers(self) -> None:
        known = set()
        for router in self.network.routers:
            unit = ROUTER_UNIT, router.name, ""
            known.add(unit)
            if unit not in self.kept._inputs or self._concerns(router):
                flows = lambda router=router: of_router(self.view, router)  # noqa: E731
                self._put(unit, self._router_inputs(router), flows)
        former = {(ROUTER_UNIT, router.name, "") for router in self.kept._network.routers}
        self.gone |= former - known

    def _concerns(self, router: LogicalRouter) -> bool:
        """Whether what a router follows from may be other than before."""
        old = self.kept._inputs[ROUTER_UNIT, router.name, ""]
        is_same = old[0] is router and old[1] == self.view.datapath(router.name)
        near = any(port.switch in self.touched for port in router.ports)
        return not (is_same and self._same_keys(router.name)) or near

    def _router_inputs(self, router: LogicalRouter) -> tuple[object, ...]:
        view = self.view
        sides = tuple(
            (view.key(router.name, port.name), view.datapath(port.switch), view.key(port.switch, port.name))
            for port in router.ports
        )
        return (router, view.datapath(router.name), sides, next_hops(view, router))

    def _interfaces(self) -> tuple[RouterInterface, ...]:
        units = {(ROUTER_UNIT, router.name, "") for router in self.network.routers}
        moved = self.flows.keys() & units or any(unit[0] == ROUTER_UNIT for unit in self.gone)
        return tuple(router_interfaces(self.view)) if moved else self.kept._routers

    def _put(self, unit: Unit, inputs: object, flows: Any, *, again: bool = False) -> bool:
        """Compile a unit if its inputs are not as they were; whether it was."""
        kept = self.kept._inputs
        if not again and unit in kept and kept[unit] == inputs:
            return False
        self.inputs[unit] = inputs
        self.flows[unit] = _distinct(flows())
        return True

    def _ports_by_switch(self) -> Mapping[str, Mapping[str, LogicalPort]]:
        kept = self.kept
        self.touched |= {one.switch for one in (*self.gone_ports, *self.new_ports)}
        if len(self.touched) * 2 > len(kept._ports):
            return ports_by_switch(self.network)
        found = dict(kept._ports)
        for switch in self.touched:
            gone = {one.name for one in self.gone_ports if one.switch == switch}
            members = {name: port for name, port in found.get(switch, NO_PORTS).items() if name not in gone}
            members |= {one.name: one for one in self.new_ports if one.switch == switch}
            found[switch] = dict(sorted(members.items()))
        return found


def _distinct(flows: Iterable[Flow]) -> tuple[Flow, ...]:
    """Each key once; the last flow has it."""
    return tuple({one.key: one for one in flows}.values())


def joined(units: Mapping[Unit, tuple[Flow, ...]]) -> Iterator[Flow]:
    """The flows of units, each key once."""
    found = {one.key: one for unit in sorted(units) for one in units[unit]}
    return iter(found.values())
