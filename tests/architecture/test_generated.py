"""Pages that are made from the code are as the code is; `make reference` makes them."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from tulle.cli import model_page, reference
from tulle.cli.schema import schema_text
from tulle.logical import file_schema

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("commands.md", reference.pages),
        ("network-file.md", model_page.page),
        ("tulle.schema.json", schema_text),
    ],
)
def test_a_page_is_as_the_code_makes_it(name, made):
    assert (ROOT / "docs" / name).read_text() == made(), "run `make reference`"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_as_the_schema_says(path):
    jsonschema.validate(yaml.safe_load(path.read_text()), file_schema())


@pytest.mark.parametrize(
    "text",
    [
        "networks: [{name: red, colour: blue}]",
        "networks: [{switches: []}]",
        "networks: [{name: red, acls: [{name: a, direction: sideways, priority: 1, match: ip, action: drop}]}]",
        "network: []",
    ],
)
def test_what_the_reader_refuses_for_its_shape_the_schema_refuses_too(text):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), file_schema())
