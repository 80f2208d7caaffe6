"""Errors that OVSDB names on the wire (RFC 7047 section 3.1 and 5), as exceptions.

An `OvsdbError` is what one operation, transaction or request answers; it never means that
the connection is broken.  `tulle.errors.ProtocolError` is for a peer that does not speak OVSDB.
"""

from __future__ import annotations

from typing import Any, Self

import orjson

from tulle.errors import TulleError


class OvsdbError(TulleError):
    """An error with the name that RFC 7047 gives it, such as "constraint violation"."""

    def __init__(self, error: str, details: str = "", *, syntax: object = None) -> None:
        super().__init__(f"{error}: {details}" if details else error)
        self.error = error
        self.details = details
        self.syntax = syntax
        self.code = "ovsdb-" + error.lower().replace("/", "").replace(" ", "-")

    def emit(self) -> dict[str, Any]:
        """The <error> object of RFC 7047 section 3.1."""
        out: dict[str, Any] = {"error": self.error}
        if self.details:
            out["details"] = self.details
        if self.syntax is not None:
            out["syntax"] = _excerpt(self.syntax)
        return out

    @classmethod
    def parse(cls, json: object) -> Self:
        """The exception for an <error> as a peer sent it; tolerates any JSON."""
        if isinstance(json, dict) and isinstance(json.get("error"), str):
            return cls(json["error"], str(json.get("details", "")), syntax=json.get("syntax"))
        return cls(json if isinstance(json, str) else str(json))


def syntax_error(syntax: object, details: str) -> OvsdbError:
    """The value `syntax` does not have the form that the RFC asks for."""
    return OvsdbError("syntax error", details, syntax=syntax)


def constraint_violation(details: str) -> OvsdbError:
    """A value or a row breaks a constraint of the schema."""
    return OvsdbError("constraint violation", details)


def _excerpt(syntax: object, limit: int = 200) -> str:
    if isinstance(syntax, str):
        text = syntax
    else:
        try:
            text = orjson.dumps(syntax, option=orjson.OPT_SORT_KEYS).decode()
        except (TypeError, ValueError):
            text = type(syntax).__name__
    return text if len(text) <= limit else text[:limit] + "…"
