"""`tulle vswitch` as a user starts it."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PATIENCE_S = 60.0


@contextlib.contextmanager
def started(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The switch, in a working directory whose `tulle` is another one."""
    (directory / "tulle.py").write_text("raise SystemExit('not this one')\n")
    words = [sys.executable, "-P", "-m", "tulle.cli", "vswitch", "--directory", str(directory / "run")]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(words, cwd=directory, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def shown(directory: Path, process: subprocess.Popen[bytes]) -> str:
    """What ovs-vsctl shows as soon as there is somebody who answers."""
    socket, deadline = directory / "run" / "db.sock", time.monotonic() + PATIENCE_S
    while not socket.exists():
        assert process.poll() is None, (directory / "log").read_text()
        assert time.monotonic() < deadline, "the switch does not come"
        time.sleep(0.05)
    words = ["ovs-vsctl", f"--db=unix:{socket}", "--timeout=60", "show"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def test_without_a_name_it_starts_answers_and_ends(tmp_path: Path) -> None:
    with started(tmp_path) as process:
        assert "ovs_version" in shown(tmp_path, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
