"""HTTP over a unix socket, and errors of the API as exceptions of `tulle.errors`."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from tulle.errors import Conflict, InvalidInput, NotFound, ProtocolError, TulleError, Unavailable

KINDS: Final[dict[str, type[TulleError]]] = {
    kind.__name__: kind for kind in (InvalidInput, NotFound, Conflict, Unavailable, ProtocolError)
}


class UnixConnection(http.client.HTTPConnection):
    """An HTTP connection to a socket in the file system."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self.path = path

    def connect(self) -> None:
        """Connect; OSError when nobody listens."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def request(path: Path, method: str, target: str, body: Any, timeout_s: float) -> dict[str, Any]:
    """One request and its answer; raises the TulleError that the controller named, or Unavailable."""
    payload = None if body is None else orjson.dumps(body)
    return _parse(request_bytes(path, method, target, payload, timeout_s))


def request_bytes(path: Path, method: str, target: str, payload: bytes | None, timeout_s: float) -> bytes:
    """The same with bytes for body and answer."""
    connection = UnixConnection(path, timeout_s)
    try:
        connection.request(method, target, payload, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    except TimeoutError:
        raise Unavailable(f"the controller at {path} did not answer within {timeout_s:g} s") from None
    except OSError as error:
        raise Unavailable(f"no controller answers at {path}: {error}") from None
    except http.client.HTTPException as error:
        raise ProtocolError(
            f"the controller at {path} answered something else than HTTP: {error!r}"
        ) from None
    finally:
        connection.close()
    if response.status != 200:
        raise _error(_parse(answer))
    return answer


def request_lines(path: Path, target: str, silence_s: float) -> Iterator[bytes]:
    """The lines of an answer as they come, without empty ones; Unavailable after a silence of `silence_s`."""
    connection = UnixConnection(path, silence_s)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        if response.status != 200:
            raise _error(_parse(response.read()))
        while text := response.readline():
            if text.strip():
                yield text
    except TimeoutError:
        raise Unavailable(f"the controller at {path} was silent for {silence_s:g} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"the controller at {path} is gone: {error}") from None
    finally:
        connection.close()


def _parse(data: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"the controller answered something else than JSON: {error}") from None
    if not isinstance(answer, dict):
        raise ProtocolError("the controller answered something else than an object")
    return answer


def _error(answer: dict[str, Any]) -> TulleError:
    error = answer.get("error")
    if not isinstance(error, dict):
        return ProtocolError("the controller refused without saying why")
    kind = KINDS.get(str(error.get("kind")), TulleError)
    return kind(str(error.get("message")), where=error.get("where"), code=str(error.get("code")))
