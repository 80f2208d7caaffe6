"""Network namespaces and the veth pairs between them, all of which go when the benchmark ends."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

PREFIX = f"tulle-bench-{os.getpid()}"
QUIET = ("net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
COMMAND_S = 60


def command(*words: str, timeout_s: float = COMMAND_S, environment: dict[str, str] | None = None) -> str:
    """Run a program to its end and give its output; a failure says what it said."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s, env=environment)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)[:200]}: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


@contextmanager
def namespace(name: str) -> Iterator[str]:
    """A namespace without IPv6, which would send neighbour discovery among the packets that are counted."""
    full = f"{PREFIX}-{name}"
    command("ip", "netns", "add", full)
    try:
        command("ip", "netns", "exec", full, "sysctl", "-q", "-w", *QUIET)
        command("ip", "-n", full, "link", "set", "lo", "up")
        yield full
    finally:
        command("ip", "netns", "del", full)


def cable(near: str, near_device: str, far: str, far_device: str, number: int) -> None:
    """A veth pair, up, with different interface indexes at its ends: equal ones cost the kernel a longer way."""
    link = ["ip", "-n", near, "link", "add", near_device, "index", str(100 + number), "type", "veth"]
    command(*link, "peer", "name", far_device, "index", str(200 + number), "netns", far)
    for space, device in ((near, near_device), (far, far_device)):
        command("ip", "-n", space, "link", "set", device, "up")


def inside(space: str, *words: str, cpu: int | None = None) -> list[str]:
    """A command line that runs in a namespace, on one processor where told; the process is replaced, not wrapped."""
    pinned = [] if cpu is None else ["taskset", "--cpu-list", str(cpu)]
    return ["ip", "netns", "exec", space, *pinned, *words]
