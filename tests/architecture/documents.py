"""What the documents say: commands in code blocks and in the text, and links between files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def commands(document: Path, program: str) -> Iterator[tuple[str, ...]]:
    """The words after `program` in every command that the document shows."""
    for line in _shown(document.read_text()):
        words = shlex.split(line.split(" | ")[0], comments=True)
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words.pop(0)
        if words and words[0].removeprefix(".venv/bin/") == program:
            yield tuple(words[1:])


def links(document: Path) -> Iterator[str]:
    """The files of the repository that the document points to."""
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
        if "://" not in target:
            yield target


def _shown(text: str) -> Iterator[str]:
    for block in re.findall(r"(?ms)^```(?:\w*)\n(.*?)^```", text):
        yield from (line.strip() for line in block.splitlines() if _is_command(line.strip()))
    outside = re.sub(r"(?ms)^```.*?^```", "", text)
    yield from (one for one in re.findall(r"`([^`\n]+)`", outside) if _is_command(one))


def _is_command(line: str) -> bool:
    """Whether a line is one; a dot in the middle of a line means that it is a drawing."""
    if " · " in line:
        return False
    return re.match(r"([A-Z_]+=\S* )?(\.venv/bin/)?(tulle|make)( [a-z-]|$)", line) is not None
