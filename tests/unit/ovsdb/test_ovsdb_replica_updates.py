"""What servers say of rows, as changes: both forms, differences of sets and maps, and malformed ones."""

from __future__ import annotations

from uuid import UUID

import pytest

from tulle.errors import ProtocolError
from tulle.ovsdb.replica_session import apply
from tulle.ovsdb.replica_updates import (
    ReplicaTable,
    differences,
    parse_changes,
    parse_changes2,
    parse_whole,
)
from tulle.ovsdb.schema import load

ONE, TWO = UUID(int=1), UUID(int=2)
COLUMNS = ("name", "external_ids", "protocols", "datapath_version", "stp_enable")


def bridges() -> dict[str, ReplicaTable]:
    table = ReplicaTable(load("vswitch").table("Bridge"), COLUMNS)
    tables = {"Bridge": table}
    shown = {"name": "br0", "external_ids": ["map", [["a", "1"], ["b", "2"]]], "protocols": "OpenFlow13"}
    apply(tables, parse_changes2(tables, {"Bridge": {str(ONE): {"initial": shown}}}))
    return tables


def modified(json: dict[str, object]) -> dict[str, object]:
    tables = bridges()
    apply(tables, parse_changes2(tables, {"Bridge": {str(ONE): {"modify": json}}}))
    return tables["Bridge"].rows[ONE]


def test_columns_left_out_have_their_defaults():
    row = bridges()["Bridge"].rows[ONE]
    assert (row["stp_enable"], row["datapath_version"]) == (False, "")


def test_difference_of_a_map_adds_changes_and_removes():
    row = modified({"external_ids": ["map", [["a", "1"], ["b", "3"], ["c", "4"]]]})
    assert row["external_ids"] == {"b": "3", "c": "4"}


def test_difference_of_a_set_is_symmetric():
    row = modified({"protocols": ["set", ["OpenFlow13", "OpenFlow10"]]})
    assert row["protocols"] == frozenset({"OpenFlow10"})


def test_single_value_replaces_the_old_one():
    row = modified({"name": "br1", "stp_enable": True})
    assert (row["name"], row["stp_enable"], row["external_ids"]) == ("br1", True, {"a": "1", "b": "2"})


def test_whole_rows_differ_from_known_ones_by_what_changed_only():
    tables = bridges()
    both = {str(ONE): {"initial": {"name": "br0"}}, str(TWO): {"initial": {"name": "new"}}}
    found = differences(tables, parse_whole(tables, {"Bridge": both}))
    assert {(one.uuid, one.old is None) for one in found} == {(ONE, False), (TWO, True)}
    apply(tables, found)
    assert differences(tables, parse_whole(tables, {"Bridge": both})) == []
    assert [one.new for one in differences(tables, {})] == [None, None]


def test_first_form_gives_whole_rows():
    tables = bridges()
    new = {"name": "br9", "external_ids": ["map", []], "protocols": ["set", []]}
    full = {**new, "datapath_version": "", "stp_enable": True}
    (change,) = parse_changes(tables, {"Bridge": {str(ONE): {"old": {"name": "br0"}, "new": full}}})
    assert (change.old["name"], change.new["name"], change.new["stp_enable"]) == ("br0", "br9", True)
    (gone,) = parse_changes(tables, {"Bridge": {str(ONE): {"old": full}}})
    assert gone.new is None


@pytest.mark.parametrize(
    "json",
    [
        [],
        None,
        {"Port": {}},
        {"Bridge": []},
        {"Bridge": {"no-uuid": {"insert": {}}}},
        {"Bridge": {str(ONE): {}}},
        {"Bridge": {str(ONE): []}},
        {"Bridge": {str(ONE): {"insert": None}}},
        {"Bridge": {str(ONE): {"modify": {"nothing": 1}}}},
        {"Bridge": {str(ONE): {"modify": {"name": 7}}}},
        {"Bridge": {str(TWO): {"modify": {"name": "x"}}}},
        {"Bridge": {str(ONE): {"insert": {}, "delete": None}}},
    ],
)
def test_malformed_updates_are_a_protocol_error_and_change_nothing(json):
    tables = bridges()
    before = dict(tables["Bridge"].rows)
    with pytest.raises(ProtocolError):
        parse_changes2(tables, json)
    assert tables["Bridge"].rows == before
