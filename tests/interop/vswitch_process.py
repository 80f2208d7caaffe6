"""A `tulle vswitch` process in a network namespace of its own, for the tests of this folder and of netns."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from patience import PATIENCE_S, eventually

Switch = TypeVar("Switch", bound="VswitchProcess")


def ip(*arguments: str) -> str:
    """Run `ip`; it must succeed."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, (arguments, done)
    return done.stdout


class VswitchProcess:
    """`directory` holds its sockets; `namespace` exists already."""

    def __init__(self, directory: Path, namespace: str, *, supervised: bool = False) -> None:
        self._supervised = supervised
        self.directory = directory
        self.namespace = namespace
        self.log = directory.with_suffix(".log")
        self.start()

    def start(self) -> None:
        """Start, and wait until it listens."""
        code = "import sys; from pathlib import Path; from tulle.vswitch.process import Options, main; "
        code += "sys.exit(main(Options(Path(sys.argv[1]), name='node1')))"
        alone = ["-c", code, str(self.directory)]
        words = ["-m", "tulle.vswitch", str(self.directory), "", "node1"] if self._supervised else alone
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, sys.executable, *words],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        eventually(self._answers, f"the switch to answer; its log says {self.log.read_text()[-2000:]}")

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-4000:]
        done = subprocess.run(
            ["ovs-vsctl", f"--db=unix:{self.directory}/db.sock", "--timeout=10", "--no-wait", "show"],
            capture_output=True,
        )
        return done.returncode == 0

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop by a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    @property
    def forwarding_pid(self) -> int:
        """The process that forwards, as the pid file names it."""
        return int((self.directory / "ovs-vswitchd.pid").read_text())

    def vsctl(self, *arguments: str) -> str:
        """Run ovs-vsctl, which waits until the switch has done it; it must succeed without a word."""
        return self.run("ovs-vsctl", f"--db=unix:{self.directory}/db.sock", "--timeout=60", *arguments)

    def ofctl(self, command: str, *arguments: str, bridge: str = "br0") -> str:
        """Run ovs-ofctl on a bridge."""
        target = f"unix:{self.directory}/{bridge}.mgmt"
        return self.run("ovs-ofctl", "-O", "OpenFlow13", command, target, *arguments)

    def appctl(self, *arguments: str) -> str:
        """Run ovs-appctl."""
        return self.run("ovs-appctl", "-t", f"{self.directory}/vswitchd.ctl", *arguments)

    def run(self, *command: str) -> str:
        """Run a tool and give its output."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        assert (done.returncode, done.stderr) == (0, ""), (command, done, self.log.read_text()[-2000:])
        return done.stdout.strip()


@contextmanager
def supervised(kind: type[Switch], directory: Path, space: str) -> Iterator[Switch]:
    """A switch under a supervisor, in a namespace made for it, with a bridge that does nothing by itself."""
    process = None
    ip("netns", "add", space)
    try:
        process = kind(directory, space, supervised=True)
        process.vsctl("add-br", "br0", "--", "set-fail-mode", "br0", "secure")
        yield process
    finally:
        if process is not None and process.process.poll() is None:
            process.stop(signal.SIGKILL)
        ip("netns", "del", space)
