"""`lab up` and `lab down`: builds the data centre, starts its processes, takes all of it away again.

`up` saves what it is going to make before it makes it; so `down` cleans up after a crash at any point.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from tulle.api.client import Client, connect
from tulle.encap import EXCLUSIVE
from tulle.errors import Conflict, InvalidInput, TulleError
from tulle.lab import debian, processes, state, wiring
from tulle.lab.layout import Host, Layout, layout
from tulle.lab.roles import command_of
from tulle.lab.state import Lab
from tulle.lab.waiting import wait_until
from tulle.logical import parse_file
from tulle.values import LabFile, Node

Report = Callable[[str], None]
PATIENCE_S = 60.0
"""How long a machine that does much else may take for a step."""


def up(
    path: Path,
    *,
    name: str | None = None,
    store_cluster: int = 0,
    tls: bool = False,
    debian_switches: Sequence[str] = (),
    report: Report = lambda _: None,
) -> Lab:
    """Builds a lab from a file and waits until its networks are applied on every node.

    `store_cluster`: how many servers keep the databases, and two controllers use them; 0: one controller does.
    `tls`: agents connect to the controller with certificates.
    `debian_switches`: the nodes whose switch is Debian's Open vSwitch.
    """
    state.require_root()
    if tls and store_cluster:
        raise InvalidInput("a lab has TLS or a store cluster, not both")
    text = read(path)
    plan = parse_file(text, str(path), exclusive=EXCLUSIVE)
    laid_out = _lay_out(plan, name or path.stem)
    if unknown := set(debian_switches) - {host.name for host in laid_out.nodes}:
        raise InvalidInput(f"no node {min(unknown)} in this lab, to give it Debian's switch")
    lab = Lab(
        layout=laid_out,
        file=str(path.resolve()),
        store_cluster=store_cluster,
        debian_switches=tuple(debian_switches),
        tls=tls,
    )
    if lab.layout.name in state.names():
        raise Conflict(f"lab {lab.layout.name} exists; `tulle lab down` removes it")
    wiring.check_free(lab.layout)  # before `try`: what `down` removes has to be this lab's own
    try:
        _build(lab, plan, text, report)
    except BaseException as error:
        report("taking down what was built")
        _explain(lab, error)
        down(lab)
        raise
    return lab


def down(lab: Lab) -> None:
    """Ends the processes of a lab and removes its namespaces and files.  May be called again."""
    processes.stop([*lab.processes, *processes.owned(lab.layout.name)])
    wiring.remove(lab.layout)
    shutil.rmtree(lab.directory, ignore_errors=True)
    with contextlib.suppress(OSError):
        lab.directory.parent.rmdir()


def read(path: Path) -> str:
    """The text of a lab file; InvalidInput where it cannot be read."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read the file: {error}", where=str(path)) from None


def client(lab: Lab) -> Client:
    """A client of the lab's controller."""
    return connect(lab.api)


def restart(lab: Lab, role: str) -> None:
    """Ends a process, if it still runs, and starts it again with the same options."""
    old = lab.process(role)
    processes.stop([old])
    namespace, command, log = command_of(lab, role)
    fresh = processes.start(role, command, namespace=namespace, log=log, owner=lab.layout.name)
    lab.processes[lab.processes.index(old)] = fresh
    lab.save()
    host_name, _, part = role.partition("/")
    if part == "vswitch" and host_name in lab.debian_switches:
        host = lab.layout.node(host_name)
        debian.join_underlay(host, host.device, lab.layout.underlay)


def _lay_out(plan: LabFile, name: str) -> Layout:
    if plan.underlay is None or not plan.nodes:
        raise InvalidInput("a lab needs `underlay` and `nodes`; this file has only networks")
    workloads = [
        port.namespace for network in plan.networks for port in network.ports if port.namespace is not None
    ]
    physical = [
        port.localnet for network in plan.networks for port in network.ports if port.localnet is not None
    ]
    return layout(name, underlay=plan.underlay, nodes=plan.nodes, workloads=workloads, physical=physical)


def _build(lab: Lab, plan: LabFile, text: str, report: Report) -> None:
    lab.save()
    report("namespaces and underlay")
    wiring.build(lab.layout)
    if lab.tls:
        report("certificates")
        _certify(lab)
    _start_controllers(lab, report)
    for node in lab.layout.nodes:
        report(f"{node.name}: switch and agent")
        _start_switch(lab, node)
        _start(lab, f"{node.name}/agent", _node(plan, node.name))
    names = {node.name for node in lab.layout.nodes}
    wait_until(lambda: names <= _connected(lab), what="every node to report", limit_s=PATIENCE_S)
    report("networks")
    with client(lab) as tulle:
        tulle.apply(text, lab.file, wait=True, timeout_s=PATIENCE_S)


def _certify(lab: Lab) -> None:
    lab.certificates.create()
    for name in ("controller", *(host.name for host in lab.layout.nodes)):
        lab.certificates.issue(name)


def _start_controllers(lab: Lab, report: Report) -> None:
    if lab.store_cluster:
        report("store cluster")
        lab.cluster.create()
    for role in (*lab.store_roles, *lab.controller_roles):
        report(role)
        _start(lab, role)
    wait_until(lambda: _answers(lab), what="the controller to answer", limit_s=PATIENCE_S)


def _start_switch(lab: Lab, host: Host) -> None:
    if host.name in lab.debian_switches:
        debian.create_database(host)
        _start(lab, f"{host.name}/database")
        debian.start_database(host)
    _start(lab, f"{host.name}/vswitch")
    if host.name in lab.debian_switches:
        debian.join_underlay(host, host.device, lab.layout.underlay)


def _answers(lab: Lab) -> bool:
    with contextlib.suppress(TulleError), client(lab) as tulle:
        tulle.nodes()
        return True
    return False


def _connected(lab: Lab) -> set[str]:
    with client(lab) as tulle:
        return {node["name"] for node in tulle.nodes()}


def _node(plan: LabFile, name: str) -> Node:
    return next(node for node in plan.nodes if node.name == name)


def _start(lab: Lab, role: str, node: Node | None = None) -> None:
    if node is not None:
        directory = Path(lab.layout.node(node.name).directory)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "encapsulations").write_text(",".join(node.encapsulations))
    namespace, command, log = command_of(lab, role)
    lab.processes.append(processes.start(role, command, namespace=namespace, log=log, owner=lab.layout.name))
    lab.save()


def _explain(lab: Lab, error: BaseException) -> None:
    """Adds the last lines of every log to an error of `up`, since the logs go with the lab."""
    if isinstance(error, KeyboardInterrupt):
        return
    for process in lab.processes:
        with contextlib.suppress(OSError):
            lines = Path(process.log).read_text(errors="replace").splitlines()[-15:]
            state_word = "running" if processes.alive(process) else "ended"
            error.add_note("\n".join([f"--- {process.role} ({state_word}), {process.log}", *lines]))
