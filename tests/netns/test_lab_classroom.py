"""The example of a classroom with 20 clones; the same checks as `make demo-classroom`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lab_bench import Bench
from rich.console import Console

from tulle.lab import classroom
from tulle.lab.classroom import Classroom
from tulle.lab.demo.report import Report


class Room(Bench):
    """The example with workload namespaces of its own."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "room")
        self.text = re.sub("namespace: (?=lesson)", f"namespace: {self.name}-", classroom.EXAMPLE.read_text())
        self.path.write_text(self.text)


@pytest.mark.slow
def test_twenty_students_have_the_same_network_and_none_meets_another(tmp_path: Path) -> None:
    bench, report = Room(tmp_path), Report(Console())
    try:
        bench.up()
        with bench.client as client:
            classroom.run(Classroom(bench.lab, client, report))
        assert report.checks and report.failures == []
    finally:
        bench.down()
