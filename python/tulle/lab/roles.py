"""What each process of a lab is: its namespace, its command line and its log."""

from __future__ import annotations

import sys
from pathlib import Path

from tulle.lab import debian
from tulle.lab.layout import Host
from tulle.lab.state import Lab

DATABASE_PORT = 6640
Started = tuple[str, list[str], Path]


def command_of(lab: Lab, role: str) -> Started:
    """Namespace, command line and log file of the process with a role, such as `node1/agent`."""
    if role in lab.controller_roles:
        return _controller(lab, role)
    if role in lab.store_roles:
        index = lab.store_roles.index(role) + 1
        log = lab.cluster.server_directory(index) / "log"
        return lab.layout.controller.namespace, lab.cluster.command(index), log
    host_name, _, part = role.partition("/")
    host = lab.layout.node(host_name)
    log = Path(host.directory) / f"{part}.log"
    if part == "database":
        return host.namespace, debian.database_command(host), log
    if part == "vswitch" and host.name in lab.debian_switches:
        return host.namespace, debian.switch_command(host), log
    if part == "vswitch":
        options = ["--directory", host.directory, "--name", host.name]
        return host.namespace, [*_TULLE, "vswitch", *options], log
    return host.namespace, [*_TULLE, "agent", *_agent_options(lab, host)], log


_TULLE = [sys.executable, "-m", "tulle.cli"]


def _controller(lab: Lab, role: str) -> Started:
    host = lab.layout.controller
    command = [*_TULLE, "controller", "--directory", host.directory]
    if lab.store_cluster:
        # All share the socket: whichever is active has it.
        return (
            host.namespace,
            [*command, "--store", lab.cluster.remotes],
            Path(host.directory) / f"{role}.log",
        )
    remote = f"{'pssl' if lab.tls else 'ptcp'}:{DATABASE_PORT}:{host.socket_address}"
    return (
        host.namespace,
        [*command, "--remote", remote, *_tls(lab, "controller")],
        Path(host.directory) / "log",
    )


def _agent_options(lab: Lab, host: Host) -> list[str]:
    encapsulations = (Path(host.directory) / "encapsulations").read_text()
    identity = ["--name", host.name, "--address", host.address, "--encapsulations", encapsulations]
    for name, device in lab.layout.physical_devices().items():
        identity += ["--physical", f"{name}={device}"]
    return [*identity, "--controller", _databases(lab), "--switch", host.directory, *_tls(lab, host.name)]


def _tls(lab: Lab, name: str) -> list[str]:
    return lab.certificates.options(name) if lab.tls else []


def _databases(lab: Lab) -> str:
    """Where agents find the databases."""
    if lab.store_cluster:
        return lab.cluster.remotes
    return f"{'ssl' if lab.tls else 'tcp'}:{lab.layout.controller.socket_address}:{DATABASE_PORT}"
