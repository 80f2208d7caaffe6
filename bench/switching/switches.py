"""The two switches: ours, and Debian's ovs-vswitchd with its userspace datapath, driven by the same tools.

Each runs in a namespace and a directory of its own; nothing of the host's own Open vSwitch is touched.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from switching.figures import NotYet
from switching.spaces import command, inside

BRIDGE = "br0"
SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
START_S = 30
STOP_S = 10
# What background traffic may leave in an empty flow cache.
FEW_FLOWS = 20


class Process:
    """A program in the background, with its output in a file."""

    def __init__(self, words: list[str], log: Path, environment: dict[str, str]) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **environment},
                # A ctrl-C is for us: we end our children in order.
                process_group=0,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def children(self) -> list[int]:
        """The ids of the processes that it has started."""
        lists = Path(f"/proc/{self.pid}/task").glob("*/children")
        return [int(word) for found in lists for word in found.read_text().split()]

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def check(self) -> None:
        """It must be running."""
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.log.stem} has ended by itself; its log says: {self.tail()}")

    def tail(self) -> str:
        """The end of its output."""
        return self.log.read_text(errors="replace")[-1500:]

    def stop(self) -> None:
        """End it; a second call does nothing."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class Switch(ABC):
    """A switch process with one bridge.  `cpu` pins it to one processor."""

    name: str

    def __init__(self, directory: Path, space: str, cpu: int | None = None) -> None:
        self.directory = directory
        self.space = space
        self.cpu = cpu
        directory.mkdir(parents=True)
        self._processes: list[Process] = []

    @property
    def process(self) -> Process:
        """The one that forwards."""
        return self._processes[-1]

    def start(self) -> None:
        """Start, wait until it answers, and make the bridge."""
        try:
            self._start()
            self._wait_for("ovs-vsctl", f"--db=unix:{self._database}", "--timeout=1", "--no-wait", "show")
            self.vsctl("add-br", BRIDGE, *self._bridge_options)
            self._wait_for("ovs-ofctl", *VERSION, "show", self.target)
        except RuntimeError as error:
            self.stop()
            raise RuntimeError(f"{self.name} does not start: {error}; its log: {self.tail}") from None
        except BaseException:
            self.stop()
            raise

    @abstractmethod
    def _start(self) -> None: ...

    @property
    @abstractmethod
    def _database(self) -> Path: ...

    @property
    @abstractmethod
    def _control(self) -> Path: ...

    # How ovs-appctl is told which datapath.
    _datapath: tuple[str, ...] = ()
    _bridge_options: tuple[str, ...] = ("--", "set", "Bridge", BRIDGE, "fail_mode=secure")

    @property
    def tail(self) -> str:
        """The ends of the logs."""
        return "\n".join(log.read_text(errors="replace")[-1000:] for log in self.directory.glob("*.log"))

    def stop(self) -> None:
        """End all of it; a second call does nothing."""
        while self._processes:
            self._processes.pop().stop()

    def _run(self, log: str, words: list[str], environment: dict[str, str] | None = None) -> None:
        line = inside(self.space, *words, cpu=self.cpu)
        self._processes.append(Process(line, self.directory / f"{log}.log", environment or {}))

    def _wait_for(self, *words: str) -> None:
        def succeeds() -> bool:
            return subprocess.run(words, capture_output=True, timeout=START_S).returncode == 0

        self._wait_until(succeeds, f"an answer to {words[0]}")

    def _wait_until(self, condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + START_S
        while not condition():
            self.process.check()
            if time.monotonic() > end:
                raise RuntimeError(f"{self.name}: waited in vain for {what}")
            time.sleep(0.01)

    @property
    def target(self) -> str:
        """The bridge, for ovs-ofctl."""
        return f"unix:{self.directory}/{BRIDGE}.mgmt"

    def vsctl(self, *words: str) -> str:
        """Run ovs-vsctl, which waits until the switch has done it."""
        return command("ovs-vsctl", f"--db=unix:{self._database}", "--timeout=20", *words).strip()

    def ofctl(self, verb: str, *words: str, timeout_s: float = 120) -> str:
        """Run ovs-ofctl on the bridge, with OpenFlow 1.3 or 1.4."""
        return command("ovs-ofctl", *VERSION, verb, self.target, *words, timeout_s=timeout_s)

    def appctl(self, *words: str) -> str:
        """Run ovs-appctl."""
        return command("ovs-appctl", "-t", str(self._control), *words)

    def add_ports(self, *devices: str) -> None:
        """Attach devices as ports 1, 2, ..."""
        words: list[str] = []
        for number, device in enumerate(devices, 1):
            words += ["--", "add-port", BRIDGE, device, "--", "set", "Interface", device]
            words += [f"ofport_request={number}"]
        self.vsctl(*words[1:])
        for number, device in enumerate(devices, 1):
            given = self.vsctl("get", "Interface", device, "ofport")
            if given != str(number):
                raise RuntimeError(f"{self.name}: port {device} has number {given}, expected {number}")

    def replace_flows(self, *flows: str) -> None:
        """These flows and no others."""
        file = self.directory / "flows.txt"
        file.write_text("".join(f"{flow}\n" for flow in flows))
        self.ofctl("del-flows")
        self.ofctl("add-flows", str(file))

    def cpu_ns(self) -> int:
        """Processor time that the process and its children have used, all threads together."""
        threads = [thread for pid in self._family() for thread in Path(f"/proc/{pid}/task").iterdir()]
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads)

    def memory_mb(self) -> float:
        """Resident memory of the process and its children; what they share counts once."""
        rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self._family()]
        return sum(int(rollup.split("\nPss:")[1].split()[0]) for rollup in rollups) / 1024

    def _family(self) -> list[int]:
        return [self.process.pid, *self.process.children()]

    def forget_cached_flows(self) -> None:
        """Empty the flow cache: at once where the switch can, else by waiting until its entries are too old."""
        try:
            self.appctl("dpctl/del-flows", *self._datapath)
        except RuntimeError:
            self._wait_until(lambda: self.cached_flows() < FEW_FLOWS, "cached flows to be forgotten")

    def cached_flows(self) -> int:
        """How many entries the flow cache has."""
        return int(self.appctl("dpctl/show", *self._datapath).split("flows:")[1].split()[0])


VERSION = ("-O", "OpenFlow13,OpenFlow14")


class Ours(Switch):
    """`tulle vswitch`: a supervisor and the process that forwards, which has the database too."""

    name = "ours"

    def _start(self) -> None:
        command_line = [sys.executable, "-c", "from tulle.cli.main import run; run()", "vswitch"]
        self._run("vswitch", [*command_line, "--directory", str(self.directory), "--name", "bench"])

    def restart(self) -> None:
        """Have the process that forwards replaced by another one."""
        self._replace(lambda _: self.process.signal(signal.SIGHUP))

    def crash(self) -> None:
        """Kill the process that forwards; another one follows."""
        self._replace(lambda worker: os.kill(worker, signal.SIGKILL))

    def _replace(self, end: Callable[[int], None]) -> None:
        workers = self.process.children()
        if len(workers) != 1:
            raise NotYet("nothing replaces a switch process that ends")
        end(workers[0])
        self._wait_until(lambda: self.process.children() not in ([], workers), "another process to forward")

    @property
    def _database(self) -> Path:
        return self.directory / "db.sock"

    @property
    def _control(self) -> Path:
        return self.directory / "vswitchd.ctl"


class Theirs(Switch):
    """ovs-vswitchd, with an ovsdb-server that is not counted."""

    name = "theirs"
    _datapath = ("netdev@ovs-netdev",)
    _bridge_options = (
        *Switch._bridge_options,
        "datapath_type=netdev",
        "protocols=OpenFlow10,OpenFlow13,OpenFlow14",
    )

    # Of the root row, set before the switch starts.
    _root_options: tuple[str, ...] = ()

    def _start(self) -> None:
        database = self.directory / "conf.db"
        if not database.exists():
            command("ovsdb-tool", "create", str(database), str(SCHEMA))
        place = str(self.directory)
        environment = {f"OVS_{what}DIR": place for what in ("RUN", "DB", "SYSCONF", "LOG")}
        server = ["ovsdb-server", str(database), f"--remote=punix:{self._database}", "-vconsole:warn"]
        self._run("ovsdb-server", [*server, f"--unixctl={place}/ovsdb.ctl"], environment)
        self._wait_for("ovs-vsctl", f"--db=unix:{self._database}", "--timeout=5", "--no-wait", "init")
        if self._root_options:
            self.vsctl("--no-wait", "set", "Open_vSwitch", ".", *self._root_options)
        daemon = ["ovs-vswitchd", f"unix:{self._database}", "--disable-system", "-vconsole:warn"]
        self._run("ovs-vswitchd", [*daemon, f"--unixctl={self._control}"], environment)

    @property
    def _database(self) -> Path:
        return self.directory / "db.sock"

    @property
    def _control(self) -> Path:
        return self.directory / "ovs-vswitchd.ctl"


SWITCHES: tuple[type[Switch], type[Switch]] = (Ours, Theirs)
