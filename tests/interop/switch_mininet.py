"""Mininet from Debian in a namespace of its own, over a switch whose sockets it takes for the system's.

Mininet kills processes by name and empties /tmp when it fails, so it gets process numbers and a /tmp of its own.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

SCRIPT = """
mount --bind "$1" /mnt && mount -t tmpfs tmpfs /tmp && printf '%s\\n' "$2" > /tmp/after || exit 99
mkdir /tmp/bin && printf '%s\\n' "$3" > /tmp/bin/iperf && chmod +x /tmp/bin/iperf && shift 3 || exit 99
PATH=/tmp/bin:$PATH OVS_RUNDIR=/mnt exec "$@"
"""
"""The directory of the switch may lie in /tmp, hence the bind; $2 is what Mininet's shell does after its test."""
IPERF = """#!/bin/sh
case " $* " in *" -s "*) set -- "$@" -i 1 ;; esac
exec /usr/bin/iperf "$@"
"""
"""What Mininet finds as iperf, whose server then reports every second.

Mininet 2.3.0 (`Mininet.iperf`) wants two lines with a rate from the server: that of the test, and that of the telnet
connection by which it looks whether the server listens.  The iperf of Debian 12 (2.1.8) waits for the header of a test
on each connection, and reports none where the peer closes without one; so Mininet waits for ever, whatever the switch.
"""
LIMIT_S = 100


def run_mininet(namespace: str, directory: Path, *options: str, after: str = "") -> str:
    """Run `mn` with these options in a namespace; `directory` holds the switch's sockets.  Its output."""
    isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command = ["ip", "netns", "exec", namespace, *isolated, "sh", "-c", SCRIPT, "sh", str(directory)]
    done = subprocess.run(
        [*command, after, IPERF, "mn", "--post", "/tmp/after", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
