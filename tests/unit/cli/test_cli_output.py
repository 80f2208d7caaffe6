"""What the command line prints: errors, cells, changes and the halves of a trace."""

from __future__ import annotations

import pytest

from tulle.cli import trace
from tulle.cli.context import show_changes
from tulle.cli.output import cell_text, print_error, table
from tulle.errors import InvalidInput, Unavailable


def test_each_complaint_is_an_error_line_of_its_own(capsys):
    print_error(InvalidInput("first\nb.yaml:7: second", where="b.yaml:3"))
    assert capsys.readouterr().err.splitlines() == [
        "error[invalid-input]: b.yaml:3: first",
        "error[invalid-input]: b.yaml:7: second",
    ]


def test_indented_details_belong_to_the_error_before(capsys):
    print_error(Unavailable("too late:\n  node1: has nothing", code="timed-out"))
    assert capsys.readouterr().err.splitlines() == ["error[timed-out]: too late:", "  node1: has nothing"]


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (True, "yes"), (False, "no"), (["a", "b"], "a, b"), ([], "-"), (7, "7")]
)
def test_cells_are_words(value, text):
    assert cell_text(value) == text


def test_names_that_look_like_markup_are_printed_as_they_are(capsys):
    table(["name"], [["[red]x[/red]"]], "empty")
    assert "[red]x[/red]" in capsys.readouterr().out


def test_long_cells_are_not_cut_in_a_pipe(capsys):
    table(["actions"], [["resubmit(,10)," * 30]], "empty")
    assert "resubmit(,10)," * 30 in capsys.readouterr().out


def test_change_of_a_whole_object_is_told_in_brief(capsys):
    new = {"name": "web9", "mac": "02:00:00:00:00:09", "addresses": ["10.0.0.9", "fd00::9"]}
    show_changes([{"kind": "added", "path": "red/ports/web9", "old": None, "new": new}], "none")
    assert "mac 02:00:00:00:00:09, addresses 10.0.0.9/fd00::9" in capsys.readouterr().out


def test_both_halves_of_a_trace_are_drawn_with_stages_tunnel_and_end(capsys):
    step = {"table": 12, "priority": 100, "match": "", "actions": "", "owner": "port red/db1"}
    near = {"node": "node1", "entered": "port red/web1", "steps": [step]}
    last = {"table": 40, "priority": 100, "match": "", "actions": "", "owner": "acl red/no-ssh"}
    far = {"node": "node2", "entered": "tunnel from 172.31.0.1", "steps": [last], "drops": ["by-flow"]}
    near["outputs"] = [{"node": "node2", "tunnel_id": "0x10002"}]
    lost = {"node": "node3", "entered": "tunnel from 172.31.0.1", "failed": "no such tunnel"}
    trace._draw({"network": "red", "port": "web1", "frame": "tcp", "halves": [near, far, lost]})
    said = capsys.readouterr().out
    for word in (
        "node1: entered by port red/web1",
        "switch lookup",
        "port red/db1",
        "=> tunnel to node2 (context 0x10002)",
        "=> dropped by acl red/no-ssh: by-flow",
        "failed: no such tunnel",
    ):
        assert word in said, said


def test_half_without_any_end_says_nowhere(capsys):
    trace._draw(
        {"network": "red", "port": "web1", "frame": "tcp", "halves": [{"node": "n", "entered": "port"}]}
    )
    assert "=> nowhere" in capsys.readouterr().out
