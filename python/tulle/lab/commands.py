"""`tulle lab …`: up, down, show, exec, and what one does to a lab to see it survive."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tulle.errors import NotFound
from tulle.lab import lifecycle, processes, state

app = typer.Typer(no_args_is_help=True, help="A whole data centre on this machine, in network namespaces.")
console = Console()

NameOption = Annotated[str | None, typer.Option("--name", help="which lab; not needed while there is one")]


@app.command()
def up(
    file: Annotated[Path, typer.Argument(help="a lab file, such as examples/two-tenants.yaml")],
    name: Annotated[str | None, typer.Option("--name", help="name of the lab; the file's by default")] = None,
    store_cluster: Annotated[
        int, typer.Option("--store-cluster", min=0, max=9, help="keep the databases on so many ovsdb-servers")
    ] = 0,
    tls: Annotated[
        bool, typer.Option("--tls", help="agents connect by TLS, with certificates that it makes")
    ] = False,
    debian_switch: Annotated[
        list[str] | None,
        typer.Option("--debian-switch", help="a node with Debian's Open vSwitch; repeatable"),
    ] = None,
) -> None:
    """Build the lab that a file describes and apply its networks.

    With --store-cluster, two controllers run, of which one is active and the other takes over.

    With --debian-switch, the agent of that node drives Debian's Open vSwitch, with what that can do.

    Example: tulle lab up examples/two-tenants.yaml --store-cluster 3
    """
    with console.status("building") as status:
        lab = lifecycle.up(
            file,
            name=name,
            store_cluster=store_cluster,
            tls=tls,
            debian_switches=debian_switch or (),
            report=status.update,
        )
    console.print(
        f"lab {lab.layout.name} is up; `tulle lab show` lists its parts, `tulle lab down` removes it"
    )


@app.command()
def down(name: NameOption = None) -> None:
    """Remove a lab: processes, namespaces and files.

    Example: tulle lab down
    """
    state.require_root()
    lab = state.load(name)
    with console.status("taking down"):
        lifecycle.down(lab)
    console.print(f"lab {lab.layout.name} is gone")


@app.command()
def show(name: NameOption = None) -> None:
    """List the processes, the workloads and their namespaces.

    Example: tulle lab show
    """
    lab = state.load(name)
    table = Table(
        "process", "pid", "state", "log", title=f"lab {lab.layout.name} ({lab.file})", title_justify="left"
    )
    for process in lab.processes:
        word = "running" if processes.alive(process) else "ended"
        table.add_row(process.role, str(process.pid), word, process.log)
    console.print(table)
    console.print(
        "nodes: " + ", ".join(f"{h.name} ({h.address}, namespace {h.namespace})" for h in lab.layout.nodes)
    )
    console.print("workloads: " + ", ".join(lab.layout.workloads))
    console.print(f"for other shells: export TULLE_API={lab.api}")


@app.command(name="exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def execute(
    place: Annotated[str, typer.Argument(help="a workload's namespace, or a node's name")],
    command: Annotated[list[str], typer.Argument(help="the command, behind --")],
    name: NameOption = None,
) -> None:
    """Run a command inside a workload or a node.

    Example: tulle lab exec red-web1 -- ping -c 3 10.0.1.12
    """
    state.require_root()
    namespace = _namespace(state.load(name), place)
    os.execvp("nsenter", ["nsenter", f"--net=/run/netns/{namespace}", *command])


@app.command()
def kill(
    role: Annotated[str, typer.Argument(help="a process, such as controller or node1/agent")],
    name: NameOption = None,
) -> None:
    """Kill a process of the lab as a crash would (SIGKILL).

    Example: tulle lab kill node2/agent
    """
    process = state.load(name).process(role)
    if not processes.alive(process):
        raise NotFound(f"{role} does not run")
    os.kill(process.pid, signal.SIGKILL)
    console.print(f"{role} (pid {process.pid}) is killed; `tulle lab restart {role}` starts it again")


@app.command()
def restart(
    role: Annotated[str, typer.Argument(help="a process, such as controller or node1/agent")],
    name: NameOption = None,
) -> None:
    """Start a process of the lab again, ending it first where it still runs.

    Example: tulle lab restart node2/agent
    """
    state.require_root()
    lifecycle.restart(state.load(name), role)
    console.print(f"{role} runs again")


def _namespace(lab: state.Lab, place: str) -> str:
    hosts = {host.name: host.namespace for host in lab.layout.hosts}
    found = hosts.get(place, place)
    if found not in lab.layout.namespaces:
        known = ", ".join([*hosts, *lab.layout.workloads])
        raise NotFound(f"no {place!r} in lab {lab.layout.name}; there are: {known}")
    return found
