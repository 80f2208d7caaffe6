"""Captures frames at the devices of logical ports, and between the underlay addresses of nodes.

Bounded in frames, bytes and time.  Blocking: run it on a thread.
"""

from __future__ import annotations

import selectors
import socket
import struct
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from pyroute2 import IPRoute, netns

from tulle.agent import interfaces
from tulle.agent.attach import namespace_path
from tulle.agent.outer import NO_CONTEXT, NO_FRAME, Outer, outer
from tulle.agent.reconciler import Reconciler
from tulle.errors import InvalidInput, NotFound
from tulle.store import source
from tulle.values import pipeline

BYTES_MAX: Final = 5 << 20
ALL_PROTOCOLS: Final = 3
SO_TIMESTAMPNS: Final = 35
SOL_PACKET, PACKET_STATISTICS = 263, 6
RECEIVE_BYTES: Final = 4 << 20
UNCUT_DEVICE: Final = "tulleup"

Document = dict[str, Any]


class CaptureRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What to capture: a network, one of its ports, or tunnels to one of `remotes` or between two of them.

    For how long and how much.
    """

    network: str | None = None
    port: str | None = None
    remotes: tuple[str, ...] = ()
    frames: int = 1000
    seconds: float = 10.0
    snap_bytes: int = 65_535


class Places(Struct, frozen=True):
    """Where frames can be seen: devices by port (`network/port`) with their namespaces, and nodes by address."""

    ports: Mapping[str, tuple[str, str | None]]
    nodes: Mapping[str, str]
    datapaths: Mapping[int, str]

    @classmethod
    def of(cls, reconciler: Reconciler) -> Places:
        """As the last pass found them."""
        view = reconciler.view
        if view is None:
            raise NotFound("the agent knows no network yet")
        spaces = {
            (network.name, port.name): port.namespace
            for network in view.all_networks
            for port in network.ports
        }
        there = interfaces.present(source(reconciler.switch))
        found = [(one.logical_port, one) for one in there.values() if one.logical_port is not None]
        ports = {
            "/".join(name): (one.interface.name, spaces.get(name) if one.own else None) for name, one in found
        }
        nodes = {
            address: node.name
            for node in view.nodes.values()
            for address in (node.address, node.second_address)
            if address
        }
        return cls(ports, nodes, {number: name for name, number in view.ids.datapaths.items()})


class Point(Struct, frozen=True):
    """A socket and what its frames are called; `kind` is `port` or `tunnel`.

    `is_far`: the device ends at the workload, as a virtual machine's does, so what it sends comes in here.
    """

    sock: socket.socket
    name: str
    kind: str
    is_far: bool = False


class Received(Struct, frozen=True):
    """A frame at a point: when by the node's clock, whether the workload or the node sent it, and by which device."""

    at_ns: int
    out: bool
    device: str
    data: bytes


def capture_request(arguments: Document) -> CaptureRequest:
    """The arguments of a question; raises InvalidInput."""
    try:
        request = msgspec.convert(arguments, CaptureRequest)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"capture: {error}") from None
    if not (
        0 < request.frames <= 100_000 and 0 < request.seconds <= 600 and 0 < request.snap_bytes <= 65_535
    ):
        raise InvalidInput("capture: up to 100000 frames of up to 65535 bytes within 600 s can be asked for")
    return request


def capture(request: CaptureRequest, places: Places) -> Document:
    """{"places": [{"name", "kind"}], "frames": [{"at_ns", "place", "out", "note", "data", "inner"}], "lost"}.

    `inner` is where the frame in a tunnel's packet begins, where one does.
    """
    with ExitStack() as stack:
        points = [stack.enter_context(one) for one in points_of(request, places)]
        if not points:
            return {"places": [], "frames": [], "lost": 0}
        frames = list(_frames(request, places, points))
        lost = sum(frames_lost(point.sock) for point in points)
    described = [{"name": point.name, "kind": point.kind} for point in points]
    return {"places": described, "frames": frames, "lost": lost}


def points_of(request: CaptureRequest, places: Places) -> list[AbstractContextManager[Point]]:
    """Where to listen for what is asked; each is open while its context lasts."""
    wanted = [
        _port_point(name, *device)
        for name, device in sorted(places.ports.items())
        if request.network is not None
        and name.partition("/")[0] == request.network
        and request.port in (None, name.partition("/")[2])
    ]
    whole = request.network is not None and request.port is None
    return [*wanted, *([_underlay_point()] if whole or request.remotes else [])]


@contextmanager
def _port_point(name: str, device: str, namespace: str | None) -> Iterator[Point]:
    with Path("/proc/thread-self/ns/net").open("rb") as home:
        try:
            if namespace is not None:
                netns.setns(str(namespace_path(namespace)), flags=0)
            sock = _listening(_device(device, f"tulle {device} {name}"))
        finally:
            netns.setns(home.fileno())
    with sock:
        yield Point(sock, name, "port", is_far=namespace is None)


def _device(name: str, alias: str) -> str:
    """What a device is called here: in its workload's namespace it has another name, and the old one as an alias."""
    with IPRoute() as here:
        links = [(str(one.get("ifname")), one.get("ifalias")) for one in here.get_links()]
    for found, known in links:
        if known == alias:
            return found
    if name not in [found for found, _ in links]:
        raise NotFound(f"there is no device {name}")
    return name


@contextmanager
def _underlay_point() -> Iterator[Point]:
    with _listening(None) as sock:
        yield Point(sock, "underlay", "tunnel")


def _listening(device: str | None) -> socket.socket:
    """A socket for what passes a device, or any of this namespace for None."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0 if device else socket.htons(ALL_PROTOCOLS))
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    if device:
        sock.bind((device, ALL_PROTOCOLS))
    sock.setblocking(False)
    return sock


def _frames(request: CaptureRequest, places: Places, points: list[Point]) -> Iterator[Document]:
    end, left, size = time.monotonic() + request.seconds, request.frames, 0
    with selectors.DefaultSelector() as selector:
        for number, point in enumerate(points):
            selector.register(point.sock, selectors.EVENT_READ, number)
        while left > 0 and size < BYTES_MAX and (wait := end - time.monotonic()) > 0:
            for key, _ in selector.select(wait):
                taken = _frame(request, places, points[key.data])
                if taken is not None and left > 0:
                    left, size = left - 1, size + len(taken["data"])
                    yield {**taken, "place": key.data}


def _frame(request: CaptureRequest, places: Places, point: Point) -> Document | None:
    """The next frame of a point, if it is wanted."""
    got = received(point, request.snap_bytes)
    if got is None:
        return None
    taken = {"at_ns": got.at_ns, "out": got.out, "note": "", "data": b64encode(got.data).decode()}
    if point.kind == "port":
        return taken
    found = tunnelled(places, got)
    note = None if found is None else _note(request, places, found)
    if found is None or note is None:
        return None
    return {**taken, "note": note, **({"inner": found.inner} if found.inner != NO_FRAME else {})}


def received(point: Point, snap_bytes: int) -> Received | None:
    """The next frame of a point; None where nothing is there, or the device has gone down."""
    try:
        data, ancillary, _, address = point.sock.recvmsg(snap_bytes, 64)
    except OSError:
        return None
    seconds, nanoseconds = next(
        (struct.unpack("qq", one[2]) for one in ancillary if one[1] == SO_TIMESTAMPNS),
        divmod(time.time_ns(), 10**9),
    )
    out = (address[2] == socket.PACKET_OUTGOING) != point.is_far
    return Received(seconds * 10**9 + nanoseconds, out, address[0], data)


def tunnelled(places: Places, got: Received) -> Outer | None:
    """The outer headers of a frame between nodes, with the nodes' names as its ends."""
    # What leaves uncut passes a device of the switch's own before it passes the underlay's.
    if got.device == "lo" or got.device.startswith(UNCUT_DEVICE) or (found := outer(got.data)) is None:
        return None
    source, target = places.nodes.get(found.source), places.nodes.get(found.target)
    if source is None or target is None:
        return None
    return msgspec.structs.replace(found, source=source, target=target)


def network_of_context(places: Places, found: Outer) -> str:
    """The network that a tunnel's packet belongs to; empty where nobody knows."""
    return places.datapaths.get(found.context & pipeline.DATAPATH_MASK, "").partition("/")[0]


def _note(request: CaptureRequest, places: Places, found: Outer) -> str | None:
    """What to call a frame of the underlay; None when it is not wanted."""
    if len({found.source, found.target}.intersection(request.remotes)) < min(2, len(request.remotes)):
        return None
    head = f"{found.encapsulation} {found.source} to {found.target}"
    if found.context == NO_CONTEXT:
        return f"{head}, a later segment" if request.network is None else None
    name = places.datapaths.get(found.context & pipeline.DATAPATH_MASK, "")
    if request.network is not None and name.partition("/")[0] != request.network:
        return None
    return f"{head}, {name or 'unknown'}, context {found.context:#x}"


def frames_lost(sock: socket.socket) -> int:
    """Frames that came faster than they were read (packet(7), PACKET_STATISTICS)."""
    try:
        return int(struct.unpack("II", sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1])
    except OSError:
        return 0
