"""Pairs of bridges for a switch test suite: the tester's and the target's, joined by cables.

A lane is one such pair with a controller port of its own; several lanes run at once.
Each switch has a namespace, since every Open vSwitch makes a device called ovs-netdev.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from msgspec import Struct
from switch_debian import DebianSwitch
from vswitch_process import VswitchProcess, ip

FIRST_CONTROLLER_PORT = 16600
CONTROLLER, TARGET_ADDRESS = "198.18.0.1", "198.18.0.2"
"""Controllers run beside the tester switch; the target reaches them by a cable of its own (RFC 2544 block)."""
CABLES = (1, 2, 3)
"""Numbers of the ports on both switches: cable N joins port N to port N."""
CACHE_IDLE_MS = 300

Target = DebianSwitch | VswitchProcess


class Lane(Struct, frozen=True):
    """One pair of bridges; datapath ids of tester and target, and the TCP port of their controller."""

    index: int

    @property
    def controller_port(self) -> int:
        """Where the lane's controller listens."""
        return FIRST_CONTROLLER_PORT + self.index

    @property
    def tester_id(self) -> int:
        """Datapath id of the switch that sends and checks packets."""
        return 0x7E57_0000 + self.index

    @property
    def target_id(self) -> int:
        """Datapath id of the switch under test."""
        return 0x7A26_0000 + self.index


class Arena:
    """Both switches and all lanes; `close` removes everything."""

    def __init__(self, name: str, directory: Path, kind: str, lanes: int) -> None:
        self.namespaces = {side: f"{name}-{side}" for side in ("tester", "target")}
        self.directory = directory
        self.kind = kind
        self.lanes = [Lane(index) for index in range(lanes)]
        self.switches: list[Target] = []
        for namespace in self.namespaces.values():
            ip("netns", "add", namespace)
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    @property
    def controller_namespace(self) -> str:
        """Where controllers run."""
        return self.namespaces["tester"]

    def close(self) -> None:
        """End the switches and remove the namespaces and the files."""
        for switch in self.switches:
            switch.stop()
        for namespace in self.namespaces.values():
            ip("netns", "del", namespace)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _build(self) -> None:
        for namespace in self.namespaces.values():
            # The kernel's own IPv6 chatter on the cables would be taken for an answer of the target.
            quiet = [f"net.ipv6.conf.{which}.disable_ipv6=1" for which in ("all", "default")]
            subprocess.run(
                ["ip", "netns", "exec", namespace, "sysctl", "-qw", *quiet], check=True, timeout=60
            )
            ip("-n", namespace, "link", "set", "lo", "up")
        self._lay_cable("control")
        for side, address in (("tester", CONTROLLER), ("target", TARGET_ADDRESS)):
            ip("-n", self.namespaces[side], "address", "add", f"{address}/30", "dev", "control")
        make = {"tester": DebianSwitch, "target": DebianSwitch if self.kind == "ovs" else VswitchProcess}
        for side, namespace in self.namespaces.items():
            self.switches.append(make[side](self.directory / side, namespace))
            # Less than the interval between cases, so that none is answered out of the cache of the one before.
            self.switches[-1].vsctl("set", "Open_vSwitch", ".", f"other_config:max-idle={CACHE_IDLE_MS}")
        for lane in self.lanes:
            for number in CABLES:
                self._lay_cable(f"lane{lane.index}-{number}")
            for switch, datapath_id in zip(self.switches, (lane.tester_id, lane.target_id), strict=True):
                add_bridge(switch, lane, datapath_id)

    def _lay_cable(self, device: str) -> None:
        """A device of this name in both namespaces."""
        tester, target = self.namespaces.values()
        ip("-n", tester, "link", "add", device, "type", "veth", "peer", "name", device, "netns", target)
        for namespace in (tester, target):
            ip("-n", namespace, "link", "set", device, "up")


def add_bridge(switch: Target, lane: Lane, datapath_id: int) -> None:
    """The lane's bridge on one of both switches, with the cables as ports 1 to 3."""
    bridge = f"lane{lane.index}"
    words = ["add-br", bridge, "--", "set", "Bridge", bridge, "datapath_type=netdev", "fail_mode=secure"]
    words += [f"other_config:datapath-id={datapath_id:016x}", "protocols=OpenFlow13"]
    for number in CABLES:
        port = f"{bridge}-{number}"
        words += ["--", "add-port", bridge, port, "--", "set", "Interface", port, f"ofport_request={number}"]
    words += ["--", "set-controller", bridge, f"tcp:{CONTROLLER}:{lane.controller_port}"]
    switch.vsctl(*words, "--", "set", "Controller", bridge, "max_backoff=1000")
