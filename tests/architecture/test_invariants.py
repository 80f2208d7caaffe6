"""Invariant 6: unsafe code only in crates/io, Python only in crates/native."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from sources import ROOT, RUST, shown

CRATES = sorted(file.parent for file in (ROOT / "crates").glob("*/Cargo.toml"))
UNSAFE = re.compile(r"\bunsafe\s*(\{|fn|impl|trait|extern)")
WORKSPACE_LINTS = {"workspace": True}


def manifest(crate: Path) -> dict[str, object]:
    return tomllib.loads((crate / "Cargo.toml").read_text())


def test_unsafe_code_is_in_crates_io_alone() -> None:
    holders = {file.relative_to(ROOT / "crates").parts[0] for file in RUST if UNSAFE.search(file.read_text())}
    assert holders == {"io"}


def test_the_compiler_forbids_unsafe_code_everywhere_else() -> None:
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())
    assert workspace["workspace"]["lints"]["rust"]["unsafe_code"] == "forbid"
    free = [crate.name for crate in CRATES if manifest(crate).get("lints") != WORKSPACE_LINTS]
    assert free == ["io"]


def test_only_crates_native_knows_python() -> None:
    dependents = [crate.name for crate in CRATES if "pyo3" in (crate / "Cargo.toml").read_text()]
    users = {shown(file).split("/")[1] for file in RUST if re.search(r"\bpyo3::", file.read_text())}
    assert (dependents, users) == (["native"], {"native"})


def test_no_crate_depends_on_the_one_that_knows_python() -> None:
    dependents = [
        crate.name
        for crate in CRATES
        for table in ("dependencies", "dev-dependencies", "build-dependencies")
        if "tulle-native" in manifest(crate).get(table, {})  # type: ignore[operator]
    ]
    assert dependents == []


def test_no_python_but_the_edges_touches_the_native_side() -> None:
    allowed = {"agent", "api", "cli", "controller", "lab", "openflow", "vswitch"}
    users = {
        shown(file).split("/")[2]
        for file in (ROOT / "python" / "tulle").glob("*/**/*.py")
        if re.search(r"\btulle\._native\b|\bimport _native\b", file.read_text())
    }
    assert users <= allowed, users


def test_examples_in_documentation_are_in_crates_that_run_them() -> None:
    """Where there are none, looking for them costs seconds, so their crates say `doctest = false`."""
    told = {file for file in RUST if re.search(r"(?m)^\s*//[/!] ```\s*(rust)?$", file.read_text())}
    holders = {file.relative_to(ROOT / "crates").parts[0] for file in told}
    silent = {one.name for one in CRATES if manifest(one).get("lib", {}).get("doctest") is False}  # type: ignore[attr-defined]
    assert holders & silent == set() and holders | silent == {one.name for one in CRATES}
