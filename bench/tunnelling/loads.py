"""What is sent over a way, and what is read off while it is."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from switching import load
from switching.spaces import command, inside

from tunnelling.hosts import Host
from tunnelling.ways import Way

IPERF_PORT = 5201
PATIENCE_S = 10
WARM_UP_S = 0.3
REQUESTS = str(Path(__file__).with_name("requests.py"))
UDP_RATE, UDP_BYTES = "200M", "1400"
TICKS_S = 100
"""Of /proc/stat."""


def wait_for_all(way: Way) -> None:
    """Until every workload reaches its counterpart."""
    for space, address in zip(way.rig.near.workloads, way.rig.far.addresses, strict=True):
        end = time.monotonic() + PATIENCE_S
        while True:
            words = inside(space, "ping", "-c1", "-W1", "-q", str(address.ip))
            if subprocess.run(words, capture_output=True).returncode == 0:
                break
            if time.monotonic() > end:
                tails = "\n".join(switch.tail for switch in way.switches)
                raise RuntimeError(f"{way.name}: no ping to {address}; {tails}")


def tcp_one(way: Way, seconds: int) -> dict[str, float]:
    """One flow, and how busy machine and switches are with it."""
    with _busy(way) as busy:
        rate = _tcp(way, [(way.rig.near, 0)], 1, seconds)
    per_ten_gbit = 1e10 / (rate * seconds)
    return {
        "tcp1": rate / 1e9,
        "cpu": busy["machine"] * per_ten_gbit,
        "switch": busy["switches"] * per_ten_gbit,
    }


def tcp_four(way: Way, seconds: int) -> dict[str, float]:
    """Four flows from one workload to another."""
    return {"tcp4": _tcp(way, [(way.rig.near, 0)], 4, seconds) / 1e9}


def tcp_both_ways(way: Way, seconds: int) -> dict[str, float]:
    """Two workloads of each host send and two receive, so that all eight work."""
    senders = [(way.rig.near, 0), (way.rig.near, 1), (way.rig.far, 2), (way.rig.far, 3)]
    return {"both": _tcp(way, senders, 2, seconds) / 1e9}


def requests(way: Way, seconds: int) -> dict[str, float]:
    """Requests of one byte, one after the other."""
    near, far = way.rig.near, way.rig.far
    address = str(far.addresses[0].ip)
    with _process(inside(far.workloads[0], sys.executable, REQUESTS, "answer", address)):
        words = inside(near.workloads[0], sys.executable, REQUESTS, "ask", address, str(seconds))
        told = json.loads(command(*words))
    return {"requests": told["requests_s"], "latency": told["median_us"]}


def small_packets(way: Way, seconds: int) -> dict[str, float]:
    """Frames of 64 bytes, as many as come through."""
    near, far = way.rig.near.workloads[0], way.rig.far.workloads[0]
    shown = json.loads(command("ip", "-n", far, "-j", "link", "show", "eth0"))
    words = ["--size", 64, "--destination", shown[0]["address"], "--seconds", seconds + 5]
    with load.running(near, "load", "send", "eth0", *words):
        time.sleep(WARM_UP_S)
        told = load.run(far, "load", "count", "eth0", "--seconds", seconds)
    return {"small": float(told["packets_per_second"])}


def lost(way: Way, seconds: int) -> dict[str, float]:
    """Datagrams that do not arrive, of 200 Mbit/s."""
    report = _iperf(way.rig.near, 0, seconds, "-u", "-b", UDP_RATE, "-l", UDP_BYTES, peer=way.rig.far)
    return {"lost": float(report["end"]["sum"]["lost_percent"])}


def _tcp(way: Way, senders: Sequence[tuple[Host, int]], flows: int, seconds: int) -> float:
    """Bits a second that all receivers together saw."""
    peers = {id(way.rig.near): way.rig.far, id(way.rig.far): way.rig.near}
    with ExitStack() as stack:
        clients = []
        for host, number in senders:
            peer = peers[id(host)]
            stack.enter_context(_listening(peer, number))
            words = ["iperf3", "-J", "-c", str(peer.addresses[number].ip), "-P", str(flows)]
            words += ["-t", str(seconds)]
            clients.append((host.workloads[number], words))
        running = [stack.enter_context(_process(inside(space, *words))) for space, words in clients]
        reports = [json.loads(process.communicate(timeout=seconds + 30)[0]) for process in running]
    return sum(float(report["end"]["sum_received"]["bits_per_second"]) for report in reports)


def _iperf(
    host: Host, number: int, seconds: int, *words: str, peer: Host
) -> dict[str, dict[str, dict[str, float]]]:
    with _listening(peer, number):
        line = ["iperf3", "-J", "-c", str(peer.addresses[number].ip), "-t", str(seconds), *words]
        found: dict[str, dict[str, dict[str, float]]] = json.loads(
            command(*inside(host.workloads[number], *line))
        )
    return found


@contextmanager
def _listening(host: Host, number: int) -> Iterator[None]:
    space, address = host.workloads[number], str(host.addresses[number].ip)
    with _process(inside(space, "iperf3", "-s", "-1", "-B", address)):
        end = time.monotonic() + PATIENCE_S
        while f":{IPERF_PORT}" not in command(*inside(space, "ss", "-Hltn")):
            if time.monotonic() > end:
                raise RuntimeError(f"iperf3 does not listen in {space}")
        yield


@contextmanager
def _process(words: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@contextmanager
def _busy(way: Way) -> Iterator[dict[str, float]]:
    """Seconds of processor time that pass meanwhile, filled in at the end."""
    found: dict[str, float] = {}
    machine, switches = _machine_s(), way.cpu_ns()
    yield found
    found["machine"] = _machine_s() - machine
    found["switches"] = (way.cpu_ns() - switches) / 1e9


def _machine_s() -> float:
    """Processor time that the machine has spent on anything but waiting."""
    user, nice, system, _idle, _iowait, irq, soft, *_ = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    )
    return (user + nice + system + irq + soft) / TICKS_S
