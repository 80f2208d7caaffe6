"""Two hosts joined by a wire, and workloads at each: the place of one path.

A host is a network namespace with the device `wire`; a workload is one with the device `eth0`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Interface

from switching.spaces import cable, command, namespace

WORKLOADS = 4
"""At each host."""
WIRE_MTU = 1500

Link = tuple[str, str]
"""A device: its namespace and its name."""


@dataclass(frozen=True)
class Host:
    """One end: its namespace, its address on the wire, and its workloads' namespaces and addresses."""

    space: str
    address: IPv4Interface
    workloads: tuple[str, ...]
    addresses: tuple[IPv4Interface, ...]


@dataclass(frozen=True)
class Rig:
    """Both hosts, and both ends of the wire."""

    near: Host
    far: Host

    @property
    def hosts(self) -> tuple[Host, Host]:
        """Near and far."""
        return self.near, self.far

    @property
    def wire(self) -> tuple[Link, Link]:
        """The ends of the wire."""
        return (self.near.space, "wire"), (self.far.space, "wire")


@contextmanager
def rig(name: str) -> Iterator[Rig]:
    """Fresh hosts with a wire between them; the workloads have no devices yet."""
    with ExitStack() as stack:
        near, far = (stack.enter_context(_host(name, side)) for side in (1, 2))
        cable(near.space, "wire", far.space, "wire", 0)
        for host in (near, far):
            command("ip", "-n", host.space, "link", "set", "wire", "mtu", str(WIRE_MTU))
        yield Rig(near, far)


@contextmanager
def _host(name: str, side: int) -> Iterator[Host]:
    with ExitStack() as stack:
        space = stack.enter_context(namespace(f"{name}-{side}"))
        numbers = range(1, WORKLOADS + 1)
        spaces = tuple(stack.enter_context(namespace(f"{name}-{side}{number}")) for number in numbers)
        addresses = tuple(IPv4Interface(f"10.1.{side}.{number}/16") for number in numbers)
        yield Host(space, IPv4Interface(f"192.0.2.{side}/24"), spaces, addresses)


def set_up(link: Link, address: IPv4Interface, mtu: int) -> None:
    """Give a device its address and let it work."""
    space, device = link
    command("ip", "-n", space, "link", "set", device, "mtu", str(mtu), "up")
    command("ip", "-n", space, "addr", "add", str(address), "dev", device)


def plug(host: Host, mtu: int) -> list[str]:
    """A veth pair for each workload; the names of the host's ends."""
    names = []
    for number, (space, address) in enumerate(zip(host.workloads, host.addresses, strict=True), 1):
        cable(host.space, f"port{number}", space, "eth0", number)
        command("ip", "-n", host.space, "link", "set", f"port{number}", "mtu", str(mtu))
        set_up((space, "eth0"), address, mtu)
        names.append(f"port{number}")
    return names
