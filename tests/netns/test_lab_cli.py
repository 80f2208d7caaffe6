"""The command line against a running lab: tables, JSON, exit codes, clear errors."""

from __future__ import annotations

import pytest
from lab_bench import Bench

LISTS = [
    ("network", "list"),
    ("network", "show", "red"),
    ("network", "snapshots", "red"),
    ("port", "list"),
    ("node", "list"),
    ("node", "show", "node1"),
    ("tunnel", "list"),
    ("drops",),
    ("counters",),
    ("trace", "red", "web1", "tcp,dst=10.0.2.12,dport=80"),
]


@pytest.mark.parametrize("command", LISTS, ids=" ".join)
def test_a_command_gives_a_table_and_valid_json(lab: Bench, command: tuple[str, ...]) -> None:
    table = lab.here(*command)
    assert table.returncode == 0 and table.stdout.strip(), table
    lab.json(*command)


def test_a_snapshot_a_change_a_diff_and_a_rollback(lab: Bench) -> None:
    before = lab.json("network", "show", "red")["network"]
    assert lab.tulle("network", "snapshot", "red", "good").returncode == 0
    changed = lab.path.with_name("changed.yaml")
    changed.write_text(lab.text.replace("tcp,dport=22", "icmp", 1))
    assert lab.tulle("apply", "-f", str(changed), "--wait").returncode == 0
    assert not lab.pings("red-web1", "10.0.2.12", 1)
    assert "no-ssh-to-db" in lab.tulle("network", "diff", "red", "good").stdout
    assert lab.tulle("network", "rollback", "red", "good", "--wait").returncode == 0
    assert lab.pings("red-web1", "10.0.2.12", 1)
    assert lab.json("network", "show", "red")["network"] == before


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("network", "show", "nowhere"), 1),
        (("network", "rollback", "red", "never"), 1),
        (("port", "move", "red", "nobody", "node1"), 1),
        (("port", "move", "red", "web1", "node9"), 1),
        (("trace", "red", "nobody", "icmp"), 1),
        (("trace", "red", "web1", "no such match"), 1),
        (("apply", "-f", "/nonexistent.yaml"), 1),
        (("network", "nonsense"), 2),
        (("network", "show"), 2),
        (("port", "list", "--nonsense"), 2),
    ],
)
def test_a_wrong_command_ends_with_its_code_and_no_traceback(
    lab: Bench, command: tuple[str, ...], code: int
) -> None:
    done = lab.here(*command)
    assert done.returncode == code, done
    assert done.stderr.strip() and "Traceback" not in done.stderr, done
    if code == 1:
        named = [word for word in command if word in ("nowhere", "never", "nobody", "node9")]
        assert all(word in done.stderr for word in named), done
