"""Names of remotes, and what a row that describes one says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tulle.errors import InvalidInput
from tulle.ovsdb.configured import row_options
from tulle.ovsdb.remote import Remote, RemoteColumn, RemoteOptions, parse_configured, parse_remote
from tulle.ovsdb.table import Row


@pytest.mark.parametrize(
    ("text", "remote"),
    [
        ("unix:/a", Remote(False, path="/a")),
        ("punix:/a:b", Remote(True, path="/a:b")),
        ("tcp:10.0.0.1:1", Remote(False, host="10.0.0.1", port=1)),
        ("tcp:host", Remote(False, host="host", port=6640)),
        ("tcp:[fd00::1]:6641", Remote(False, host="fd00::1", port=6641)),
        ("ssl:[fd00::1]", Remote(False, host="fd00::1", port=6640, secure=True)),
        ("ptcp:", Remote(True, port=6640)),
        ("ptcp:0:127.0.0.1", Remote(True, host="127.0.0.1", port=0)),
        ("pssl:6641:[::]", Remote(True, host="::", port=6641, secure=True)),
    ],
)
def test_a_remote_is_read_as_the_manual_says(text: str, remote: Remote) -> None:
    assert parse_remote(text) == remote
    assert parse_remote(str(remote)) == remote


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "unix:",
            "tcp:",
            "tcp::1",
            "tcp:a:b",
            "tcp:a:65536",
            "tcp:::1:6640",
            "tcp:[::1",
            "tcp:[::1]6640",
        ),
        *("ptcp:x", "ptcp:1:::1", "ptcp:-1", "ptcp:٣", "ssh:a:1", "db:a,b,c", "ptcp:" + "9" * 5000),
    ],
)
def test_what_is_no_remote_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"expected"):
        parse_remote(text)


def test_a_column_of_a_database_can_name_remotes() -> None:
    assert parse_configured("db:D,T,c") == RemoteColumn("D", "T", "c")
    assert str(RemoteColumn("D", "T", "c")) == "db:D,T,c"
    for text in ("db:", "db:D", "db:D,T,", "db:D,T,c,d"):
        with pytest.raises(InvalidInput, match="db:DATABASE,TABLE,COLUMN"):
            parse_configured(text)


@given(st.text(max_size=30) | st.from_regex(r"p?(tcp|ssl|unix):.{0,20}", fullmatch=True))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        remote = parse_remote(text)
    except InvalidInput:
        return
    assert parse_remote(str(remote)) == remote


def test_a_row_gives_times_and_restrictions_and_a_bare_one_the_defaults() -> None:
    row = {"inactivity_probe": 1500, "max_backoff": 200, "role": "agent", "read_only": True}
    assert row_options(Row(row)) == RemoteOptions(1.5, 1.0, "agent", True)
    assert row_options(Row({"target": "ptcp:1", "inactivity_probe": None})) == RemoteOptions()
    assert row_options(Row({"inactivity_probe": -5})).probe_s == 0
