"""The processes of a switch load what they need, and start also where pyroute2 has its parts in other places."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def loaded_by_a_process(before: str = "") -> set[str]:
    code = f"""
import sys
import tulle.vswitch.__main__ as slim
{before}
sys.modules["tulle.vswitch.process"] = stand_in = type(sys)("process")
stand_in.Options = lambda *words: words
stand_in.main_supervised = lambda options, take_over: print(options, take_over) or 7
assert slim.main("/nowhere", "", "node1", "--take-over") == 7
del sys.modules["tulle.vswitch.process"]
import tulle.vswitch.process
from pyroute2 import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError
print(*sys.modules)
"""
    told, modules = run(code).splitlines()
    assert told == "(PosixPath('/nowhere'), None, 'node1') True"
    return set(modules.split())


def test_a_switch_loads_no_command_line_and_no_database_of_links() -> None:
    assert (
        not {"typer", "rich", "pygments", "sqlite3", "pyroute2.ndb", "pyroute2.nftables"}
        & loaded_by_a_process()
    )


def test_where_the_parts_of_pyroute2_are_elsewhere_all_of_it_is_loaded() -> None:
    assert "pyroute2.ndb" in loaded_by_a_process("slim.NETLINK = 'pyroute2.moved'")


def test_an_error_is_told_as_the_command_line_tells_it(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
        other.bind(str(tmp_path / "hand-over.sock"))
        other.listen()
        words = [sys.executable, "-m", "tulle.vswitch", str(tmp_path), "", "node1"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("error[conflict]: another switch process runs in"), done.stderr
