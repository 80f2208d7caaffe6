"""A bare server for tests: python -m tulle.ovsdb --remote=punix:PATH --db FILE --schema NAME."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

from tulle.errors import TulleError
from tulle.ovsdb import schema
from tulle.ovsdb.server import Server
from tulle.ovsdb.storage import Storage


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    with ExitStack() as stack:
        databases = [
            stack.enter_context(Storage(path, schema.load(name))).database
            for path, name in zip(arguments.db, arguments.schema, strict=True)
        ]
        async with Server(databases) as server:
            for remote in arguments.remote:
                print("listening at", await server.listen(remote), flush=True)
            await stopped.wait()


def main() -> int:
    """Run; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tulle.ovsdb", description=__doc__)
    parser.add_argument("--remote", action="append", required=True)
    parser.add_argument("--db", action="append", type=Path, required=True)
    parser.add_argument("--schema", action="append", required=True)
    arguments = parser.parse_args()
    if len(arguments.db) != len(arguments.schema):
        parser.error("give a --schema for each --db")
    try:
        asyncio.run(serve(arguments))
    except TulleError as error:
        print(f"tulle.ovsdb: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
