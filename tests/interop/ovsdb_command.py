"""`tulle ovsdb-server` as a process in a folder, and certificates made with `openssl`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PYTHON_PATH = str(Path(__file__).parents[2] / "python")
PATIENCE_S = 60


def wait_for(condition: Callable[[], object], what: Callable[[], object] = lambda: "nothing more") -> None:
    """Wait until `condition` holds; `what` says how things stand if it never does."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)


class Authority:
    """A certificate authority in a folder; certificates are for names, as `ovs-pki` makes them."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.certificate = folder / f"{name}.pem"
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9"),
            *("-subj", f"/CN={name}", "-keyout", folder / f"{name}-key.pem", "-out", self.certificate),
        )

    def issue(self, name: str) -> tuple[Path, Path]:
        """A private key and a certificate for a common name."""
        key, request = self.folder / f"{name}-key.pem", self.folder / f"{name}.csr"
        certificate = self.folder / f"{name}-{self.name}.pem"
        _openssl(
            *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", f"/CN={name}", "-keyout", key, "-out", request),
        )
        signer = self.folder / f"{self.name}-key.pem"
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", signer),
            *("-CAcreateserial", "-days", "9", "-out", certificate),
        )
        return key, certificate

    def options(self, name: str) -> list[str]:
        """The options of any OVSDB program that make it `name` and trust this authority."""
        key, certificate = self.issue(name)
        return [f"--private-key={key}", f"--certificate={certificate}", f"--ca-cert={self.certificate}"]


def _openssl(*words: object) -> None:
    done = subprocess.run(
        ["openssl", *map(str, words)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


class ServerCommand:
    """A running `tulle ovsdb-server` with a unix socket, a control socket and the given further options."""

    program: tuple[str, ...] = (sys.executable, "-m", "tulle.ovsdb")
    clean_statuses: tuple[int, ...] = (0,)

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.socket = folder / "db.sock"
        self.remote = f"unix:{self.socket}"
        self.control = folder / "db.ctl"
        environment = {**os.environ, "PYTHONPATH": PYTHON_PATH}
        self.process = subprocess.Popen(
            [
                *(*self.program, f"--remote=punix:{self.socket}"),
                *(f"--unixctl={self.control}", *options),
            ],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=(folder / "stderr").open("w"),
            text=True,
        )
        try:
            wait_for(lambda: self.control.exists() or self.process.poll() is not None, self.log)
            self.started()
        except BaseException:
            self.process.kill()
            self.process.communicate(timeout=PATIENCE_S)
            raise

    def started(self) -> None:
        """It must say where it listens."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("listening"), self.log()

    def port(self) -> str:
        """The port of the next remote that was announced."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log()
        return line.split()[-1].split(":")[1]

    def log(self) -> str:
        """What it has said on standard error."""
        return (self.folder / "stderr").read_text()

    def stop(self) -> None:
        """Stop it; it must end cleanly."""
        self.process.terminate()
        self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode in self.clean_statuses, self.log()

    def run(self, *command: str) -> str:
        """Run a tool and give its output; it must succeed."""
        done = run(*command)
        assert done.returncode == 0, (command, done.stdout, done.stderr, self.log())
        return done.stdout.strip()

    def appctl(self, *command: str) -> str:
        """Run ovs-appctl on the control socket."""
        return self.run("ovs-appctl", "--timeout=60", "-t", str(self.control), *command)

    def vsctl(self, *command: str) -> str:
        """Run ovs-vsctl over the unix socket."""
        return self.run("ovs-vsctl", f"--db={self.remote}", "--no-wait", "--timeout=60", *command)


class OriginalServer(ServerCommand):
    """Open vSwitch's own `ovsdb-server`, likewise."""

    program = ("ovsdb-server",)
    clean_statuses = (-signal.SIGTERM,)

    def started(self) -> None:
        """It says nothing, but it must run."""
        assert self.process.poll() is None, self.log()


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end."""
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
