"""Mininet from Debian in a namespace of its own, over a switch whose sockets it takes for the system's.

Mininet kills processes by name and empties /tmp when it fails, so it gets process numbers and a /tmp of its own.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

SCRIPT = """
mount --bind "$1" /mnt && mount -t tmpfs tmpfs /tmp && printf '%s\\n' "$2" > /tmp/after && shift 2 || exit 99
OVS_RUNDIR=/mnt exec "$@"
"""
"""The directory of the switch may lie in /tmp, hence the bind; $2 is what Mininet's shell does after its test."""
LIMIT_S = 100


def run_mininet(namespace: str, directory: Path, *options: str, after: str = "") -> str:
    """Run `mn` with these options in a namespace; `directory` holds the switch's sockets.  Its output."""
    isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command = ["ip", "netns", "exec", namespace, *isolated, "sh", "-c", SCRIPT, "sh", str(directory), after]
    done = subprocess.run(
        [*command, "mn", "--post", "/tmp/after", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
