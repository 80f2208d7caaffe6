"""One word per concept, and files and functions that fit into a head."""

from __future__ import annotations

import re

from sources import EVERY, PYTHON, ROOT, RUST, TESTS, function_lengths, names_defined, shown

FILE_MAX = 500
FUNCTION_MAX = 35
# Words that say nothing, abbreviations, and the words of other systems; see docs/glossary.md.
VAGUE_FILES = {"utils", "util", "common", "helpers", "helper", "misc", "manager"}
VAGUE_CLASS = re.compile(r"(Manager|Helper|Helpers|Util|Utils|Handler)$")
OTHER_WORDS = re.compile(
    r"(^|_)(tnl|xlate|hdlr|mgr|lport|lswitch|lrouter|lflow|chassis|vtep|hypervisor|vnet_id)(_|$)"
)
GLOSSARY = ROOT / "docs" / "glossary.md"
PROSE = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"]


def test_no_file_is_too_long_to_read() -> None:
    long = {shown(file): lines for file in EVERY if (lines := len(file.read_text().splitlines())) > FILE_MAX}
    assert long == {}


def test_nearly_all_functions_fit_on_a_screen() -> None:
    lengths = [(length, shown(file), name) for file in PYTHON for name, length in function_lengths(file)]
    assert lengths
    long = sorted(one for one in lengths if one[0] > FUNCTION_MAX)
    assert len(long) <= len(lengths) // 100, long


def test_names_of_files_and_classes_say_what_they_hold() -> None:
    files = [shown(file) for file in (*PYTHON, *TESTS) if file.stem in VAGUE_FILES]
    classes = [
        f"{shown(file)}: {name}"
        for file in PYTHON
        for kind, name in names_defined(file)
        if kind == "class" and VAGUE_CLASS.search(name)
    ]
    assert (files, classes) == ([], [])


def test_getters_are_nouns() -> None:
    found = [
        f"{shown(file)}: {name}"
        for file in PYTHON
        for kind, name in names_defined(file)
        if kind == "function" and re.match(r"_?get_", name)
    ]
    assert found == []


def test_no_name_uses_a_word_of_another_system() -> None:
    found = [
        f"{shown(file)}: {name}"
        for file in PYTHON
        for _, name in names_defined(file)
        if OTHER_WORDS.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    ]
    assert found == []


def test_every_word_of_the_glossary_is_in_use() -> None:
    table = GLOSSARY.read_text().split("## From other systems")[0]
    rows = re.findall(r"(?m)^\| ([^|]+) \| [^|]+ \|$", table)[1:]
    words = [re.sub(r" \(.*\)", "", word) for row in rows for word in row.split(", ")]
    assert len(words) > 20, words
    text = "\n".join(file.read_text() for file in (*PYTHON, *RUST, *PROSE)).lower()
    assert [word for word in words if not re.search(_spellings(word), text)] == []


def _spellings(word: str) -> str:
    """A word as it stands in prose and in names."""
    return "[-_ ]?".join(map(re.escape, re.split("[ -]", word.lower())))
