"""Mininet from Debian with `tulle vswitch` behind Open vSwitch's tools, and with Debian's switch to compare."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from switch_debian import DebianSwitch
from switch_mininet import run_mininet
from vswitch_process import VswitchProcess, ip

RATES = re.compile(r"Results: \['[\d.]+ [MG]bits/sec', '[\d.]+ [MG]bits/sec'\]")
NAMESPACE = f"tulle-mn-{os.getpid()}"


@pytest.fixture
def namespace() -> Iterator[str]:
    ip("netns", "add", NAMESPACE)
    ip("-n", NAMESPACE, "link", "set", "lo", "up")
    yield NAMESPACE
    ip("netns", "del", NAMESPACE)


@pytest.fixture
def vswitch(tmp_path: Path, namespace: str) -> Iterator[VswitchProcess]:
    process = VswitchProcess(tmp_path / "vs", namespace)
    yield process
    if process.process.poll() is None:
        process.stop(signal.SIGTERM)
    assert "Traceback" not in process.log.read_text(), process.log.read_text()


@pytest.fixture
def debian(tmp_path: Path, namespace: str) -> Iterator[DebianSwitch]:
    switch = DebianSwitch(tmp_path / "peer", namespace)
    yield switch
    switch.stop()


def received(output: str) -> str:
    """The shares of answered pings and of all, such as `2/2`."""
    found = re.search(r"Results: \d+% dropped \((\d+/\d+) received\)", output)
    assert found, output
    return found[1]


def test_pingall_passes_under_minimal_options(vswitch: VswitchProcess) -> None:
    output = run_mininet(vswitch.namespace, vswitch.directory, "--switch", "ovs", "--test", "pingall")
    assert received(output) == "2/2", output


def test_pingall_passes_across_a_tree_of_bridges(vswitch: VswitchProcess) -> None:
    options = ["--switch", "ovs", "--topo", "tree,2,2", "--test", "pingall"]
    output = run_mininet(vswitch.namespace, vswitch.directory, *options)
    assert received(output) == "12/12", output


def test_iperf_measures_a_rate(vswitch: VswitchProcess) -> None:
    output = run_mininet(vswitch.namespace, vswitch.directory, "--switch", "ovs", "--test", "iperf")
    assert RATES.search(output), output


def test_standalone_bridges_need_no_controller(vswitch: VswitchProcess) -> None:
    options = ["--switch", "ovs,failMode=standalone", "--controller", "none", "--topo", "linear,3"]
    output = run_mininet(vswitch.namespace, vswitch.directory, *options, "--test", "pingall")
    assert received(output) == "6/6", output


def test_patch_ports_join_bridges(vswitch: VswitchProcess) -> None:
    options = ["--switch", "ovsbr", "--link", "ovs", "--controller", "none", "--test", "pingall"]
    output = run_mininet(vswitch.namespace, vswitch.directory, *options, "--topo", "linear,2")
    assert received(output) == "2/2", output


@pytest.mark.slow
def test_debians_switch_passes_the_same(debian: DebianSwitch) -> None:
    options = ["--switch", "ovs,datapath=user", "--test", "pingall"]
    output = run_mininet(debian.namespace, debian.directory, *options)
    assert received(output) == "2/2", output


@pytest.mark.slow
def test_debians_switch_measures_a_rate_once_hosts_finish_checksums(debian: DebianSwitch) -> None:
    """Its userspace datapath passes unfinished checksums on, which the receiver then drops."""
    finish = "\n".join(f"{host} ethtool -K {host}-eth0 tx off" for host in ("h1", "h2"))
    options = ["--switch", "ovs,datapath=user", "--test", "pingall"]
    output = run_mininet(debian.namespace, debian.directory, *options, after=f"{finish}\niperf")
    assert RATES.search(output), output
