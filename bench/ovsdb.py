"""Speed of our OVSDB server, paired with Debian's ovsdb-server in the same run.

Both serve the same schema on a unix socket from a file that `ovsdb-tool create` made, and one client sends both
the same bytes and only counts what comes back, so it costs little and the same.  Runs alternate between the two.
The rows follow equal semantics: a transaction is on the disk before its reply only where the row says durable.
Prints a table and writes bench/results/ovsdb.json; every ratio is above 1 where ours is better.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results" / "ovsdb.json"
MEMORY, DISK = Path("/dev/shm"), Path("/var/tmp")
END = b"the-end-of-the-answers"
SCHEMA = {
    "name": "Bench",
    "version": "1.0.0",
    "tables": {
        "Port": {
            "columns": {
                "name": {"type": "string"},
                "enabled": {"type": "boolean"},
                "tag": {"type": {"key": {"type": "integer", "minInteger": 0, "maxInteger": 4095}, "min": 0}},
                "addresses": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
                "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
                "peer": {"type": {"key": {"type": "uuid", "refTable": "Port", "refType": "weak"}, "min": 0}},
            },
            "indexes": [["name"]],
            "isRoot": True,
        }
    },
}
COLUMNS = list(SCHEMA["tables"]["Port"]["columns"])  # type: ignore[index]


@dataclass(frozen=True)
class Row:
    """One line of the table: what is measured, its unit, whether more is better, and the promised ratio."""

    title: str
    unit: str
    more: bool
    target: float


ROWS = {
    "single": Row("single-row transactions, one client", "1/s", True, 0.5),
    "durable": Row("the same, each durable, on disk", "1/s", True, 0.5),
    "pipelined": Row("the same, 100 pipelined", "1/s", True, 0.5),
    "monitored": Row("single-row transactions, 100 monitors", "1/s", True, 1.0),
    "bulk": Row("rows inserted in batches of 1,000", "s", False, 0.5),
    "dump": Row("initial monitor dump of all rows", "s", False, 1.0),
    "memory": Row("memory after the inserts", "MB", False, 0.5),
    "memory_dumped": Row("memory after two dumps", "MB", False, 0.5),
    "restart": Row("restart with all rows", "s", False, 0.5),
}


@dataclass(frozen=True)
class Size:
    """How much one run does."""

    singles: int
    durables: int
    monitored: int
    batches: int
    runs: int


FULL, QUICK = Size(3000, 300, 1000, 100, 5), Size(1000, 100, 300, 20, 1)


class Client:
    """A blocking socket that sends prepared bytes and counts answers."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._socket.settimeout(120)

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def ask(self, requests: bytes, answers: int) -> None:
        """Send requests and wait for so many successful answers of a few bytes each."""
        self._socket.sendall(requests)
        data = b""
        while data.count(b'"error":null') < answers:
            data += self._receive()
        if b'"details"' in data:
            raise RuntimeError(f"a transaction failed: {data[:500]!r}")

    def ask_much(self, request: bytes) -> int:
        """Send a request, wait for all of its answer, and give the answer's bytes."""
        echo = orjson.dumps({"method": "echo", "params": [END.decode()], "id": "end"})
        self._socket.sendall(request + echo)
        size, tail = 0, b""
        while END not in tail:
            data = self._receive()
            size += len(data)
            tail = (tail + data)[-200:]
        return size

    def _receive(self) -> bytes:
        data = self._socket.recv(1 << 20)
        if not data:
            raise RuntimeError("the server hung up")
        return data


class Peer:
    """A server process on a database file of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.file, self.socket = folder / f"{name}.db", folder / f"{name}.sock"
        schema = folder / f"{name}.ovsschema"
        schema.write_bytes(orjson.dumps(SCHEMA))
        subprocess.run(["ovsdb-tool", "create", self.file, schema], check=True)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Run until it answers; the seconds that took."""
        begun = time.perf_counter()
        self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while True:
            try:
                client = Client(self.socket)
                break
            except OSError:
                if self._process.poll() is not None or time.perf_counter() - begun > 60:
                    raise RuntimeError(f"{self.name} does not start") from None
                time.sleep(0.002)
        client.ask(orjson.dumps({"method": "list_dbs", "params": [], "id": 0}), 1)
        client.close()
        return time.perf_counter() - begun

    def _command(self) -> list[str]:
        remote = f"punix:{self.socket}"
        if self.name == "ours":
            return [sys.executable, "-m", "tulle.ovsdb", str(self.file), f"--remote={remote}"]
        return ["ovsdb-server", str(self.file), f"--remote={remote}", "--unixctl=none", "-vconsole:off"]

    def stop(self) -> None:
        """End it; a second call does nothing."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None
            self.socket.unlink(missing_ok=True)

    def memory_mb(self) -> float:
        """Its resident memory."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


def row(number: int) -> dict[str, Any]:
    """A row as a logical port has it."""
    return {
        "name": f"port-{number}",
        "enabled": True,
        "tag": number % 4096,
        "addresses": ["set", [f"02:00:00:00:{number >> 8 & 255:02x}:{number & 255:02x}", f"10.0.{number}"]],
        "external_ids": ["map", [["network", "red"], ["owner", f"tenant-{number % 100}"]]],
    }


def transaction(numbers: range, durable: bool = False) -> bytes:
    """The request that inserts the rows of these numbers."""
    operations: list[Any] = [{"op": "insert", "table": "Port", "row": row(number)} for number in numbers]
    if durable:
        operations.append({"op": "commit", "durable": True})
    return orjson.dumps({"method": "transact", "params": ["Bench", *operations], "id": numbers.start})


def monitor() -> bytes:
    """The request that follows all rows."""
    params = ["Bench", "all", {"Port": [{"columns": COLUMNS}]}]
    return orjson.dumps({"method": "monitor_cond", "params": params, "id": "monitor"})


@contextmanager
def monitors(path: Path, count: int, last: int) -> Iterator[Callable[[], object]]:
    """Clients that follow all rows, in a process of their own that reads and throws away.

    Gives a function that waits until all of them have seen the row of the number `last`.
    """
    ready, done = multiprocessing.Event(), multiprocessing.Event()
    process = multiprocessing.Process(target=_follow, args=(path, count, last, ready, done), daemon=True)
    process.start()
    try:
        if not ready.wait(60):
            raise RuntimeError("monitors do not start")
        yield lambda: done.wait(60)
    finally:
        process.terminate()
        process.join()


def _follow(path: Path, count: int, last: int, ready: Any, done: Any) -> None:
    clients = [Client(path) for _ in range(count)]
    poll = select.epoll()
    for client in clients:
        client.ask_much(monitor())
        poll.register(client, select.EPOLLIN)
    ready.set()
    tails = {client.fileno(): b"" for client in clients}
    name = f'"port-{last}"'.encode()
    while tails:
        for descriptor, _ in poll.poll():
            data = tails[descriptor] + os.read(descriptor, 1 << 20)
            if name in data:
                poll.unregister(descriptor)
                del tails[descriptor]
            else:
                tails[descriptor] = data[-len(name) :]
    done.set()


def ask_each(client: Client, requests: list[bytes], answers: int = 1) -> None:
    """Send each request after the last one's answer."""
    for request in requests:
        client.ask(request, answers)


def rate(client: Client, requests: list[bytes], answers: int = 1) -> float:
    """Answers a second when each request is sent after the last one's answer."""
    begun = time.perf_counter()
    ask_each(client, requests, answers)
    return len(requests) * answers / (time.perf_counter() - begun)


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def singles(peer: Peer, size: Size) -> dict[str, float]:
    """Small transactions from one client, alone and with monitors."""
    client = Client(peer.socket)
    place = iter(range(10_000_000, 100_000_000, 100_000))
    start = next(place)
    client.ask(transaction(range(start, start + 1)), 1)
    numbers = [range(n, n + 1) for n in range(start + 1, start + 1 + size.singles)]
    found = {"single": rate(client, [transaction(number) for number in numbers])}
    start = next(place)
    hundreds = [range(n, n + 100) for n in range(start, start + size.singles, 100)]
    pipelines = [b"".join(transaction(range(n, n + 1)) for n in hundred) for hundred in hundreds]
    found["pipelined"] = rate(client, pipelines, 100)
    start = next(place)
    last = start + size.monitored - 1
    requests = [transaction(range(n, n + 1)) for n in range(start, last + 1)]
    with monitors(peer.socket, 100, last) as wait_for_all:
        begun = time.perf_counter()
        ask_each(client, requests)
        wait_for_all()
        found["monitored"] = size.monitored / (time.perf_counter() - begun)
    client.close()
    return found


def durable(peer: Peer, size: Size) -> dict[str, float]:
    """Small transactions that are on the disk before their answer."""
    client = Client(peer.socket)
    requests = [transaction(range(n, n + 1), durable=True) for n in range(size.durables)]
    found = rate(client, requests)
    client.close()
    return {"durable": found}


def bulk(peer: Peer, size: Size) -> dict[str, float]:
    """Many rows: inserted, dumped, loaded again."""
    client = Client(peer.socket)
    batches = [transaction(range(n, n + 1000)) for n in range(0, size.batches * 1000, 1000)]
    found = {"bulk": seconds(lambda: ask_each(client, batches))}
    found["memory"] = peer.memory_mb()
    dumps = []
    for _ in range(2):
        other = Client(peer.socket)
        begun = time.perf_counter()
        other.ask_much(monitor())
        dumps.append(time.perf_counter() - begun)
        other.close()
    found["dump"] = dumps[0]
    found["memory_dumped"] = peer.memory_mb()
    extra = [transaction(range(n, n + 1)) for n in range(5_000_000, 5_000_000 + size.batches * 50)]
    for place in range(0, len(extra), 100):
        client.ask(b"".join(extra[place : place + 100]), len(extra[place : place + 100]))
    client.close()
    peer.stop()
    found["restart"] = peer.start()
    return found


PHASES: list[tuple[Path, Callable[[Peer, Size], dict[str, float]]]] = [
    (MEMORY, singles),
    (DISK, durable),
    (MEMORY, bulk),
]


def measure(console: Console, size: Size) -> dict[str, dict[str, list[float]]]:
    """Figure -> peer -> one value a run."""
    found: dict[str, dict[str, list[float]]] = {name: {"theirs": [], "ours": []} for name in ROWS}
    for number in range(size.runs):
        for place, phase in PHASES:
            for name in ("theirs", "ours") if number % 2 else ("ours", "theirs"):
                with console.status(f"run {number + 1} of {size.runs}: {phase.__name__}, {name}"):
                    figures = run(place, phase, name, size)
                for figure, value in figures.items():
                    found[figure][name].append(value)
    return found


def run(
    place: Path, phase: Callable[[Peer, Size], dict[str, float]], name: str, size: Size
) -> dict[str, float]:
    """One phase against one fresh server."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="tulle-bench-", dir=place))
        stack.callback(shutil.rmtree, folder)
        peer = Peer(name, folder)
        stack.callback(peer.stop)
        peer.start()
        return phase(peer, size)


def ratios(found: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, Any]]:
    """The median of the ratios of each run, above 1 where ours is better."""
    out = {}
    for name, line in ROWS.items():
        pairs = zip(found[name]["ours"], found[name]["theirs"], strict=True)
        runs = [ours / theirs if line.more else theirs / ours for ours, theirs in pairs]
        value = round(statistics.median(runs), 3)
        out[f"ovsdb_{name}"] = {
            "value": value,
            "target": line.target,
            "better": "higher",
            "runs": [round(run, 3) for run in runs],
        }
    return out


def table(found: dict[str, dict[str, list[float]]], size: Size) -> Table:
    """What was found, for people."""
    out = Table(title=f"OVSDB, {size.batches * 1000:,} rows, medians of {size.runs}")
    for heading in ("", "unit", "ovsdb-server", "ours", "ratio", "target", "spread of ratio"):
        out.add_column(heading, justify="left" if not heading else "right")
    for name, line in ROWS.items():
        theirs, ours = (statistics.median(found[name][peer]) for peer in ("theirs", "ours"))
        ratio = ratios(found)[f"ovsdb_{name}"]
        style = "green" if ratio["value"] >= line.target else "red"
        out.add_row(
            line.title,
            line.unit,
            _figure(theirs),
            _figure(ours),
            f"[{style}]{ratio['value']:.2f}[/]",
            f"{line.target:g}",
            f"{min(ratio['runs']):.2f} to {max(ratio['runs']):.2f}",
        )
    return out


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 20 else f"{value:.2f}"


def main() -> int:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small run, under a minute, without results")
    parser.add_argument("--runs", type=int, help="how many runs")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    if options.runs:
        size = Size(size.singles, size.durables, size.monitored, size.batches, options.runs)
    console = Console()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    found = measure(console, size)
    console.print(table(found, size))
    if not options.quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_bytes(orjson.dumps({"ratios": ratios(found)}, option=orjson.OPT_INDENT_2) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
