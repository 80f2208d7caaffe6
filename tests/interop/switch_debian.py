"""Debian's Open vSwitch in a directory and a network namespace of its own, with the userspace datapath.

It has the verbs of `VswitchProcess`, so that a test can take one or the other.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from patience import eventually

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
PATIENCE_S = 60


class DebianSwitch:
    """`directory` holds its sockets; `namespace` exists already."""

    version_option = ("-O", "OpenFlow13")
    datapath = ("--", "set", "Bridge", "{bridge}", "datapath_type=netdev")

    def __init__(self, directory: Path, namespace: str) -> None:
        self.directory = directory
        self.namespace = namespace
        self.log = directory / "ovs-vswitchd.log"
        self.processes: list[subprocess.Popen[bytes]] = []
        directory.mkdir(parents=True, exist_ok=True)
        if not (directory / "conf.db").exists():
            self.run("ovsdb-tool", "create", str(directory / "conf.db"), SCHEMA)
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def environment(self) -> dict[str, str]:
        """Where its parts look for each other, and tools for it."""
        folder = str(self.directory)
        return {
            **os.environ,
            **dict.fromkeys(("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"), folder),
        }

    def start(self) -> None:
        """Start both processes, and wait until the switch has taken its configuration."""
        database = self.directory / "db.sock"
        self._spawn(
            *("ovsdb-server", str(self.directory / "conf.db"), f"--remote=punix:{database}"),
            f"--unixctl={self.directory}/ovsdb-server.ctl",
        )
        eventually(database.exists, "the database server to listen")
        self.run("ovs-vsctl", f"--db=unix:{database}", "--no-wait", "init")
        self._spawn(
            *("ovs-vswitchd", f"unix:{database}", "--disable-system"),
            f"--unixctl={self.directory}/vswitchd.ctl",
        )
        eventually((self.directory / "vswitchd.ctl").exists, "ovs-vswitchd to listen")

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End both processes, the switch first."""
        for process in reversed(self.processes):
            process.send_signal(number)
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()

    def add_bridge(self, name: str, *settings: str) -> None:
        """A bridge of the userspace datapath with these columns set."""
        columns = ["--", "set", "Bridge", name, "datapath_type=netdev", *settings]
        self.vsctl("add-br", name, *columns)

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
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_S, env=self.environment
        )
        assert (done.returncode, done.stderr) == (0, ""), (command, done)
        return done.stdout.strip()

    def _spawn(self, *command: str) -> None:
        with self.log.open("a") as log:
            self.processes.append(
                subprocess.Popen(
                    ["ip", "netns", "exec", self.namespace, *command],
                    stdout=log,
                    stderr=log,
                    env=self.environment,
                )
            )
