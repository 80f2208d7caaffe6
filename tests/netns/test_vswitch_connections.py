"""Protocols through the switch's connection tracking, plain and translated: real FTP, and frames of SCTP.

Of FTP only what begins at port 21, and what that announces, may pass, active and passive.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ftplib import FTP
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import pytest
from pyroute2 import netns
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether
from scapy.layers.sctp import (
    SCTP,
    SCTPChunkCookieAck,
    SCTPChunkCookieEcho,
    SCTPChunkData,
    SCTPChunkInit,
    SCTPChunkInitAck,
)
from scapy.packet import Packet
from vswitch_process import VswitchProcess, ip

ID = os.getpid()
CLIENT, SERVER, NODE = (f"tulle-{name}-{ID}" for name in ("fc", "fs", "fn"))
MACS = {CLIENT: "02:00:00:00:00:01", SERVER: "02:00:00:00:00:02"}
Result = TypeVar("Result")
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
ASSOCIATIONS = """
table=0,priority=10,sctp,actions=ct(table=1,zone=7,nat)
table=1,priority=20,sctp,ct_state=+est+trk,actions=goto_table:2
table=1,priority=10,sctp,ct_state=+new+trk,tp_dst=5000,in_port=1,actions=ct(commit,zone=7,nat(src=10.0.0.100:9000),table=2)
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


def load(switch: VswitchProcess, directory: Path, flows: str) -> None:
    """These flows and no connections."""
    path = directory / "flows"
    path.write_text(flows)
    switch.ofctl("del-flows")
    switch.ofctl("add-flows", str(path))
    switch.appctl("dpctl/flush-conntrack")


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


def inside(space: str, do: Callable[[], Result]) -> Result:
    """What `do` gives in a namespace, on a thread of its own."""

    def there() -> Result:
        netns.setns(space)
        return do()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(there).result(120)


def allowed_alone(target: str, passive: bool) -> None:
    with pytest.raises(TimeoutError):
        socket.create_connection((target, 2121), 0.2)
    transferred(target, f"passive{int(passive)}", passive)


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
    inside(CLIENT, lambda: allowed_alone(target, passive))
    assert (directory / "seen").read_text().split()[1].removeprefix("::ffff:") == seen
    listed = switch.appctl("dpctl/dump-conntrack", "zone=7")
    assert "helper=ftp" in listed, listed


class Wire:
    """The device of a namespace, for frames of SCTP; its kernel need not know of that."""

    def __init__(self, space: str) -> None:
        self._own = MACS[space]
        (self._other,) = set(MACS.values()) - {self._own}
        self._socket = inside(
            space, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x800))
        )
        self._socket.bind(("eth0", 0x800))
        self._socket.settimeout(30)

    def send(self, ends: tuple[str, int, str, int], tag: int, *chunks: Packet) -> None:
        source, sport, destination, dport = ends
        packet = SCTP(sport=sport, dport=dport, tag=tag)
        for chunk in chunks:
            packet /= chunk
        self._socket.send(
            bytes(Ether(src=self._own, dst=self._other) / IP(src=source, dst=destination) / packet)
        )

    def received(self) -> tuple[tuple[str, int, str, int], int, bytes]:
        """The ends, the tag and the chunks of the next packet, whose checksum must be right."""
        while True:
            data = self._socket.recv(2048)
            found = Ether(data)
            if found[IP].proto != 132 or found.dst != self._own:
                continue
            sctp = found[SCTP]
            right = sctp.copy()
            right.chksum = None
            assert bytes(right) == bytes(sctp)
            ends = (found[IP].src, sctp.sport, found[IP].dst, sctp.dport)
            return ends, sctp.tag, bytes(sctp.payload)

    def close(self) -> None:
        self._socket.close()


def test_an_association_is_translated_with_its_ports_and_known_by_its_tags(
    switch: VswitchProcess, directory: Path
) -> None:
    load(switch, directory, ASSOCIATIONS)
    own, seen = ("10.0.0.1", 4000, "10.0.0.2", 5000), ("10.0.0.100", 9000, "10.0.0.2", 5000)
    answer, got = ("10.0.0.2", 5000, "10.0.0.100", 9000), ("10.0.0.2", 5000, "10.0.0.1", 4000)
    client, server = Wire(CLIENT), Wire(SERVER)
    try:
        data = SCTPChunkData(data=b"hello", tsn=1)
        for sender, ends, receiver, expected, tag, chunk in (
            (client, own, server, seen, 0, SCTPChunkInit(init_tag=0xAAAA)),
            (server, answer, client, got, 0xAAAA, SCTPChunkInitAck(init_tag=0xBBBB)),
            (client, own, server, seen, 0xBBBB, SCTPChunkCookieEcho(cookie=b"cookie")),
            (server, answer, client, got, 0xAAAA, SCTPChunkCookieAck()),
            (client, own, server, seen, 0xBBBB, data),
        ):
            sender.send(ends, tag, chunk)
            assert receiver.received() == (expected, tag, bytes(chunk))
        server.send(answer, 0x1234, data)
        server.send(answer, 0xAAAA, data)
        assert client.received()[1] == 0xAAAA, "what came before it has the wrong tag"
        listed = switch.appctl("dpctl/dump-conntrack", "zone=7")
        assert listed.startswith("sctp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=4000,dport=5000)"), listed
    finally:
        client.close()
        server.close()
