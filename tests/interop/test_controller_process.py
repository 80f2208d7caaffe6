"""A real controller process: kill -9 loses nothing acknowledged, and Debian's tools read its databases."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from controller_process import EXAMPLE, LIMIT_S, ControllerProcess

from tulle import store
from tulle.api import connect
from tulle.errors import Conflict, InvalidInput, NotFound, TulleError, Unavailable
from tulle.ovsdb import Replica
from tulle.ovsdb.schema import load
from tulle.store import Writer
from tulle.values import Binding, Node

TEXT = EXAMPLE.read_text()


@pytest.fixture
def controller(tmp_path):
    with ControllerProcess(tmp_path / "controller") as process:
        yield process


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """One for all that change nothing."""
    with ControllerProcess(tmp_path_factory.mktemp("empty") / "controller") as process:
        yield process


def dump(controller: ControllerProcess, *words: str) -> str:
    command = ["ovsdb-client", "dump", controller.remote, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT_S).stdout


def test_kill_9_loses_nothing_acknowledged(controller):
    tulle = connect(controller.api)
    tulle.apply(TEXT, "two.yaml")
    acknowledged: list[str] = []
    for run in range(3):
        begun = threading.Event()
        writer = threading.Thread(target=take_snapshots, args=(controller.api, run, acknowledged, begun))
        writer.start()
        assert begun.wait(LIMIT_S)
        controller.kill()
        writer.join(LIMIT_S)
        assert not writer.is_alive()
        controller.start()
        there = {one["name"] for one in tulle.snapshots("red")}
        assert set(acknowledged) <= there, f"lost: {set(acknowledged) - there}"
        assert [one["name"] for one in tulle.networks()] == ["blue", "red"]


def take_snapshots(api: Path, run: int, acknowledged: list[str], begun: threading.Event) -> None:
    """Writes until the controller is gone; `begun` is set after some writes."""
    tulle = connect(api)
    for number in range(100_000):
        name = f"run-{run}-{number}"
        try:
            tulle.snapshot("red", name)
        except TulleError:
            return
        acknowledged.append(name)
        if number == 20:
            begun.set()


def test_numbers_are_the_same_after_a_kill(controller):
    connect(controller.api).apply(TEXT, "two.yaml")
    before = dump(controller, "Tulle_State", "Datapath"), dump(controller, "Tulle_State", "Port_Key")
    controller.kill()
    controller.start()
    assert (
        dump(controller, "Tulle_State", "Datapath"),
        dump(controller, "Tulle_State", "Port_Key"),
    ) == before


def test_state_lost_between_the_databases_is_made_again_at_start(controller):
    connect(controller.api).apply(TEXT, "two.yaml")
    controller.kill()
    (controller.directory / "tulle_state.db").unlink()
    controller.start()
    assert "core" in dump(controller, "Tulle_State", "Datapath")


def test_terminated_controller_leaves_its_databases_only(controller):
    assert controller.kill(signal.SIGTERM) == 0
    left = {path.name for path in controller.directory.iterdir() if not path.name.startswith(".")}
    assert left == {"tulle.db", "tulle_state.db"}


def test_second_controller_in_the_same_directory_is_refused(empty):
    done = empty.tulle("controller", "--directory", str(empty.directory), status=1)
    assert "another server has this database open" in done.stderr
    assert connect(empty.api).networks() == []


def test_debian_tools_read_both_databases(controller):
    connect(controller.api).apply(TEXT, "two.yaml")
    shown = dump(controller, "Tulle")
    for word in ("Logical_Port table", "no-ssh-to-db", '"tcp,dport=22"', '"10.0.1.0/24"', "red-web1"):
        assert word in shown, shown
    assert "Datapath table" in dump(controller, "Tulle_State")


async def test_agents_by_ovsdb_and_users_by_http_see_each_other(controller):
    async with (
        Replica(controller.remote, "Tulle") as intent,
        Replica(controller.remote, "Tulle_State") as state,
    ):
        await intent.wait_until(lambda: intent.connected, LIMIT_S)
        await state.wait_until(lambda: state.connected, LIMIT_S)
        rows = store.source(state)
        writer = Writer(load("tulle_state"))
        for number, spoken in ((1, ("stt", "vxlan")), (2, ("stt", "vxlan")), (3, ("vxlan",))):
            node = Node(f"node{number}", f"172.31.0.{number}", spoken)
            store.write_node(writer, rows, node, {"red": 1, "blue": 1})
        await state.transact(writer.operations)
        tulle = connect(controller.api)
        tulle.apply(TEXT, "two.yaml")
        await intent.wait_until(lambda: len(store.networks(store.source(intent))) == 2, LIMIT_S)
        await state.wait_until(lambda: len(store.tunnels(rows)) == 3 and store.ids(rows).datapaths, LIMIT_S)
        writer = Writer(load("tulle_state"))
        for name, stored in store.networks(store.source(intent)).items():
            for port in stored.network.ports:
                assert port.node is not None
                store.write_binding(writer, rows, Binding(name, port.name, port.node), "t")
        await state.transact(writer.operations)
        tulle.wait({"red": 1, "blue": 1}, LIMIT_S)
    chosen = {(one["local"], one["remote"]): one["encapsulation"] for one in tulle.tunnels()}
    assert chosen == {("node1", "node2"): "stt", ("node1", "node3"): "vxlan", ("node2", "node3"): "vxlan"}
    assert all(one["connected"] for one in tulle.nodes()), tulle.nodes()
    assert all(one["bound"] == one["node"] for one in tulle.ports("red"))


def test_errors_keep_their_kind_over_the_api(controller):
    tulle = connect(controller.api)
    with pytest.raises(InvalidInput) as bad:
        tulle.apply("networks: [{name: Red}]", "bad.yaml")
    assert (bad.value.where or "").startswith("bad.yaml:1")
    with pytest.raises(NotFound):
        tulle.show_network("nothing/../else")
    tulle.apply(TEXT, "two.yaml")
    tulle.snapshot("red", "one")
    with pytest.raises(Conflict):
        tulle.snapshot("red", "one")
    with pytest.raises(Unavailable, match="has not registered"):
        tulle.wait({"red": 1}, 0.05)
    with pytest.raises(InvalidInput, match="timeout"):
        tulle.wait({"red": 1}, -1.0)


REQUESTS = [
    b"\x00\xff\x00\xff\r\n\r\n",
    b"GET /v1/networks HTTP/9.9\r\n\r\n",
    b"POST /v1/apply HTTP/1.1\r\nContent-Length: 5\r\n\r\n{]{]{",
    b'POST /v1/apply HTTP/1.1\r\nContent-Length: 12\r\n\r\n{"text": 17}',
    b"POST /v1/apply HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
    b'POST /v1/wait HTTP/1.1\r\nContent-Length: 29\r\n\r\n{"networks":{"red":1e400000}}\n',
    b"GET /v1/networks/%ff%fe%00 HTTP/1.1\r\n\r\n",
    b"GET /v1/networks/../../etc HTTP/1.1\r\n\r\n",
    b"GET /v1/nonsense HTTP/1.1\r\n\r\n",
    b"PATCH /v1/networks HTTP/1.1\r\n\r\n",
    b"POST /v1/apply HTTP/1.1\r\nContent-Length: 9\r\n\r\n" + b"[" * 9,
]


@pytest.mark.parametrize("request_bytes", REQUESTS)
def test_garbage_on_the_api_socket_is_an_error_and_nothing_else(empty, request_bytes):
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(LIMIT_S)
        peer.connect(str(empty.api))
        peer.sendall(request_bytes)
        peer.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := peer.recv(65536):
            answer += chunk
    assert b" 200 " not in answer.split(b"\r\n")[0], answer
    assert b" 500 " not in answer.split(b"\r\n")[0], answer
    assert connect(empty.api).networks() == []


def test_document_of_a_network_is_json_that_says_where_its_ports_are(controller):
    controller.tulle("apply", "-f", str(EXAMPLE), "--no-wait")
    shown = json.loads(controller.tulle("network", "show", "red", "-o", "json").stdout)
    assert shown["generation"] == 1
    assert {port["name"] for port in shown["network"]["ports"]} >= {"web1", "db1"}
    assert shown["bound"] == {}
