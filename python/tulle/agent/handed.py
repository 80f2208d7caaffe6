"""What a node hands on of a port, as text: its connections, and those of its translations (`translation_zones.py`).

Each is what `tulle/ct-export` gives of one zone, `{"version": 1, "connections": [LINE, ...]}`; together they are the
first with the other's lines as `translations`, so that who knows of no translations takes the rest.  Lines are for the
switch to judge.
"""

from __future__ import annotations

from typing import Any

import orjson

from tulle.errors import InvalidInput


def joined(connections: str, translations: str | None) -> str:
    """Both zones as one text; None: the port has no translations.  Raises `InvalidInput`."""
    if translations is None:
        return connections
    found = {**_parse(connections), "translations": _parse(translations)["connections"]}
    return orjson.dumps(found).decode()


def parted(text: str) -> tuple[str, str | None]:
    """The text of each zone; None: no translations were handed on.  Raises `InvalidInput`."""
    found = _parse(text)
    lines = found.pop("translations", None)
    if lines is None:
        return text, None
    return orjson.dumps(found).decode(), orjson.dumps({**found, "connections": lines}).decode()


def _parse(text: str) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"connections are no JSON: {error}") from None
    if not isinstance(found, dict) or "connections" not in found:
        raise InvalidInput("expected connections of a zone")
    return found
