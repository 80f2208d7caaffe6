"""Networks that would meet in one VLAN of a physical network, which their switches could not tell apart there."""

from __future__ import annotations

from collections.abc import Iterable

from tulle.errors import InvalidInput
from tulle.logical.differing import differing
from tulle.values import LogicalPort, Network

Change = tuple[Network | None, Network | None]
"""A network before and after; None where there is none."""


def refuse_shared_vlans(networks: Iterable[Network], changes: Iterable[Change]) -> None:
    """InvalidInput where a localnet port of a changed network has the VLAN of another network's.

    `networks` are all as they were.
    """
    changes = tuple(changes)
    nothing: tuple[LogicalPort, ...] = ()
    come = {
        (port.localnet, port.tag): (new.name, port.name)
        for old, new in changes
        if new is not None
        for port in differing(old.ports if old is not None else nothing, new.ports)[1]
        if port.localnet is not None
    }
    if not come:
        return
    gone = {old.name for old, _ in changes if old is not None}
    after = [one for one in networks if one.name not in gone]
    for network in (*after, *(new for _, new in changes if new is not None)):
        for port in network.ports:
            if port.localnet is None:
                continue
            name, own = come.get((port.localnet, port.tag), (network.name, ""))
            if name != network.name:
                where = f"VLAN {port.tag}" if port.tag is not None else "untagged"
                raise InvalidInput(
                    f"network {name}: port {own}: {where} of physical network {port.localnet}"
                    f" is that of port {port.name} of network {network.name}"
                )
