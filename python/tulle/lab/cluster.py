"""A Raft cluster of Debian's `ovsdb-server` that keeps the databases of a controller.  It starts nothing.

Server N (from 1) answers clients at port 6640 + N, and its peers at 6650 + N for `Tulle`, 6660 + N for
`Tulle_State`.  Source: ovsdb(7) "Clustered Database Service Model", ovsdb-tool(1), raft(5).
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import orjson

from tulle.errors import NotFound, Unavailable
from tulle.ovsdb.schema import load

DATABASES = {"Tulle": "tulle", "Tulle_State": "tulle_state"}
CLIENT_PORT = 6640
PEER_PORTS = {"Tulle": 6650, "Tulle_State": 6660}
TOOL_LIMIT_S = 60.0


class StoreCluster(msgspec.Struct, frozen=True):
    """`size` servers at one address, each with a directory below `directory`."""

    directory: Path
    address: str
    size: int

    @property
    def remotes(self) -> str:
        """Where clients connect to, with commas."""
        return ",".join(f"tcp:{self.address}:{CLIENT_PORT + index}" for index in self.indexes)

    @property
    def indexes(self) -> range:
        """The numbers of the servers."""
        return range(1, self.size + 1)

    def create(self) -> None:
        """Make the files with which the servers start: the first one's hold the databases, the others join."""
        for index in self.indexes:
            self.server_directory(index).mkdir(parents=True, exist_ok=True)
            for database in DATABASES:
                self._create(index, database)

    def command(self, index: int) -> list[str]:
        """The command line of a server, which stays in the foreground."""
        directory = self.server_directory(index)
        return [
            "ovsdb-server",
            f"--remote=ptcp:{CLIENT_PORT + index}:{self.address}",
            f"--unixctl={directory / 'ctl'}",
            "-vconsole:info",
            "-vsyslog:off",
            *(str(directory / f"{name}.db") for name in DATABASES.values()),
        ]

    def server_directory(self, index: int) -> Path:
        """Where a server keeps its files."""
        return self.directory / f"store{index}"

    def _create(self, index: int, database: str) -> None:
        file = self.server_directory(index) / f"{DATABASES[database]}.db"
        own, first = self._peer(database, index), self._peer(database, 1)
        if index == 1:
            schema = file.with_suffix(".ovsschema")
            schema.write_bytes(orjson.dumps(load(DATABASES[database]).emit()))
            _tool("create-cluster", str(file), str(schema), own)
        else:
            _tool("join-cluster", str(file), database, own, first)

    def _peer(self, database: str, index: int) -> str:
        return f"tcp:{self.address}:{PEER_PORTS[database] + index}"


def _tool(*words: str) -> None:
    try:
        done = subprocess.run(
            ["ovsdb-tool", *words], capture_output=True, text=True, timeout=TOOL_LIMIT_S, check=False
        )
    except FileNotFoundError:
        raise NotFound("ovsdb-tool is not installed; the Debian package is openvswitch-common") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"ovsdb-tool {words[0]} did not end within {TOOL_LIMIT_S:g} s") from None
    if done.returncode != 0:
        raise Unavailable(f"ovsdb-tool {words[0]}: {done.stderr.strip()}")
