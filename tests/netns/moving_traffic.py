"""What goes between the origin and the worker of the example of a migration, while a test moves the worker."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lab_bench import Bench
from patience import eventually

EXAMPLE = Path(__file__).parents[2] / "examples" / "migration.yaml"
TRAFFIC = Path(__file__).with_name("live_traffic.py")
ORIGIN, WORKER = "10.9.0.10", "10.9.1.10"


class Migration(Bench):
    """The example with workload namespaces of its own."""

    def __init__(self, directory: Path, short: str = "move") -> None:
        super().__init__(directory, short)
        self.text = re.sub("namespace: (?=farm)", f"namespace: {self.name}-", EXAMPLE.read_text())
        self.path.write_text(self.text)

    def bound(self, port: str = "worker") -> str:
        return str(next(one["bound"] for one in self.client.ports("farm") if one["name"] == port))

    def counted(self, kind: str, name: str) -> int:
        """Packets that an object has counted, on all nodes."""
        rows = self.client.counters("farm")
        return sum(int(row["packets"]) for row in rows if (row["kind"], row["name"]) == (kind, name))


class Side:
    """One process in a workload's namespace."""

    def __init__(self, namespace: str, *words: str, script: Path = TRAFFIC) -> None:
        command = ["nsenter", f"--net=/run/netns/{namespace}", sys.executable, str(script), *words]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def read(self) -> str:
        assert self._child.stdout is not None
        return self._child.stdout.readline().strip()

    def write(self, text: str) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(f"{text}\n")
        self._child.stdin.flush()

    def close(self) -> None:
        self._child.kill()
        self._child.communicate()


class Traffic:
    """Probes both ways once a millisecond, and a download of 50 Mbit a second, both begun by the worker."""

    def __init__(self, lab: Migration, stack: ExitStack) -> None:
        origin, worker = lab.workload("farm-origin"), lab.workload("farm-worker")
        self._probes = [Side(worker, "probe", WORKER, ORIGIN), Side(origin, "probe", ORIGIN, WORKER)]
        self._serving = Side(origin, "serve", ORIGIN)
        for side in (*self._probes, self._serving):
            stack.callback(side.close)
            assert side.read() == "ready"
        self._fetching = Side(worker, "fetch", WORKER, ORIGIN)
        stack.callback(self._fetching.close)
        assert self._fetching.read() == "ready"
        # What the origin sends passes the worker's rules as an answer only.
        before = lab.counted("acl", "probes")
        self._probes[0].write("go")
        eventually(lambda: lab.counted("acl", "probes") > before, "the first probe")
        self._probes[1].write("go")

    def lost(self) -> tuple[int, int, list[str]]:
        """(sent, lost, the first of these), both directions together."""
        for side in self._probes:
            side.write("end")
        sent = [int(side.read().split()[1]) for side in self._probes]
        for side, other in zip(self._probes, reversed(sent), strict=True):
            side.write(str(other))
        said = [side.read() for side in self._probes]
        return sum(sent), sum(int(one.rpartition(" ")[2]) for one in said), said

    def downloaded(self) -> int:
        """The number of bytes that came, as they were sent."""
        self._serving.write("end")
        sent, came = self._serving.read(), self._fetching.read()
        assert sent == came
        return int(sent.split()[1])


@contextmanager
def traffic(lab: Migration) -> Iterator[Traffic]:
    lab.wait_pings("farm-origin", WORKER)
    with ExitStack() as stack:
        yield Traffic(lab, stack)
