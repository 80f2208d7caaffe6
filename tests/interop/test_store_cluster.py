"""Our replica and our controllers on Debian's ovsdb-server, one alone and a Raft cluster of three."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from controller_process import EXAMPLE, ControllerProcess
from store_cluster import LIMIT_S, ClusterProcesses, wait_until

from tulle.api import connect
from tulle.errors import Conflict, TulleError, Unavailable
from tulle.ovsdb import Replica, RowInserted, Transaction
from tulle.ovsdb.schema import load
from tulle.store.backup import unpack


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterProcesses]:
    with ClusterProcesses(tmp_path / "c") as running:
        yield running


class Single:
    """A standalone ovsdb-server that can be killed and started again."""

    def __init__(self, directory: Path) -> None:
        self.remote = f"unix:{directory / 'sock'}"
        self._directory = directory
        schema = directory / "schema"
        schema.write_text(
            Path(load.__code__.co_filename).parent.joinpath("schemas/vswitch.ovsschema").read_text()
        )
        subprocess.run(
            ["ovsdb-tool", "create", str(directory / "db"), str(schema)], check=True, timeout=LIMIT_S
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = [f"--remote=p{self.remote}", f"--unixctl={self._directory / 'ctl'}", "-voff"]
        self._process = subprocess.Popen(["ovsdb-server", *options, str(self._directory / "db")])

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(LIMIT_S)
            self._process = None


@pytest.fixture
def single(tmp_path: Path) -> Iterator[Single]:
    server = Single(tmp_path)
    server.start()
    yield server
    server.kill()


def add_bridges(*names: str) -> Callable[[Transaction], None]:
    def build(transaction: Transaction) -> None:
        bridges = [transaction.insert("Bridge", {"name": name}) for name in names]
        transaction.insert("Open_vSwitch", {"bridges": bridges})

    return build


async def test_replica_follows_a_single_server_over_its_restart(single):
    async with Replica(single.remote, "Open_vSwitch", ["Bridge", "Open_vSwitch"]) as replica:
        await replica.wait_until(lambda: replica.connected, LIMIT_S)
        await replica.commit(add_bridges("br0"))
        row = replica.table("Bridge").find(name="br0")
        assert row is not None, "what was acknowledged is not in the replica"
        txn = replica.transaction()
        txn.update("Bridge", row.uuid, {"external_ids": {"a": "1", "b": "2"}, "protocols": ["OpenFlow13"]})
        await replica.transact(txn)
        txn = replica.transaction()
        txn.update("Bridge", row.uuid, {"external_ids": {"b": "3", "c": "4"}, "protocols": []})
        await replica.transact(txn)
        single.kill()
        await replica.wait_until(lambda: not replica.connected, LIMIT_S)
        single.start()
        await replica.wait_until(lambda: replica.connected, LIMIT_S)
        row = replica.table("Bridge").find(name="br0")
        assert row["external_ids"] == {"b": "3", "c": "4"}
        assert row["protocols"] == frozenset()
        assert len(replica.table("Bridge").rows) == 1


async def test_conditions_bring_rows_into_view_and_take_them_out(single):
    only = [("name", "==", "br0")]
    async with (
        Replica(single.remote, "Open_vSwitch", ["Open_vSwitch"]) as writer,
        Replica(single.remote, "Open_vSwitch", ["Bridge"], conditions={"Bridge": only}) as replica,
    ):
        await writer.wait_until(lambda: writer.connected, LIMIT_S)
        await replica.wait_until(lambda: replica.connected, LIMIT_S)
        await writer.commit(add_bridges("br0", "br1", "br2"))
        rows = replica.table("Bridge").rows
        await replica.wait_until(lambda: replica.table("Bridge").find(name="br0"), LIMIT_S)
        await replica.set_condition("Bridge", [("name", "==", "br1"), ("name", "==", "br2")])
        assert {row["name"] for row in rows.values()} == {"br1", "br2"}
        single.kill()
        await replica.wait_until(lambda: not replica.connected, LIMIT_S)
        await replica.set_condition("Bridge", None)
        single.start()
        await replica.wait_until(lambda: replica.connected, LIMIT_S)
        assert {row["name"] for row in replica.table("Bridge").rows.values()} == {"br0", "br1", "br2"}


async def test_verified_transactions_of_two_replicas_lose_no_increment(single):
    async with (
        Replica(single.remote, "Open_vSwitch", ["Open_vSwitch"]) as one,
        Replica(single.remote, "Open_vSwitch", ["Open_vSwitch"]) as other,
    ):
        for replica in (one, other):
            await replica.wait_until(lambda replica=replica: replica.connected, LIMIT_S)
        await one.commit(lambda txn: txn.insert("Open_vSwitch", {}) and None)
        await other.wait_until(lambda: other.table("Open_vSwitch").rows, LIMIT_S)

        async def count(replica: Replica) -> None:
            def increment(txn: Transaction) -> None:
                (row,) = replica.table("Open_vSwitch").rows.values()
                txn.verify("Open_vSwitch", row, ["next_cfg"])
                txn.update("Open_vSwitch", row.uuid, {"next_cfg": row["next_cfg"] + 1})

            for _ in range(25):
                await replica.commit(increment, attempts=100)

        await asyncio.wait_for(asyncio.gather(count(one), count(other)), LIMIT_S)
        counted = lambda: [row["next_cfg"] for row in one.table("Open_vSwitch").rows.values()]  # noqa: E731
        # The last change may be the other's, of which this one hears after it was made.
        await one.wait_until(lambda: counted() == [50], LIMIT_S)


async def lock_of(replica: Replica, name: str) -> None:
    await replica.wait_until(lambda: replica.connected, LIMIT_S)
    await replica.lock(name)


async def test_lock_passes_on_and_can_be_stolen(single):
    async with Replica(single.remote, "Open_vSwitch", []) as second:
        async with Replica(single.remote, "Open_vSwitch", []) as first:
            await lock_of(first, "l")
            await lock_of(second, "l")
            assert (first.owns("l"), second.owns("l")) == (True, False)
            await second.steal("l")
            await first.wait_until(lambda: not first.owns("l"), LIMIT_S)
            assert second.owns("l")
            await first.steal("l")
            await second.wait_until(lambda: not second.owns("l"), LIMIT_S)
            await second.lock("l")
            assert not second.owns("l")
        await second.wait_until(lambda: second.owns("l"), LIMIT_S)


async def test_replica_gets_only_what_it_missed_when_its_server_dies(cluster):
    async with (
        Replica(cluster.remotes, "Tulle", leader_only=True) as writer,
        Replica(cluster.remotes, "Tulle", ["Snapshot"]) as replica,
    ):
        await writer.wait_until(lambda: writer.connected, LIMIT_S)
        await replica.wait_until(lambda: replica.connected, LIMIT_S)
        await insert(writer, "before")
        await replica.wait_until(lambda: replica.table("Snapshot").find(name="before"), LIMIT_S)
        seen: list[object] = []
        replica.subscribe(seen.extend)
        cluster.kill(cluster.leader("Tulle"))
        await writer.wait_until(lambda: not writer.connected, LIMIT_S)
        await writer.wait_until(lambda: writer.connected, LIMIT_S)
        await insert(writer, "after")
        await replica.wait_until(lambda: replica.table("Snapshot").find(name="after"), LIMIT_S)
        assert writer.resumed, "the new leader sent everything again"
        assert [type(event) for event in seen] == [RowInserted], seen


async def insert(replica: Replica, name: str) -> None:
    row = {"network": "red", "name": name, "created": "now", "generation": 1, "document": "{}"}
    await replica.commit(lambda txn: txn.insert("Snapshot", row) and None)


@pytest.mark.parametrize("times", [2, pytest.param(10, marks=pytest.mark.slow)])
async def test_killed_leader_loses_no_acknowledged_transaction(cluster, times, capsys):
    acknowledged: set[str] = set()
    moments: list[float] = []
    async with Replica(cluster.remotes, "Tulle", leader_only=True) as replica:
        await replica.wait_until(lambda: replica.connected, LIMIT_S)
        load_task = asyncio.create_task(write_for_ever(replica, acknowledged, moments))
        for _ in range(times):
            await more(acknowledged, load_task)
            victim = await asyncio.to_thread(cluster.leader, "Tulle")
            cluster.kill(victim)
            await more(acknowledged, load_task)
            cluster.start(victim)
            await asyncio.to_thread(wait_until, lambda: cluster.joined("Tulle"), cluster.logs)
        load_task.cancel()
        await asyncio.gather(load_task, return_exceptions=True)
        assert acknowledged <= {row["name"] for row in replica.table("Snapshot").rows.values()}
    for index in cluster.cluster.indexes:
        remote = cluster.remotes.split(",")[index - 1]
        async with Replica(remote, "Tulle", ["Snapshot"]) as one:
            await one.wait_until(lambda one=one: one.connected and has(one, acknowledged), LIMIT_S)
    longest_s = max(after - before for before, after in pairwise(moments))
    with capsys.disabled():
        print(
            f"\n{times} leaders killed, {len(acknowledged)} transactions kept, longest pause {longest_s:.2f} s"
        )


def has(replica: Replica, names: set[str]) -> bool:
    return names <= {row["name"] for row in replica.table("Snapshot").rows.values()}


async def write_for_ever(replica: Replica, acknowledged: set[str], moments: list[float]) -> None:
    number = 0
    while True:
        number += 1
        try:
            await insert(replica, f"n{number}")
        except (Unavailable, TulleError):
            await replica.wait_until(lambda: replica.connected)
            continue
        acknowledged.add(f"n{number}")
        moments.append(time.monotonic())


async def more(acknowledged: set[str], load_task: asyncio.Task[None]) -> None:
    """Wait until the load has got on."""
    wanted = len(acknowledged) + 20
    async with asyncio.timeout(LIMIT_S):
        while len(acknowledged) < wanted:
            assert not load_task.done(), load_task
            await asyncio.sleep(0.01)


@contextmanager
def controllers(cluster: ClusterProcesses, directory: Path) -> Iterator[list[ControllerProcess]]:
    """Two controllers that share the API socket; the first has become active."""
    both = [StoreController(directory / name, directory / "api.sock", cluster.remotes) for name in ("a", "b")]
    try:
        for one in both:
            one.start()
        yield list(both)
    finally:
        for one in both:
            one.kill()


class StoreController(ControllerProcess):
    """A controller on a cluster."""

    def __init__(self, directory: Path, api: Path, remotes: str) -> None:
        super().__init__(directory)
        self.api = api
        self.options = ["--api", str(api), "--store", remotes]

    def is_active(self) -> bool:
        words = [
            line
            for line in self.log.read_text().splitlines()
            if "controller ready" in line or "stands by" in line
        ]
        return bool(words) and "controller ready" in words[-1]


def retried(change: Callable[[], Any]) -> None:
    """A change, tried again while nobody is active; a try of which nothing was heard may have done it."""

    def attempt() -> bool:
        try:
            change()
        except Unavailable:
            return False
        except Conflict:
            return True
        return True

    wait_until(attempt, lambda: "no controller became active")


def test_second_controller_takes_over_with_all_that_was_acknowledged(cluster, tmp_path):
    with controllers(cluster, tmp_path) as (first, second):
        tulle = connect(first.api)
        tulle.apply(EXAMPLE.read_text(), "two.yaml")
        before = tulle.tunnels(), [one["name"] for one in tulle.networks()]
        active, standby = (first, second) if first.is_active() else (second, first)
        assert not standby.is_active(), "both are active"
        names = []
        for number in range(10):
            tulle.snapshot("red", f"s{number}")
            names.append(f"s{number}")
        active.kill()
        retried(lambda: tulle.snapshot("red", "after"))
        assert {one["name"] for one in tulle.snapshots("red")} == {*names, "after"}
        assert (tulle.tunnels(), [one["name"] for one in tulle.networks()]) == before
        assert standby.is_active()
        active.start()
        cluster.kill(cluster.leader("Tulle"))
        retried(lambda: tulle.snapshot("red", "leader-gone"))
        cluster.kill(cluster.leader("Tulle_State"))  # no majority is left
        with pytest.raises((Unavailable, TulleError)):
            tulle.snapshot("red", "no-majority")


def rows_of(backup: bytes) -> dict[str, dict[str, Any]]:
    """The rows of a backup by database and table, without what has no meaning after a restart."""
    return {
        name: {
            table: {uuid: strip(row) for uuid, row in content.rows.items()}
            for table, content in one.tables.items()
        }
        for name, one in unpack(backup).items()
    }


def strip(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "_version"}


def test_backup_moves_everything_from_embedded_to_cluster_and_back(cluster, tmp_path):
    with ControllerProcess(tmp_path / "embedded") as embedded:
        tulle = connect(embedded.api)
        tulle.apply(EXAMPLE.read_text(), "two.yaml")
        tulle.snapshot("red", "one")
        embedded.tulle("backup", str(tmp_path / "first.tar"))
        first = (tmp_path / "first.tar").read_bytes()
        assert embedded.tulle("restore", str(tmp_path / "first.tar")).stdout.startswith("everything is as in")
    assert sum(len(rows) for rows in rows_of(first)["Tulle"].values()) > 20
    with controllers(cluster, tmp_path) as (controller, _):
        controller.tulle("restore", str(tmp_path / "first.tar"))
        tulle = connect(controller.api)
        assert rows_of(tulle.backup()) == rows_of(first)
        tulle.rollback("red", "one")
        tulle.delete_network("blue")
        controller.tulle("restore", str(tmp_path / "first.tar"))
        assert {one["name"]: one["generation"] for one in tulle.networks()} == {"red": 2, "blue": 1}
        second = tulle.backup()
    with ControllerProcess(tmp_path / "fresh") as fresh:
        connect(fresh.api).restore(second)
        assert rows_of(connect(fresh.api).backup()) == rows_of(second)


def test_damaged_backup_is_refused_and_changes_nothing(tmp_path):
    with ControllerProcess(tmp_path / "c") as controller:
        tulle = connect(controller.api)
        tulle.apply(EXAMPLE.read_text(), "two.yaml")
        whole = tulle.backup()
        for damaged in (
            b"",
            b"no tar",
            whole[: len(whole) // 2],
            whole[:700] + b"x" + whole[701:],
            b"\0" * 4096,
        ):
            with pytest.raises(TulleError):
                tulle.restore(damaged)
        assert rows_of(tulle.backup()) == rows_of(whole)


def test_cluster_can_be_made_from_the_embedded_file_by_ovsdb_tool(tmp_path):
    with ControllerProcess(tmp_path / "c") as controller:
        connect(controller.api).apply(EXAMPLE.read_text(), "two.yaml")
    made = tmp_path / "made.db"
    command = ["ovsdb-tool", "create-cluster", str(made), str(tmp_path / "c" / "tulle.db"), "tcp:127.0.0.1:9"]
    subprocess.run(command, check=True, timeout=LIMIT_S)
    shown = subprocess.run(
        ["ovsdb-tool", "show-log", "-m", str(made)], capture_output=True, text=True, check=True
    )
    assert "red" in shown.stdout
