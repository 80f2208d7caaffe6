"""Real FTP through the switch's connection tracking, active and passive, plain and translated.

Only what begins at port 21, and what that announces, may pass.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ftplib import FTP
from io import BytesIO
from pathlib import Path

import pytest
from pyroute2 import netns
from vswitch_process import VswitchProcess, ip

ID = os.getpid()
CLIENT, SERVER, NODE = (f"tulle-{name}-{ID}" for name in ("fc", "fs", "fn"))
MACS = {CLIENT: "02:00:00:00:00:01", SERVER: "02:00:00:00:00:02"}
CONTENT = bytes(range(256)) * 1000

FLOWS = """
table=0,priority=20,arp,actions=normal
table=0,priority=20,icmp6,actions=normal
table=0,priority=10,{tcp},actions=ct(table=1,zone=7{known})
table=1,priority=20,{tcp},ct_state=+est+trk,actions=goto_table:2
table=1,priority=20,{tcp},ct_state=+new+rel+trk,actions=ct(commit,zone=7{known},table=2)
table=1,priority=10,{tcp},ct_state=+new-rel+trk,tp_dst=21,in_port=1,actions=ct(commit,alg=ftp,zone=7{first},table=2)
table=2,priority=10,in_port=1,actions=output:2
table=2,priority=10,in_port=2,actions=output:1
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ftp")


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory, directory: Path) -> Iterator[VswitchProcess]:
    running: list[subprocess.Popen[str]] = []
    for name in (CLIENT, SERVER, NODE):
        ip("netns", "add", name)
    try:
        made = VswitchProcess(tmp_path_factory.mktemp("switch") / "vs", NODE)
        running.append(made.process)
        made.vsctl("add-br", "br0", "--", "set-fail-mode", "br0", "secure")
        for number, space in enumerate((CLIENT, SERVER), 1):
            plug(made, f"tap{number}", number, space)
        command = [sys.executable, str(Path(__file__).with_name("ftp_server.py")), str(directory)]
        server = subprocess.Popen(
            ["ip", "netns", "exec", SERVER, *command], stdout=subprocess.PIPE, text=True
        )
        running.append(server)
        assert server.stdout is not None and server.stdout.readline() == "ready\n"
        yield made
    finally:
        for process in running:
            process.send_signal(signal.SIGKILL)
            process.wait()
        for name in (CLIENT, SERVER, NODE):
            ip("netns", "del", name)


def plug(switch: VswitchProcess, name: str, number: int, space: str) -> None:
    """A TAP port in a namespace, that knows where the other's and the translated addresses are."""
    words = ["add-port", "br0", name, "--", "set", "Interface", name, "type=tap", f"ofport_request={number}"]
    switch.vsctl(*words)
    ip("-n", switch.namespace, "link", "set", "dev", name, "netns", space)
    ip("-n", space, "link", "set", "dev", name, "name", "eth0", "address", MACS[space])
    ip("-n", space, "addr", "add", f"10.0.0.{number}/24", "dev", "eth0")
    ip("-n", space, "addr", "add", f"fd00::{number}/64", "dev", "eth0", "nodad")
    ip("-n", space, "link", "set", "eth0", "up")
    ip("-n", space, "link", "set", "lo", "up")
    (other,) = set(MACS) - {space}
    for address in ("10.0.0.100", "10.0.0.200", "fd00::100", "fd00::200", f"10.0.0.{3 - number}"):
        ip("-n", space, "neigh", "add", address, "lladdr", MACS[other], "dev", "eth0")


def transferred(target: str, user: str, passive: bool) -> None:
    """One file to the server and back, and a list, in the namespace that this runs in."""
    with FTP(timeout=20) as ftp:
        ftp.trust_server_pasv_ipv4_address = True
        ftp.connect(target)
        ftp.login("me", "secret")
        ftp.set_pasv(passive)
        for turn in range(2):
            name, back = f"{user}-{turn}", BytesIO()
            ftp.storbinary(f"STOR {name}", BytesIO(CONTENT))
            ftp.retrbinary(f"RETR {name}", back.write)
            assert back.getvalue() == CONTENT
            assert name in ftp.nlst()
            ftp.delete(name)


def inside(space: str, target: str, passive: bool) -> None:
    def there() -> None:
        netns.setns(space)
        with pytest.raises(TimeoutError):
            socket.create_connection((target, 2121), 0.2)
        transferred(target, f"passive{int(passive)}", passive)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(there).result(120)


@pytest.mark.parametrize("passive", [True, False], ids=["passive", "active"])
@pytest.mark.parametrize(
    ("target", "nat", "seen"),
    [
        ("10.0.0.2", "", "10.0.0.1"),
        ("10.0.0.2", "src=10.0.0.100", "10.0.0.100"),
        ("fd00::200", "dst=fd00::2", "fd00::1"),
        pytest.param("fd00::2", "", "fd00::1", marks=pytest.mark.slow),
        pytest.param("10.0.0.200", "dst=10.0.0.2", "10.0.0.1", marks=pytest.mark.slow),
        pytest.param("fd00::2", "src=fd00::100", "fd00::100", marks=pytest.mark.slow),
    ],
    ids=["plain", "source", "destination6", "plain6", "destination", "source6"],
)
def test_files_pass_and_nothing_else_does(
    switch: VswitchProcess, directory: Path, target: str, nat: str, seen: str, passive: bool
) -> None:
    known, first = (",nat", f",nat({nat})") if nat else ("", "")
    flows = directory / "flows"
    tcp = "tcp6" if ":" in target else "tcp"
    flows.write_text(FLOWS.format(tcp=tcp, known=known, first=first))
    switch.ofctl("del-flows")
    switch.ofctl("add-flows", str(flows))
    switch.appctl("dpctl/flush-conntrack")
    (directory / "seen").unlink(missing_ok=True)
    inside(CLIENT, target, passive)
    assert (directory / "seen").read_text().split()[1].removeprefix("::ffff:") == seen
    listed = switch.appctl("dpctl/dump-conntrack", "zone=7")
    assert "helper=ftp" in listed, listed
