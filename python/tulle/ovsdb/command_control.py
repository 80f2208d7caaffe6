"""The commands that `ovs-appctl -t` gives an OVSDB server (ovsdb-server(1), "RUNTIME MANAGEMENT COMMANDS")."""

from __future__ import annotations

import resource
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from tulle.errors import NotFound
from tulle.ovsdb.unixctl import ControlServer

if TYPE_CHECKING:
    from tulle.ovsdb.command import ServerProcess


def register(control: ControlServer, process: ServerProcess) -> None:
    """Offer all commands."""
    control.register("exit", "[--cleanup]", quietly(lambda _: process.stopped.set()))
    control.register("version", "", lambda _: release() + "\n")
    control.register("memory/show", "", lambda _: memory(process))
    control.register("vlog/set", "[spec...]", quietly(process.log.set_level))
    control.register("vlog/list", "", lambda _: process.log.describe())
    control.register("vlog/reopen", "", quietly(lambda _: process.log.reopen()))
    _register_remotes(control, process)
    _register_databases(control, process)


def _register_remotes(control: ControlServer, process: ServerProcess) -> None:
    async def add(words: list[str]) -> str:
        await process.remotes.add(process.absolute(words[0]))
        return ""

    async def remove(words: list[str]) -> str:
        await process.remotes.remove(process.absolute(words[0]))
        return ""

    control.register("ovsdb-server/add-remote", "remote", add)
    control.register("ovsdb-server/remove-remote", "remote", remove)
    control.register("ovsdb-server/list-remotes", "", lambda _: lines(sorted(process.remotes.remotes)))
    control.register("ovsdb-server/reconnect", "", lambda _: reconnect(process))


def _register_databases(control: ControlServer, process: ServerProcess) -> None:
    def names(_words: list[str]) -> str:
        return lines(sorted(process.server.service.databases))

    def add(word: str) -> None:
        process.add_file(Path(word).absolute())

    control.register("ovsdb-server/add-db", "file", quietly(add))
    control.register("ovsdb-server/remove-db", "database", quietly(process.remove))
    control.register("ovsdb-server/list-dbs", "", names)
    control.register("ovsdb-server/compact", "[database]", lambda words: compact(process, words))
    control.register("ovsdb-server/sync-status", "", lambda _: "state: active\n")
    status_of = "ovsdb-server/get-db-storage-status"
    control.register(status_of, "database", lambda words: status(process, words[0]))


def quietly(action: Callable[[str], None]) -> Callable[[list[str]], str]:
    """A command that does something for each of its arguments, or once, and says nothing."""

    def command(words: list[str]) -> str:
        for word in words or [""]:
            action(word)
        return ""

    return command


def release() -> str:
    """The name and version of the program."""
    try:
        return f"ovsdb-server (Tulle) {version('tulle')}"
    except PackageNotFoundError:
        return "ovsdb-server (Tulle)"


def lines(words: list[str]) -> str:
    """One word a line."""
    return "".join(f"{word}\n" for word in words)


def memory(process: ServerProcess) -> str:
    """How much there is of what takes memory."""
    server = process.server
    databases = server.service.databases.values()
    cells = sum(
        len(table.rows) * len(table.schema.columns)
        for database in databases
        for table in database.tables.values()
    )
    peak_kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts = {
        "backlog": sum(connection.waiting_bytes for connection in server.connections),
        "cells": cells,
        "monitors": sum(connection.monitors for connection in server.connections),
        "peak-rss-kilobytes": peak_kilobytes,
        "sessions": len(server.connections),
        "triggers": len(server.service.waiting),
    }
    return " ".join(f"{name}:{count}" for name, count in counts.items()) + "\n"


def compact(process: ServerProcess, words: list[str]) -> str:
    """Compact one database, or all."""
    names = words or list(process.storages)
    for name in names:
        process.storage(name).compact()
    return ""


def reconnect(process: ServerProcess) -> str:
    """Disconnect every client; the one that asks is on another socket."""
    for connection in list(process.server.connections):
        connection.close()
    return ""


def status(process: ServerProcess, name: str) -> str:
    """Whether a database can be written."""
    if name not in process.server.service.databases:
        raise NotFound(f"{name}: no such database")
    return "status: ok\n"
