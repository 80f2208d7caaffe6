"""Documents tell the truth: their commands exist, and so do the files that they point to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer
from documents import DOCUMENTS, ROOT, commands, links

from tulle.cli.main import app
from tulle.lab.commands import app as lab_app

IDS = [document.name for document in DOCUMENTS]
TARGETS = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
HELP = {"--help", "-h"}


def problem(words: tuple[str, ...]) -> str | None:
    """What is wrong with a `tulle` command; nothing is run."""
    command: Any = typer.main.get_command(app)
    rest = [word for word in words if word not in HELP]
    while rest and not rest[0].startswith("-"):
        if rest[0] == "lab":
            command = typer.main.get_command(lab_app)
        elif not hasattr(command, "commands"):
            break
        elif rest[0] not in command.commands:
            return f"no command {rest[0]!r} among {sorted(command.commands)}"
        else:
            command = command.commands[rest[0]]
        rest.pop(0)
    return _wrong_arguments(command, rest) if rest else None


def _wrong_arguments(command: Any, rest: list[str]) -> str | None:
    context = command.context_class(command, info_name=command.name)
    context.allow_extra_args = False
    try:
        _, surplus, _ = command.make_parser(context).parse_args(list(rest))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    passed_on = command.context_settings.get("allow_extra_args", False)
    return f"nobody takes {surplus}" if surplus and not passed_on else None


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_tulle_command_of_a_document_exists(document: Path) -> None:
    wrong = {words: said for words in commands(document, "tulle") if (said := problem(words))}
    assert wrong == {}


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_make_target_of_a_document_exists(document: Path) -> None:
    named = {word for words in commands(document, "make") for word in words if "=" not in word}
    assert named - TARGETS == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_file_that_a_document_points_to_is_there(document: Path) -> None:
    missing = [target for target in links(document) if not (document.parent / target).exists()]
    assert missing == []


def test_the_readme_shows_the_two_commands_for_a_fresh_machine() -> None:
    shown = list(commands(ROOT / "README.md", "make"))
    assert {("demo",), ("test",)} <= set(shown), shown
    assert list(commands(ROOT / "README.md", "tulle")), "the README shows no command of tulle"


@pytest.mark.parametrize(
    "words",
    [
        ("network", "teleport", "red"),
        ("trace", "red", "web1", "tcp", "surplus"),
        ("apply", "--no-such-option"),
        ("lab", "explode"),
    ],
)
def test_a_command_that_does_not_exist_is_noticed(words: tuple[str, ...]) -> None:
    assert problem(words) is not None


def test_make_without_a_target_lists_the_targets() -> None:
    text = (ROOT / "Makefile").read_text()
    assert re.search(r"(?m)^([a-z-]+):", text)[1] == "help"  # type: ignore[index]
    described = set(re.findall(r"(?m)^([a-z-]+):.*## ", text))
    assert {"demo", "test", "lint", "bench", "fuzz"} <= described
