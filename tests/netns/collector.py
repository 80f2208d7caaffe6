"""A collector of sFlow, NetFlow or IPFIX in a network namespace: it keeps datagrams, and tshark reads them."""

from __future__ import annotations

import json
import socket
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

from pyroute2 import netns
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.utils import wrpcap

SO_RCVBUFFORCE = 33
RECEIVE_BUFFER = 16 << 20
LONGEST = 65536
Fields = dict[str, list[str]]


def udp_socket(namespace: str, address: str, port: int = 0) -> socket.socket:
    """A socket of UDP in a namespace, bound to an address there."""
    netns.pushns(namespace)
    try:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    finally:
        netns.popns()
    made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    made.bind((address, port))
    return made


class Collector:
    """Listens at 127.0.0.1 of a namespace until it is closed."""

    def __init__(self, namespace: str) -> None:
        self._socket = udp_socket(namespace, "127.0.0.1")
        self._socket.setblocking(False)
        self.datagrams: list[bytes] = []

    @property
    def target(self) -> str:
        """As columns `targets` have it."""
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def take(self) -> list[bytes]:
        """All datagrams that have come so far."""
        while True:
            try:
                self.datagrams.append(self._socket.recv(LONGEST))
            except BlockingIOError:
                return self.datagrams

    def dissected(self, directory: Path, protocol: str) -> list[Fields]:
        """What tshark makes of the datagrams: the fields of each with all their values, in order."""
        self.take()
        capture = directory / f"{protocol}.pcap"
        frames = [Ether() / IP() / UDP(sport=9, dport=9) / Raw(datagram) for datagram in self.datagrams]
        wrpcap(str(capture), frames)
        command = ["tshark", "-r", str(capture), "-d", f"udp.port==9,{protocol}", "-T", "ek"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert "_ws_malformed" not in done.stdout, done.stdout[:4000]
        layers = [json.loads(line)["layers"] for line in done.stdout.splitlines() if '"layers"' in line]
        assert len(layers) == len(self.datagrams)
        return [_fields(one[protocol]) for one in layers]

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


def _fields(layer: Any) -> Fields:
    found: Fields = defaultdict(list)
    parts = layer if isinstance(layer, list) else [layer]
    for part in parts:
        for name, value in part.items():
            found[name] += value if isinstance(value, list) else [value]
    return found
