"""Prints what pyproject.toml requires, dev extras included, one requirement a line, for pip."""

import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
print(
    "\n".join(
        r.replace(" ", "") for r in [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    )
)
