"""A real controller process for tests, and the real command line against it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "two-tenants.yaml"
LIMIT_S = 60.0


class ControllerProcess:
    """`tulle controller` in a directory; as a context it is running, and killed at the end."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.api = directory / "api.sock"
        self.remote = f"unix:{directory / 'db.sock'}"
        self.log = directory.with_suffix(".log")
        self.options = ["--remote", "ptcp:0:127.0.0.1"]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ControllerProcess:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [*TULLE, "controller", "--directory", str(self.directory), *self.options]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, env=environment(), stdout=log, stderr=log)
        deadline = time.monotonic() + LIMIT_S
        while not answers(self.api):
            assert self._process.poll() is None, f"ended at once: {self.log.read_text()}"
            assert time.monotonic() < deadline, f"does not answer: {self.log.read_text()}"
            time.sleep(0.01)

    def kill(self, number: int = signal.SIGKILL) -> int:
        """End it with a signal; its exit status."""
        if self._process is None:
            return 0
        self._process.send_signal(number)
        status = self._process.wait(LIMIT_S)
        self._process = None
        return status

    def tulle(self, *words: str, status: int = 0, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command against it; asserts its exit status."""
        done = subprocess.run(
            [*TULLE, *words],
            env=environment(TULLE_API=str(self.api)),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=LIMIT_S * 2,
            check=False,
        )
        said = f"{words}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == status, said
        assert "Traceback" not in done.stderr, said
        return done


TULLE = [sys.executable, "-m", "tulle.cli"]


def environment(**more: str) -> dict[str, str]:
    """The environment in which `tulle` is found, and nothing of the caller's terminal."""
    kept = {name: value for name, value in os.environ.items() if name not in ("TULLE_API", "COLUMNS")}
    return {**kept, "PYTHONPATH": str(ROOT / "python"), **more}


def answers(path: Path) -> bool:
    """Whether somebody listens at a socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0
