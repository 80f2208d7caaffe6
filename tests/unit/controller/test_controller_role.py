"""The role of agents in `Tulle_State`: written once, put right where it differs, and there after a restore."""

from __future__ import annotations

from controller_fixture import Cores, Now, finish

from tulle.controller.backups import Backups
from tulle.controller.intent import Intent
from tulle.controller.stores import Embedded, grant_agent_role
from tulle.ovsdb import Database
from tulle.ovsdb.agent_role import has_agent_role
from tulle.ovsdb.schema import load


def granted(database: Database) -> bool:
    return has_agent_role(database.rows("RBAC_Role"), database.rows("RBAC_Permission"))


def test_the_role_is_written_once():
    database = Database(load("tulle_state"))
    assert not granted(database)
    finish(grant_agent_role(Embedded(database)))
    assert granted(database)
    heard: list[object] = []
    database.subscribe(heard.append)
    finish(grant_agent_role(Embedded(database)))
    assert heard == []


def test_a_role_that_somebody_widened_or_broke_is_put_right():
    for change in (
        {"op": "update", "table": "RBAC_Permission", "where": [], "row": {"update": "name"}},
        {"op": "update", "table": "RBAC_Permission", "where": [], "row": {"authorization": ""}},
        {"op": "delete", "table": "RBAC_Permission", "where": [["table", "==", "Drop"]]},
        {"op": "delete", "table": "RBAC_Role", "where": []},
    ):
        database = Database(load("tulle_state"))
        finish(grant_agent_role(Embedded(database)))
        database.transact([change])
        assert not granted(database), change
        finish(grant_agent_role(Embedded(database)))
        assert granted(database), change
        assert len(database.rows("RBAC_Role")) == 1 and len(database.rows("RBAC_Permission")) == 7


def test_a_restored_backup_from_before_the_role_leaves_it_there():
    cores = Cores()
    stores = Embedded(cores.intent_database), cores.state_store
    backups = Now(Backups(stores, Intent(*stores, str)))
    without = backups.pack(0)
    finish(grant_agent_role(cores.state_store))
    backups.restore(without)
    assert granted(cores.state_database)
