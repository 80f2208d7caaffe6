"""Zones of connection tracking for ports behind endpoints without an agent, whose neighbours apply the ACLs for them.

They share the number of their tunnel, whatever network they are in, so each gets a number that no port has at the
switch.  It depends on the port's name, so it stays while others come and go, unless two names meet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from hashlib import blake2b
from typing import Final, TypeVar

from tulle.values import Binding, LocalPort, Network, TunnelInterface, Zone

FIRST: Final = 0x8000
COUNT: Final = 0x8000

Place = TypeVar("Place", LocalPort, Zone)


def external_zones(
    bindings: Iterable[Binding],
    tunnels: Iterable[TunnelInterface],
    taken: Collection[int],
    sharing: Iterable[LocalPort] = (),
) -> dict[LocalPort, int]:
    """A zone for each port behind an external remote, and for each `sharing` a device; beyond `COUNT` none are left."""
    remotes = {one.remote for one in tunnels if one.external}
    names = {f"{one.network}/{one.port}" for one in bindings if one.node in remotes}
    names |= {one.name for one in sharing}
    return {LocalPort(name): number for name, number in free_zones(names, taken).items()}


def sharing_ports(node: str, networks: Iterable[Network], bindings: Iterable[Binding]) -> set[LocalPort]:
    """The ports of this node that have no device of their own: children, and those to physical networks."""
    inner = {
        (network.name, port.name): port
        for network in networks
        for port in network.ports
        if port.parent is not None or port.localnet is not None
    }
    here = {(one.network, one.port) for one in bindings if one.node == node} if inner else set()
    return {
        LocalPort("/".join(name)) for name, port in inner.items() if name in here or port.localnet is not None
    }


def free_zones(names: Collection[str], taken: Collection[int]) -> dict[str, int]:
    """A zone that is not taken for each name; beyond `COUNT` none are left."""
    free = set(range(FIRST, FIRST + COUNT)).difference(taken) if names else set()
    found: dict[str, int] = {}
    for name in sorted(names):
        if free:
            number = _first_free(name, free)
            free.remove(number)
            found[name] = number
    return found


def new_zones(before: Mapping[Place, int] | None, after: Mapping[Place, int]) -> list[int]:
    """The zones that another port may have had; at the start (None) what is established goes on."""
    return sorted(after[port] for port in after if before is not None and before.get(port) != after[port])


def _first_free(name: str, free: Collection[int]) -> int:
    number = int.from_bytes(blake2b(name.encode(), digest_size=2).digest(), "big") % COUNT
    while FIRST + number not in free:
        number = (number + 1) % COUNT
    return FIRST + number
