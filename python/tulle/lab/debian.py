"""A node of the lab with Debian's Open vSwitch, userspace datapath, in place of `tulle vswitch`.

Its tunnels leave by a bridge only, so the node's underlay device is a port of `br-phy`, which has the address.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from pyroute2 import NetNS

from tulle.errors import Unavailable
from tulle.lab.layout import Host
from tulle.lab.waiting import wait_until

BRIDGE = "br-phy"
DEVICE = "eth0"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
LIMIT_S = 60


def database_command(host: Host) -> list[str]:
    """The command line of the node's database server."""
    directory = Path(host.directory)
    remote = f"--remote=punix:{directory / 'db.sock'}"
    return ["ovsdb-server", str(directory / "conf.db"), remote, f"--unixctl={directory / 'ovsdb-server.ctl'}"]


def switch_command(host: Host) -> list[str]:
    """The command line of the node's switch; sockets of its bridges are made where OVS_RUNDIR says."""
    directory = Path(host.directory)
    switch = ["ovs-vswitchd", f"unix:{directory / 'db.sock'}", "--disable-system"]
    return ["env", f"OVS_RUNDIR={directory}", *switch, f"--unixctl={directory / 'vswitchd.ctl'}"]


def create_database(host: Host) -> None:
    """An empty database for the node, unless it has one."""
    path = Path(host.directory) / "conf.db"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _run(["ovsdb-tool", "create", str(path), SCHEMA])


def start_database(host: Host) -> None:
    """Wait until the database answers, and give it its root row."""
    socket = Path(host.directory) / "db.sock"
    wait_until(socket.exists, what=f"the database of {host.name}", limit_s=LIMIT_S)
    _vsctl(host, "--no-wait", "init")


def join_underlay(host: Host, device: str, underlay: str) -> None:
    """Put the underlay device into its bridge, and the address onto the bridge.

    The other end of the cable, `device` in the namespace `underlay`, finishes checksums: the userspace datapath
    takes frames as they come, and the kernel above it would refuse those whose sender left that to a device.
    """
    wait_until(
        (Path(host.directory) / "vswitchd.ctl").exists, what=f"the switch of {host.name}", limit_s=LIMIT_S
    )
    _run(["nsenter", f"--net=/run/netns/{underlay}", "ethtool", "-K", device, "tx", "off"])
    bridge = ["--may-exist", "add-br", BRIDGE, "--", "set", "Bridge", BRIDGE, "datapath_type=netdev"]
    _vsctl(host, *bridge, "--", "--may-exist", "add-port", BRIDGE, DEVICE)
    with NetNS(host.namespace) as ns:
        ns.flush_addr(index=ns.link_lookup(ifname=DEVICE)[0])
        index = ns.link_lookup(ifname=BRIDGE)[0]
        ns.link("set", index=index, state="up")
        ns.addr("replace", index=index, address=host.address, prefixlen=host.prefix)


def _vsctl(host: Host, *words: str) -> None:
    database = f"--db=unix:{Path(host.directory) / 'db.sock'}"
    _run(["ovs-vsctl", database, f"--timeout={LIMIT_S}", *words])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S + 5, check=False)
    if done.returncode != 0:
        raise Unavailable(f"{command[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
