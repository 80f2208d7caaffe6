"""Every way to carry frames from one host to the other that is compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from switching.spaces import cable, command
from switching.switches import BRIDGE, Ours, Switch, Theirs

from tunnelling import wires
from tunnelling.hosts import WIRE_MTU, Host, Rig, plug, rig, set_up

CONTEXT = 5001
PATIENCE_S = 10
UNDERLAY_BRIDGE = "br-phy"
MTU = {"vxlan": 1450, "geneve": 1450, "gre": 1458, "nvgre": 1458}
"""What a workload may send so that the wire takes it; STT has no limit of this kind."""
STANDALONE = ("--", "set", "Bridge", BRIDGE, "fail_mode=standalone")


@dataclass
class Way:
    """A way that stands: its rig, and the switches in it."""

    name: str
    rig: Rig
    switches: list[Switch] = field(default_factory=list)

    def cpu_ns(self) -> int:
        """Processor time of all switch processes."""
        return sum(switch.cpu_ns() for switch in self.switches)

    def wait_until_known(self, wire: wires.Wire) -> None:
        """Until our switches have noticed which wire they have, which takes them up to two seconds."""
        stale = wires.as_switches_tell("B" if wire == "A" else "A")
        words = ("--if-exists", "get", "Open_vSwitch", ".", "external_ids:tulle-capabilities")
        end = time.monotonic() + PATIENCE_S
        for switch in self.switches:
            while isinstance(switch, Ours) and stale in switch.vsctl(*words):
                if time.monotonic() > end:
                    raise RuntimeError(f"{self.name}: a switch does not notice that it has wire {wire}")
                time.sleep(0.1)


Build = Callable[[Rig, Path, ExitStack], list[Switch]]
"""Builds a way in a rig, its files in a directory, what is to be ended on a stack; gives its switches."""


def _direct(at: Rig, _: Path, __: ExitStack) -> list[Switch]:
    pairs = zip(at.near.workloads, at.far.workloads, at.near.addresses, at.far.addresses, strict=True)
    for number, (near, far, near_address, far_address) in enumerate(pairs, 1):
        cable(near, "eth0", far, "eth0", number)
        set_up((near, "eth0"), near_address, WIRE_MTU)
        set_up((far, "eth0"), far_address, WIRE_MTU)
    return []


def _bridge(at: Rig, _: Path, __: ExitStack) -> list[Switch]:
    for host in at.hosts:
        _join_kernel_bridge(host, [*plug(host, WIRE_MTU), "wire"])
    return []


def _kernel_vxlan(at: Rig, _: Path, __: ExitStack) -> list[Switch]:
    for host, peer in (at.hosts, at.hosts[::-1]):
        set_up((host.space, "wire"), host.address, WIRE_MTU)
        ends = ["local", str(host.address.ip), "remote", str(peer.address.ip), "dstport", "4789"]
        words = ["type", "vxlan", "id", str(CONTEXT), *ends, "dev", "wire"]
        command("ip", "-n", host.space, "link", "add", "vxlan0", *words)
        _join_kernel_bridge(host, [*plug(host, MTU["vxlan"]), "vxlan0"])
    return []


def _join_kernel_bridge(host: Host, devices: list[str]) -> None:
    command("ip", "-n", host.space, "link", "add", "br0", "type", "bridge")
    for device in (*devices, "br0"):
        master = [] if device == "br0" else ["master", "br0"]
        command("ip", "-n", host.space, "link", "set", device, "up", *master)


def _theirs(encapsulation: str | None, *, with_tso: bool = False) -> Build:
    """ovs-vswitchd with its userspace datapath.  Without TSO it needs whole checksums, and frames that fit."""

    def build(at: Rig, directory: Path, stack: ExitStack) -> list[Switch]:
        switches: list[Switch] = []
        for number, host in enumerate(at.hosts):
            kind: type[Switch] = _OpenVSwitchWithTso if with_tso else _OpenVSwitch
            switch: Switch = kind(directory / f"host{number}", host.space)
            stack.callback(switch.stop)
            switch.start()
            devices = plug(host, MTU[encapsulation] if encapsulation else WIRE_MTU)
            if not with_tso:
                for workload in host.workloads:
                    wires.without_checksums(workload, "eth0")
                wires.without_checksums(host.space, "wire")
            switch.add_ports(*devices, *([] if encapsulation else ["wire"]))
            switches.append(switch)
        if encapsulation:
            for switch, host, peer in zip(switches, at.hosts, at.hosts[::-1], strict=True):
                _leave_by_a_bridge(switch, host)
                _add_tunnel(switch, encapsulation, peer)
        return switches

    return build


class _OpenVSwitch(Theirs):
    """It is a learning switch, so it must not be told that it has no controller to wait for."""

    _bridge_options = (*STANDALONE, "datapath_type=netdev", "protocols=OpenFlow10,OpenFlow13,OpenFlow14")


class _OpenVSwitchWithTso(_OpenVSwitch):
    """It takes and gives frames that are still to be cut."""

    _root_options = ("other_config:userspace-tso-enable=true",)


def _leave_by_a_bridge(switch: Switch, host: Host) -> None:
    """Its tunnels leave only by a bridge that has the underlay's address."""
    bridge = ["add-br", UNDERLAY_BRIDGE, "--", "set", "Bridge", UNDERLAY_BRIDGE, "datapath_type=netdev"]
    switch.vsctl(*bridge, "--", "add-port", UNDERLAY_BRIDGE, "wire")
    set_up((host.space, UNDERLAY_BRIDGE), host.address, WIRE_MTU)


def _ours(encapsulation: str | None) -> Build:
    """`tulle vswitch`, with TAP devices for the workloads, as agents have them."""

    def build(at: Rig, directory: Path, stack: ExitStack) -> list[Switch]:
        switches: list[Switch] = []
        for number, (host, peer) in enumerate((at.hosts, at.hosts[::-1])):
            switch = _Tulle(directory / f"host{number}", host.space)
            stack.callback(switch.stop)
            switch.start()
            _add_internal_ports(switch, host, MTU.get(encapsulation or "", WIRE_MTU))
            if encapsulation:
                set_up((host.space, "wire"), host.address, WIRE_MTU)
                _add_tunnel(switch, encapsulation, peer)
            else:
                switch.vsctl("add-port", BRIDGE, "wire")
            switches.append(switch)
        return switches

    return build


class _Tulle(Ours):
    """A learning switch."""

    _bridge_options = STANDALONE


def _add_internal_ports(switch: Switch, host: Host, mtu: int) -> None:
    for number, (space, address) in enumerate(zip(host.workloads, host.addresses, strict=True), 1):
        name = f"port{number}"
        switch.vsctl("add-port", BRIDGE, name, "--", "set", "Interface", name, "type=internal")
        command("ip", "-n", host.space, "link", "set", name, "netns", space, "name", "eth0")
        set_up((space, "eth0"), address, mtu)


def _add_tunnel(switch: Switch, encapsulation: str, peer: Host) -> None:
    words = ["add-port", BRIDGE, "tunnel0", "--", "set", "Interface", "tunnel0", f"type={encapsulation}"]
    switch.vsctl(*words, f"options:remote_ip={peer.address.ip}", f"options:key={CONTEXT}")
    problem = switch.vsctl("get", "Interface", "tunnel0", "error")
    if problem != "[]":
        raise RuntimeError(f"{switch.name}: no {encapsulation} tunnel: {problem}")


WAYS: dict[str, tuple[str, Build]] = {
    "direct": ("veth, nothing in between", _direct),
    "bridge": ("Linux bridge", _bridge),
    "kernel-vxlan": ("Linux bridge, kernel VXLAN", _kernel_vxlan),
    "ovs": ("ovs-vswitchd, no tunnel", _theirs(None)),
    "ovs-tso": ("ovs-vswitchd, no tunnel, userspace TSO", _theirs(None, with_tso=True)),
    "ovs-vxlan": ("ovs-vswitchd, VXLAN", _theirs("vxlan")),
    "ovs-geneve": ("ovs-vswitchd, Geneve", _theirs("geneve")),
    "ovs-gre": ("ovs-vswitchd, GRE", _theirs("gre")),
    "ours": ("Tulle, no tunnel", _ours(None)),
    "stt": ("Tulle, STT", _ours("stt")),
    "vxlan": ("Tulle, VXLAN", _ours("vxlan")),
    "geneve": ("Tulle, Geneve", _ours("geneve")),
    "gre": ("Tulle, GRE", _ours("gre")),
    "nvgre": ("Tulle, NVGRE", _ours("nvgre")),
}
QUICK = ("bridge", "kernel-vxlan", "ovs-vxlan", "stt", "vxlan")


@contextmanager
def way(name: str, directory: Path) -> Iterator[Way]:
    """A way, built and taken down again."""
    with ExitStack() as stack:
        at = stack.enter_context(rig(name))
        switches = WAYS[name][1](at, directory / name, stack)
        yield Way(name, at, switches)
