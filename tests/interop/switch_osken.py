"""os-ken from PyPI in a virtual environment of its own: its switch test suite, its cases and their outcomes.

The suite is run as it comes: nothing of it is edited, cases are chosen by a folder of links to its files.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct
from switch_arena import CONTROLLER, Lane

ROOT = Path(__file__).parents[2]
VERSION = "3.1.1"
REQUIREMENTS = (f"os-ken=={VERSION}", "eventlet==0.41.3", "setuptools==65.5.0")
SUITE = "os_ken/tests/switch"
SEARCH_S = 1.1
"""What a case takes that looks for a table miss: the suite sleeps a second in it."""
QUICK_S = 0.15
_OUTCOME = re.compile(r"    (\S.*?)\s+(OK|ERROR)")


class CaseFile(Struct, frozen=True):
    """A file of cases: its description, the descriptions of its cases and about how long they take."""

    path: Path
    name: str
    cases: tuple[str, ...]
    seconds: float

    @property
    def group(self) -> str:
        """`action`, `group`, `match` or `meter`."""
        return self.name.partition(":")[0]


class Outcome(Struct, frozen=True):
    """What became of a case; `reason` is empty where it passed."""

    file: str
    case: str
    passed: bool
    reason: str = ""

    @property
    def key(self) -> str:
        """Names the case in results."""
        return f"{self.file} / {self.case}"


class OsKen:
    """The installed package; `folder` keeps the virtual environment between runs."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(os.environ.get("TULLE_OSKEN", ROOT / ".venv-osken"))

    def install(self) -> None:
        """Make the virtual environment, unless it has what is needed already."""
        install(self.folder, REQUIREMENTS)

    @property
    def site(self) -> Path:
        """Where its modules lie."""
        return next(self.folder.glob("lib/python3*/site-packages"))

    def case_files(self, version: str = "of13") -> list[CaseFile]:
        """All files of the suite for one OpenFlow version, in order."""
        folder = self.site / SUITE / version
        return sorted((_case_file(path) for path in folder.rglob("*.json")), key=lambda one: one.name)

    def manager(self, port: int, *words: str, host: str = CONTROLLER) -> list[str]:
        """The command line of a controller on an address and port."""
        listen = ["--ofp-listen-host", host, "--ofp-tcp-listen-port", str(port)]
        return [str(self.folder / "bin" / "osken-manager"), *listen, *words]

    def tester(self, lane: Lane, cases: Path, interval_s: int) -> list[str]:
        """The command line that runs all cases in a folder on a lane."""
        words = ["--test-switch-dir", str(cases), "--test-switch-target", f"{lane.target_id:016x}"]
        words += ["--test-switch-tester", f"{lane.tester_id:016x}", "--test-switch-interval", str(interval_s)]
        return self.manager(lane.controller_port, *words, str(self.site / SUITE / "tester.py"))


def install(folder: Path, requirements: Iterable[str]) -> None:
    """A virtual environment with these packages; nothing is done where it has them already."""
    stamp, wanted = folder / "requirements", "\n".join(requirements)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        # Several workers of pytest may want it at once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, timeout=120)
        pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *wanted.split()], check=True, timeout=900)
        stamp.write_text(wanted)


def link_cases(files: Iterable[CaseFile], folder: Path) -> None:
    """A folder with links to these files, which the suite takes for its own."""
    folder.mkdir(parents=True)
    for index, file in enumerate(files):
        (folder / f"{index:03}.json").symlink_to(file.path)


def outcomes(log: str, files: Iterable[CaseFile]) -> Iterator[Outcome]:
    """Every case of these files with what the suite's log says of it."""
    told = dict(_told(log))
    for file in files:
        for case in file.cases:
            passed, reason = told.get((file.name, case), (False, "not run"))
            yield Outcome(file.name, case, passed, reason)


def _told(log: str) -> Iterator[tuple[tuple[str, str], tuple[bool, str]]]:
    lines = log.partition("--- Test start ---")[2].partition("---  Test end  ---")[0].splitlines()
    file = ""
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if outcome := _OUTCOME.fullmatch(line):
            passed = outcome[2] == "OK"
            yield (file, outcome[1]), (passed, "" if passed else following.strip())
        elif line and not line.startswith(" "):
            file = line


def _case_file(path: Path) -> CaseFile:
    parts = json.loads(path.read_text())
    name = next(part for part in parts if isinstance(part, str))
    cases = [part for part in parts if isinstance(part, dict)]
    return CaseFile(path, name, tuple(one["description"] for one in cases), sum(map(_seconds, cases)))


def _seconds(case: Mapping[str, list[dict[str, object]]]) -> float:
    return sum(map(_packet_seconds, case["tests"])) + QUICK_S


def _packet_seconds(test: dict[str, object]) -> float:
    ingress = test["ingress"]
    if isinstance(ingress, dict):
        return float(ingress["packets"].get("duration_time", 30))
    return SEARCH_S if "table-miss" in test else QUICK_S
