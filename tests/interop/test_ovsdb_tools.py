"""Debian's Open vSwitch tools and the `ovs` package from PyPI against our server, run as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tulle.ovsdb.client import Client
from tulle.ovsdb.events import RowInserted
from tulle.ovsdb.replica import Replica

PYTHON_PATH = str(Path(__file__).parents[2] / "python")


class ServerProcess:
    """`python -m tulle.ovsdb` on a socket and a file in a folder."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "db.sock"
        self.file = folder / "conf.db"
        self.remote = f"unix:{self.socket}"
        self.start()

    def start(self) -> None:
        """Start, and wait until it listens."""
        command = [sys.executable, "-m", "tulle.ovsdb", f"--remote=punix:{self.socket}"]
        command += ["--db", str(self.file), "--schema", "vswitch"]
        environment = {**os.environ, "PYTHONPATH": PYTHON_PATH}
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("listening"), line + self.process.stdout.read()

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop by a signal."""
        self.process.send_signal(number)
        self.process.communicate(timeout=60)

    def run(self, *command: str) -> str:
        """Run a tool and give its output; it must succeed without a word on stderr."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, ""), (command, done)
        return done.stdout

    def vsctl(self, *arguments: str) -> str:
        """Run ovs-vsctl."""
        return self.run("ovs-vsctl", f"--db={self.remote}", "--no-wait", "--timeout=60", *arguments).strip()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path)
    yield process
    if process.process.poll() is None:
        process.stop()
    assert not process.socket.exists() or process.process.returncode != 0, "a clean stop removes the socket"


def test_ovs_vsctl_configures_bridges_and_ports(server):
    server.vsctl("init")
    server.vsctl(
        "add-br", "br0", "--", "add-port", "br0", "p0", "--", "set", "interface", "p0", "type=internal"
    )
    server.vsctl(
        "--may-exist", "add-port", "br0", "p0", "--", "set", "port", "p0", "tag=7", "external_ids:a=b"
    )
    assert server.vsctl("list-ports", "br0") == "p0"
    assert server.vsctl("get", "port", "p0", "tag", "external_ids") == "7\n{a=b}"
    assert "Bridge br0" in server.vsctl("show")
    assert "name                : p0" in server.vsctl("--columns=name", "find", "port", "tag=7")
    server.vsctl("remove", "port", "p0", "external_ids", "a", "--", "clear", "port", "p0", "tag")
    assert server.vsctl("get", "port", "p0", "tag", "external_ids") == "[]\n{}"
    server.vsctl("--if-exists", "del-port", "p1", "--", "del-br", "br0")
    assert server.vsctl("list", "interface") == ""


def test_ovs_vsctl_reports_a_value_outside_its_range(server):
    done = subprocess.run(
        [
            "ovs-vsctl",
            f"--db={server.remote}",
            "--no-wait",
            "--timeout=60",
            "add-br",
            "b",
            "--",
            "set",
            "port",
            "b",
            "tag=5000",
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0 and "5000" in done.stderr, done


def test_ovsdb_client_reads_and_writes(server):
    assert server.run("ovsdb-client", "list-dbs", server.remote) == "Open_vSwitch\n_Server\n"
    schema = json.loads(server.run("ovsdb-client", "get-schema", server.remote, "Open_vSwitch"))
    upstream = json.loads(Path("/usr/share/openvswitch/vswitch.ovsschema").read_text())
    assert {name: sorted(table["columns"]) for name, table in schema["tables"].items()} == {
        name: sorted(table["columns"]) for name, table in upstream["tables"].items()
    }
    operations = ["Open_vSwitch", {"op": "insert", "table": "Open_vSwitch", "row": {"next_cfg": 3}}]
    (result,) = json.loads(server.run("ovsdb-client", "transact", server.remote, json.dumps(operations)))
    assert result["uuid"][1] in server.run("ovsdb-client", "dump", server.remote, "Open_vSwitch")
    server.run("ovsdb-client", "-vconsole:warn", "wait", server.remote, "Open_vSwitch", "connected")


@pytest.mark.parametrize("verb", ["monitor", "monitor-cond", "monitor-cond-since"])
def test_ovsdb_client_monitors(server, verb):
    server.vsctl("init")
    where = [] if verb == "monitor" else ["[true]"]
    known = ["00000000-0000-0000-0000-000000000000"] if verb == "monitor-cond-since" else []
    command = ["ovsdb-client", "--no-headings", "-f", "csv", "-t", "20", verb, server.remote, "Open_vSwitch"]
    command += [*known, *where, "Open_vSwitch", "next_cfg"]
    monitor = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert monitor.stdout is not None
    try:
        assert read_until(monitor, ",initial,")
        server.vsctl("set", "open_vswitch", ".", "next_cfg=41")
        assert read_until(monitor, ",41")
    finally:
        monitor.terminate()
        monitor.communicate(timeout=60)


def read_until(process: subprocess.Popen[str], text: str) -> bool:
    """Read lines until one has the text; fails at the end of the output."""
    seen = []
    assert process.stdout is not None
    for line in process.stdout:
        seen.append(line)
        if text in line:
            return True
    raise AssertionError(f"expected {text!r} in {seen}")


def test_ovsdb_tool_reads_our_file(server):
    server.vsctl("add-br", "br0")
    server.vsctl("set", "bridge", "br0", "other_config:a=b")
    server.stop()
    query = json.dumps(
        ["Open_vSwitch", {"op": "select", "table": "Bridge", "where": [], "columns": ["name"]}]
    )
    assert json.loads(server.run("ovsdb-tool", "query", str(server.file), query)) == [
        {"rows": [{"name": "br0"}]}
    ]
    assert "add-br br0" in server.run("ovsdb-tool", "show-log", str(server.file))


def test_our_server_reads_and_continues_a_file_of_ovsdb_tool(server):
    server.stop()
    server.file.unlink()
    server.run("ovsdb-tool", "create", str(server.file), "/usr/share/openvswitch/vswitch.ovsschema")
    insert = ["Open_vSwitch", {"op": "insert", "table": "Open_vSwitch", "row": {"next_cfg": 9}}]
    server.run("ovsdb-tool", "transact", str(server.file), json.dumps(insert))
    server.start()
    assert server.vsctl("get", "open_vswitch", ".", "next_cfg") == "9"


def test_acknowledged_transactions_survive_kill_9_under_load(server):
    server.vsctl("init")
    acknowledged: list[str] = []
    for round_number in range(5):
        acknowledged += load_until_killed(server, round_number)
        server.start()
        names = stored(server)
        assert set(acknowledged) <= names, f"round {round_number} lost {set(acknowledged) - names}"
    assert len(acknowledged) > 50


def stored(server: ServerProcess) -> set[str]:
    """The names of all bridges."""
    return set(server.vsctl("list-br").split())


def load_until_killed(server: ServerProcess, round_number: int) -> list[str]:
    """Send pipelined inserts, kill the server at some point among them, and give the acknowledged names."""
    names = [f"r{round_number}n{number}" for number in range(400)]
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(server.socket))
    connection.settimeout(60)
    received = b""
    for name in names:
        mutation = {"op": "mutate", "table": "Open_vSwitch", "where": []}
        mutation["mutations"] = [["bridges", "insert", ["named-uuid", "b"]]]
        insert = {"op": "insert", "table": "Bridge", "row": {"name": name}, "uuid-name": "b"}
        message = {"method": "transact", "params": ["Open_vSwitch", insert, mutation], "id": name}
        connection.sendall(json.dumps(message).encode())
    while received.count(b'"id":') < 20 + 40 * round_number:
        received += connection.recv(4096)
    server.stop(signal.SIGKILL)
    while data := receive_rest(connection):
        received += data
    connection.close()
    return [name for name in names if f'"id":"{name}"'.encode() in received]


def receive_rest(connection: socket.socket) -> bytes:
    """What a killed peer had sent."""
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


def test_idl_of_the_ovs_package_follows_and_writes(server):
    import ovs.db.idl

    server.vsctl("add-br", "br0")
    helper = ovs.db.idl.SchemaHelper("/usr/share/openvswitch/vswitch.ovsschema")
    helper.register_table("Bridge")
    idl = ovs.db.idl.Idl(server.remote, helper)

    def wait_for(condition):
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, [row.name for row in idl.tables["Bridge"].rows.values()]
            idl.run()
            time.sleep(0.01)

    def names():
        return sorted(row.name for row in idl.tables["Bridge"].rows.values())

    try:
        wait_for(lambda: names() == ["br0"])
        server.vsctl("add-br", "br1")
        wait_for(lambda: names() == ["br0", "br1"])
        row = next(row for row in idl.tables["Bridge"].rows.values() if row.name == "br0")
        txn = ovs.db.idl.Transaction(idl)
        row.setkey("other_config", "x", "y")
        assert txn.commit_block() == ovs.db.idl.Transaction.SUCCESS, txn.get_error()
        assert server.vsctl("get", "bridge", "br0", "other_config") == "{x=y}"
    finally:
        idl.close()


async def test_replica_follows_reconnects_and_writes(server):
    server.vsctl("add-br", "br0")
    async with Replica(server.remote, "Open_vSwitch", ["Bridge", "Open_vSwitch"]) as replica:
        row = await replica.wait_until(lambda: replica.table("Bridge").find(name="br0"), 20)
        events = []
        replica.subscribe(events.extend)
        txn = replica.transaction()
        txn.update("Bridge", row.uuid, {"other_config": {"a": "b"}})
        await replica.transact(txn)
        assert replica.table("Bridge").rows[row.uuid]["other_config"] == {"a": "b"}
        server.stop(signal.SIGKILL)
        await replica.wait_until(lambda: not replica.connected, 20)
        assert replica.table("Bridge").rows, "the last known rows stay while the server is away"
        server.start()
        server.vsctl("add-br", "br1")
        await replica.wait_until(lambda: replica.table("Bridge").find(name="br1"), 20)
        assert {
            event.row["name"]
            for event in events
            if isinstance(event, RowInserted) and event.table == "Bridge"
        } == {"br1"}


async def test_client_follows_upstreams_server(tmp_path):
    file, sock = tmp_path / "up.db", tmp_path / "up.sock"
    subprocess.run(["ovsdb-tool", "create", file, "/usr/share/openvswitch/vswitch.ovsschema"], check=True)
    environment = {**os.environ, "OVS_RUNDIR": str(tmp_path)}
    process = subprocess.Popen(
        ["ovsdb-server", file, f"--remote=punix:{sock}", "--unixctl=none"],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with Replica(f"unix:{sock}", "Open_vSwitch", {"Bridge": ["name"]}) as replica:
            await replica.wait_until(lambda: replica.connected, 20)
            txn = replica.transaction()
            bridge = txn.insert("Bridge", {"name": "b"})
            txn.insert("Open_vSwitch", {"bridges": [bridge]})
            await replica.transact(txn)
            await replica.wait_until(lambda: replica.table("Bridge").find(name="b"), 20)
        async with await Client.connect(f"unix:{sock}") as client:
            assert await client.databases() == ["Open_vSwitch", "_Server"]
    finally:
        process.terminate()
        process.wait(60)
