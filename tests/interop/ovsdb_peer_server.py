"""Our server as a process, over database files that Debian's `ovsdb-tool` created."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

from ended_process import finish

PYTHON_PATH = str(Path(__file__).parents[2] / "python")
SCHEMAS = {
    "Open_vSwitch": "/usr/share/openvswitch/vswitch.ovsschema",
    "hardware_vtep": "/usr/share/openvswitch/vtep.ovsschema",
    "OVN_Northbound": "/usr/share/ovn/ovn-nb.ovsschema",
}


class PeerServer:
    """`python -m tulle.ovsdb` on a unix socket in a folder."""

    def __init__(self, folder: Path, *databases: str) -> None:
        self.folder = folder
        self.socket = folder / "db.sock"
        self.remote = f"unix:{self.socket}"
        self.files = [folder / f"{name}.db" for name in databases]
        for name, file in zip(databases, self.files, strict=True):
            subprocess.run(["ovsdb-tool", "create", file, SCHEMAS[name]], check=True, timeout=60)
        self.start()

    def start(self) -> None:
        """Start, and wait until it listens."""
        command = [
            sys.executable,
            "-m",
            "tulle.ovsdb",
            f"--remote=punix:{self.socket}",
            *map(str, self.files),
        ]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": PYTHON_PATH},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("listening"), line + self.process.stdout.read()

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop by a signal, if it runs."""
        finish(self.process, number)

    def environment(self) -> dict[str, str]:
        """Tools keep their sockets and logs in the folder."""
        folder = str(self.folder)
        return {
            **os.environ,
            "OVS_RUNDIR": folder,
            "OVN_RUNDIR": folder,
            "OVS_LOGDIR": folder,
            "OVN_LOGDIR": folder,
        }

    def run(self, *command: str, status: int = 0, stdin: IO[str] | None = None) -> str:
        """Run a tool and give its output; it must end as expected, in silence if that is success."""
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, env=self.environment(), stdin=stdin
        )
        assert done.returncode == status and (status or not done.stderr), (command, done)
        return done.stdout if not status else done.stderr
