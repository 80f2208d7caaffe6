"""An OpenFlow controller for one switch: one connection that is made again for ever, over the native codec.

Packets that the switch hands up go straight to a callback; nothing is queued here without bound.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct

from tulle.errors import ProtocolError, Unavailable

READ_BYTES = 256 * 1024
BATCH_FLOWS = 512
PACKET_OUT_LIMIT_BYTES = 1 << 20
FIRST_RETRY_S = 0.1
LAST_RETRY_S = 3.0
ANSWER_S = 30.0


class Session(Protocol):
    """`_native.ControllerSession`, or what stands in for it."""

    def receive(self, data: bytes) -> list[dict[str, Any]]: ...
    def outgoing(self) -> bytes: ...
    def flow_mods(self, command: str, flows: Sequence[str]) -> list[int]: ...
    def barrier(self) -> int: ...
    def dump_flows(self) -> int: ...
    def packet_out(self, in_port: int, actions: str, frame: bytes) -> int: ...


class DumpedFlow(Struct, frozen=True):
    """A flow as the switch has it, in canonical text, and what it has counted."""

    text: str
    packets: int
    bytes: int
    duration_s: float


class PacketIn(Struct, frozen=True):
    """A packet that a flow handed to the controller."""

    in_port: int
    table: int
    cookie: int
    metadata: int
    registers: dict[str, int]
    frame: bytes


class FlowRefused(ProtocolError):
    """The switch refused a change; `refused` has the texts of flows that it refused, each with what it said."""

    code = "flow-refused"

    def __init__(self, message: str, refused: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.refused = tuple(refused)


def _nothing(*_args: object) -> None:
    return None


class OpenFlowClient:
    """`run()` keeps the connection; the callbacks are called in the event loop.

    `target` is `unix:PATH` or `tcp:HOST:PORT`.
    Requests fail with `Unavailable` while there is no connection.
    """

    def __init__(
        self,
        target: str,
        *,
        on_connected: Callable[[], None] = _nothing,
        on_lost: Callable[[], None] = _nothing,
        on_packet: Callable[[PacketIn], None] = _nothing,
        new_session: Callable[[], Session] | None = None,
    ) -> None:
        self.target = target
        self.packet_outs_dropped = 0
        self._on_connected, self._on_lost, self._on_packet = on_connected, on_lost, on_packet
        self._new_session = new_session or _native_session
        self._session: Session | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._mods: dict[int, tuple[str, str]] = {}
        self._refused: list[tuple[str, str]] = []
        self._change_lock = asyncio.Lock()

    @property
    def connected(self) -> bool:
        """Whether versions have been agreed on and requests can be made."""
        return self._session is not None

    async def run(self) -> None:
        """Connect, serve, and connect again until cancelled."""
        retry_s = FIRST_RETRY_S
        while True:
            try:
                if await self._connection():
                    retry_s = FIRST_RETRY_S
            except (OSError, asyncio.IncompleteReadError):
                pass
            await asyncio.sleep(retry_s)
            retry_s = min(2 * retry_s, LAST_RETRY_S)

    async def change(self, batches: Sequence[tuple[str, Sequence[str]]]) -> None:
        """Send flow_mods, (command, texts) in order, and return when the switch has applied them all.

        Raises `FlowRefused` with what the switch said; the other changes are applied all the same.
        """
        async with self._change_lock:
            self._refused.clear()
            for command, texts in batches:
                for start in range(0, len(texts), BATCH_FLOWS):
                    await self._send_batch(command, texts[start : start + BATCH_FLOWS])
            await self._answer(self._live().barrier())
            self._mods.clear()
            if self._refused:
                first = self._refused[0][1]
                raise FlowRefused(
                    f"the switch refused {len(self._refused)} changes; first: {first}", self._refused
                )

    def send_raw(self, messages: bytes) -> None:
        """Send messages that the native session does not know; what is refused of them is not heard of."""
        if self._session is None or self._writer is None:
            raise Unavailable(f"no OpenFlow connection to {self.target}")
        self._flush()
        self._writer.write(messages)

    async def dump(self) -> list[DumpedFlow]:
        """All flows of the switch with their counters."""
        flows = await self._answer(self._live().dump_flows())
        return [DumpedFlow(*flow) for flow in flows]

    def packet_out(self, in_port: int, actions: str, frame: bytes) -> None:
        """Hand a packet to the switch; dropped and counted while the switch does not keep up."""
        if self._session is None or self._writer is None:
            self.packet_outs_dropped += 1
            return
        if self._writer.transport.get_write_buffer_size() > PACKET_OUT_LIMIT_BYTES:
            self.packet_outs_dropped += 1
            return
        self._session.packet_out(in_port, actions, frame)
        self._flush()

    def _live(self) -> Session:
        if self._session is None:
            raise Unavailable(f"no OpenFlow connection to {self.target}")
        return self._session

    async def _send_batch(self, command: str, texts: Sequence[str]) -> None:
        session = self._live()
        for xid, text in zip(session.flow_mods(command, texts), texts, strict=True):
            self._mods[xid] = command, text
        self._flush()
        if self._writer is not None:
            await _drain(self._writer)

    async def _answer(self, xid: int) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[xid] = future
        self._flush()
        try:
            # Not `wait_for`: Python 3.11's loses a cancellation that comes together with the answer.
            async with asyncio.timeout(ANSWER_S):
                return await future
        except TimeoutError:
            if self._writer is not None:
                self._writer.transport.abort()
            raise Unavailable(f"no answer from {self.target} within {ANSWER_S:g} s") from None
        finally:
            self._waiting.pop(xid, None)

    def _flush(self) -> None:
        if self._session is not None and self._writer is not None:
            self._writer.write(self._session.outgoing())

    async def _connection(self) -> bool:
        """Serve one connection to its end; True if versions were agreed on."""
        reader, writer = await _open(self.target)
        session = self._new_session()
        try:
            writer.write(session.outgoing())
            while data := await reader.read(READ_BYTES):
                if not self._take(session, writer, session.receive(data)):
                    break
                # Not drained: the switch may read no more before it is rid of what it says, as in a long dump.
                writer.write(session.outgoing())
            return self._session is session
        finally:
            self._lose(session)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _take(self, session: Session, writer: asyncio.StreamWriter, events: list[dict[str, Any]]) -> bool:
        for event in events:
            match event["event"]:
                case "negotiated":
                    self._session, self._writer = session, writer
                    self._on_connected()
                case "barrier-passed":
                    self._resolve(event["xid"], None)
                case "flows-dumped":
                    self._resolve(event["xid"], event["flows"])
                case "packet-received":
                    self._on_packet(_packet_in(event))
                case "refused":
                    self._refuse(event)
                case "closed":
                    return False
        return True

    def _resolve(self, xid: int, result: object) -> None:
        future = self._waiting.get(xid)
        if future is not None and not future.done():
            future.set_result(result)

    def _refuse(self, event: dict[str, Any]) -> None:
        xid, said = event["xid"], f"{event.get('text') or 'error'} ({event.get('type')}/{event.get('code')})"
        if xid in self._mods:
            command, text = self._mods.pop(xid)
            self._refused.append((text, f"{command} {text}: {said}"))
            return
        future = self._waiting.get(xid)
        if future is not None and not future.done():
            future.set_exception(FlowRefused(said))

    def _lose(self, session: Session) -> None:
        if self._session is not session:
            return
        self._session = self._writer = None
        self._mods.clear()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(Unavailable(f"the OpenFlow connection to {self.target} was lost"))
        self._on_lost()


def _native_session() -> Session:
    from tulle._native import ControllerSession

    return ControllerSession()


def _packet_in(event: dict[str, Any]) -> PacketIn:
    return PacketIn(
        event["in_port"],
        event["table"],
        event["cookie"],
        event["metadata"],
        event["registers"],
        event["frame"],
    )


async def _drain(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        await writer.drain()


async def _open(target: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    kind, _, rest = target.partition(":")
    if kind == "unix":
        return await asyncio.open_unix_connection(rest)
    host, _, port = rest.rpartition(":")
    return await asyncio.open_connection(host.strip("[]"), int(port))
