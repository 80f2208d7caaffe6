"""The control socket that `ovs-appctl` speaks: JSON-RPC 1.0, text in and text out.

Commands are functions from a list of arguments to text, or coroutines of it; a `TulleError` becomes the error
reply.  Every process of Tulle that has a control socket has this one.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog

from tulle.errors import InvalidInput, ProtocolError, TulleError
from tulle.ovsdb import jsonrpc
from tulle.ovsdb.jsonrpc import Splitter

MAX_REQUEST_BYTES = 1 << 20
MAX_CONNECTIONS = 64
CALL_S = 10.0
Command = Callable[[list[str]], str | Awaitable[str]]

_logger = structlog.get_logger(__name__)


class ControlServer:
    """Serves commands on a unix socket of mode 0600."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._commands: dict[str, tuple[Command, str]] = {}
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.register("list-commands", "", self._list)

    def register(self, name: str, usage: str, command: Command) -> None:
        """Offer a command; `usage` shows its arguments, optional ones in brackets, `...` for any number."""
        self._commands[name] = (command, usage)

    async def start(self) -> None:
        """Listen, in place of a socket that a dead process left."""
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self.path)
        self.path.chmod(0o600)

    async def close(self) -> None:
        """Stop listening, end connections and remove the socket."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.close()
        self.path.unlink(missing_ok=True)

    def execute(self, method: str, arguments: object) -> str | Awaitable[str]:
        """Run one command; raises `TulleError` with text for the user, as what it returns may too."""
        if method not in self._commands:
            raise InvalidInput(f'"{method}" is not a valid command')
        if not isinstance(arguments, list) or not all(isinstance(one, str) for one in arguments):
            raise InvalidInput("arguments must be strings")
        command, usage = self._commands[method]
        words = usage.split()
        least = len([word for word in words if not word.startswith("[")])
        if len(arguments) < least or (len(arguments) > len(words) and "..." not in usage):
            raise InvalidInput(f'"{method}" takes: {usage or "no arguments"}')
        return command(arguments)

    def _list(self, _arguments: list[str]) -> str:
        lines = [f"  {name:<23} {usage}".rstrip() for name, (_, usage) in sorted(self._commands.items())]
        return "\n".join(["The available commands are:", *lines])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._writers) >= MAX_CONNECTIONS:
            writer.close()
            return
        self._writers.add(writer)
        splitter = Splitter(MAX_REQUEST_BYTES)
        try:
            while data := await reader.read(65536):
                for message in splitter.receive(data):
                    writer.write(await self._reply(message))
                    await writer.drain()
        except asyncio.CancelledError:
            pass  # the process ends
        except (ProtocolError, OSError) as error:
            _logger.debug("control connection ended", error=str(error))
        finally:
            self._writers.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _reply(self, message: dict[str, Any]) -> bytes:
        if not jsonrpc.is_request(message):
            raise ProtocolError("expected a request")
        try:
            answer = self.execute(message["method"], message["params"])
            if inspect.isawaitable(answer):
                answer = await answer
            return jsonrpc.reply(answer, message.get("id"))
        except TulleError as error:
            return jsonrpc.error_reply(f"{error}\n", message.get("id"))


async def call(path: Path, method: str, *arguments: str) -> str:
    """Run one command of another process; raises `TulleError` with its answer, or OSError."""
    async with asyncio.timeout(CALL_S):
        return await _call(path, method, arguments)


async def _call(path: Path, method: str, arguments: tuple[str, ...]) -> str:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(jsonrpc.request(method, list(arguments), 1))
        splitter = Splitter()
        while data := await reader.read(65536):
            for message in splitter.receive(data):
                if message.get("error") is not None:
                    raise TulleError(str(message["error"]).strip())
                return str(message.get("result"))
        raise ProtocolError("the control connection ended without an answer", where=str(path))
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
