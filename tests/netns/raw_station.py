"""A raw socket at a device, for frames with tags: the kernel of these machines has no VLAN devices."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable

from tulle.lab.live import inside

SOL_PACKET, PACKET_AUXDATA, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 263, 8, 1, 1
TP_STATUS_VLAN_VALID = 0x10
ETH_P_ALL = 3
PACKET_OUTGOING = 4
AUXDATA = struct.Struct("=IIIHHHH")


class RawStation:
    """Sends and receives whole frames at `device` in a network namespace."""

    def __init__(self, namespace: str, device: str) -> None:
        self._socket = inside(namespace, lambda: _opened(device))

    def close(self) -> None:
        self._socket.close()

    def send(self, frame: bytes) -> None:
        self._socket.send(frame)

    def frames(self, wait_s: float) -> list[bytes]:
        """What comes in until nothing has come for `wait_s`."""
        found: list[bytes] = []
        self._socket.settimeout(wait_s)
        while True:
            try:
                frame = _received(self._socket)
            except TimeoutError:
                return found
            if frame is not None:
                found.append(frame)

    def answer(self, frame: bytes, wanted: Callable[[bytes], bool], limit_s: float = 2.0) -> bytes | None:
        """The first frame of the wanted kind after `frame` was sent."""
        self.send(frame)
        self._socket.settimeout(limit_s)
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            try:
                found = _received(self._socket)
            except TimeoutError:
                return None
            if found is not None and wanted(found):
                return found
        return None


def _opened(device: str) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    made.bind((device, ETH_P_ALL))
    made.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    member = struct.pack("=iHH8s", socket.if_nametoindex(device), PACKET_MR_PROMISC, 0, b"")
    made.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, member)
    return made


def _received(station: socket.socket) -> bytes | None:
    """A frame that came in, with the tag that the kernel has taken out (packet(7), PACKET_AUXDATA)."""
    frame, ancillary, _, address = station.recvmsg(65536, socket.CMSG_SPACE(AUXDATA.size))
    if address[2] == PACKET_OUTGOING:
        return None
    for level, kind, data in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, *_, control, _protocol = AUXDATA.unpack(data[: AUXDATA.size])
            if status & TP_STATUS_VLAN_VALID:
                return frame[:12] + b"\x81\x00" + control.to_bytes(2, "big") + frame[12:]
    return frame
