"""What the tests do to a lab: bring it up from a copy of the example, run commands in it, look into it."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson
from patience import eventually

from tulle.api.client import Client
from tulle.cli.main import run
from tulle.lab import lifecycle, processes, state
from tulle.lab.measure import Probe, ping, run_in
from tulle.lab.state import Lab

EXAMPLE = Path(__file__).parents[2] / "examples" / "two-tenants.yaml"
NODE3 = "  - {name: node3, encapsulations: [vxlan]}\n"
TOR = "  - {name: tor1, encapsulations: [vxlan], external: true}\n"
BLUE = "  # The same once more for the other tenant.\n"
TOR_PORT = """    # An endpoint of another make, reached by VXLAN.
      - name: tor
        switch: web
        node: tor1
        mac: "02:00:00:00:01:14"
        addresses: [10.0.1.14, "fd00:1::14"]
    acls:
"""


def lab_text(prefix: str) -> str:
    """The example with workload namespaces of its own and an external endpoint in network red."""
    text = EXAMPLE.read_text()
    assert NODE3 in text and BLUE in text, "the example has changed; adapt lab_text"
    red, blue = text.replace(NODE3, NODE3 + TOR).split(BLUE)
    red = red.replace("    acls:\n", TOR_PORT, 1)
    return re.sub(r"namespace: (?=red|blue)", f"namespace: {prefix}-", red + BLUE + blue)


class Bench:
    """One lab and its names."""

    def __init__(self, directory: Path, short: str) -> None:
        self.name = f"t{os.getpid()}{short}"
        self.path = directory / f"{self.name}.yaml"
        self.text = lab_text(self.name)
        self.path.write_text(self.text)

    def up(self) -> None:
        lifecycle.up(self.path)

    def down(self) -> None:
        if self.name in state.names():
            lifecycle.down(self.lab)

    @property
    def lab(self) -> Lab:
        return state.load(self.name)

    @property
    def client(self) -> Client:
        return lifecycle.client(self.lab)

    def workload(self, name: str) -> str:
        """The namespace of a workload such as `red-web1`."""
        return f"{self.name}-{name}"

    def node(self, name: str) -> str:
        """The namespace of a node, of the controller or of the underlay."""
        return f"{self.name}.{name}"

    def directory(self, host: str) -> Path:
        return Path(self.lab.layout.directory) / host

    def run(self, namespace: str, *command: str) -> str:
        done = run_in(namespace, command)
        assert done.returncode == 0, (namespace, command, done.stdout, done.stderr)
        return done.stdout

    def tulle(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs the command line against this lab's controller."""
        environment = {**os.environ, "TULLE_API": str(self.lab.api), "COLUMNS": "200"}
        command = [sys.executable, "-m", "tulle.cli", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=90, env=environment, check=False
        )

    def tulle_lab_down(self) -> subprocess.CompletedProcess[str]:
        """Takes the lab down as a user does, by its name."""
        command = [sys.executable, "-m", "tulle.cli", "lab", "down", "--name", self.name]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def here(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What `tulle` gives, run in this process, since one of its own takes half a second to start."""
        out, error = (io.TextIOWrapper(io.BytesIO()) for _ in range(2))
        status: Any = 0
        with (
            patch.dict(os.environ, {"TULLE_API": str(self.lab.api), "COLUMNS": "200"}),
            patch.object(sys, "argv", ["tulle", *arguments]),
            redirect_stdout(out),
            redirect_stderr(error),
        ):
            try:
                run()
            except SystemExit as ended:
                status = ended.code or 0
        said = []
        for stream in (out, error):
            stream.seek(0)
            said.append(stream.read())
        return subprocess.CompletedProcess(arguments, status, *said)

    def json(self, *arguments: str) -> Any:
        done = self.here(*arguments, "-o", "json")
        assert done.returncode == 0, done
        return orjson.loads(done.stdout)

    def pings(self, source: str, target: str, count: int = 3) -> bool:
        """True when every ping from a workload is answered."""
        return ping(Probe(self.workload(source), target), count=count, wait_s=5).received == count

    def wait_pings(self, source: str, target: str) -> None:
        what = f"pings from {source} to {target}"
        eventually(lambda: self.pings(source, target, 1), what)

    def kill(self, role: str) -> None:
        """Ends a process as a crash would."""
        process = self.lab.process(role)
        assert processes.alive(process), role
        os.kill(process.pid, 9)
        eventually(lambda: not processes.alive(process), f"the end of {role}")

    def restart(self, role: str) -> None:
        lifecycle.restart(self.lab, role)

    def dead(self) -> list[str]:
        return [process.role for process in self.lab.processes if not processes.alive(process)]

    def flows(self, node: str) -> list[str]:
        """Flows of a node's switch as ovs-ofctl prints them, with statistics and age."""
        socket = f"unix:{self.directory(node)}/br-int.mgmt"
        done = subprocess.run(
            ["ovs-ofctl", "-O", "OpenFlow13", "dump-flows", socket],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return [line.strip() for line in done.stdout.splitlines() if "cookie=" in line]

    def rules(self, node: str) -> list[str]:
        """The flows without their statistics, sorted."""
        statistics = r"(duration|n_packets|n_bytes|idle_age|hard_age)=[^,]*, ?"
        return sorted(re.sub(statistics, "", flow) for flow in self.flows(node))

    def state(self) -> str:
        """Ends of the logs and the flows, for the report of a failed test."""
        if self.name not in state.names():
            return f"lab {self.name} is not there"
        parts = [f"dead: {self.dead()}"]
        for process in self.lab.processes:
            log = Path(process.log)
            lines = log.read_text(errors="replace").splitlines()[-25:] if log.exists() else ["no log"]
            parts.append("\n".join([f"--- {process.role}", *lines]))
        parts += [
            "\n".join([f"--- flows {host.name}", *self.flows(host.name)]) for host in self.lab.layout.nodes
        ]
        return "\n".join(parts)
