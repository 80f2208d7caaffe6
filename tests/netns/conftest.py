"""A whole lab for the tests of this folder, under names of its own, taken down whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_bench import Bench


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Adds logs and flows of the lab to the report of a failed test."""
    report = yield
    bench = getattr(item, "funcargs", {}).get("lab")
    if report.failed and isinstance(bench, Bench):
        report.sections.append(("lab", bench.state()))
    return report


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Bench]:
    short = Path(str(request.path)).stem.removeprefix("test_lab_")[:4]
    bench = Bench(tmp_path_factory.mktemp("lab"), short)
    try:
        bench.up()
        yield bench
    finally:
        bench.down()
