"""The ends of a node's tunnels, as flows need to know them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from tulle.values import Encapsulation, TunnelInterface, TunnelPort

from .context import carries_ports


class End(Struct, frozen=True):
    """A tunnel of this node."""

    tunnel: TunnelInterface
    encapsulation: Encapsulation
    version: int = 0
    """What contexts to it carry; to an endpoint without an agent versions mean nothing."""

    @property
    def remote(self) -> str:
        return self.tunnel.remote

    @property
    def port(self) -> TunnelPort:
        """What is sent goes to this one; the switch takes the second endpoint's by itself."""
        return TunnelPort(self.remote, self.encapsulation.name)

    @property
    def ports(self) -> tuple[TunnelPort, ...]:
        """All that packets come in by: a second endpoint has its own."""
        second = TunnelPort(self.remote, self.encapsulation.name, second=True)
        return (self.port, second) if self.tunnel.second_address else (self.port,)

    @property
    def guarded(self) -> bool:
        """Whether the remote has no agent and names no ports, so that this node applies the ACLs for it."""
        return self.tunnel.external and not carries_ports(self.encapsulation)


def ends_of(
    tunnels: Iterable[TunnelInterface],
    encapsulations: Mapping[str, Encapsulation],
    version: int,
    behind: Mapping[str, int],
) -> dict[tuple[str, str], End]:
    """By remote and encapsulation; one that has a second port goes before the same without it."""
    found: dict[tuple[str, str], End] = {}
    for one in tunnels:
        key = one.remote, one.encapsulation
        if key not in found or (one.second_address and not found[key].tunnel.second_address):
            spoken = 0 if one.external else behind.get(one.remote, version)
            found[key] = End(one, encapsulations[one.encapsulation], spoken)
    return found
