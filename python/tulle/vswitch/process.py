"""The switch process: follows its database, keeps the native switches like it, and answers on its sockets."""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
import platform
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import structlog
from msgspec import Struct
from pyroute2 import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError

from tulle._native import NativeError
from tulle.errors import TulleError, Unavailable
from tulle.ovsdb import Change, Database, Server, Storage, Transaction, schema
from tulle.ovsdb.configured import ConfiguredRemotes
from tulle.ovsdb.memory import relax_collector
from tulle.ovsdb.tls import Credentials, Tls
from tulle.ovsdb.unixctl import ControlServer
from tulle.vswitch import commands, commands_queue, rows, rows_reference, rundir, status
from tulle.vswitch.apply import Bridges
from tulle.vswitch.bridge import KernelLink
from tulle.vswitch.capabilities import Capabilities
from tulle.vswitch.kept import ALONE, GO, HELD, READY, SAVED, STOP, Kept
from tulle.vswitch.lifetime import first_of, run_until_signal, running
from tulle.vswitch.planning import plan
from tulle.vswitch.rows_reference import TABLES, Row, Tables
from tulle.vswitch.rows_tunnel import STANDARD_PORTS
from tulle.vswitch.shaping import Shaping
from tulle.vswitch.supervisor import RESTART, Supervisor

STATISTICS_S = 1.0
RETRY_EVERY = 2
LINGER_S = 0.05
"""So long a replaced process stays, so that its end takes no processor from the first packets of the next."""
HISTORY_BYTES = 1 << 20
"""Statistics change each second, and whoever comes back reads a database as small as this anew as quickly."""

_logger = structlog.get_logger(__name__)


class Options(Struct, frozen=True):
    """What the command line gives; `database` defaults to `conf.db` in `directory`, `name` to what the database says,
    else the machine's."""

    directory: Path
    database: Path | None = None
    name: str | None = None


def root_identity(name: str | None, known: Mapping[str, str]) -> dict[str, str]:
    """The root row's `external_ids`: a name that was given counts, else what stands there, else the machine's name."""
    names = {key: name or known.get(key) or platform.node() or "node1" for key in ("system-id", "hostname")}
    return {**known, **names, "tulle-encapsulations": ",".join(sorted(STANDARD_PORTS))}


def root_columns(database: Database) -> dict[str, Any]:
    """What the root row says of this process and its machine."""
    system = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    return {
        "ovs_version": commands.release(),
        "system_type": system.get("ID", "tulle"),
        "system_version": system.get("VERSION_ID", "unknown"),
        "db_version": database.schema.version,
        "datapath_types": frozenset({"netdev", "system"}),
        "iface_types": frozenset({"internal", "patch", "system", "tap", *STANDARD_PORTS}),
        "dpdk_initialized": False,
    }


@functools.cache
def the_schema() -> schema.DatabaseSchema:
    """The schema, read once: a supervisor has it before it forks."""
    return schema.load("vswitch")


class VswitchProcess:
    """One switch process between start and stop."""

    def __init__(self, options: Options, netlink: AsyncIPRoute, kept: Kept) -> None:
        self.database = Database(the_schema())
        self.tls = Tls(self._credentials)
        self.bridges = Bridges(options.directory, netlink, self._wake, self.tls, kept)
        self.shaping = Shaping(netlink)
        self.capabilities = Capabilities(lambda: self.bridges.attaching.tunnels.ways.changes)
        self.leaving = asyncio.Event()
        self.kept = kept
        self._held: set[str] = set()
        self._name = options.name
        self._netlink = netlink
        self._changed = asyncio.Event()
        self._writing = False

    def prepare(self, database: Database) -> None:
        """Make sure that there is a root row, and follow the database."""
        self.database = database
        columns = root_columns(self.database)
        transaction = Transaction(self.database.schema)
        roots = list(self.database.rows("Open_vSwitch").values())
        if not roots:
            transaction.insert("Open_vSwitch", {**columns, "external_ids": root_identity(self._name, {})})
        else:
            columns["external_ids"] = root_identity(self._name, roots[0]["external_ids"])
            transaction.update("Open_vSwitch", roots[0]["_uuid"], columns)
        self.database.transact(transaction.operations)
        self.database.subscribe(self._notice)
        self._wake()

    async def resume(self) -> None:
        """Go on forwarding as the process before this one did, where its devices were kept.

        What the database says comes after; reading it would take longer than packets should wait.  Where that
        process still forwards, it does so until this one has flows and ports.
        """
        states = [] if self.kept.is_empty else self.bridges.saved.states()
        await self.bridges.resume(states)
        self.kept.say(READY)
        await self.kept.told(GO)
        await self.bridges.release()
        await self.kept.told(ALONE)

    async def configure_first(self) -> None:
        """Do what the database says before anybody is listened to, so that packets wait as little as can be."""
        self._changed.clear()
        try:
            await self._configure_once()
        except Exception:
            _logger.exception("configuration failed")
        self.kept.drop_rest()
        self.bridges.drop_guards()

    def save_flows(self) -> None:
        """Leave the flow tables for the next process."""
        for name, switch in self.bridges.switches.items():
            self.bridges.saved.save(name, switch, is_last=True)
        self.bridges.save_underlay()

    async def hand_over(self) -> None:
        """Go on forwarding, with nobody who could change flows any more, until the next process is ready."""
        await self.bridges.end_sessions()
        self.save_flows()
        self.kept.say(SAVED)
        await self.kept.told(STOP)
        self.bridges.be_one_thread()
        self.bridges.hold()
        self.kept.say(HELD)

    async def configure(self) -> None:
        """Follow the database for ever; a change that fails is logged and tried again with the next."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._configure_once()
            except Exception:
                # Nobody is to lose the ports that work because of one that does not.
                _logger.exception("configuration failed")

    async def report(self) -> None:
        """Write link states and statistics every second; attach again what failed."""
        for tick in itertools.count(1):
            await asyncio.sleep(STATISTICS_S)
            try:
                if tick % RETRY_EVERY == 0:
                    await self._mend()
                links = await self._links()
                self._follow(links)
                await self.count_queues()
                self._write(
                    status.write_statistics(self.database.schema, self._tables(), self.bridges.bridges, links)
                )
                await self._tell_capabilities()
            except (TulleError, NativeError, NetlinkError, OSError) as error:
                _logger.warning("statistics not written", error=str(error))
            except Exception:
                # Whatever is wrong with statistics, the node must not lose its switch.
                _logger.exception("statistics failed")

    async def count_queues(self) -> None:
        """Tell the native switches what the kernel has counted, and make disciplines again that have gone."""
        async with self.bridges.lock:
            complete = await self.shaping.count()
        if not complete:
            self._wake()

    async def _tell_capabilities(self) -> None:
        before, tunnels = self.capabilities.text, self.bridges.attaching.tunnels
        text = await self.capabilities.follow(sorted(tunnels.devices()))
        if text != before:
            tunnels.look_at_devices()
        self._write(status.write_capabilities(self.database.schema, self._roots(), text))

    def _roots(self) -> list[Row]:
        return list(self.database.rows("Open_vSwitch").values())

    def _hold(self, is_held: bool) -> None:
        """`other_config:flow-restore-wait`: packets wait in their devices until somebody has restored flows."""
        for name, bridge in self.bridges.bridges.items():
            if is_held != (name in self._held):
                bridge.switch.hold(is_held)
        self._held = set(self.bridges.bridges) if is_held else set()

    def _follow(self, links: dict[str, KernelLink]) -> None:
        for bridge in self.bridges.bridges.values():
            bridge.follow_controllers()
            bridge.follow_links(links)

    def _credentials(self) -> Credentials:
        for row in self.database.rows("SSL").values():
            return Credentials(
                row["private_key"], row["certificate"], row["ca_cert"] or None, row["bootstrap_ca_cert"]
            )
        raise Unavailable("TLS needs a row of table SSL")

    async def _mend(self) -> None:
        async with self.bridges.lock:
            mended = await self.bridges.retry_failed()
            moved = await self.bridges.follow_routes()
        if mended or moved:
            self._wake()

    async def close(self) -> None:
        """Detach everything."""
        await self.bridges.close()

    def _notice(self, _changes: list[Change]) -> None:
        if not self._writing:
            self._wake()

    def _wake(self) -> None:
        self._changed.set()

    async def _configure_once(self) -> None:
        async with self.bridges.lock:
            desired, errors = rows.bridges(self._tables())
            done = {uuid: row["next_cfg"] for uuid, row in self.database.rows("Open_vSwitch").items()}
            await self.bridges.apply(plan(self.bridges.state, desired))
            await self.shaping.follow(self.bridges.bridges, desired)
            for config in desired:
                self.bridges.bridges[config.name].configure_forwarding(config.forwarding)
            self._hold(any(rows_reference.is_true(row, "flow-restore-wait") for row in self._roots()))
            if any(bridge.bonds for bridge in self.bridges.bridges.values()):
                self._follow(await self._links())
            self.bridges.saved.save_states(self.bridges.state.values())
        self._write(
            status.write_status(self.database.schema, self._tables(), self.bridges.bridges, errors, done)
        )

    def _write(self, transaction: Transaction) -> None:
        """Commit without waiting for the disk: all of it is found out again after a crash."""
        if not transaction.operations:
            return
        self._writing = True
        try:
            outcome = self.database.execute(transaction.operations)
        finally:
            self._writing = False
        if outcome.failed:
            _logger.error("status not written", results=outcome.results)

    def _tables(self) -> Tables:
        return {name: self.database.rows(name) for name in TABLES}

    async def _links(self) -> dict[str, KernelLink]:
        return {
            link.get("ifname"): KernelLink(link["flags"], int(link.get("mtu") or 0), link.get("address"))
            async for link in await self._netlink.get_links()
        }


async def run(
    options: Options,
    leaving: asyncio.Event | None = None,
    kept: Kept | None = None,
    replaced: asyncio.Event | None = None,
) -> None:
    """Run until `leaving` is set, or a client says `exit`; or until `replaced`, with nothing taken down."""
    kept, replaced, leaving = kept or Kept(), replaced or asyncio.Event(), leaving or asyncio.Event()
    async with AsyncExitStack() as stack:
        directory = options.directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        netlink = AsyncIPRoute()
        process = VswitchProcess(options, netlink, kept)
        stack.push_async_callback(process.close)
        await process.resume()
        control = ControlServer(directory / "vswitchd.ctl")
        stack.enter_context(rundir.announced(directory, control.path))
        storage = stack.enter_context(Storage(options.database or directory / "conf.db", the_schema()))
        await stack.enter_async_context(netlink)
        stack.push_async_callback(process.shaping.close)
        process.prepare(storage.database)
        await process.configure_first()
        commands.register(control, process.bridges.bridges, process.leaving.set)
        commands_queue.register(control, process.shaping, process.count_queues)
        await control.start()
        stack.push_async_callback(control.close)
        server = await stack.enter_async_context(
            Server([storage.database], history_bytes=HISTORY_BYTES, tls=process.tls)
        )
        await server.listen(f"punix:{directory / 'db.sock'}")
        (directory / "db.sock").chmod(0o600)
        remotes = ConfiguredRemotes(server, ["db:Open_vSwitch,Open_vSwitch,manager_options"])
        tunnels = process.bridges.attaching.tunnels
        switches = process.bridges.switches
        tasks = [
            process.configure(),
            process.report(),
            tunnels.ways.run(),
            tunnels.path_mtus.run(),
            remotes.run(),
        ]
        tasks.append(process.bridges.saved.run(switches))
        relax_collector()
        async with running(*tasks), kept.watched(process.leaving.set):
            await first_of(process.leaving, leaving, replaced)
        if replaced.is_set() and not (process.leaving.is_set() or leaving.is_set()):
            await process.hand_over()
            await asyncio.sleep(LINGER_S)
            os._exit(RESTART)
        process.save_flows()


def main(options: Options) -> None:
    """Run as one process without a supervisor: SIGTERM and SIGINT end it cleanly."""
    asyncio.run(run_until_signal(lambda leaving: run(options, leaving)))


def main_supervised(options: Options, *, take_over: bool = False) -> int:
    """Run under a supervisor that replaces the forwarding process when it dies; the exit code."""

    async def start(leaving: asyncio.Event, kept: Kept) -> None:
        replaced = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, replaced.set)
        await run(options, leaving, kept, replaced)

    def work(kept: Kept) -> int:
        asyncio.run(run_until_signal(lambda leaving: start(leaving, kept)))
        return 0

    the_schema()
    return Supervisor(options.directory, work).run(take_over=take_over)
