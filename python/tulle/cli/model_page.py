"""What a network file may say, as a page: `python -m tulle.cli.model_page` prints docs/network-file.md.

Keys and kinds are those of the reader, by its schema; what an object is, is the first paragraph of its class.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Final

from tulle import values
from tulle.logical import file_schema

HEAD: Final = """# The network file

Made from the reader of the file and the classes of the model by `make reference`.
Editors check and complete a file by [tulle.schema.json](tulle.schema.json), named in its first line;
`tulle schema` prints it.

    # yaml-language-server: $schema=https://…/tulle.schema.json

What contradicts itself or its surroundings is refused with its line when it is applied or tried (`--dry-run`).
"""


OTHER_NAMES: Final = {"policy": "routing policy", "route": "static route"}
"""What classes are called whose files say less."""


def page() -> str:
    """The whole document."""
    schema = file_schema()
    parts = [HEAD, *_object("The file", schema)]
    for name, one in schema["$defs"].items():
        parts += _object(name.replace("_", " "), one)
    return "\n".join(parts).rstrip() + "\n"


def _object(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"## {name[:1].upper()}{name[1:]}\n"
    if text := _docstring(name):
        yield f"{text}\n"
    yield "| key | value | |\n|---|---|---|"
    needed = schema.get("required", ())
    yield "\n".join(
        f"| `{key}` | {_kind(value)} | {'must be given' if key in needed else ''} |".replace("|  |", "| |")
        for key, value in schema["properties"].items()
    )
    yield ""


def _docstring(name: str) -> str:
    name = OTHER_NAMES.get(name, name)
    kind = getattr(values, "".join(word.capitalize() for word in name.split()), None)
    kind = kind or getattr(values, f"Logical{name.capitalize()}", None)
    return inspect.cleandoc(kind.__doc__ or "") if kind is not None else ""


def _kind(value: dict[str, Any]) -> str:
    if "$ref" in value:
        return _link(value)
    if "anyOf" in value:
        return " or ".join(map(_kind, value["anyOf"]))
    if "enum" in value:
        return ", ".join(f"`{word}`" for word in value["enum"])
    match value.get("type"):
        case "array":
            inner = value["items"]
            return f"a list of {_link(inner)}" if "$ref" in inner else "a list of texts"
        case "integer":
            return f"{value['minimum']} to {value['maximum']}"
        case "boolean":
            return "`true` or `false`"
    return "a text"


def _link(value: dict[str, Any]) -> str:
    name = value["$ref"].rpartition("/")[2]
    return f"[{name.replace('_', ' ')}](#{name.replace('_', '-')})"


if __name__ == "__main__":
    print(page(), end="")
