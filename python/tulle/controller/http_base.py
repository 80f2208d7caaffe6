"""What all routes share: bodies to values, answers and errors to JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar

import msgspec
import orjson
import structlog
from aiohttp import web

from tulle.errors import Conflict, InvalidInput, NotFound, ProtocolError, TulleError, Unavailable

from .asked import Asked
from .caller import caller

_logger = structlog.get_logger(__name__)
STATUSES: Final[dict[type[TulleError], int]] = {
    InvalidInput: 400,
    NotFound: 404,
    Conflict: 409,
    ProtocolError: 502,
    Unavailable: 503,
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Body = TypeVar("Body")


Kept = Annotated[str, msgspec.Meta(max_length=1000)]
"""Text of a user that goes into the history, of which thousands are kept."""


class ChangeRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What every change may say: why, what it builds upon, whether it is only to be planned, and made as one."""

    message: Kept = ""
    expected: dict[str, int] = msgspec.field(default_factory=dict)
    dry_run: bool = False
    atomic: bool | None = None


def asked(request: web.Request, body: ChangeRequest) -> Asked:
    """How a change was asked for."""
    return Asked(caller(request), body.message, body.expected, body.dry_run, body.atomic)


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors as JSON, with the status of their kind."""
    try:
        return await handler(request)
    except TulleError as error:
        return error_answer(error)
    except web.HTTPException as error:
        kind = NotFound if error.status == 404 else InvalidInput
        return error_answer(kind(f"{request.method} {request.path}: {error.reason}"), error.status)
    except Exception as error:
        _logger.exception("a request failed", path=request.path)
        failure = TulleError(f"the controller failed: {error!r}; its log says more", code="internal")
        return error_answer(failure)


async def body(request: web.Request, kind: type[Body]) -> Body:
    """The body of a request; an empty one is an empty object."""
    try:
        return msgspec.json.decode(await request.read() or b"{}", type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"the body of {request.method} {request.path}: {error}") from None


def part(request: web.Request, name: str) -> str:
    """A part of the path."""
    return request.match_info[name]


def error_answer(error: TulleError, status: int | None = None) -> web.Response:
    """An error as JSON."""
    kind = next((kind for kind in STATUSES if isinstance(error, kind)), TulleError)
    document = {"kind": kind.__name__, "code": error.code, "message": error.message, "where": error.where}
    return json_answer({"error": document}, status or STATUSES.get(kind, 500))


def json_answer(document: Any, status: int = 200) -> web.Response:
    """A document as JSON."""
    return web.Response(body=orjson.dumps(document), status=status, content_type="application/json")
