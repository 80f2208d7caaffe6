"""No packet is sent to a table before what it needs there is in place, nor after it has gone."""

from __future__ import annotations

from tulle.openflow.changes import changes

FLOWS = {f"table={table}": f"cookie=0x1,table={table} actions=drop" for table in (42, 0, 25, 12)}


def test_later_tables_are_filled_first_and_emptied_last() -> None:
    added = changes({}, FLOWS).add
    assert [text.split(" ")[0].rpartition("=")[2] for text in added] == ["42", "25", "12", "0"]
    deleted = changes(FLOWS, {}).delete
    assert list(deleted) == ["table=0", "table=12", "table=25", "table=42"]
