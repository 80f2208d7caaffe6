"""JSON-RPC 1.0 over a byte stream (RFC 7047 section 4): bytes in, messages out.  No sockets.

Messages are not framed, so `Splitter` finds where each JSON object ends.  It first guesses from `}` and lets
the parser judge, which is fast; the exact scan runs only when the guess was wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from tulle.errors import ProtocolError

MAX_MESSAGE_BYTES = 64 << 20
MAX_DEPTH = 1000  # orjson refuses a little more by itself
_BETWEEN = re.compile(rb"\}[ \t\r\n]*\{")
_OUTSIDE = re.compile(rb'["{}\[\]]')
_INSIDE = re.compile(rb'["\\]')
_BLANK = b" \t\r\n"

Message = dict[str, Any]


class Splitter:
    """Cuts a stream of bytes into JSON objects; raises `ProtocolError` for what cannot become one."""

    def __init__(self, max_bytes: int = MAX_MESSAGE_BYTES, max_depth: int = MAX_DEPTH) -> None:
        self._max_bytes = max_bytes
        self._max_depth = max_depth
        self._buffer = bytearray()
        self._restart()

    def _restart(self) -> None:
        self._scan = 0  # the exact scan has seen the bytes before this
        self._depth = 0
        self._in_string = False
        self._searched = 0  # no _BETWEEN starts before this
        self._guesses = 0

    def receive(self, data: bytes) -> Iterator[Message]:
        """Feed bytes and give the messages that they complete."""
        if self._buffer:
            self._buffer += data
        else:
            yield from self._whole(data)
        while (message := self._next()) is not None:
            yield message

    def _whole(self, data: bytes) -> Iterator[Message]:
        """Give the messages that lie whole in `data`, as mostly all do; buffer what needs a closer look.

        A caller that stops half way finds the rest in the buffer too.
        """
        place = 0
        ends = (found.start() + 1 for found in _BETWEEN.finditer(data))
        try:
            for end in (*ends, len(data) if data[-1:] == b"}" else 0):
                if not end or (message := self._only(data[place:end])) is None:
                    return
                place = end
                yield message
        finally:
            self._buffer += data[place:]

    def _only(self, data: bytes) -> Message | None:
        """The message that is all of `data`."""
        if len(data) > self._max_bytes:
            return None
        try:
            message = orjson.loads(data)
        except orjson.JSONDecodeError:
            return None
        return message if isinstance(message, dict) else None

    def _next(self) -> Message | None:
        buffer = self._buffer
        if buffer and buffer[0] in _BLANK:
            del buffer[: len(buffer) - len(buffer.lstrip(_BLANK))]
        if not buffer:
            return None
        if buffer[0] != ord("{"):
            raise ProtocolError(f"expected a JSON object, got {bytes(buffer[:20])!r}")
        message = self._guess()
        if message is None:
            message = self._scanned()
        if message is None and len(buffer) > self._max_bytes:
            raise ProtocolError(f"message exceeds {self._max_bytes} bytes")
        return message

    def _guess(self) -> Message | None:
        """Try the first place that looks like the end, a few times at most: each try costs a pass."""
        if self._guesses >= 8 or self._scan:
            return None
        found = _BETWEEN.search(self._buffer, self._searched)
        if found is not None:
            end = found.start() + 1
        else:
            self._searched = max(0, len(self._buffer) - 1)
            end = len(self._buffer.rstrip(_BLANK)) if self._buffer[-1] in b"} \t\r\n" else 0
            if not end or self._buffer[end - 1] != ord("}"):
                return None
        self._guesses += 1
        try:
            message = orjson.loads(memoryview(self._buffer)[:end])
        except orjson.JSONDecodeError as error:
            if found is not None or "end of data" not in str(error):
                self._guesses = 8  # not only unfinished: let the exact scan judge
            return None
        return self._cut(end, message)

    def _scanned(self) -> Message | None:
        """The exact scan; it keeps its place between calls, so it passes each byte once."""
        if self._guesses < 8 and not self._scan and len(self._buffer) > 4096:
            return None  # a large message: the end is worth another guess
        end = self._end()
        if not end:
            return None
        try:
            message = orjson.loads(memoryview(self._buffer)[:end])
        except orjson.JSONDecodeError as error:
            raise ProtocolError(f"malformed JSON: {error}") from error
        return self._cut(end, message)

    def _end(self) -> int:
        buffer, place = self._buffer, self._scan
        while True:
            found = (_INSIDE if self._in_string else _OUTSIDE).search(buffer, place)
            if found is None:
                self._scan = max(place, len(buffer))
                return 0
            byte, place = buffer[found.start()], found.end()
            if byte == ord("\\"):
                if place == len(buffer):
                    self._scan = found.start()
                    return 0
                place += 1
            elif byte == ord('"'):
                self._in_string = not self._in_string
            elif byte in b"{[":
                self._depth += 1
                if self._depth > self._max_depth:
                    raise ProtocolError(f"JSON is nested deeper than {self._max_depth}")
            else:
                self._depth -= 1
                if not self._depth:
                    return place

    def _cut(self, end: int, message: Any) -> Message:
        if end > self._max_bytes:
            raise ProtocolError(f"message exceeds {self._max_bytes} bytes")
        if not isinstance(message, dict):
            raise ProtocolError("expected a JSON object")
        del self._buffer[:end]
        self._restart()
        return message


def emit(message: Any) -> bytes:
    """The bytes of any JSON value."""
    return orjson.dumps(message)


def request(method: str, params: Any, request_id: Any) -> bytes:
    """The bytes of a request, or with `request_id` None of a notification."""
    return orjson.dumps({"method": method, "params": params, "id": request_id})


def reply(result: Any, request_id: Any) -> bytes:
    """The bytes of an answer."""
    return orjson.dumps({"result": result, "error": None, "id": request_id})


def error_reply(error: Any, request_id: Any) -> bytes:
    """The bytes of an answer that the request failed."""
    return orjson.dumps({"result": None, "error": error, "id": request_id})


def is_request(message: Message) -> bool:
    """Whether this is a request or notification, or a reply; raises `ProtocolError` if it is neither."""
    if "method" in message:
        if not isinstance(message["method"], str) or not isinstance(message.get("params"), list):
            raise ProtocolError("a request needs a method name and an array of params")
        return True
    if "result" in message or "error" in message:
        return False
    raise ProtocolError("neither a request nor a reply")
