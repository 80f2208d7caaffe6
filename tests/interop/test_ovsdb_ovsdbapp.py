"""`ovsdbapp` from PyPI, which Neutron uses, drives our switch: commands, queries, events.

Its transactions wait until the switch has taken the configuration over, so a real one serves.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from ovsdbapp.backend.ovs_idl import connection, idlutils
from ovsdbapp.backend.ovs_idl.event import RowEvent
from ovsdbapp.event import RowEventHandler
from ovsdbapp.schema.open_vswitch import impl_idl
from vswitch_process import VswitchProcess, ip

TIMEOUT_S = 60


class NotifyingIdl(connection.OvsdbIdl):  # type: ignore[misc]  # the package has no types
    """A replica that tells its handler of events, as Neutron's does."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self.notify_handler = RowEventHandler()
        super().__init__(*arguments, **keywords)

    def notify(self, event: str, row: object, updates: object = None) -> None:
        """Called by the library for each changed row."""
        self.notify_handler.notify(event, row, updates)


class Seen(RowEvent):  # type: ignore[misc]  # the package has no types
    """Notes the first bridge of a name that appears."""

    def __init__(self, name: str) -> None:
        self.happened = threading.Event()
        super().__init__((self.ROW_CREATE,), "Bridge", (("name", "=", name),))

    def run(self, *_about: object) -> None:
        """Called by the library."""
        self.happened.set()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VswitchProcess]:
    namespace = f"app{os.getpid()}"
    ip("netns", "add", namespace)
    process = VswitchProcess(tmp_path_factory.mktemp("switch") / "node", namespace)
    yield process
    process.stop()
    ip("netns", "del", namespace)


# The library keeps its connection in a class, so there is one for all tests.
@pytest.fixture(scope="module")
def api(server: VswitchProcess) -> Iterator[Any]:
    idl = NotifyingIdl.from_server(f"unix:{server.directory}/db.sock", "Open_vSwitch")
    link = connection.Connection(idl, TIMEOUT_S)
    yield impl_idl.OvsdbIdl(link)
    link.stop(TIMEOUT_S)


def test_ovsdbapp_makes_and_queries_bridges_and_ports(server: VswitchProcess, api: Any) -> None:
    with api.transaction(check_error=True) as txn:
        txn.add(api.add_br("br-app"))
        txn.add(api.add_port("br-app", "veth7"))
        txn.add(api.db_set("Interface", "veth7", ("external_ids", {"iface-id": "red/web1"})))
    assert api.list_ports("br-app").execute(check_error=True) == ["veth7"]
    found = api.db_get("Interface", "veth7", "external_ids").execute(check_error=True)
    assert found == {"iface-id": "red/web1"}
    assert server.vsctl("get", "Interface", "veth7", "external_ids:iface-id") == '"red/web1"'


def test_ovsdbapp_hears_of_what_others_change(server: VswitchProcess, api: Any) -> None:
    seen = Seen("br-other")
    api.idl.notify_handler.watch_event(seen)
    server.vsctl("add-br", "br-other")
    assert seen.happened.wait(TIMEOUT_S), server.vsctl("show")


def test_a_failed_ovsdbapp_transaction_changes_nothing(server: VswitchProcess, api: Any) -> None:
    half = api.add_br("br-half")
    wrong = api.db_set("Interface", "no-such-interface", ("type", "internal"), if_exists=False)
    with pytest.raises(idlutils.RowNotFound), api.transaction(check_error=True) as txn:
        txn.add(half)
        txn.add(wrong)
    assert "br-half" not in server.vsctl("list-br")
