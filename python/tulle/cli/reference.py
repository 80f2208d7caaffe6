"""Every command as a page: `python -m tulle.cli.reference` prints docs/commands.md from the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, Final

from typer.main import get_command

from .main import app

HEAD: Final = """# Commands

Made from the commands themselves by `make reference`; every page here is also `--help`.
Answers come as `-o table` for people, `json` or `yaml` for programs, where a command has `-o`.
Exit codes are in [the reference](reference.md#exit-codes).
"""
SHARED: Final = {"--help", "--install-completion", "--show-completion"}


def pages() -> str:
    """The whole document, one heading a command."""
    root = get_command(app)
    from tulle.lab.commands import app as lab_app

    parts = [HEAD, *_page("tulle", root), *_pages("tulle", root), *_pages("tulle lab", get_command(lab_app))]
    return "\n".join(parts).rstrip() + "\n"


def _pages(path: str, group: Any) -> Iterator[str]:
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _pages(f"{path} {name}", command)
        else:
            yield from _page(f"{path} {name}", command)


def _page(path: str, command: Any) -> Iterator[str]:
    yield f"## {path}\n"
    if arguments := [_metavar(one) for one in command.params if one.param_type_name == "argument"]:
        yield f"Takes `{' '.join(arguments)}`.\n"
    if text := _prose(command.help):
        yield f"{text}\n"
    rows = [_row(one) for one in command.params if not _is_shared(one)]
    if rows:
        yield "| option or argument | meaning | default |\n|---|---|---|"
        yield "\n".join(rows) + "\n"


def _prose(text: str | None) -> str:
    """One sentence a line; examples become code."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc((text or "").replace("\b", "")))
    return "\n\n".join(f"    {one}" if one.startswith("tulle ") else one for one in paragraphs).strip()


def _row(parameter: Any) -> str:
    names = _metavar(parameter) if parameter.param_type_name == "argument" else ", ".join(_options(parameter))
    meaning = (getattr(parameter, "help", None) or "").replace("|", "\\|").replace("\n", " ")
    return f"| `{names}` | {meaning} | {_default(parameter)} |".replace("|  |", "| |")


def _options(option: Any) -> list[str]:
    return [*option.opts, *option.secondary_opts]


def _metavar(argument: Any) -> str:
    given = argument.metavar or (argument.name or "").upper()
    return given.replace("|", "/")


def _default(parameter: Any) -> str:
    value: Any = parameter.default
    if parameter.required:
        return "must be given"
    if value in (None, "", (), []) or callable(value) or isinstance(value, bool):
        return ""
    return f"`{getattr(value, 'value', value)}`"


def _is_shared(parameter: Any) -> bool:
    return bool(SHARED & set(_options(parameter)))


if __name__ == "__main__":
    print(pages(), end="")
