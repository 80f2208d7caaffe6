"""What `$NAME` and `@NAME` stand for in the ACLs of a network, and which ports an ACL is at."""

from __future__ import annotations

from collections import Counter
from functools import cache
from ipaddress import ip_network

from tulle.values import Acl, Network

from .match import is_reference

Interval = tuple[int, int, int]
"""IP version, first and last address."""


class References:
    """Resolves the references of one network; names that are not there stand for nothing."""

    def __init__(self, network: Network) -> None:
        self._ports = {port.name: port for port in network.ports}
        self._groups = {group.name: group.ports for group in network.port_groups}
        self._sets = {one.name: one.addresses for one in network.address_sets}
        self.intervals = cache(self._intervals)
        self.size = cache(self._size)

    def addresses(self, text: str) -> tuple[str, ...]:
        """The addresses and prefixes of a match's `src` or `dst`, each once."""
        if not is_reference(text):
            return (text,)
        if text[0] == "$":
            return self._sets.get(text[1:], ())
        members = (self._ports[name] for name in self._groups.get(text[1:], ()) if name in self._ports)
        return tuple(dict.fromkeys(address for port in members for address in port.addresses))

    def counts_at(self, switch: str | None, port: str | None, group: str | None) -> tuple[int, ...]:
        """At how many ports of each switch such an ACL is; once where it is at the whole of one or at one port."""
        if switch is not None or port is not None:
            return (1,)
        members = (
            self._ports[name].switch for name in self._groups.get(group or "", ()) if name in self._ports
        )
        return tuple(Counter(members).values())

    def _size(self, text: str | None) -> int:
        """The number of addresses and prefixes of a match's `src` or `dst`; 1 where anything fits."""
        return 1 if text is None else len(self.addresses(text))

    def meet(self, one: str, other: str) -> bool:
        """Whether some address is in both."""
        left, right = list(self.intervals(one)), list(self.intervals(other))
        while left and right:
            if _overlaps(left[-1], right[-1]):
                return True
            (left if left[-1] > right[-1] else right).pop()
        return False

    def ports_of(self, acl: Acl) -> dict[str, tuple[str, ...]] | None:
        """The ports that an ACL is at, by switch; None where it is at the whole of a switch."""
        if acl.switch is not None:
            return None
        names = self._groups.get(acl.group or "", ()) if acl.port is None else (acl.port,)
        found: dict[str, tuple[str, ...]] = {}
        for name in names:
            if name in self._ports:
                switch = self._ports[name].switch
                found[switch] = (*found.get(switch, ()), name)
        return found

    def switches_of(self, acl: Acl) -> tuple[str, ...]:
        """The switches where an ACL does something."""
        return (acl.switch,) if acl.switch is not None else tuple(self.ports_of(acl) or ())

    def _intervals(self, text: str) -> tuple[Interval, ...]:
        """In order and apart: of prefixes one of which holds the other, the larger one."""
        networks = [ip_network(one) for one in self.addresses(text)]
        found: list[Interval] = []
        for one in sorted(networks, key=lambda one: (one.version, int(one[0]), one.prefixlen)):
            interval = (one.version, int(one[0]), int(one[-1]))
            if not (found and _overlaps(found[-1], interval)):
                found.append(interval)
        return tuple(found)


def _overlaps(one: Interval, other: Interval) -> bool:
    return one[0] == other[0] and one[1] <= other[2] and other[1] <= one[2]
