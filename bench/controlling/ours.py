"""Our control plane: controller, agent and vswitch, and a client that is running already."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from controlling.deployment import (
    Deployment,
    acl_matches,
    address,
    mac,
    port_name,
    router_document,
    switch_name,
    text,
)
from controlling.site import LOAD_S, Site, environment
from tulle.api import connect
from tulle.api.client import Client
from tulle.api.network import Draft
from tulle.errors import TulleError

WORD = r"(?:\x1b\[[0-9;]*m)*"
"""What a terminal is told of colours."""
TULLE = [sys.executable, "-c", "from tulle.cli.main import run; run()"]


class Ours(Site):
    """One node, whose switch and agent run beside the controller."""

    name = "ours"
    network = "big"

    def start(self) -> None:
        """Start everything, empty."""
        self._run("controller", [*TULLE, "controller", "--directory", str(self._controller)], environment())
        vswitch = ["vswitch", "--directory", str(self._vswitch), "--name", "node1"]
        self._run("vswitch", [*TULLE, *vswitch], environment())
        self._start_agent()
        self._wait_until(self._is_registered, "the agent's registration")

    def load(self, deployment: Deployment) -> None:
        """From the file's text to all flows."""
        self.network, self.deployment = deployment.network, deployment
        self._gone: set[tuple[int, int]] = set()
        self.client.apply(text(deployment), "deployment", wait=True, timeout_s=LOAD_S)

    def add_port(self, router: int, switch: int, port: int) -> None:
        """One port more."""
        with self._change() as change:
            change.port(
                port_name(router, switch, port),
                switch=switch_name(router, switch),
                mac=mac(router, switch, port),
                addresses=[address(router, switch, port)],
            )

    def delete_port(self, router: int, switch: int, port: int) -> None:
        """One port less."""
        with self._change() as change:
            change.remove("port", port_name(router, switch, port))

    def add_acl(self, router: int, switch: int, number: int) -> None:
        """One ACL more."""
        with self._change() as change:
            change.acl(
                f"x-{router}-{switch}-{number}",
                direction="to-port",
                switch=switch_name(router, switch),
                priority=2000 + number,
                match=f"tcp,dport={9000 + number}",
                action="allow-related",
            )

    def delete_switch(self, router: int, switch: int) -> None:
        """A switch less, with its ports, ACLs and the router's port."""
        name, gone = switch_name(router, switch), self._gone
        gone.add((router, switch))
        uplinks = router_document(self.deployment, router)["ports"]
        left = [one for one in uplinks if one["switch"] not in {switch_name(*pair) for pair in gone}]
        with self._change() as change:
            for port in range(self.deployment.ports):
                change.remove("port", port_name(router, switch, port))
            for priority, _, _ in acl_matches(self.deployment):
                change.remove("acl", f"a-{router}-{switch}-{priority}")
            change.router(f"r-{router}", ports=left)
            change.remove("switch", name)

    def restart_agent(self) -> None:
        """End the agent and start another one."""
        self._processes.pop("agent").stop()
        self._start_agent()

    def compiled(self) -> float:
        """How many objects the agent compiled for the last change that had any, as its log says."""
        words = re.findall(
            rf"{WORD}objects={WORD}(\d+)", (self.directory / "agent.log").read_text(errors="replace")
        )
        return float(next((one for one in reversed(words) if one != "0"), 0))

    def interface_id(self, deployment: Deployment, port: str) -> str:
        """Network and port."""
        return f"{deployment.network}/{port}"

    @contextlib.contextmanager
    def _change(self) -> Iterator[Draft]:
        """One change, and patience until its flows are in place."""
        with self.client.network(self.network).change() as change:
            yield change
        self.client.wait(change.answer["generations"], LOAD_S)

    @property
    def client(self) -> Client:
        """As a program that runs all the time has it."""
        return connect(self._controller / "api.sock")

    @property
    def switch_database(self) -> str:
        """Beside the switch."""
        return str(self._vswitch / "db.sock")

    @property
    def bridge(self) -> str:
        """For ovs-ofctl."""
        return f"unix:{self._vswitch}/br-int.mgmt"

    @property
    def _controller(self) -> Path:
        return self.directory / "controller"

    @property
    def _vswitch(self) -> Path:
        return self.directory / "vswitch"

    def _start_agent(self) -> None:
        words = ["agent", "--name", "node1", "--address", "127.0.0.1", "--switch", str(self._vswitch)]
        remote = f"unix:{self._controller / 'db.sock'}"
        self._run("agent", [*TULLE, *words, "--controller", remote], environment())

    def _is_registered(self) -> bool:
        with contextlib.suppress(TulleError, OSError):
            return any(one["name"] == "node1" for one in self.client.nodes())
        return False
