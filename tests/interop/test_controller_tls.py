"""Agents that come by TLS: a real controller knows them by their certificates and lets them change what is theirs.

The same with the databases on Open vSwitch's own server, to which the controller connects by TLS.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from controller_process import LIMIT_S, ROOT, TULLE, ControllerProcess, environment
from ended_process import finish, wait_for
from ovsdb_command import Authority, OriginalServer, run
from vswitch_process import VswitchProcess, ip

from tulle import store
from tulle.api import connect
from tulle.errors import Unavailable
from tulle.ovsdb import OvsdbError, Replica
from tulle.ovsdb.client import Client
from tulle.ovsdb.tls import Credentials, Tls
from tulle.store import Writer
from tulle.values import Binding, Node

SCHEMAS = ROOT / "python" / "tulle" / "ovsdb" / "schemas"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"), "switchca")


@pytest.fixture
def controller(tmp_path: Path, authority: Authority) -> Iterator[ControllerProcess]:
    process = ControllerProcess(tmp_path / "controller")
    process.options = ["--remote", "pssl:0:127.0.0.1", *authority.options("controller")]
    with process:
        yield process


def secure(controller: ControllerProcess) -> str:
    """Where agents connect to, once it listens there."""
    ports = re.findall(r"pssl:(\d+):127", controller.log.read_text())
    assert ports, controller.log.read_text()
    return f"ssl:127.0.0.1:{ports[-1]}"


def identity(authority: Authority, name: str) -> Tls:
    key, certificate = authority.issue(name)
    given = Credentials(str(key), str(certificate), str(authority.certificate))
    return Tls(lambda: given)


async def followed(stack: AsyncExitStack, remote: str, database: str, tls: Tls | None = None) -> Replica:
    """A replica that is connected."""
    replica = await stack.enter_async_context(Replica(remote, database, tls=tls))
    await replica.wait_until(lambda: replica.connected, LIMIT_S)
    return replica


async def write_everything_of(state: Replica, name: str) -> None:
    """What an agent writes of its node, in one transaction."""
    writer, rows = Writer(state.schema), store.source(state)
    store.write_node(writer, rows, Node(name, "172.31.0.1", ("stt",)), {"red": 1})
    store.write_binding(writer, rows, Binding("red", "web1", name), "tap1")
    counter = {"node": name, "network": "red", "kind": "port", "name": "web1", "packets": 1, "bytes": 60}
    writer.insert("Counter", counter)
    writer.insert("Drop", {"node": name, "reason": "acl", "object": "", "packets": 1})
    await state.transact(writer.operations)


async def refused(replica: Replica, *operations: dict[str, object]) -> None:
    with pytest.raises(OvsdbError) as caught:
        await replica.transact(operations)
    assert caught.value.error == "permission error", caught.value


def new_address(name: str) -> dict[str, object]:
    where = [["name", "==", name]]
    return {"op": "update", "table": "Node", "where": where, "row": {"address": "172.31.0.66"}}


async def refused_what_is_not_of_node1(state: Replica, intent: Replica) -> None:
    drop = {"node": "node2", "reason": "acl", "object": ""}
    await refused(state, new_address("node2"))
    await refused(state, {"op": "delete", "table": "Node", "where": [["name", "==", "node2"]]})
    await refused(state, {"op": "insert", "table": "Drop", "row": drop})
    await refused(state, {"op": "delete", "table": "RBAC_Role", "where": []})
    await refused(intent, {"op": "insert", "table": "Node", "row": {"name": "node3"}})
    await refused(intent, {"op": "insert", "table": "RBAC_Role", "row": {"name": "agent"}})


async def test_an_agent_writes_the_rows_of_its_node_and_no_others(
    controller: ControllerProcess, authority: Authority
) -> None:
    async with AsyncExitStack() as stack:
        user = await followed(stack, controller.remote, "Tulle_State")
        await write_everything_of(user, "node2")
        tls = identity(authority, "node1")
        state = await followed(stack, secure(controller), "Tulle_State", tls)
        intent = await followed(stack, secure(controller), "Tulle", tls)
        await write_everything_of(state, "node1")
        await state.transact([new_address("node1")])
        await refused_what_is_not_of_node1(state, intent)
        addresses = {row["name"]: row["address"] for row in state.table("Node").rows.values()}
    assert addresses == {"node1": "172.31.0.66", "node2": "172.31.0.1"}


async def test_without_a_certificate_of_the_right_authority_nobody_connects(
    controller: ControllerProcess, authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "otherca")
    key, certificate = other.issue("node1")
    stranger = Credentials(str(key), str(certificate), str(authority.certificate))
    nobody = Credentials("", "", str(authority.certificate))
    for given in (stranger, nobody):
        with pytest.raises(Unavailable):
            async with await Client.connect(secure(controller), tls=Tls(lambda given=given: given)) as client:
                await client.databases()
    with pytest.raises(Unavailable):
        async with await Client.connect(secure(controller).replace("ssl:", "tcp:")) as client:
            await client.databases()


async def test_an_agent_does_not_follow_a_controller_of_another_authority(
    controller: ControllerProcess, tmp_path: Path
) -> None:
    doubting = identity(Authority(tmp_path, "otherca"), "node1")
    async with Replica(secure(controller), "Tulle", tls=doubting) as replica:
        told = []
        replica.subscribe(told.append)
        while replica.failure is None:
            await replica.changed()
        assert "certificate verify failed" in str(replica.failure) and not replica.connected and not told


async def test_the_role_outlives_a_restart_and_a_change_of_it_does_not(controller: ControllerProcess) -> None:
    async def permissions() -> dict[str, object]:
        select = {"op": "select", "table": "RBAC_Permission", "where": []}
        async with await Client.connect(controller.remote) as client:
            [found] = await client.transact("Tulle_State", [select])
        return {row["table"]: (row["_uuid"], row["update"]) for row in found["rows"]}

    before = await permissions()
    controller.kill()
    controller.start()
    assert await permissions() == before
    widened = {"op": "update", "table": "RBAC_Permission", "where": [], "row": {"update": "name"}}
    async with await Client.connect(controller.remote) as client:
        await client.transact("Tulle_State", [widened])
    controller.kill()
    controller.start()
    after = await permissions()
    assert {table: update for table, (_, update) in after.items()} == {
        table: update for table, (_, update) in before.items()
    }


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[VswitchProcess]:
    namespace = f"tls-{os.getpid()}"
    ip("netns", "add", namespace)
    try:
        process = VswitchProcess(tmp_path / "switch", namespace)
        yield process
        process.stop()
    finally:
        ip("netns", "del", namespace)


@pytest.fixture
def start_agent(switch: VswitchProcess, authority: Authority, tmp_path: Path) -> Iterator[object]:
    started: list[subprocess.Popen[str]] = []

    def start(remote: str, name: str, certified: str) -> Path:
        """Start `tulle agent` for a node, with a certificate for a name; its log."""
        log = tmp_path / f"agent-{name}.log"
        where = ["--controller", remote, "--switch", str(switch.directory), "--address", "127.0.0.1"]
        command = [*TULLE, "agent", "--name", name, *where, *authority.options(certified)]
        with log.open("w") as output:
            started.append(
                subprocess.Popen(command, env=environment(), stdout=output, stderr=output, text=True)
            )
        return log

    yield start
    for process in started:
        finish(process)


def test_an_agent_process_registers_the_node_of_its_certificate_only(
    controller: ControllerProcess, start_agent
) -> None:
    log = start_agent(secure(controller), "node2", "node1")
    wait_for(lambda: "permission error" in log.read_text())
    log = start_agent(secure(controller), "node1", "node1")
    nodes = wait_for(lambda: connect(controller.api).nodes())
    assert [one["name"] for one in nodes] == ["node1"], log.read_text()


@pytest.fixture
def original(tmp_path: Path, authority: Authority) -> Iterator[OriginalServer]:
    """Open vSwitch's server with both databases, for controllers by TLS, and for whom Tulle_State names."""
    files = []
    for name in ("tulle", "tulle_state"):
        schema = SCHEMAS / f"{name}.ovsschema"
        files.append(str(tmp_path / f"{name}.db"))
        done = run("ovsdb-tool", "create", files[-1], str(schema))
        assert (done.returncode, done.stderr) == (0, ""), done
    remotes = ["--remote=pssl:0:127.0.0.1", "--remote=db:Tulle_State,Global,connections"]
    server = OriginalServer(tmp_path, *remotes, *authority.options("server"), *files)
    yield server
    server.stop()


async def test_roles_hold_on_a_server_of_open_vswitch_that_the_controller_uses_by_tls(
    original: OriginalServer, authority: Authority, tmp_path: Path
) -> None:
    ports = wait_for(lambda: re.findall(r"listening on port (\d+)", original.log()))
    controller = ControllerProcess(tmp_path / "controller")
    controller.options = ["--store", f"ssl:127.0.0.1:{ports[0]}", *authority.options("controller")]
    with controller:
        connection = {"target": "pssl:0:127.0.0.1", "role": "agent"}
        async with AsyncExitStack() as stack:
            user = await followed(stack, original.remote, "Tulle_State")
            remote = [
                {"op": "insert", "table": "Connection", "uuid-name": "c", "row": connection},
                {"op": "insert", "table": "Global", "row": {"connections": ["named-uuid", "c"]}},
            ]
            await user.transact(remote)
            await write_everything_of(user, "node2")
            ports = wait_for(lambda: re.findall(r"listening on port (\d+)", original.log())[1:])
            agents, tls = f"ssl:127.0.0.1:{ports[0]}", identity(authority, "node1")
            state = await followed(stack, agents, "Tulle_State", tls)
            intent = await followed(stack, agents, "Tulle", tls)
            await write_everything_of(state, "node1")
            await refused_what_is_not_of_node1(state, intent)


FAULTS = [
    (["--private-key=k.pem"], "needs all of"),
    (["--private-key=k.pem", "--certificate=c.pem", "--ca-cert=a.pem"], "k.pem"),
    ([], "--private-key"),
]


@pytest.mark.parametrize(("options", "said"), FAULTS)
@pytest.mark.parametrize("process", ["controller", "store", "agent"])
def test_tls_without_its_files_is_refused_at_the_start(
    tmp_path: Path, process: str, options: list[str], said: str
) -> None:
    directory = str(tmp_path / "run")
    words = {
        "controller": ["controller", "--directory", directory, "--remote=pssl:0:127.0.0.1"],
        "store": ["controller", "--directory", directory, "--store=ssl:127.0.0.1:1"],
        "agent": [
            "agent",
            "--name=n",
            "--address=127.0.0.1",
            "--switch",
            directory,
            "--controller=ssl:127.0.0.1:1",
        ],
    }[process]
    done = subprocess.run(
        [*TULLE, *words, *options], env=environment(), capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr, done
