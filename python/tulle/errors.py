"""The errors of Tulle, in one tree.

    TulleError                 code, message, and where (file:line) when it came from a file
    ├── InvalidInput           what the user gave is malformed or contradictory; nothing was changed
    ├── NotFound               a named object does not exist
    ├── Conflict               the change clashes with what is there
    ├── Unavailable            a process or peer that is needed does not answer
    └── ProtocolError          a peer broke OVSDB, OpenFlow or the control-socket protocol

Every error says what was expected, what came and where, and carries a stable `code`
that scripts may match on.  The CLI prints them without a traceback.
"""

from __future__ import annotations


class TulleError(Exception):
    """Base of all errors that are meant for a user."""

    code = "error"

    def __init__(self, message: str, *, where: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class InvalidInput(TulleError):
    """What the user gave is malformed or contradictory; nothing was changed."""

    code = "invalid-input"


class NotFound(TulleError):
    """A named object does not exist."""

    code = "not-found"


class Conflict(TulleError):
    """The change clashes with what is there."""

    code = "conflict"


class Unavailable(TulleError):
    """A process or peer that is needed does not answer."""

    code = "unavailable"


class ProtocolError(TulleError):
    """A peer broke the protocol."""

    code = "protocol-error"
