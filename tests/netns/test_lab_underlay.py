"""What stands on the wire, as tshark reads it, and a kernel VXLAN device as the far end."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab_bench import Bench
from patience import eventually

from tulle.lab.measure import run_in, throughput_bits_s

NODE1, NODE2, NODE3 = "172.31.0.1", "172.31.0.2", "172.31.0.3"
# The STT dissector is a heuristic one of IP, asked only where heuristics come before the TCP port.
STT_DISSECTOR = ["-o", "ip.try_heuristic_first:TRUE"]
# Random bytes in a TCP stream may look like Thrift, and then like wrong Thrift.
NO_GUESS = ["--disable-protocol", "thrift"]


@contextmanager
def captured(lab: Bench, device: str, file: Path) -> Iterator[None]:
    command = ["nsenter", f"--net=/run/netns/{lab.node('underlay')}"]
    command += ["tcpdump", "-i", device, "-s", "0", "-B", "65536", "-U", "-w", str(file)]
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: file.exists() and file.stat().st_size >= 24, "tcpdump")
        yield
    finally:
        child.send_signal(signal.SIGINT)
        child.wait(60)


def rows(file: Path, condition: str, *fields: str) -> set[tuple[str, ...]]:
    """Distinct values of fields in the frames that meet a display filter."""
    command = ["tshark", "-n", *NO_GUESS, *STT_DISSECTOR, "-r", str(file), "-Y", condition, "-T", "fields"]
    command += [word for field in fields for word in ("-e", field)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return {tuple(line.split("\t")) for line in done.stdout.splitlines()}


def tunnel_id(lab: Bench, source: str, match: str) -> int:
    """The context that the trace says the first node puts on the wire."""
    trace = lab.json("trace", "red", source, match)
    return int(trace["halves"][0]["outputs"][0]["tunnel_id"], 16)


def refused_by_nodes(file: Path) -> list[tuple[str, ...]]:
    """Port unreachable that a node's own kernel sent; what the ICMP quotes or a tunnel carries is not meant."""
    found = rows(file, "icmp.type==3 && icmp.code==3", "frame.protocols", "ip.src", "ip.dst")
    own = [row for row in found if row[0].startswith("eth:ethertype:ip:icmp")]
    return [row for row in own if row[1].split(",")[0] in (NODE1, NODE2, NODE3)]


def check_capture(lab: Bench, file: Path) -> None:
    stt = rows(file, f"stt && ip.addr=={NODE1} && ip.addr=={NODE2}", "stt.context_id")
    expected = tunnel_id(lab, "web1", "icmp,dst=10.0.1.12")
    assert expected in {int(row[0], 16) for row in stt if row[0]}, (hex(expected), stt)
    vxlan = rows(file, f"vxlan && ip.addr=={NODE1} && ip.addr=={NODE3}", "vxlan.vni")
    assert str(expected & 0xFFFFFF) in {row[0] for row in vxlan}, vxlan
    assert not rows(file, f"stt && ip.addr=={NODE3}", "frame.number")
    assert not rows(file, f"vxlan && ip.addr=={NODE2}", "frame.number")
    assert not rows(file, "_ws.malformed", "frame.number", "_ws.expert.message")
    assert not rows(file, "tcp.srcport==7471 && tcp.flags.reset==1", "frame.number")
    assert not refused_by_nodes(file)


def exchange(lab: Bench) -> None:
    for target in ("10.0.1.12", "fd00:1::12", "10.0.2.12", "10.0.1.13", "fd00:1::13"):
        assert lab.pings("red-web1", target), target
    for far, address in (("red-web2", "10.0.1.12"), ("red-web3", "10.0.1.13")):
        rate = throughput_bits_s(lab.workload("red-web1"), lab.workload(far), address, total_bytes=8_000_000)
        assert rate > 0


def test_the_wire_carries_stt_between_two_nodes_and_vxlan_to_the_third(lab: Bench, tmp_path: Path) -> None:
    file = tmp_path / "wire.pcap"
    with captured(lab, "port1", file):
        exchange(lab)
    check_capture(lab, file)


@pytest.fixture
def no_offloads(lab: Bench) -> Iterator[None]:
    def switch(word: str) -> None:
        for name in ("node1", "node2", "node3"):
            options = [part for option in ("tso", "gso", "gro", "tx") for part in (option, word)]
            lab.run(lab.node(name), "ethtool", "-K", "eth0", *options)

    switch("off")
    yield
    switch("on")


RECEIVE = """
import hashlib, socket
digest = hashlib.sha256()
with socket.create_server(("10.0.1.12", 9001)) as server:
    print("ready", flush=True)
    peer, _ = server.accept()
    while data := peer.recv(1 << 16):
        digest.update(data)
print(digest.hexdigest())
"""
SEND = """
import hashlib, random, socket
data = random.Random(1).randbytes(50_000_000)
with socket.create_connection(("10.0.1.12", 9001), 60) as sock:
    sock.sendall(data)
print(hashlib.sha256(data).hexdigest())
"""


def transferred_whole(lab: Bench) -> bool:
    """Sends 50 MB over TCP and compares the digests of both sides."""
    listen = ["nsenter", f"--net=/run/netns/{lab.workload('red-web2')}", sys.executable, "-c", RECEIVE]
    with subprocess.Popen(listen, stdout=subprocess.PIPE, text=True) as receiver:
        try:
            assert receiver.stdout is not None and receiver.stdout.readline() == "ready\n"
            sent = lab.run(lab.workload("red-web1"), sys.executable, "-c", SEND)
            return receiver.communicate(timeout=60)[0] == sent
        finally:
            receiver.kill()


@pytest.mark.usefixtures("no_offloads")
def test_segments_cut_on_the_wire_are_put_together_again(lab: Bench, tmp_path: Path) -> None:
    file = tmp_path / "cut.pcap"
    with captured(lab, "port1", file):
        lab.run(lab.workload("red-web1"), "ping", "-n", "-c", "3", "-i", "0.2", "-s", "20000", "10.0.1.12")
        exchange(lab)
    assert transferred_whole(lab)
    cut = rows(file, f"stt && ip.src=={NODE1}", "ip.len")
    assert cut and max(int(row[0].split(",")[0]) for row in cut) <= 1500, cut


def told_mtu(lab: Bench, name: str, target: str) -> str | None:
    """The MTU that a workload hears of when it sends a packet of 1500 bytes that must not be cut."""
    size = 1500 - (48 if ":" in target else 28)
    words = ["ping", "-n", "-c", "1", "-W", "10", "-M", "do", "-s", str(size), target]
    done = run_in(lab.workload(name), words)
    found = re.search(r"mtu ?= ?(\d+)", done.stdout + done.stderr, re.IGNORECASE)
    return found[1] if found else None


def test_workloads_have_the_mtu_of_their_network_and_hear_of_what_is_longer(lab: Bench) -> None:
    assert lab.json("network", "show", "red")["mtu"] == 1450
    shown = {
        name: lab.run(lab.workload(name), "ip", "link", "show", "eth0") for name in ("red-web1", "red-db1")
    }
    assert all("mtu 1450 " in text for text in shown.values()), shown
    for name in shown:
        lab.run(lab.workload(name), "ip", "link", "set", "eth0", "mtu", "1500")
    try:
        # On the same logical switch, and through the router.
        for name in shown:
            for target in ("10.0.1.13", "fd00:1::13"):
                assert told_mtu(lab, name, target) == "1450", (name, target)
        assert told_mtu(lab, "red-web1", "10.0.1.12") is None, "STT carries any length"
    finally:
        for name in shown:
            lab.run(lab.workload(name), "ip", "link", "set", "eth0", "mtu", "1450")


def test_a_node_shows_what_it_can_do(lab: Bench) -> None:
    def capabilities() -> dict[str, str]:
        found: dict[str, str] = lab.json("node", "show", "node1")["capabilities"]
        return found

    # Another test may have changed the device a moment ago; the node looks every few seconds.
    eventually(lambda: capabilities()["eth0/tcp-segmentation"] == "yes", "the device as it is")
    said = lab.tulle("node", "show", "node1").stdout
    for words in (
        "udp-segmentation +yes",
        "packet-ring +yes",
        "eth0/tcp-segmentation +yes",
        "cuts TCP, and so STT",
    ):
        assert re.search(words, said), said
    lab.run(lab.node("node1"), "ethtool", "-K", "eth0", "tso", "off")
    try:
        eventually(lambda: capabilities()["eth0/tcp-segmentation"] == "no", "the change")
    finally:
        lab.run(lab.node("node1"), "ethtool", "-K", "eth0", "tso", "on")


def kernel_vxlan(lab: Bench, vni: int) -> str:
    space = lab.node("tor1")
    address = lab.lab.layout.externals[0].address
    words = f"link add vx0 type vxlan id {vni} dstport 4789 local {address} nolearning"
    for line in (
        words,
        "link set vx0 address 02:00:00:00:01:14 mtu 1450 up",
        "addr add 10.0.1.14/24 dev vx0",
        "addr add fd00:1::14/64 dev vx0 nodad",
    ):
        lab.run(space, "ip", *line.split())
    near = {"02:00:00:00:01:11": NODE1, "02:00:00:00:01:12": NODE2, "02:00:00:00:01:13": NODE3}
    everyone = [("00:00:00:00:00:00", address) for address in near.values()]
    for mac, endpoint in [*near.items(), *everyone]:
        lab.run(space, "bridge", "fdb", "append", mac, "dev", "vx0", "dst", endpoint)
    return space


def test_a_kernel_vxlan_device_exchanges_packets_with_logical_ports(lab: Bench) -> None:
    space = kernel_vxlan(lab, tunnel_id(lab, "web1", "icmp,dst=10.0.1.12") & 0xFFFFFF)
    for near in ("11", "12", "13"):
        for target in (f"10.0.1.{near}", f"fd00:1::{near}"):
            lab.run(space, "ping", "-n", "-c", "2", "-i", "0.2", "-W", "2", target)
    for name in ("red-web1", "red-web2", "red-web3"):
        for target in ("10.0.1.14", "fd00:1::14"):
            assert lab.pings(name, target), (name, target)
    for name, address in (("red-web1", "10.0.1.11"), ("red-web3", "10.0.1.13")):
        assert throughput_bits_s(space, lab.workload(name), address, seconds=1) > 0
        assert throughput_bits_s(lab.workload(name), space, "10.0.1.14", seconds=1) > 0
