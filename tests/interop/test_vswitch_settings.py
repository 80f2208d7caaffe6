"""What the database sets of flow tables, of what controllers are told, and of a bridge's thread; lost packets."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import eventually
from vswitch_process import VswitchProcess, ip

NAMESPACE = f"tulle-vss-{os.getpid()}"
BUSY_US = 3_600_000_000
SAMPLES = 50


@pytest.fixture
def vswitch(tmp_path: Path) -> Iterator[VswitchProcess]:
    ip("netns", "add", NAMESPACE)
    process = None
    try:
        process = VswitchProcess(tmp_path / "vs", NAMESPACE)
        process.vsctl("add-br", "br0", "--", "set-fail-mode", "br0", "secure")
        yield process
    finally:
        if process is not None and process.process.poll() is None:
            process.stop(signal.SIGKILL)
        ip("netns", "del", NAMESPACE)


def set_table(vswitch: VswitchProcess, number: int, *columns: str) -> None:
    words = ["--id=@t", "create", "Flow_Table", *columns, "--", "set", "Bridge", "br0"]
    vswitch.vsctl(*words, f"flow_tables:{number}=@t")


def added(vswitch: VswitchProcess, flow: str) -> str:
    """Add a flow; what ovs-ofctl complains of, nothing if it does not."""
    target = f"unix:{vswitch.directory}/br0.mgmt"
    command = ["ovs-ofctl", "-O", "OpenFlow14", "add-flow", target, flow]
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stderr


def matches(vswitch: VswitchProcess, table: int) -> set[str]:
    lines = vswitch.ofctl("dump-flows", f"table={table}").splitlines()[1:]
    return {found[1] for line in lines if (found := re.search(r"(\S+) actions=", line))}


def test_a_full_table_refuses_flows_until_its_limit_is_lifted(vswitch: VswitchProcess) -> None:
    set_table(vswitch, 5, "flow_limit=2", "name=short")
    for port in (1, 2):
        assert added(vswitch, f"table=5,idle_timeout=100,in_port={port},actions=drop") == ""
    assert "OFPFMFC_TABLE_FULL" in added(vswitch, "table=5,in_port=3,actions=drop")
    assert added(vswitch, "table=6,in_port=3,actions=drop") == ""
    assert matches(vswitch, 5) == {"in_port=1", "in_port=2"}
    vswitch.vsctl("clear", "Bridge", "br0", "flow_tables")
    assert added(vswitch, "table=5,in_port=3,actions=drop") == ""


def test_a_full_table_that_evicts_gives_up_the_first_to_expire_of_the_largest_group(
    vswitch: VswitchProcess,
) -> None:
    groups = 'groups=["NXM_OF_IN_PORT[]","NO_SUCH_FIELD[]"]'
    set_table(vswitch, 5, "flow_limit=3", "overflow_policy=evict", groups)
    flows = (
        "in_port=1,tcp,idle_timeout=200",
        "in_port=1,udp,idle_timeout=100",
        "in_port=2,tcp,idle_timeout=9",
    )
    for flow in flows:
        assert added(vswitch, f"table=5,{flow},actions=drop") == ""
    assert added(vswitch, "table=5,in_port=3,tcp,actions=drop") == ""
    assert matches(vswitch, 5) == {"tcp,in_port=1", "tcp,in_port=2", "tcp,in_port=3"}
    row = vswitch.vsctl("get", "Bridge", "br0", "flow_tables:5")
    vswitch.vsctl("set", "Flow_Table", row, "flow_limit=1")
    assert matches(vswitch, 5) == {"tcp,in_port=3"}, "what is too many goes, but for what has no timeout"
    assert vswitch.vsctl("get", "Bridge", "br0", "status") == "{}"


def test_a_controller_and_the_database_both_have_a_table_evict(vswitch: VswitchProcess) -> None:
    target = f"unix:{vswitch.directory}/br0.mgmt"
    vswitch.run("ovs-ofctl", "-O", "OpenFlow14", "mod-table", target, "5", "evict")
    set_table(vswitch, 5, "flow_limit=1")
    set_table(vswitch, 6, "flow_limit=1", "overflow_policy=evict")
    vswitch.run("ovs-ofctl", "-O", "OpenFlow14", "mod-table", target, "6", "noevict")
    for table in (5, 6):
        for port in (1, 2):
            assert added(vswitch, f"table={table},idle_timeout=100,in_port={port},actions=drop") == ""
        assert matches(vswitch, table) == {"in_port=2"}


def test_controllers_are_told_names_and_limits_of_tables(vswitch: VswitchProcess) -> None:
    set_table(vswitch, 0, "name=admission", "flow_limit=77")
    target = f"unix:{vswitch.directory}/br0.mgmt"
    shown = vswitch.run("ovs-ofctl", "-O", "OpenFlow10", "dump-tables", target)
    assert 'table 0 ("admission")' in shown and "max_entries=77" in shown, shown[:500]
    features = vswitch.ofctl("dump-table-features")
    assert 'table 0 ("admission")' in features and "max_entries=77" in features, features[:2000]


def test_controllers_are_told_the_description_and_the_serial_number(vswitch: VswitchProcess) -> None:
    assert "DP Description: None" in vswitch.ofctl("dump-desc")
    vswitch.vsctl("set", "Bridge", "br0", 'other_config:dp-desc="rack 7, above"', "other_config:dp-sn=4711")
    shown = vswitch.ofctl("dump-desc")
    assert "DP Description: rack 7, above" in shown and "Serial Num: 4711" in shown
    vswitch.vsctl("clear", "Bridge", "br0", "other_config")
    assert "DP Description: None" in vswitch.ofctl("dump-desc")


def is_running(pid: int, thread: str) -> bool:
    """Whether a thread runs or wants to (proc(5))."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == thread:
            return (task / "stat").read_text().rpartition(")")[2].split()[0] == "R"
    raise AssertionError(f"no thread {thread}")


def test_a_bridge_that_polls_does_not_sleep(vswitch: VswitchProcess) -> None:
    pid = vswitch.forwarding_pid
    for table, record in (("Open_vSwitch", "."), ("Bridge", "br0")):
        eventually(lambda: not is_running(pid, "br0"), "the thread to sleep")
        vswitch.vsctl("set", table, record, f"other_config:busy-poll-us={BUSY_US}")
        assert all(is_running(pid, "br0") for _ in range(SAMPLES))
        vswitch.vsctl("remove", table, record, "other_config", "busy-poll-us")
    eventually(lambda: not is_running(pid, "br0"), "the thread to sleep again")


def threads(pid: int, bridge: str) -> set[str]:
    """The names of the threads that forward for a bridge."""
    names = {(task / "comm").read_text().strip() for task in Path(f"/proc/{pid}/task").iterdir()}
    return {name for name in names if name == bridge or name.startswith(f"{bridge}/")}


def test_a_bridge_has_as_many_threads_as_it_is_told_and_forwards_meanwhile(vswitch: VswitchProcess) -> None:
    pid = vswitch.forwarding_pid
    vswitch.ofctl("add-flow", "actions=normal")
    for name, address in (("p1", "10.0.0.1/24"), ("p2", "10.0.0.2/24")):
        vswitch.vsctl("add-port", "br0", name, "--", "set", "Interface", name, "type=internal")
        ip("netns", "add", f"{NAMESPACE}-{name}")
        move(name, address)
    try:
        ping = ["ip", "netns", "exec", f"{NAMESPACE}-p1", "ping", "-c", "200", "-i", "0.01", "10.0.0.2"]
        pinging = subprocess.Popen(ping, stdout=subprocess.PIPE, text=True)
        vswitch.vsctl("set", "Open_vSwitch", ".", "other_config:n-threads=3")
        eventually(lambda: threads(pid, "br0") == {"br0", "br0/1", "br0/2"}, "three threads")
        vswitch.vsctl("set", "Bridge", "br0", "other_config:n-threads=2")
        eventually(lambda: threads(pid, "br0") == {"br0", "br0/1"}, "two threads")
        vswitch.vsctl("set", "Bridge", "br0", "other_config:n-threads=0")
        eventually(lambda: len(threads(pid, "br0")) == 3, "what cannot be to be as if it were absent")
        vswitch.vsctl("remove", "Bridge", "br0", "other_config", "n-threads")
        vswitch.vsctl("remove", "Open_vSwitch", ".", "other_config", "n-threads")
        eventually(lambda: threads(pid, "br0") == {"br0"}, "one thread again")
        shown, _ = pinging.communicate(timeout=60)
        assert " 0% packet loss" in shown, shown
    finally:
        for name in ("p1", "p2"):
            ip("netns", "del", f"{NAMESPACE}-{name}")


def move(name: str, address: str) -> None:
    """A port's device into a namespace of its own."""
    space = f"{NAMESPACE}-{name}"
    ip("-n", NAMESPACE, "link", "set", name, "netns", space)
    ip("-n", space, "addr", "add", address, "dev", name)
    ip("-n", space, "link", "set", name, "up")


def test_tulle_drops_asks_the_switch_itself(vswitch: VswitchProcess) -> None:
    vswitch.vsctl("add-port", "br0", "p1", "--", "set", "Interface", "p1", "type=internal")
    vswitch.ofctl("add-flow", "in_port=p1,arp,actions=drop")
    ip("-n", NAMESPACE, "addr", "add", "10.0.0.1/24", "dev", "p1")
    ip("-n", NAMESPACE, "link", "set", "p1", "up")
    ping = ["ip", "netns", "exec", NAMESPACE, "ping", "-c", "1", "-W", "1", "10.0.0.2"]
    assert subprocess.run(ping, capture_output=True).returncode != 0
    command = [sys.executable, "-m", "tulle.cli", "drops", "--switch", str(vswitch.directory)]
    found = json.loads(vswitch.run(*command, "--output", "json"))
    (drop,) = [one for one in found if one["reason"] == "dropped-by-flow"]
    assert (drop["bridge"], drop["name"], drop["port"], drop["table"]) == ("br0", "p1", 1, 0)
    assert drop["packets"] >= 1
    shown = vswitch.run(*command)
    assert re.search(r"br0\W+dropped-by-flow\W+p1\W+0\W+\d+", shown), shown
    assert re.search(r"dropped-by-flow +port p1, table 0: \d+\n", vswitch.appctl("drops/show"))
    absent = [*command[:-1], str(vswitch.directory / "nowhere")]
    done = subprocess.run(absent, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "no switch answers" in done.stderr, done
