"""OVN from Debian: both databases, northd, controller, and ovs-vswitchd with its userspace datapath.

All of them in a namespace and a directory of their own.  Changes go by an `ovn-nbctl` that runs as a daemon, so
that, as with ours, no start of a client is counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from switching.spaces import command, inside

from controlling.deployment import (
    BACKBONE,
    Deployment,
    acl_matches,
    address,
    mac,
    port_name,
    router_mac,
    switch_name,
)
from controlling.site import LOAD_S, START_S, Site
from tulle.ovsdb.client import Client

OVS_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
PROGRAMS = ("ovn-northd", "ovn-controller", "ovs-vswitchd", "ovsdb-server", "ovn-nbctl")
Operation = dict[str, Any]


class Theirs(Site):
    """One chassis beside the databases."""

    name = "theirs"
    wait_s = LOAD_S
    _daemon = 0

    def start(self) -> None:
        """Start everything, empty."""
        self._databases()
        self._switch()
        self._run(
            "northd",
            ["ovn-northd", self._db("nb", "ovnnb-db"), self._db("sb", "ovnsb-db"), *self._log("northd")],
            self._environment,
        )
        self._start_controller()
        self._wait_until(self._is_registered, "the chassis")
        daemon = ["ovn-nbctl", self._db("nb", "db"), "--no-leader-only", f"--unixctl={self._nbctl}"]
        # Without --detach it would end at once; its own process is found by its pid file.
        pid = self.directory / "nbctl.pid"
        words = inside(self.space, *daemon, "--detach", f"--pidfile={pid}")
        # Its output goes nowhere: a pipe would stay open as long as the daemon lives.
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        environment = {**os.environ, **self._environment}
        subprocess.run(words, env=environment, timeout=START_S, check=True, **quiet)  # type: ignore[call-overload]
        self._daemon = int(pid.read_text())
        self._wait_until(self._nbctl.exists, "the daemon of ovn-nbctl")
        self._nb("--wait=hv", "sync")

    def stop(self) -> None:
        """The daemon first."""
        if self._daemon:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._daemon, signal.SIGTERM)
            self._daemon = 0
        super().stop()

    def load(self, deployment: Deployment) -> None:
        """In one transaction, then wait for the flows."""
        asyncio.run(self._transact(_operations(deployment)))
        self._nb("--wait=hv", "sync")

    def add_port(self, router: int, switch: int, port: int) -> None:
        """One port more."""
        name = port_name(router, switch, port)
        where = f"{mac(router, switch, port)} {address(router, switch, port)}"
        add = ["lsp-add", switch_name(router, switch), name]
        self._nb("--wait=hv", *add, "--", "lsp-set-addresses", name, where)

    def delete_port(self, router: int, switch: int, port: int) -> None:
        """One port less."""
        self._nb("--wait=hv", "lsp-del", port_name(router, switch, port))

    def add_acl(self, router: int, switch: int, number: int) -> None:
        """One ACL more."""
        words = ["to-lport", str(2000 + number), f"tcp.dst=={9000 + number}", "allow-related"]
        self._nb("--wait=hv", "acl-add", switch_name(router, switch), *words)

    def delete_switch(self, router: int, switch: int) -> None:
        """A switch less, with its ports, ACLs and the router's port."""
        name = switch_name(router, switch)
        self._nb("--wait=hv", "ls-del", name, "--", "lrp-del", f"r-{router}-{name}")

    def restart_agent(self) -> None:
        """End ovn-controller without a clean-up of the chassis, and start another one."""
        control = next(self.directory.glob("ovn-controller.*.ctl"))
        command("ovs-appctl", "-t", str(control), "exit", "--restart")
        self._processes.pop("controller").stop()
        self._start_controller()

    def interface_id(self, _deployment: Deployment, port: str) -> str:
        """The port's name."""
        return port

    @property
    def switch_database(self) -> str:
        """Of the chassis."""
        return str(self.directory / "ovs.sock")

    @property
    def bridge(self) -> str:
        """For ovs-ofctl."""
        return f"unix:{self.directory}/br-int.mgmt"

    @property
    def _nbctl(self) -> Path:
        return self.directory / "nbctl.ctl"

    @property
    def _environment(self) -> dict[str, str]:
        place = str(self.directory)
        kinds = ("RUN", "DB", "SYSCONF", "LOG")
        return {f"{prefix}_{kind}DIR": place for prefix in ("OVS", "OVN") for kind in kinds}

    def _db(self, which: str, option: str) -> str:
        return f"--{option}=unix:{self.directory}/{which}.sock"

    def _log(self, name: str) -> list[str]:
        return [f"--unixctl={self.directory}/{name}.ctl", "-vconsole:warn", "-vsyslog:off"]

    def _databases(self) -> None:
        for which, schema in (
            ("nb", "/usr/share/ovn/ovn-nb.ovsschema"),
            ("sb", "/usr/share/ovn/ovn-sb.ovsschema"),
            ("ovs", OVS_SCHEMA),
        ):
            database = self.directory / f"{which}.db"
            command("ovsdb-tool", "create", str(database), schema)
            remote = f"--remote=punix:{self.directory}/{which}.sock"
            self._run(
                f"{which}-db",
                ["ovsdb-server", str(database), remote, *self._log(f"{which}-db")],
                self._environment,
            )
            self._wait_until((self.directory / f"{which}.sock").exists, f"the database {which}")

    def _switch(self) -> None:
        database = f"unix:{self.switch_database}"
        vsctl = ["ovs-vsctl", f"--db={database}", "--no-wait", "--timeout=20"]
        command(*vsctl, "init")
        self._run(
            "vswitchd",
            ["ovs-vswitchd", database, "--disable-system", *self._log("vswitchd")],
            self._environment,
        )
        settings = (
            "external_ids:system-id=node1",
            f"external_ids:ovn-remote=unix:{self.directory}/sb.sock",
            "external_ids:ovn-encap-type=geneve",
            "external_ids:ovn-encap-ip=127.0.0.1",
            "external_ids:ovn-bridge-datapath-type=netdev",
        )
        command(*vsctl, "set", "Open_vSwitch", ".", *settings)
        bridge = [
            "add-br",
            "br-int",
            "--",
            "set",
            "Bridge",
            "br-int",
            "datapath_type=netdev",
            "fail-mode=secure",
        ]
        command(*vsctl, *bridge)
        self._wait_until((self.directory / "br-int.mgmt").exists, "the bridge")

    def _start_controller(self) -> None:
        words = ["ovn-controller", f"unix:{self.switch_database}", "-vconsole:warn", "-vsyslog:off"]
        self._run("controller", words, self._environment)

    def _is_registered(self) -> bool:
        return "node1" in command("ovn-sbctl", self._db("sb", "db"), "--columns=name", "list", "Chassis")

    def _nb(self, *words: str) -> None:
        environment = {**os.environ, **self._environment, "OVN_NB_DAEMON": str(self._nbctl)}
        command(
            "ovn-nbctl", f"--timeout={self.wait_s}", *words, timeout_s=self.wait_s, environment=environment
        )

    async def _transact(self, operations: list[Operation]) -> None:
        async with await Client.connect(f"unix:{self.directory}/nb.sock", lambda *_: None) as client:
            await client.transact("OVN_Northbound", operations)


def missing() -> list[str]:
    """What is not installed of it."""
    return [one for one in PROGRAMS if shutil.which(one) is None]


def _operations(deployment: Deployment) -> list[Operation]:
    """The rows of the deployment."""
    made: list[Operation] = []
    backbone = [
        _insert(
            made, "Logical_Switch_Port", f"b{router}", _router_side(f"b-{router}", f"r-{router}-{BACKBONE}")
        )
        for router in range(deployment.routers)
    ]
    _insert(made, "Logical_Switch", "backbone", {"name": BACKBONE, "ports": _set(backbone)})
    for router, switch in deployment.pairs():
        _switch_rows(made, deployment, router, switch)
    for router in range(deployment.routers):
        _router_rows(made, deployment, router)
    return made


def _switch_rows(made: list[Operation], deployment: Deployment, router: int, switch: int) -> None:
    name, key = switch_name(router, switch), f"{router}x{switch}"
    ports = [
        _insert(
            made,
            "Logical_Switch_Port",
            f"p{key}x{port}",
            {
                "name": port_name(router, switch, port),
                "addresses": f"{mac(router, switch, port)} {address(router, switch, port)}",
            },
        )
        for port in range(deployment.ports)
    ]
    ports.append(
        _insert(made, "Logical_Switch_Port", f"l{key}", _router_side(f"l-{name}", f"r-{router}-{name}"))
    )
    acls = [
        _insert(
            made,
            "ACL",
            f"a{key}x{priority}",
            {
                "direction": "to-lport",
                "priority": priority,
                "match": f"tcp.dst=={port}" if port else "ip4",
                "action": action,
            },
        )
        for priority, action, port in acl_matches(deployment)
    ]
    _insert(made, "Logical_Switch", f"s{key}", {"name": name, "ports": _set(ports), "acls": _set(acls)})


def _router_rows(made: list[Operation], deployment: Deployment, router: int) -> None:
    ports = [
        _router_port(
            made,
            router,
            switch_name(router, switch),
            router_mac(router, switch),
            f"10.{router}.{switch}.1/24",
        )
        for switch in range(deployment.switches)
    ]
    ports.append(_router_port(made, router, BACKBONE, router_mac(router, 255), f"10.255.0.{router + 1}/24"))
    routes = [
        _insert(
            made,
            "Logical_Router_Static_Route",
            f"t{router}x{other}",
            {"ip_prefix": f"10.{other}.0.0/16", "nexthop": f"10.255.0.{other + 1}"},
        )
        for other in range(deployment.routers)
        if other != router
    ]
    row = {"name": f"r-{router}", "ports": _set(ports), "static_routes": _set(routes)}
    _insert(made, "Logical_Router", f"r{router}", row)


def _router_port(made: list[Operation], router: int, switch: str, own_mac: str, network: str) -> list[str]:
    name = f"r-{router}-{switch}"
    row = {"name": name, "mac": own_mac, "networks": network}
    return _insert(made, "Logical_Router_Port", f"q{name.replace('-', 'x')}", row)


def _router_side(name: str, peer: str) -> Operation:
    options = ["map", [["router-port", peer]]]
    return {"name": name, "type": "router", "addresses": "router", "options": options}


def _insert(made: list[Operation], table: str, name: str, row: Operation) -> list[str]:
    made.append({"op": "insert", "table": table, "row": row, "uuid-name": name})
    return ["named-uuid", name]


def _set(members: list[list[str]]) -> list[Any]:
    return ["set", members]
