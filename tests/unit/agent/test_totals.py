"""Switches, routers and networks keep what their ports have counted, also of ports and flows that are gone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tulle.agent.tally import Tally, write_tally
from tulle.agent.totals import Whereabouts, flow_totals, total_objects
from tulle.openflow import DumpedFlow
from tulle.ovsdb import Database, schema
from tulle.store import Writer, source
from tulle.values import Ids, LogicalPort, LogicalRouter, LogicalSwitch, Network

NETWORK = Network(
    "red",
    switches=(LogicalSwitch("web"), LogicalSwitch("db")),
    routers=(LogicalRouter("r1"),),
    ports=(
        LogicalPort("web1", "web", "02:00:00:00:00:01"),
        LogicalPort("web2", "web", "02:00:00:00:00:02"),
        LogicalPort("db1", "db", "02:00:00:00:00:03"),
    ),
)
PLACES = Whereabouts.of([NETWORK], Ids({"red/web": 1, "red/db": 2, "red/r1": 3, "blue/x": 4}, {}))
OWNERS = {
    1: "port red/web1",
    2: "port red/db1",
    3: "acl red/no-ssh",
    4: "route red/r1 10.0.0.0/8",
    5: "network red (paused)",
    6: "unknown destination red/web",
}
RED = ("red", "network", "red")


def flow(match: str, actions: str = "resubmit(,10)", packets: int = 1, age_s: float = 1.0) -> DumpedFlow:
    return DumpedFlow(f"{match} actions={actions}", packets, packets * 100, age_s)


def totals(match: str, actions: str = "resubmit(,10)") -> set[tuple[str, ...]]:
    return set(flow_totals(f"{match} actions={actions}", OWNERS, PLACES))


def test_a_ports_flows_count_for_its_switch_and_its_network() -> None:
    web = {(*RED, ""), ("red", "switch", "web", "")}
    assert totals("cookie=0x1,table=0,in_port=1") == web
    assert totals("cookie=0x1,table=41,reg15=0x1,metadata=0x1") == web
    assert totals("cookie=0x1,table=12,dl_dst=02:00:00:00:00:01,metadata=0x1") == set()


def test_a_router_counts_what_it_routes_in_whatever_version() -> None:
    router = {("red", "router", "r1", "")}
    assert totals("cookie=0x4,table=21,ip,metadata=0x3,nw_dst=10.0.0.0/8") == router
    assert totals("cookie=0x1,table=21,priority=3,ip,metadata=0x7000003,nw_dst=10.0.0.1") == router
    assert totals("cookie=0x4,table=20,ip,metadata=0x3") == set()


def test_drops_count_by_reason_for_what_they_happened_in() -> None:
    both = {(*RED, "acl"), ("red", "switch", "db", "acl")}
    assert totals("cookie=0x3,table=40,tcp,metadata=0x2,tp_dst=22", "drop") == both
    assert totals("cookie=0x6,table=12,priority=0,metadata=0x1", "drop") == {
        (*RED, "flow"),
        ("red", "switch", "web", "flow"),
    }
    assert totals("cookie=0x5,table=0,in_port=1", "drop") == {(*RED, "flow")}
    assert totals("cookie=0x1,table=0,in_port=1,ipv6", "drop") == {
        (*RED, "flow"),
        ("red", "switch", "web", "flow"),
    }
    assert totals("cookie=0x99,table=0,in_port=1", "drop") == set(), "of no network"


def test_what_the_switch_loses_by_itself_counts_and_stays_when_it_starts_anew() -> None:
    tally = Tally()
    lost = ("red", "switch", "db", "stt-bad-version")
    for packets, total in ((3, 3), (5, 5), (1, 6), (2, 7)):
        tally.note_drops({("stt-bad-version", "red/db1", None): packets, ("other", "", 3): 9}, PLACES)
        assert tally.totals()[lost][0][0] == tally.totals()[(*RED, "stt-bad-version")][0][0] == total
    tally.note([], {}, PLACES)
    assert tally.totals()[lost][0][0] == 7, "flows have nothing to do with it"
    tally.note_drops({}, PLACES)
    assert tally.totals()[lost] == ((7, 0), (7, 0))


@given(
    st.lists(
        st.tuples(st.sampled_from(["web1", "web2", "db1"]), st.integers(0, 5), st.booleans()), max_size=30
    )
)
def test_sums_are_what_all_ports_ever_counted_and_never_go_backwards(
    steps: list[tuple[str, int, bool]],
) -> None:
    owners = {1: "port red/web1", 2: "port red/web2", 3: "port red/db1"}
    numbers = {"web1": 1, "web2": 2, "db1": 3}
    counts: dict[str, int] = {}
    ages: dict[str, float] = {}
    tally, true = Tally(), 0
    for name, packets, goes in steps:
        counts[name] = counts.get(name, 0) + packets
        ages = {one: ages.get(one, 0.0) + 1.0 for one in counts}
        true += packets
        tally.note(
            [
                flow(f"cookie={numbers[one]:#x},table=0,in_port={numbers[one]}", "output:9", count, ages[one])
                for one, count in counts.items()
            ],
            owners,
            PLACES,
        )
        found = tally.totals()
        by_switch = [pair[0][0] for key, pair in found.items() if key[1] == "switch"]
        assert found[(*RED, "")][0][0] == true == sum(by_switch)
        if goes:
            del counts[name], ages[name]
            tally.note(
                [
                    flow(
                        f"cookie={numbers[one]:#x},table=0,in_port={numbers[one]}",
                        "output:9",
                        count,
                        ages[one],
                    )
                    for one, count in counts.items()
                ],
                owners,
                PLACES,
            )
            tally.forget(set(total_objects(NETWORK)))
            assert tally.totals()[(*RED, "")][0][0] == true


def test_a_new_agent_goes_on_and_what_is_deleted_is_counted_no_more() -> None:
    database = Database(schema.load("tulle_state"))
    old = Tally()
    old.note([flow("cookie=0x1,table=0,in_port=1", packets=5)], OWNERS, PLACES)
    old.note([], {}, PLACES)
    writer = Writer(database.schema)
    write_tally(writer, source(database), "node1", old)
    database.transact(writer.operations)
    rows = [dict(row) for table in ("Counter", "Total") for row in source(database)(table)]
    new = Tally()
    new.note([flow("cookie=0x2,table=0,in_port=2", packets=2)], OWNERS, PLACES)
    new.begin(rows)
    assert new.totals()[(*RED, "")] == ((7, 700), (5, 500))
    assert new.counts() == {("red", "port", "web1"): (5, 500), ("red", "port", "db1"): (2, 200)}
    new.note([], {}, PLACES)
    new.forget({RED, ("red", "switch", "db")})
    assert set(new.totals()) == {(*RED, ""), ("red", "switch", "db", "")}
    new.forget([])
    assert new.totals() == {}
