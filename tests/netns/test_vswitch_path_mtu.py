"""Two nodes with a router between them whose far wire takes less: workloads hear of it, and go on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from patience import eventually
from tunnel_peers import add_tunnel, cable, drops, inside, namespaces, pings, transfer
from vswitch_process import VswitchProcess, ip

ID = os.getpid()
NODES = (f"tulle-pa-{ID}", f"tulle-pb-{ID}")
HOSTS = (f"tulle-pc-{ID}", f"tulle-pd-{ID}")
ROUTER = f"tulle-pr-{ID}"
OUTER = {4: ("192.0.2.1", "198.51.100.2"), 6: ("2001:db8:1::1", "2001:db8:2::2")}
GATEWAY = {4: ("192.0.2.254", "198.51.100.254"), 6: ("2001:db8:1::fe", "2001:db8:2::fe")}
BITS = {4: 24, 6: 64}
INNER = {4: ("10.0.0.1", "10.0.0.2"), 6: ("fd00::1", "fd00::2")}
FAR_MTU = 1400
ROOM = {4: 50, 6: 70}
"""What VXLAN takes of an outer packet."""


@contextmanager
def routed() -> Iterator[None]:
    """Node, router, node; the second wire takes less, and only its ends know it."""
    with namespaces(*NODES, *HOSTS, ROUTER):
        for i, node in enumerate(NODES):
            ends = [[f"{of[version][i]}/{BITS[version]}" for version in (4, 6)] for of in (OUTER, GATEWAY)]
            cable(node, ROUTER, f"u{i}", (tuple(ends[0]), tuple(ends[1])))
            for version in (4, 6):
                ip("-n", node, f"-{version}", "route", "add", "default", "via", GATEWAY[version][i])
        for space in (NODES[1], ROUTER):
            ip("-n", space, "link", "set", "u1", "mtu", str(FAR_MTU))
        inside(ROUTER, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        # Each error is awaited by somebody, and a test is over before the kernel would send another.
        inside(ROUTER, "sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
        yield


@contextmanager
def switch(number: int, version: int, directory: Path) -> Iterator[VswitchProcess]:
    """A node's switch, with a workload of an MTU of 1500 and a tunnel to the other node."""
    running = VswitchProcess(directory / f"switch{number}", NODES[number])
    try:
        running.vsctl("add-br", "br0", "--", "set-fail-mode", "br0", "secure")
        running.vsctl("add-port", "br0", "t0", "--", "set", "Interface", "t0", "type=tap", "ofport_request=1")
        add_tunnel(running, "vx", "vxlan", 2, remote_ip=OUTER[version][1 - number], key="7")
        ip("-n", NODES[number], "link", "set", "t0", "netns", HOSTS[number])
        for inner, bits in ((INNER[4], "24"), (INNER[6], "64")):
            nodad = ("nodad",) if ":" in inner[0] else ()
            ip("-n", HOSTS[number], "addr", "add", f"{inner[number]}/{bits}", "dev", "t0", *nodad)
        ip("-n", HOSTS[number], "link", "set", "t0", "mtu", "1500", "up")
        for flow in ("in_port=1,actions=output:2", "in_port=2,actions=output:1"):
            running.ofctl("add-flow", flow)
        yield running
    finally:
        running.stop(signal.SIGKILL)


@contextmanager
def ends(version: int, directory: Path) -> Iterator[VswitchProcess]:
    """The switch of the first node, whose wire takes 1500 bytes."""
    with ExitStack() as stack:
        stack.enter_context(routed())
        first, _ = (stack.enter_context(switch(number, version, directory)) for number in (0, 1))
        eventually(lambda: pings(HOSTS[0], INNER[4][1]), "a first ping")
        # At first the node knows its own wire only.
        assert told_mtu(INNER[4][1], 1500) == 1500 - ROOM[version]
        yield first


def told_mtu(target: str, length: int) -> int | None:
    """The MTU that a workload is told when it sends a packet that must not be cut."""
    headers = 48 if ":" in target else 28
    words = ["ping", "-n", "-c", "1", "-W", "1", "-M", "do", "-s", str(length - headers), target]
    done = subprocess.run(
        ["ip", "netns", "exec", HOSTS[0], *words], capture_output=True, text=True, timeout=30
    )
    found = re.search(r"mtu ?= ?(\d+)", done.stdout + done.stderr, re.IGNORECASE)
    return int(found[1]) if found else None


def check_told(version: int) -> None:
    """Workloads hear what the far wire takes, by both families, and packets of that length pass."""
    most = FAR_MTU - ROOM[version]
    for target, headers in ((INNER[4][1], 28), (INNER[6][1], 48)):
        eventually(lambda target=target: told_mtu(target, most + 1) == most, f"no more to {target}")
        words = ["-n", "-c", "2", "-i", "0.05", "-W", "2", "-M", "do", "-s", str(most - headers), target]
        inside(HOSTS[0], "ping", *words)


def test_over_ipv6_a_ping_meets_the_router_and_tcp_goes_on_in_both_directions(tmp_path: Path) -> None:
    with ends(6, tmp_path) as first:
        eventually(lambda: told_mtu(INNER[4][1], 1500 - ROOM[6]) == FAR_MTU - ROOM[6], "the router's word")
        check_told(6)
        transfer(HOSTS[0], HOSTS[1], INNER[4][1])
        transfer(HOSTS[1], HOSTS[0], INNER[6][0])
        assert drops(first)["tunnel-too-big"] > 0


def test_over_ipv4_tcp_meets_the_router_and_goes_on(tmp_path: Path) -> None:
    with ends(4, tmp_path) as first:
        transfer(HOSTS[0], HOSTS[1], INNER[4][1])
        check_told(4)
        assert drops(first)["tunnel-too-big"] > 0
