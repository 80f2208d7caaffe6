"""Counters outlive the flows that count."""

from __future__ import annotations

from tulle.agent.tally import Tally, write_tally
from tulle.openflow import DumpedFlow
from tulle.ovsdb import Database, schema
from tulle.store import Writer, source

OWNERS = {1: "port red/web", 2: "acl red/rule"}
KEY = ("red", "port", "web")
IN, OUT, RULE = "cookie=0x1,table=0,in_port=1", "cookie=0x1,table=41,reg15=0x1", "cookie=0x2,table=63,tcp"


def flow(match: str, packets: int, age_s: float = 1.0) -> DumpedFlow:
    return DumpedFlow(f"{match} actions=resubmit(,10)", packets, packets * 100, age_s)


def test_what_a_flow_had_counted_stays_when_it_goes() -> None:
    tally = Tally()
    tally.note([flow(IN, 5), flow(OUT, 3), flow(RULE, 2)], OWNERS)
    assert tally.counts() == {KEY: (8, 800), ("red", "acl", "rule"): (2, 200)}
    tally.note([flow(OUT, 4, 2.0)], {})
    assert tally.counts()[KEY] == (9, 900)
    tally.note([], {})
    assert tally.counts()[KEY] == (9, 900)


def test_a_flow_that_begins_anew_adds_to_what_was() -> None:
    tally = Tally()
    tally.note([flow(IN, 5, 9.0)], OWNERS)
    tally.note([flow(IN, 2, 10.0)], OWNERS)
    assert tally.counts()[KEY] == (7, 700), "the switch has been started anew"
    tally.note([flow(IN, 8, 1.0)], OWNERS)
    assert tally.counts()[KEY] == (10 + 5, 1500), "it went and came again, and has counted more by now"


def after(tally: Tally, database: Database) -> None:
    writer = Writer(database.schema)
    write_tally(writer, source(database), "node1", tally)
    database.transact(writer.operations)


def rows(database: Database) -> list[dict[str, object]]:
    return [dict(row) for row in source(database)("Counter")]


def test_a_new_agent_goes_on_where_the_old_one_was() -> None:
    database = Database(schema.load("tulle_state"))
    old = Tally()
    old.note([flow(IN, 5), flow(OUT, 1)], OWNERS)
    old.note([flow(OUT, 4, 2.0)], OWNERS)
    after(old, database)
    new = Tally()
    new.note([flow(OUT, 6, 3.0)], OWNERS)
    new.begin(rows(database))
    assert new.counts()[KEY] == (5 + 6, 1100)
    new.begin(rows(database))
    assert new.counts()[KEY] == (11, 1100), "only once"
    after(new, database)
    restarted = Tally()
    restarted.note([flow(OUT, 1, 1.0)], OWNERS)
    restarted.begin(rows(database))
    assert restarted.counts()[KEY] == (12, 1200), "the switch was started anew while no agent looked"


def test_what_users_have_deleted_is_counted_no_more() -> None:
    tally = Tally()
    tally.note([flow(IN, 5)], OWNERS)
    tally.note([], {})
    tally.forget([KEY])
    assert KEY in tally.counts()
    tally.forget([])
    assert tally.counts() == {}
