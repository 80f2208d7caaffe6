"""`tulle agent` refuses what no node can be before it starts anything."""

from __future__ import annotations

import subprocess
import sys


def test_a_node_speaks_gre_or_nvgre_and_not_both() -> None:
    words = ["--name", "n1", "--address", "192.0.2.1", "--controller", "tcp:192.0.2.9:6640"]
    command = [sys.executable, "-P", "-m", "tulle.cli", "agent", *words, "--encapsulations", "gre,stt,nvgre"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "--encapsulations: one of gre and nvgre was expected, both came" in done.stderr, done.stderr
