"""Edits of single members: work in proportion to the edit, and the same rows as from work on the whole."""

from __future__ import annotations

from random import Random

import pytest
from controller_fixture import NODES, TEXT, Cores

from tulle import store
from tulle.controller.asked import Asked
from tulle.controller.ledger import Ledger
from tulle.errors import Conflict, InvalidInput, NotFound
from tulle.logical import Edit, document_of
from tulle.values import Ids

ROUNDS = 60


class WholeCores(Cores):
    """The slow, obvious twin: everything is looked at after every change."""

    def react(self) -> None:
        self.reaction._is_whole_due = True
        super().react()


def without_switch(cores: Cores) -> list[Edit]:
    """Switch `db` with all that is on it."""
    red = cores.intent.network("red").network
    router = document_of(red)["routers"][0]
    left = [port for port in router["ports"] if port["switch"] != "db"]
    ports = {port.name for port in red.ports if port.switch == "db"}
    acls = [acl.name for acl in red.acls if acl.switch == "db" or acl.port in ports]
    return [
        *(Edit("port", name, None) for name in sorted(ports)),
        *(Edit("acl", name, None) for name in acls),
        Edit("router", router["name"], {"ports": left}),
        Edit("switch", "db", None),
    ]


def applied_by(cores: Cores, generation: int) -> None:
    cores.register(*NODES, applied={"red": generation, "blue": 1})


def state(cores: Cores) -> tuple[Ids, object]:
    return store.ids(cores.state_rows), store.bindings(cores.state_rows)


def edit(random: Random) -> Edit:
    name = f"port{random.randrange(12)}"
    if random.randrange(3) == 0:
        return Edit("port", name, None)
    values = {
        "switch": random.choice(("web", "db")),
        "node": random.choice(("node1", None)),
        "addresses": random.choice((None, [])),
    }
    return Edit("port", name, values)


@pytest.mark.parametrize("seed", range(4))
def test_any_edits_lead_to_the_state_that_the_whole_leads_to(seed: int) -> None:
    random, pair = Random(seed), (Cores(), WholeCores())
    for cores in pair:
        cores.intent.apply(TEXT, "two.yaml")
        applied_by(cores, 1)
    for _ in range(ROUNDS):
        edits = [edit(random) for _ in range(random.randrange(1, 4))]
        late, refused = random.randrange(2), []
        for cores in pair:
            try:
                generation = cores.intent.edit("red", edits).generations["red"]
                applied_by(cores, generation - late)
            except (NotFound, InvalidInput) as error:
                refused.append(str(error))
        assert len(refused) in (0, 2)
        ids = [store.ids(cores.state_rows) for cores in pair]
        # With nothing lagging, both have let go of what is gone.
        if not late:
            assert state(pair[0]) == state(pair[1])
        assert {k: v for k, v in ids[0].ports.items() if k in ids[1].ports} == ids[1].ports
        for cores in pair:
            assert cores.intent.networks() == store.networks(cores.intent_rows)


def test_an_edit_is_what_a_file_with_the_whole_would_be() -> None:
    cores, other = Cores(), Cores()
    for one in (cores, other):
        one.intent.apply(TEXT, "two.yaml")
    acl = {"direction": "to-port", "switch": "db", "priority": 9, "match": "udp", "action": "drop"}
    edits = [
        Edit("port", "new", {"switch": "web"}),
        Edit("port", "web1", {"port_security": True}),
        Edit("acl", "quiet", acl),
        Edit("port", "web2", None),
    ]
    made = cores.intent.edit("red", edits, Asked(message="why"))
    assert made.generations == {"red": 2}
    red = cores.intent.network("red").network
    ports = {port.name: port for port in red.ports}
    assert ports["new"].addresses and ports["web1"].port_security and "web2" not in ports
    assert cores.intent.ledger.changes("red")[-1]["message"] == "why"
    assert document_of(cores.intent.was("red", "2")) == document_of(red)
    cores.intent.rollback("red", "1")
    assert cores.intent.network("red").network == other.intent.network("red").network


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        (Edit("port", "x", {"switch": "nowhere"}), InvalidInput, "unknown switch 'nowhere'"),
        (Edit("port", "x", {"switch": "web", "node": "node9"}), InvalidInput, "unknown node 'node9'"),
        (Edit("port", "x", {"switch": "web", "colour": "red"}), InvalidInput, "unknown key 'colour'"),
        (Edit("port", "x", {"switch": "web", "addresses": ["10.0.1.1"]}), InvalidInput, "10.0.1.1"),
        (Edit("switch", "web", None), InvalidInput, "unknown switch 'web'"),
        (Edit("port", "nobody", None), NotFound, "no port 'nobody'"),
        (Edit("cable", "x", {}), InvalidInput, "'cable' came"),
    ],
)
def test_an_edit_that_makes_no_sense_is_refused_whole(wrong: Edit, error: type[Exception], says: str) -> None:
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    before = cores.intent.networks()
    with pytest.raises(error, match=says):
        cores.intent.edit("red", [Edit("port", "fine", {"switch": "web"}), wrong])
    assert cores.intent.networks() == before


def test_members_are_removed_together_and_each_only_once() -> None:
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    red = cores.intent.network("red").network
    names = [port.name for port in red.ports[::2]]
    with pytest.raises(NotFound, match=names[0]):
        cores.intent.edit("red", [Edit("port", name) for name in (*names, names[0])])
    cores.intent.edit("red", [Edit("port", name) for name in names])
    assert cores.intent.network("red").network.ports == red.ports[1::2]


def test_an_edit_that_builds_upon_another_generation_is_refused() -> None:
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    put = [Edit("port", "new", {"switch": "web"})]
    with pytest.raises(Conflict, match="builds upon generation 7"):
        cores.intent.edit("red", put, Asked(expected={"red": 7}))


def test_an_edit_writes_the_rows_and_parts_that_it_touches() -> None:
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    touched: list[str] = []
    cores.intent_database.subscribe(lambda changes: touched.extend(one.table for one in changes))
    cores.intent.edit("red", [Edit("port", "new", {"switch": "web"})])
    assert sorted(set(touched)) == ["Change", "Logical_Port", "Network", "Part"]
    assert touched.count("Logical_Port") == touched.count("Network") == 1
    assert isinstance(cores.intent.ledger, Ledger)


@pytest.mark.parametrize("late", [0, 1])
def test_a_switch_that_goes_takes_its_numbers_along_once_no_node_has_it(late: int) -> None:
    pair = Cores(), WholeCores()
    for cores in pair:
        cores.intent.apply(TEXT, "two.yaml")
        applied_by(cores, 1)
        made = cores.intent.edit("red", without_switch(cores))
        assert "red/db" in store.ids(cores.state_rows).datapaths, "node1 still has it"
        applied_by(cores, made.generations["red"] - late)
    assert state(pair[0]) == state(pair[1])
    assert ("red/db" in store.ids(pair[0].state_rows).datapaths) == bool(late)
