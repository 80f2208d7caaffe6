"""Whatever an OVSDB client writes into `Tulle`, reading it gives networks or names what makes no sense."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from test_store import NETWORK

from tulle import store
from tulle.controller.reaction import react
from tulle.logical import problems
from tulle.ovsdb import Database, OvsdbError
from tulle.ovsdb.schema import load
from tulle.store import Writer

SCHEMA = load("tulle")
TABLES = ("Logical_Switch", "Logical_Router", "Router_Port", "Logical_Port", "ACL")
TEXT = st.one_of(
    st.sampled_from(
        ["", "web", "db", "10.0.1.1/24", "10.0.1.0/24", "fe80::1%eth0", "::/0", "tcp,dport=1", "a/b"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
)


@st.composite
def updates(draw):
    table = draw(st.sampled_from(TABLES))
    columns = {
        name: column
        for name, column in SCHEMA.tables[table].columns.items()
        if column.mutable and column.type.key.kind == "string" and not column.type.key.enum
    }
    name = draw(st.sampled_from(sorted(columns)))
    if columns[name].type.value is not None:
        value = ["map", [[draw(TEXT), draw(TEXT)]]]
    elif columns[name].type.maximum > 1:
        value = ["set", draw(st.lists(TEXT, max_size=3, unique=True))]
    else:
        value = draw(TEXT)
    return {"op": "update", "table": table, "where": [], "row": {name: value}}


@given(st.lists(updates(), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_spoiled_rows_never_raise_and_never_give_a_contradictory_network(operations):
    database, state = Database(SCHEMA), Database(load("tulle_state"))
    writer = Writer(SCHEMA)
    store.write_network(writer, store.source(database), NETWORK, 1)
    database.transact(writer.operations)
    for operation in operations:
        try:
            database.transact([operation])
        except OvsdbError:
            continue  # refused by the schema: nothing changed
    refused: list[str] = []
    found = store.networks(store.source(database), lambda name, _error: refused.append(name))
    assert set(found) | set(refused) == {"red"}
    assert all(not problems(stored.network) for stored in found.values())
    react(store.source(database), store.source(state), Writer(state.schema))
