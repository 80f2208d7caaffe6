"""The real `tulle` command against a real controller; no agents, so changes are not waited for."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest
from controller_process import EXAMPLE, LIMIT_S, TULLE, ControllerProcess, environment


@pytest.fixture(scope="module")
def controller(tmp_path_factory):
    with ControllerProcess(tmp_path_factory.mktemp("cli") / "controller") as process:
        process.tulle("apply", "-f", str(EXAMPLE), "--no-wait")
        yield process


def run_alone(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TULLE, *words],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("network", "list"), ["red", "blue", "generation"]),
        (
            ("network", "show", "red"),
            ["network red", "MTU 1500", "10.0.1.0/24", "no-ssh-to-db", "tcp,dport=22", "switch db"],
        ),
        (("port", "list", "red"), ["web1", "02:00:00:00:01:11", "node1"]),
        (("node", "list"), ["node3", "vxlan", "declared"]),
        (("node", "show", "node3"), ["node node3, declared", "does not say"]),
        (("tunnel", "list"), ["no tunnels"]),
        (("drops",), ["no drops"]),
        (("counters", "red"), ["no counters"]),
        (("apply", "-f", str(EXAMPLE), "--dry-run"), ["nothing to change", "dry run"]),
    ],
)
def test_answers_for_people_are_plain_tables_without_colours(controller, words, expected):
    said = controller.tulle(*words).stdout
    for word in expected:
        assert word in said
    assert "\x1b" not in said


@pytest.mark.parametrize(
    "words",
    [
        ("network", "list"),
        ("network", "show", "blue"),
        ("network", "snapshots", "blue"),
        ("port", "list"),
        ("node", "list"),
        ("tunnel", "list"),
        ("drops",),
        ("counters",),
        ("apply", "-f", str(EXAMPLE), "--dry-run"),
    ],
)
def test_answers_for_programs_are_json_and_nothing_else(controller, words):
    if "snapshots" in words:
        controller.tulle("network", "snapshot", "blue")
    said = controller.tulle(*words, "-o", "json")
    assert isinstance(json.loads(said.stdout), list | dict)
    assert said.stderr == ""


def test_snapshot_damage_diff_and_rollback_read_like_a_story(controller):
    assert "as before-damage" in controller.tulle("network", "snapshot", "red", "before-damage").stdout
    moved = controller.tulle("port", "move", "red", "web1", "node3", "--no-wait").stdout
    assert "red/ports/web1/node" in moved
    difference = json.loads(controller.tulle("network", "diff", "red", "before-damage", "-o", "json").stdout)
    assert difference == [{"kind": "changed", "path": "red/ports/web1/node", "old": "node1", "new": "node3"}]
    controller.tulle("network", "rollback", "red", "before-damage", "--no-wait")
    assert "no difference" in controller.tulle("network", "diff", "red", "before-damage").stdout
    listed = controller.tulle("network", "snapshots", "red").stdout
    assert "before-damage" in listed
    assert "before-rollback-" in listed


def test_deleting_tells_how_to_undo_it(controller):
    text = "networks: [{name: short, switches: [{name: s, subnets: [10.7.0.0/24]}]}]"
    controller.tulle("apply", "-f", "-", "--no-wait", stdin=text)
    said = controller.tulle("network", "delete", "short", "--no-wait").stdout
    undo = said.split("`")[1].split()
    assert undo[:3] == ["tulle", "network", "rollback"]
    controller.tulle(*undo[1:], "--no-wait")
    assert "10.7.0.0/24" in controller.tulle("network", "show", "short").stdout


def test_bad_file_is_refused_with_each_line_and_changes_nothing(controller, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(EXAMPLE.read_text().replace("10.0.1.11", "10.9.1.11").replace("dport=22", "dport=77777"))
    before = controller.tulle("network", "show", "red", "-o", "json").stdout
    said = controller.tulle("apply", "-f", str(bad), status=1).stderr.splitlines()
    assert len(said) > 1
    assert all(one.startswith(f"error[invalid-input]: {bad}:") for one in said), said
    assert controller.tulle("network", "show", "red", "-o", "json").stdout == before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("network", "show", "rde"), "error[not-found]: no network 'rde'; did you mean 'red'?"),
        (("port", "move", "red", "web1", "node9"), "error[not-found]: no node 'node9'"),
        (("apply", "-f", "/nowhere.yaml"), "error[invalid-input]: /nowhere.yaml: cannot read the file"),
        (("trace", "red", "web1", "tpc"), "error[invalid-input]: match, position 1"),
        (
            ("trace", "red", "db1", "tcp,dst=10.0.1.11,dport=80"),
            "error[conflict]: port red/db1 is bound to no node",
        ),
        (("apply", "-f", str(EXAMPLE), "--timeout", "0.1"), "error[timed-out]: not applied everywhere"),
    ],
)
def test_errors_are_one_line_with_a_code_and_status_1(controller, words, expected):
    assert expected in controller.tulle(*words, status=1).stderr


@pytest.mark.parametrize(
    "words", [("nonsense",), ("network", "show"), ("apply",), ("network", "list", "-o", "xml"), ("node",)]
)
def test_wrong_usage_is_status_2(controller, words):
    controller.tulle(*words, status=2)


def test_without_a_controller_the_error_says_where_it_was_looked_for(tmp_path):
    done = run_alone("network", "list", TULLE_API=str(tmp_path / "nobody"))
    assert done.returncode == 1
    assert done.stderr.startswith("error[unavailable]: no controller answers at")


@pytest.mark.parametrize(
    "words", [(), ("network",), ("port",), ("lab",), ("apply",), ("controller",), ("agent",)]
)
def test_every_command_has_help(words):
    done = run_alone(*words, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_help_imports_nothing_heavy():
    code = "import sys, tulle.cli.main; print(*sys.modules)"
    done = subprocess.run(
        [TULLE[0], "-c", code], env=environment(), capture_output=True, text=True, timeout=LIMIT_S, check=True
    )
    loaded = set(done.stdout.split())
    heavy = {"aiohttp", "pyroute2", "yaml", "tulle._native", "tulle.controller", "tulle.ovsdb", "rich.table"}
    assert not heavy & loaded


def test_interrupting_a_wait_ends_it_quietly(controller):
    command = [*TULLE, "apply", "-f", str(EXAMPLE)]
    variables = environment(TULLE_API=str(controller.api))
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()  # what changes is said before the wait begins
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130, said
    assert b"Traceback" not in said
