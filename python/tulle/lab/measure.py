"""Measurements between workloads with the usual tools: ping, iperf3, and captures of whole frames."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import orjson
from pyroute2 import netns

from tulle.errors import Unavailable
from tulle.lab.waiting import wait_until


class Probe(NamedTuple):
    """One ping to do: from a workload's namespace to an address."""

    source: str
    target: str


class PingResult(NamedTuple):
    """What a series of pings gave."""

    sent: int
    received: int

    @property
    def lost(self) -> int:
        """Requests without an answer."""
        return self.sent - self.received


def run_in(
    namespace: str, command: Sequence[str], *, limit_s: float = 30
) -> subprocess.CompletedProcess[str]:
    """Runs a command in a network namespace and gives its output; never raises for its exit code."""
    full = ["nsenter", f"--net=/run/netns/{namespace}", *command]
    return subprocess.run(full, capture_output=True, text=True, timeout=limit_s, check=False)


def ping(probe: Probe, *, count: int = 1, interval_s: float = 0.2, wait_s: int = 1) -> PingResult:
    """Pings; a round trip without an answer within `wait_s` counts as lost."""
    options = ["-n", "-q", "-c", str(count), "-i", str(interval_s), "-W", str(wait_s)]
    done = run_in(probe.source, ["ping", *options, probe.target], limit_s=count * interval_s + wait_s + 10)
    return _ping_result(done.stdout)


def reachable(probes: Iterable[Probe], *, at_once: int = 16) -> dict[Probe, bool]:
    """Which probes are answered.  A first try may be lost to nothing: this is not a warm-up."""
    listed = list(probes)
    with ThreadPoolExecutor(at_once) as pool:
        return dict(zip(listed, pool.map(lambda probe: ping(probe).received > 0, listed), strict=True))


def _ping_result(output: str) -> PingResult:
    found = re.search(r"(\d+) packets transmitted, (\d+) received", output)
    return PingResult(int(found[1]), int(found[2])) if found else PingResult(0, 0)


class RunningPing:
    """A ping that goes on while something else happens; `stop` tells what was lost."""

    def __init__(self, probe: Probe, *, interval_s: float = 0.01) -> None:
        command = ["ping", "-n", "-q", "-i", str(interval_s), probe.target]
        full = ["nsenter", f"--net=/run/netns/{probe.source}", *command]
        self._child = subprocess.Popen(full, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def stop(self) -> PingResult:
        """Ends the ping.  The last request may still be under way and then counts as answered."""
        self._child.send_signal(signal.SIGINT)
        output, _ = self._child.communicate(timeout=10)
        result = _ping_result(output)
        return PingResult(result.sent, min(result.sent, result.received + 1))

    def __enter__(self) -> RunningPing:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child.poll() is None:
            self._child.kill()
            self._child.wait()


def throughput_bits_s(
    client: str, server: str, address: str, *, seconds: float = 3, flows: int = 1, total_bytes: int = 0
) -> float:
    """TCP throughput that the receiver saw, by iperf3 from namespace `client` to namespace `server`.

    It goes on for some seconds, without the first half second, or until `total_bytes` are sent.
    """
    amount = ["-n", str(total_bytes)] if total_bytes else ["-t", str(seconds), "-O", "0.5"]
    listen = ["nsenter", f"--net=/run/netns/{server}", "iperf3", "-s", "-1", "-B", address, "--forceflush"]
    listener = subprocess.Popen(listen, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_until(lambda: _listens(server), what="iperf3 to listen", limit_s=60)
        command = ["iperf3", "-J", "-c", address, "-P", str(flows), *amount]
        done = run_in(client, command, limit_s=seconds + 20)
        return _bits_s(done.stdout)
    finally:
        listener.kill()
        listener.communicate()


def _listens(namespace: str) -> bool:
    return ":5201" in run_in(namespace, ["ss", "-Hltn"]).stdout


def _bits_s(output: str) -> float:
    with contextlib.suppress(ValueError, KeyError):
        report = orjson.loads(output)
        return float(report["end"]["sum_received"]["bits_per_second"])
    raise Unavailable(f"iperf3 gave no result: {output[-300:]}")


def capture_socket(namespace: str, device: str) -> socket.socket:
    """A socket that receives every frame of a device in a namespace.

    A thread of its own enters the namespace, as setns(2) changes only the calling thread;
    the socket stays in that namespace and may be used from anywhere.
    """
    made: list[socket.socket] = []

    def open_there() -> None:
        netns.setns(namespace)
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        sock.bind((device, 0))
        made.append(sock)

    thread = threading.Thread(target=open_there)
    thread.start()
    thread.join()
    if not made:
        raise Unavailable(f"cannot capture on {device} in {namespace}")
    return made[0]


@contextlib.contextmanager
def frames_captured(points: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, bytes]]]:
    """Frames seen at (namespace, device) points while the block runs, filled in when it ends."""
    sockets = {namespace: capture_socket(namespace, device) for namespace, device in points}
    frames: list[tuple[str, bytes]] = []
    try:
        yield frames
        for namespace, sock in sockets.items():
            frames.extend((namespace, frame) for frame in _drain(sock))
    finally:
        for sock in sockets.values():
            sock.close()


def _drain(sock: socket.socket) -> Iterator[bytes]:
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            yield sock.recv(65535)
