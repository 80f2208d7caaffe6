"""A bridge `br0` with two hosts on veth cables, all in namespaces: what a controller controls."""

from __future__ import annotations

import subprocess

from switch_debian import DebianSwitch
from vswitch_process import VswitchProcess, ip

Switch = DebianSwitch | VswitchProcess
HOSTS = (1, 2)


class Lan:
    """`switch` runs in `namespace`; the hosts are namespaces called NAMESPACE-h1 and NAMESPACE-h2."""

    def __init__(self, switch: Switch, namespace: str) -> None:
        self.switch = switch
        self.namespace = namespace
        columns = ["datapath_type=netdev", "fail_mode=secure", "other_config:datapath-id=0000000000000001"]
        switch.vsctl("add-br", "br0", "--", "set", "Bridge", "br0", *columns)
        for host in HOSTS:
            self._plug(host)

    def close(self) -> None:
        """Remove the hosts, and with them their cables."""
        for host in HOSTS:
            subprocess.run(["ip", "netns", "del", self.host(host)], capture_output=True, timeout=60)

    def host(self, number: int) -> str:
        """The namespace of a host."""
        return f"{self.namespace}-h{number}"

    def control(self, *targets: str, protocols: str = "OpenFlow13") -> None:
        """Give the bridge its controllers."""
        words = ["set", "Bridge", "br0", f"protocols={protocols}", "--", "set-controller", "br0", *targets]
        self.switch.vsctl(*words, "--", "set", "Controller", "br0", "max_backoff=1000")

    def pings(self, count: int = 1) -> bool:
        """Whether every ping from the first host to the second one is answered."""
        command = ["ping", "-c", str(count), "-i", "0.2", "-W", "1", "10.9.0.2"]
        done = subprocess.run(["ip", "netns", "exec", self.host(1), *command], capture_output=True, text=True)
        return f"{count} received" in done.stdout

    def connected(self) -> bool:
        """Whether some controller is connected."""
        return "true" in self.switch.vsctl("--bare", "--columns=is_connected", "list", "Controller")

    def _plug(self, number: int) -> None:
        host, port = self.host(number), f"cable{number}"
        ip("netns", "add", host)
        # Hosts that speak IPv6 send what no test has asked for (router solicitations, reports of groups).
        quiet = "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6"
        ip("netns", "exec", host, "sh", "-c", quiet)
        ip("-n", self.namespace, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host)
        ip("-n", self.namespace, "link", "set", port, "up")
        # Debian's userspace datapath passes on the checksums that a host leaves to its device.
        subprocess.run(
            ["ip", "netns", "exec", host, "ethtool", "-K", "eth0", "tx", "off"],
            capture_output=True,
            timeout=60,
        )
        ip("-n", host, "address", "add", f"10.9.0.{number}/24", "dev", "eth0")
        ip("-n", host, "link", "set", "eth0", "up")
        self.switch.vsctl("add-port", "br0", port, "--", "set", "Interface", port, f"ofport_request={number}")
