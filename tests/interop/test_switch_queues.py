"""The same QoS for Debian's switch and for ours: the kernel has the same classes, and operators are told the same."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from switch_debian import DebianSwitch
from vswitch_process import VswitchProcess, ip

NAMESPACES = tuple(f"tulle-sq{index}-{os.getpid()}" for index in (1, 2))
QOS = ["set", "Port", "v1", "qos=@qos", "--", "--id=@qos", "create", "QoS", "type=linux-htb"]
QUEUES = [
    "queues:1=@one",
    "queues:61439=@last",
    "--",
    "--id=@one",
    "create",
    "Queue",
    "external_ids:name=one",
]
LAST = ["--", "--id=@last", "create", "Queue", "external_ids:name=last"]
CASES = {
    "no rates": [*QOS, *QUEUES, *LAST],
    "rates": [
        *[*QOS, "other_config:max-rate=50000000", *QUEUES],
        *["other_config:min-rate=2000000", "other_config:max-rate=9000000", "other_config:priority=2"],
        *[*LAST, "other_config:burst=400000"],
    ],
    "more than there is": [
        *[*QOS, "other_config:max-rate=1000000", *QUEUES, "other_config:max-rate=5000000"],
        *[*LAST, "other_config:min-rate=3000000", "other_config:burst=1"],
    ],
}


@pytest.fixture
def switches(tmp_path: Path) -> Iterator[tuple[VswitchProcess, DebianSwitch]]:
    """Ours and Debian's, each with a bridge br0 and a veth v1."""
    for name in NAMESPACES:
        ip("netns", "add", name)
        ip("-n", name, "link", "add", "v1", "type", "veth", "peer", "name", "v1p")
    ours = VswitchProcess(tmp_path / "ours", NAMESPACES[0])
    debian = DebianSwitch(tmp_path / "debian", NAMESPACES[1])
    try:
        ours.vsctl("add-br", "br0", "--", "add-port", "br0", "v1")
        debian.vsctl(
            "add-br",
            "br0",
            "--",
            "set",
            "Bridge",
            "br0",
            "datapath_type=netdev",
            "--",
            "add-port",
            "br0",
            "v1",
        )
        yield ours, debian
    finally:
        ours.stop()
        debian.stop()
        for name in NAMESPACES:
            ip("netns", "del", name)


def classes(namespace: str) -> dict[str, list[str]]:
    """What `tc class show` says of each class, but for rounding of bursts to ticks."""
    command = ["ip", "netns", "exec", namespace, "tc", "class", "show", "dev", "v1"]
    lines = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=60
    ).stdout.splitlines()
    return {line.split()[2]: line.split(" burst ")[0].split()[3:] for line in lines}


@pytest.mark.parametrize("case", CASES)
def test_the_kernel_has_the_same_classes(switches: tuple[VswitchProcess, DebianSwitch], case: str) -> None:
    ours, debian = switches
    ours.vsctl(*CASES[case])
    debian.vsctl(*CASES[case])
    assert classes(NAMESPACES[0]) == classes(NAMESPACES[1])
    assert sections(ours.appctl("qos/show", "v1")) == sections(debian.appctl("qos/show", "v1"))


def sections(shown: str) -> dict[str, set[str]]:
    """Settings by queue, whatever their order; counters depend on what the kernel sends by itself."""
    parts = [part.splitlines() for part in shown.split("\n\n")]
    return {first: {line for line in rest if not line.startswith("  tx_")} for first, *rest in parts}
