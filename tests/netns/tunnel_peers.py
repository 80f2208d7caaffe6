"""Two nodes joined by a wire: ours, with a workload behind it, and one that has tunnels of somebody else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from patience import eventually
from switch_debian import DebianSwitch
from vswitch_process import VswitchProcess, ip

ID = os.getpid()
OURS, THEIRS, WORKLOAD = f"tulle-to-{ID}", f"tulle-tt-{ID}", f"tulle-tw-{ID}"
OUTER = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
INNER = ("10.0.0.1", "10.0.0.2")
INNER_MTU = "1390"
TRANSFER = ("-n", "20M", "-J")


@contextmanager
def namespaces(*names: str) -> Iterator[None]:
    made = []
    try:
        for name in names:
            ip("netns", "add", name)
            made.append(name)
            ip("-n", name, "link", "set", "lo", "up")
        yield
    finally:
        for name in made:
            ip("netns", "del", name)


def inside(space: str, *command: str, timeout_s: float = 60) -> str:
    """Run a command in a namespace; it must succeed."""
    words = ["ip", "netns", "exec", space, *command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s)
    assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def cable(left: str, right: str, name: str, addresses: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
    """A veth pair with the same name at both ends, and their addresses with prefix lengths."""
    ip("link", "add", name, "netns", left, "type", "veth", "peer", "name", name, "netns", right)
    for space, own in zip((left, right), addresses, strict=True):
        for address in own:
            nodad = ("nodad",) if ":" in address else ()
            ip("-n", space, "addr", "add", address, "dev", name, *nodad)
        ip("-n", space, "link", "set", name, "up")


@contextmanager
def joined() -> Iterator[None]:
    """The three namespaces; the wire between the nodes cuts and sums in software, as a plain network card."""
    with namespaces(OURS, THEIRS, WORKLOAD):
        ends = [(f"{OUTER[4][i]}/24", f"{OUTER[6][i]}/64") for i in (0, 1)]
        cable(OURS, THEIRS, "u0", (ends[0], ends[1]))
        for space in (OURS, THEIRS):
            inside(space, "ethtool", "-K", "u0", "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        yield


@contextmanager
def our_switch(directory: Path) -> Iterator[VswitchProcess]:
    """Ours, with the workload at port 1 of `br0`."""
    switch = VswitchProcess(directory, OURS)
    try:
        switch.vsctl("add-br", "br0", "--", "set-fail-mode", "br0", "secure")
        plug(switch, "br0", "tap1", 1, INNER[0])
        yield switch
    finally:
        switch.stop(signal.SIGKILL)


def plug(switch: VswitchProcess, bridge: str, name: str, number: int, address: str) -> None:
    """A TAP port in the workload's namespace."""
    kind = ["type=tap", f"ofport_request={number}"]
    switch.vsctl("add-port", bridge, name, "--", "set", "Interface", name, *kind)
    ip("-n", OURS, "link", "set", "dev", name, "netns", WORKLOAD)
    ip("-n", WORKLOAD, "addr", "add", f"{address}/24", "dev", name)
    ip("-n", WORKLOAD, "link", "set", name, "mtu", INNER_MTU, "up")


@contextmanager
def debian_switch(directory: Path) -> Iterator[DebianSwitch]:
    """Debian's, whose own port `br0` is the far workload, and whose underlay address is that of `br-phy`."""
    switch = DebianSwitch(directory, THEIRS)
    try:
        switch.add_bridge("br-phy")
        switch.vsctl("add-port", "br-phy", "u0")
        for version, bits in ((4, "24"), (6, "64")):
            address = f"{OUTER[version][1]}/{bits}"
            ip("-n", THEIRS, "addr", "del", address, "dev", "u0")
            ip("-n", THEIRS, "addr", "add", address, "dev", "br-phy", *(("nodad",) if version == 6 else ()))
        ip("-n", THEIRS, "link", "set", "br-phy", "up")
        switch.add_bridge("br0", "fail_mode=secure")
        ip("-n", THEIRS, "addr", "add", f"{INNER[1]}/24", "dev", "br0")
        ip("-n", THEIRS, "link", "set", "br0", "mtu", INNER_MTU, "up")
        yield switch
    finally:
        switch.stop()


def add_tunnel(
    switch: VswitchProcess | DebianSwitch,
    name: str,
    kind: str,
    number: int,
    bridge: str = "br0",
    **options: str,
) -> None:
    words = [f"options:{option}={json.dumps(value)}" for option, value in options.items()]
    settings = [f"type={kind}", f"ofport_request={number}", *words]
    switch.vsctl("add-port", bridge, name, "--", "set", "Interface", name, *settings)


def pings(source: str, target: str, *options: str) -> bool:
    words = ["ip", "netns", "exec", source, "ping", "-n", "-c", "1", "-W", "1", *options, target]
    return subprocess.run(words, capture_output=True, timeout=60).returncode == 0


def check_pings(source: str, target: str, what: str = "") -> None:
    """Packets pass, small ones and as large as they may be."""
    eventually(lambda: pings(source, target), f"a ping from {source} to {target}; {what}")
    size = str(int(INNER_MTU) - 28)
    inside(source, "ping", "-n", "-c", "5", "-i", "0.05", "-W", "2", "-M", "do", "-s", size, target)


def transfer(source: str, target_space: str, target: str) -> None:
    """TCP sends 20 MB, of which the far end may not have read the last when the count is taken."""
    server = subprocess.Popen(
        ["ip", "netns", "exec", target_space, "iperf3", "-s", "-1", "--forceflush"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        while "listening" not in (line := server.stdout.readline()):
            assert line, "iperf3 ended"
        report = json.loads(inside(source, "iperf3", "-c", target, *TRANSFER))
        assert report["end"]["sum_received"]["bytes"] >= 10_000_000, report["end"]
    finally:
        server.kill()
        server.wait()


def drops(switch: VswitchProcess, bridge: str = "br0") -> dict[str, int]:
    """Packets lost by reason."""
    found: dict[str, int] = {}
    for row in json.loads(switch.appctl("drops/show", "json")):
        if row["bridge"] == bridge:
            found[row["reason"]] = found.get(row["reason"], 0) + row["packets"]
    return found


@contextmanager
def captured(space: str, file: Path) -> Iterator[None]:
    """What passes the wire, as tcpdump writes it."""
    command = [
        "ip",
        "netns",
        "exec",
        space,
        "tcpdump",
        "-i",
        "u0",
        "-s",
        "0",
        "-B",
        "16384",
        "-U",
        "--immediate-mode",
        "-w",
    ]
    child = subprocess.Popen([*command, str(file)], stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: file.exists() and file.stat().st_size >= 24, "tcpdump to listen")
        yield
    finally:
        child.send_signal(signal.SIGINT)
        child.wait(60)


def dissected(file: Path, condition: str, *fields: str) -> set[tuple[str, ...]]:
    """Distinct values of fields in the frames that meet a display filter, as tshark has them."""
    command = ["tshark", "-n", "-r", str(file), "-Y", condition, "-T", "fields"]
    command += [word for field in fields for word in ("-e", field)]
    command += [
        "-o",
        "udp.check_checksum:TRUE",
        "-o",
        "ip.check_checksum:TRUE",
        "-o",
        "tcp.check_checksum:TRUE",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return {tuple(line.split("\t")) for line in done.stdout.splitlines()}
