"""Whole networks through the real command line and the Python API: planned, cloned, carried about, watched."""

from __future__ import annotations

import io
import json
import os
import pwd
import sys
import threading
from typing import NamedTuple

import pytest
import yaml
from controller_process import EXAMPLE, LIMIT_S, ControllerProcess

from tulle import connect
from tulle.cli.main import run
from tulle.errors import Conflict, NotFound

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture(scope="module")
def controller(tmp_path_factory):
    with ControllerProcess(tmp_path_factory.mktemp("operations") / "controller") as process:
        yield process


class Said(NamedTuple):
    """What a command printed."""

    stdout: str
    stderr: str


@pytest.fixture
def command(controller, tulle, monkeypatch, capsys):
    """The command line, in this process since it takes long to start."""
    assert tulle.path == controller.api

    def run_it(*words: str, status: int = 0, stdin: str = "", **variables: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["tulle", *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        for name, value in {"TULLE_API": str(controller.api), **variables}.items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run()
            sys.exit(0)
        said = Said(*capsys.readouterr())
        assert (ended.value.code or 0) == status, (words, said)
        return said

    return run_it


@pytest.fixture
def tulle(controller):
    """A client, with red and blue as the example says and nothing else."""
    client = connect(controller.api)
    client.apply(EXAMPLE.read_text(), "two.yaml")
    for one in client.networks():
        if one["name"] not in ("red", "blue"):
            client.delete_network(one["name"])
    return client


def test_a_dry_run_says_what_changes_where_and_who_reaches_whom(command, tmp_path):
    file = tmp_path / "red.yaml"
    command("network", "export", "red", "-f", str(file))
    file.write_text(file.read_text().replace("dport=22", "dport=443"))
    said = command("network", "apply", "-f", str(file), "--dry-run").stdout
    for words in (
        "+2 -2",
        "can newly reach db1, db2: tcp/22",
        "can no longer reach db1, db2: tcp/443",
        "dry run",
    ):
        assert words in said
    plan = json.loads(command("apply", "-f", str(file), "--dry-run", "-o", "json").stdout)["plan"]
    assert [one["node"] for one in plan["nodes"]] == ["node1", "node2", "node3"]
    listed = plan["nodes"][0]["listed"]
    assert {(one["change"], one["object"]) for one in listed} == {
        ("added", "acl red/no-ssh-to-db"),
        ("removed", "acl red/no-ssh-to-db"),
    }
    assert any("tcp_dst=0x1bb" in one["flow"] for one in listed), listed
    assert json.loads(command("network", "diff", "red", "-f", str(EXAMPLE), "-o", "json").stdout) == []


def test_moving_a_port_shows_in_the_plan_of_both_nodes(command):
    plan = yaml.safe_load(command("port", "move", "red", "web1", "node3", "--dry-run", "-o", "yaml").stdout)[
        "plan"
    ]
    ports = {one["node"]: one["ports"] for one in plan["nodes"]}
    assert ports["node1"]["removed"] == ports["node3"]["added"] == ["red/web1"]
    assert plan["reach"] == [{"network": "red", "gained": [], "lost": [], "unknown": None}]


def test_a_file_exported_before_somebody_elses_change_is_refused_with_what_changed(command, tulle, tmp_path):
    file = tmp_path / "red.yaml"
    command("network", "export", "red", "-f", str(file))
    command("port", "move", "red", "web1", "node3", "--no-wait", "-m", "maintenance")
    file.write_text(file.read_text().replace("dport=22", "dport=443"))
    said = command("apply", "-f", str(file), "--no-wait", status=3).stderr
    assert said.startswith("error[changed-meanwhile]: network red")
    assert f"{ME}: move web1 to node3, 1 changed (maintenance)" in said
    assert {one["node"] for one in tulle.ports("red") if one["name"] == "web1"} == {"node3"}


def test_history_tells_who_did_what_and_leads_back(command):
    before = json.loads(command("network", "show", "red", "-o", "json").stdout)
    moved = command("port", "move", "red", "web1", "node3", "--no-wait", "-m", "maintenance").stdout
    undo = moved.split("`")[1].split()
    assert undo == ["tulle", "network", "rollback", "red", "--to", str(before["generation"])]
    (last,) = json.loads(command("network", "history", "red", "--last", "1", "-o", "json").stdout)
    assert (last["by"], last["what"], last["message"]) == (ME, "move web1 to node3", "maintenance")
    command(*undo[1:], "--no-wait")
    after = json.loads(command("network", "show", "red", "-o", "json").stdout)
    assert after["network"] == before["network"]
    assert "move web1 to node3" in command("network", "history", "red").stdout


def test_a_clone_is_another_network_with_the_same_addresses(command, tulle):
    words = ("network", "clone", "red", "copy", "--bind", "web1=node2/copy-web1/eth7", "--no-wait")
    assert "`tulle network delete copy` undoes it" in command(*words).stdout
    red, copy = (tulle.network(name).document for name in ("red", "copy"))
    assert [port["addresses"] for port in copy["ports"]] == [port["addresses"] for port in red["ports"]]
    bound = [port for port in copy["ports"] if port.get("node")]
    assert [(one["name"], one["node"], one["namespace"], one["interface"]) for one in bound] == [
        ("web1", "node2", "copy-web1", "eth7")
    ]
    assert "exists already" in command(*words, status=3).stderr
    assert "PORT=NODE" in command("network", "clone", "red", "x", "--bind", "web1", status=1).stderr


def test_a_network_goes_to_another_controller_in_a_file(command, tulle, tmp_path):
    text = command("network", "export", "red").stdout
    with ControllerProcess(tmp_path / "other") as other:
        bring_in = ("network", "import", "-f", "-", "--no-wait")
        there = {"stdin": text, "TULLE_API": str(other.api)}
        assert "unknown node" in command(*bring_in, status=1, **there).stderr
        command(*bring_in, "--as", "pink", "--unbound", **there)
        pink = connect(other.api).network("pink").document
        command(*bring_in, "--as", "pink", "--unbound", status=3, **there)
    here = tulle.network("red").document
    assert (pink["switches"], pink["acls"]) == (here["switches"], here["acls"])
    assert [port["addresses"] for port in pink["ports"]] == [port["addresses"] for port in here["ports"]]


def test_create_rename_pause_and_resume_read_like_sentences(command, tulle):
    assert "made shop" in command("network", "create", "shop", "--subnet", "10.7.0.0/24", "--no-wait").stdout
    assert "exists already" in command("network", "create", "shop", status=3).stderr
    assert "paused shop" in command("network", "pause", "shop", "--no-wait").stdout
    assert "paused" in command("network", "show", "shop").stdout
    assert "shop is store now" in command("network", "rename", "shop", "store", "--no-wait").stdout
    assert "resumed store" in command("network", "resume", "store", "--no-wait").stdout
    whats = [one["what"] for one in tulle.history("store")]
    assert whats == ["apply create", "pause", "rename shop", "resume"]
    command("network", "diff", "store", "1", "--exit-code")
    command("network", "diff", "store", "2", "--exit-code", status=1)


def test_a_block_of_python_is_one_change(tulle):
    red = tulle.network("red")
    generation = red.show()["generation"]
    with red.change("one more web server") as c:
        c.port("web7", switch="web", node="node2")
        c.acl("no-ssh-to-db", match="tcp,dport=23")
        c.remove("port", "web3")
    assert {one["path"] for one in c.answer["changes"]} == {
        "red/ports/web7",
        "red/ports/web3",
        "red/acls/no-ssh-to-db/match",
    }
    assert red.show()["generation"] == generation + 1
    assert red.history()[-1]["message"] == "one more web server"
    red.rollback(generation)
    assert red.diff(str(generation)) == []


def test_an_exception_in_the_block_changes_nothing(tulle):
    red = tulle.network("red")
    before = red.show()
    with pytest.raises(NotFound, match="web77"), red.change() as c:
        c.port("web7", switch="web")
        c.remove("port", "web77")
    assert red.show() == before


def test_of_two_who_change_at_once_one_wins_and_the_other_is_told(tulle):
    red = tulle.network("red")
    with pytest.raises(Conflict, match="by hand") as lost, red.change("slow") as slow:
        slow.port("web7", switch="web")
        with red.change("by hand") as quick:
            quick.port("web8", switch="web")
    assert lost.value.code == "changed-meanwhile"
    names = {port["name"] for port in red.document["ports"]}
    assert "web8" in names and "web7" not in names


def test_many_who_change_at_once_lose_nothing(tulle):
    """Each tries until it wins; every port that somebody was promised is there."""

    def add(name: str) -> None:
        while True:
            try:
                with tulle.network("red").change() as c:
                    c.port(name, switch="web")
                return
            except Conflict:
                continue

    threads = [threading.Thread(target=add, args=(f"many{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    names = {port["name"] for port in tulle.network("red").document["ports"]}
    assert {f"many{number}" for number in range(4)} <= names


def test_a_new_network_is_made_in_a_block_too(tulle):
    shop = tulle.network("shop")
    assert not shop.exists
    with shop.change() as c:
        c.switch("lan", subnets=["10.7.0.0/24"])
        c.port("till", switch="lan")
    assert shop.document["ports"][0]["addresses"] == ["10.7.0.1"]


def test_a_watcher_hears_of_changes_as_they_are_made(tulle):
    events = tulle.watch("red")
    heard: list[dict[str, object]] = []
    ready = threading.Event()

    def listen() -> None:
        ready.set()
        for event in events:
            heard.append(event)
            if event["event"] == "kept":
                return

    listener = threading.Thread(target=listen)
    listener.start()
    assert ready.wait(LIMIT_S)
    name = None
    while listener.is_alive():
        tulle.move_port("red", "web1", "node3" if name else "node2")
        name = tulle.snapshot("red")["name"]
        listener.join(0.2)
    assert heard[-1]["event"] == "kept"
    assert all(event["network"] == "red" for event in heard)
    assert {"changed", "kept"} >= {str(event["event"]) for event in heard}


def test_the_shell_completes_names(command, tulle):
    def complete(*words: str) -> list[str]:
        typed = {"COMP_WORDS": " ".join(("tulle", *words)), "COMP_CWORD": str(len(words))}
        return command(_TULLE_COMPLETE="complete_bash", **typed).stdout.split()

    assert complete("network", "show", "r") == ["red"]
    assert complete("network", "cl") == ["clone"]
    assert complete("port", "move", "red", "web") == ["web1", "web2", "web3"]
    assert complete("port", "move", "red", "web1", "node") == ["node1", "node2", "node3"]
    tulle.snapshot("red", "completed")
    assert complete("network", "rollback", "red", "comp") == ["completed"]
    assert "1" in complete("network", "rollback", "red", "--to", "")
