"""The example of layer 2 with real frames: tags of a guest, a physical VLAN, and sockets that join groups."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import pytest
from lab_bench import Bench
from patience import eventually
from raw_station import RawStation

from tulle._native import emit_frame
from tulle.lab import lifecycle
from tulle.lab.live import inside
from tulle.logical import parse_file

EXAMPLE = Path(__file__).parents[2] / "examples" / "layer-two.yaml"
EVERYBODY, OUTSIDER = "ff:ff:ff:ff:ff:ff", "02:00:00:00:99:99"
GROUP, UDP_PORT = "239.1.2.3", 5004


class LayerTwo(Bench):
    """The example with workload namespaces of its own."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "lay2")
        text = EXAMPLE.read_text()
        self.document = parse_file(text, EXAMPLE.name)
        self.path.write_text(re.sub("namespace: ", f"namespace: {self.name}-", text))

    @cached_property
    def macs(self) -> dict[str, str]:
        return {port.name: port.mac for port in self.document.networks[0].ports}

    def station(self, workload: str) -> RawStation:
        namespace = self.workload(workload)
        devices = [name for _, name in inside(namespace, socket.if_nameindex) if name.startswith("eth")]
        return RawStation(namespace, devices[-1])


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LayerTwo]:
    bench = LayerTwo(tmp_path_factory.mktemp("lab"))
    try:
        lifecycle.up(bench.path)
        yield bench
    finally:
        bench.down()


def tagged(frame: bytes, vlan: int) -> bytes:
    return frame[:12] + b"\x81\x00" + vlan.to_bytes(2, "big") + frame[12:]


def question(mac: str, source: str, target: str, vlan: int) -> bytes:
    words = f"arp,dl_src={mac},dl_dst={EVERYBODY},arp_op=1,arp_sha={mac},arp_spa={source},arp_tpa={target}"
    return tagged(emit_frame(words), vlan)


def echo(mac: str, to: str, source: str, target: str, vlan: int) -> bytes:
    words = f"icmp,dl_src={mac},dl_dst={to},nw_src={source},nw_dst={target},icmp_type=8,icmp_code=0,nw_ttl=64"
    return tagged(emit_frame(words, b"\0\x07\0\x01layer two"), vlan)


def is_echoed(frame: bytes, vlan: int) -> bool:
    return frame[12:18] == b"\x81\x00" + vlan.to_bytes(2, "big") + b"\x08\x00" and frame[38] == 0


def test_a_guest_tags_for_its_child_ports_and_they_move_with_it(lab: LayerTwo) -> None:
    mac, other = lab.macs["host1-blue"], lab.macs["blue2"]
    asked = question(mac, "10.1.10.11", "10.1.10.12", 10)
    sent = echo(mac, other, "10.1.10.11", "10.1.10.12", 10)

    def works() -> bool:
        guest = lab.station("host1")
        try:
            answer = guest.answer(asked, lambda one: one[12:18] == b"\x81\x00\x00\x0a\x08\x06")
            return (
                answer is not None
                and answer[6:12].hex(":") == other
                and guest.answer(sent, lambda one: is_echoed(one, 10)) is not None
            )
        finally:
            guest.close()

    eventually(works, "an echo for the child port blue")
    done = lab.tulle("port", "move", "shop", "host1", "node3")
    assert done.returncode == 0, done.stderr

    def places() -> dict[str, str]:
        return {one["name"]: one["bound"] for one in lab.json("port", "list", "shop")}

    eventually(lambda: places()["host1-blue"] == places()["host1"] == "node3", "the child ports at node3")
    eventually(works, "an echo for the child port blue where its parent has moved")


def test_a_switch_is_a_vlan_of_the_physical_network(lab: LayerTwo) -> None:
    outside = RawStation(lab.node("underlay"), "physical0")
    try:
        for desk in ("desk1", "desk3"):
            address = f"10.1.30.1{desk[-1]}"
            asked = question(OUTSIDER, "10.1.30.99", address, 100)
            sent = echo(OUTSIDER, lab.macs[desk], "10.1.30.99", address, 100)

            def answers(asked: bytes = asked, desk: str = desk) -> bool:
                found = outside.answer(asked, lambda one: one[12:18] == b"\x81\x00\x00\x64\x08\x06")
                return found is not None and found[6:12].hex(":") == lab.macs[desk]

            eventually(answers, f"an answer of {desk} to the outsider")
            found = [outside.answer(sent, lambda one: is_echoed(one, 100)) for _ in range(3)]
            assert any(found), desk
        lab.wait_pings("desk1", "10.1.30.12")
        seen = [one[12:16] for one in outside.frames(0.3)]
        assert b"\x81\x00\x00\x64" in seen, "the physical network carries what the desks say to each other"
        done = lab.tulle("port", "move", "shop", "desk2", "node3")
        assert done.returncode == 0, done.stderr
        rarp = bytes.fromhex(lab.macs["desk2"].replace(":", "")) + b"\x81\x00\x00\x64\x80\x35"
        heard: list[bytes] = []

        def is_announced() -> bool:
            heard.extend(one[6:18] for one in outside.frames(0.2))
            return rarp in heard

        eventually(is_announced, "the new place of desk2")
    finally:
        outside.close()


def test_a_group_goes_to_who_has_joined_it(lab: LayerTwo) -> None:
    stations = {name: lab.station(name) for name in ("screen1", "screen2", "screen3")}
    camera = inside(lab.workload("camera"), lambda: sending("10.1.40.11"))

    def reached() -> set[str]:
        """Who gets what is sent to the group; a broadcast after it tells when to look no more."""
        camera.sendto(b"film", (GROUP, UDP_PORT))
        camera.sendto(b"end of film", ("255.255.255.255", UDP_PORT))
        return {name for name, one in stations.items() if has_film(one)}

    listeners: dict[str, socket.socket] = {}
    try:
        eventually(lambda: reached() == set(), "nobody, as nobody has joined")
        for name, number in (("screen2", 13), ("screen3", 14), ("screen1", 12)):
            listeners[name] = inside(lab.workload(name), lambda at=number: joined(f"10.1.40.{at}"))
            eventually(lambda: reached() == listeners.keys(), f"{name} after it has joined")
        listeners.pop("screen2").close()
        eventually(lambda: reached() == listeners.keys(), "those that are left when one has gone")
        lab.kill("node3/agent")
        lab.restart("node3/agent")
        for _ in range(3):
            assert reached() == listeners.keys(), "a new agent knows who has joined"
    finally:
        for one in (camera, *listeners.values(), *stations.values()):
            one.close()


def has_film(station: RawStation) -> bool:
    found = False
    for _ in range(50):
        for frame in station.frames(0.1):
            if frame.endswith(b"end of film"):
                return found
            found = found or (frame.endswith(b"film") and frame[:3] == b"\x01\0\x5e")
    raise AssertionError("the broadcast did not come")


def sending(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, 0))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    return made


def joined(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("", UDP_PORT))
    member = socket.inet_aton(GROUP) + socket.inet_aton(address)
    made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    return made
