"""The process that forwards is killed, replaced, and started again: flows, VLANs, devices and packets stay."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from patience import eventually
from replacing import PROBES, lost_pings, replaced
from vswitch_process import VswitchProcess, ip

ID = os.getpid()
NODE = f"tulle-vr-{ID}"
WORKLOADS = (f"tulle-vr1-{ID}", f"tulle-vr2-{ID}")
FLOWS = ("in_port=1,actions=output:2", "in_port=2,actions=output:1", "table=7,priority=3,tcp,actions=drop")


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[VswitchProcess]:
    process = None
    for name in (NODE, *WORKLOADS):
        ip("netns", "add", name)
    try:
        process = VswitchProcess(tmp_path / "vs", NODE, supervised=True)
        process.vsctl("add-br", "br0", "--", "set-fail-mode", "br0", "secure")
        add_ports(process)
        for flow in FLOWS:
            process.ofctl("add-flow", flow)
        eventually(pings, "a ping")
        yield process
    finally:
        if process is not None and process.process.poll() is None:
            process.stop(signal.SIGKILL)
        for name in (NODE, *WORKLOADS):
            ip("netns", "del", name)


def add_ports(process: VswitchProcess) -> None:
    for index, space in enumerate(WORKLOADS, 1):
        name = f"p{index}"
        process.vsctl("add-port", "br0", name, "--", "set", "Interface", name, "type=internal")
        ip("-n", NODE, "link", "set", "dev", name, "netns", space)
        ip("-n", space, "addr", "add", f"10.0.0.{index}/24", "dev", name)
        ip("-n", space, "link", "set", name, "up")


def pings() -> bool:
    command = ["ip", "netns", "exec", WORKLOADS[0], "ping", "-c", "1", "-W", "1", "10.0.0.2"]
    return subprocess.run(command, capture_output=True).returncode == 0


def rules(switch: VswitchProcess) -> set[str]:
    """The flows without what counts."""
    lines = switch.ofctl("dump-flows").splitlines()[1:]
    return {re.sub(r"(duration|n_packets|n_bytes)=[^,]*, ?", "", line).strip() for line in lines}


def lost_during(action: Callable[[], None]) -> int:
    return lost_pings(WORKLOADS[0], "10.0.0.2", action)


def test_a_killed_forwarding_process_loses_no_packet_of_a_tap_device(switch: VswitchProcess) -> None:
    before = rules(switch)
    assert lost_during(lambda: replaced(switch, lambda pid: os.kill(pid, signal.SIGKILL))) == 0
    assert rules(switch) == before
    switch.vsctl("set", "Bridge", "br0", "external_ids:seen=yes")
    assert switch.appctl("ofproto/list") == "br0"


def test_sighup_replaces_the_forwarding_process_without_loss(switch: VswitchProcess) -> None:
    switch.ofctl("add-flow", "table=9,actions=drop")  # saved by the process that goes
    before = rules(switch)
    assert lost_during(lambda: replaced(switch, lambda _: switch.process.send_signal(signal.SIGHUP))) == 0
    assert rules(switch) == before


@pytest.fixture
def two_threads(switch: VswitchProcess) -> VswitchProcess:
    """Its TAP devices have a queue for each of two threads."""
    switch.vsctl("set", "Bridge", "br0", "other_config:n-threads=2")
    for name in ("p1", "p2"):
        switch.vsctl("del-port", "br0", name)
    add_ports(switch)
    eventually(pings, "a ping")
    assert queues() == 2
    return switch


def queues() -> int:
    listed = ["ip", "netns", "exec", WORKLOADS[0], "ls", "/sys/class/net/p1/queues"]
    return subprocess.run(listed, capture_output=True, text=True, check=True).stdout.count("rx-")


def test_sighup_loses_no_packet_of_a_tap_device_that_two_threads_share(two_threads: VswitchProcess) -> None:
    hang_up = two_threads.process.send_signal
    assert lost_during(lambda: replaced(two_threads, lambda _: hang_up(signal.SIGHUP))) == 0
    eventually(lambda: queues() == 2, "a queue for each thread")
    assert pings()


def test_a_killed_process_leaves_a_tap_device_that_two_threads_share(two_threads: VswitchProcess) -> None:
    for _ in range(2):
        lost = lost_during(lambda: replaced(two_threads, lambda pid: os.kill(pid, signal.SIGKILL)))
        assert lost < PROBES // 3, "what waits in the second queue goes with the process, and no more"
        eventually(lambda: queues() == 2, "a queue for each thread")
    assert pings()


def test_deaths_between_planned_restarts_do_not_add_up(switch: VswitchProcess) -> None:
    for _ in range(6):
        replaced(switch, lambda pid: os.kill(pid, signal.SIGKILL))
        replaced(switch, lambda _: switch.process.send_signal(signal.SIGHUP))
    ask = ["ovs-appctl", "-t", f"{switch.directory}/vswitchd.ctl", "ofproto/list"]
    eventually(lambda: subprocess.run(ask, capture_output=True).stdout == b"br0\n", "the last one to answer")


def of15(switch: VswitchProcess, command: str, *arguments: str) -> str:
    """Run ovs-ofctl with OpenFlow 1.5; the answer without its heading, which has a transaction id."""
    target = f"unix:{switch.directory}/br0.mgmt"
    answer = switch.run("ovs-ofctl", "-O", "OpenFlow15", command, target, *arguments)
    return re.sub(r" \(xid=0x[0-9a-f]+\)", "", answer)


def groups_and_meters(switch: VswitchProcess) -> tuple[str, str]:
    return of15(switch, "dump-groups"), of15(switch, "dump-meters")


def with_group_and_meter(switch: VswitchProcess) -> None:
    """Group 1 stands in front of group 2, and packets from one workload to the other pass both and a meter."""
    of15(switch, "add-group", "group_id=2,type=indirect,bucket=output:2")
    of15(switch, "add-group", "group_id=1,type=all,bucket=bucket_id:7,group:2")
    select = (
        "group_id=3,type=select,selection_method=hash,fields(ip_src),bucket=weight:3,output:1,bucket=output:2"
    )
    of15(switch, "add-group", select)
    of15(switch, "add-meter", "meter=6,kbps,burst,stats,band=type=drop,rate=100000,burst_size=10000")
    of15(switch, "add-flow", "in_port=1,actions=meter:6,group:1")


def test_sighup_keeps_groups_meters_and_the_flows_that_use_them(switch: VswitchProcess) -> None:
    with_group_and_meter(switch)
    before = rules(switch), groups_and_meters(switch)
    assert lost_during(lambda: replaced(switch, lambda _: switch.process.send_signal(signal.SIGHUP))) == 0
    assert (rules(switch), groups_and_meters(switch)) == before
    assert (
        "group:1" in str(before[0]) and "bucket_id:7" in before[1][0] and "burst_size=10000" in before[1][1]
    )


def test_a_killed_process_leaves_groups_meters_and_the_flows_that_use_them(switch: VswitchProcess) -> None:
    with_group_and_meter(switch)
    of15(switch, "mod-meter", "meter=6,kbps,burst,stats,band=type=drop,rate=90000,burst_size=9000")
    before = rules(switch), groups_and_meters(switch)
    assert lost_during(lambda: replaced(switch, lambda pid: os.kill(pid, signal.SIGKILL))) == 0
    assert (rules(switch), groups_and_meters(switch)) == before
    assert "rate=90000" in before[1][1]


def test_a_saved_flow_that_cannot_be_restored_keeps_no_other_away(switch: VswitchProcess) -> None:
    with_group_and_meter(switch)
    before = rules(switch)
    assert switch.stop() == 0
    saved = switch.directory / "flows" / "br0.flows"
    saved.write_text("table=3,actions=group:99\nnonsense\n" + saved.read_text())
    switch.start()
    eventually(lambda: rules(switch) == before, f"the flows; {rules(switch)}")
    assert "group 99 does not exist" in switch.log.read_text()


def test_another_supervisor_takes_over_without_loss(switch: VswitchProcess) -> None:
    before = rules(switch)
    code = (
        "import sys; from pathlib import Path; from tulle.vswitch.process import Options, main_supervised; "
    )
    code += "sys.exit(main_supervised(Options(Path(sys.argv[1])), take_over=True))"
    started: list[subprocess.Popen[bytes]] = []

    def take_over(_pid: int) -> None:
        command = ["ip", "netns", "exec", NODE, sys.executable, "-c", code, str(switch.directory)]
        with switch.log.open("a") as log:
            started.append(subprocess.Popen(command, stdout=log, stderr=log))

    try:
        assert lost_during(lambda: replaced(switch, take_over)) == 0
        assert switch.process.wait(60) == 0
        assert rules(switch) == before
    finally:
        for process in started:
            process.terminate()
            process.wait(60)


def test_flows_are_there_again_after_a_stop_and_a_start(switch: VswitchProcess) -> None:
    before = rules(switch)
    assert switch.stop() == 0, switch.log.read_text()
    left = {path.name for path in switch.directory.iterdir() if path.is_socket()}
    assert left == set()
    switch.start()
    eventually(lambda: rules(switch) == before, f"the flows; {rules(switch)}")
    assert switch.vsctl("get", "Interface", "p1", "ofport") == "1"


def test_a_supervisor_that_is_killed_takes_the_forwarding_process_along(switch: VswitchProcess) -> None:
    pid = switch.forwarding_pid
    switch.stop(signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "the forwarding process to end")
    switch.start()
    assert switch.appctl("ofproto/list") == "br0"


def test_a_second_process_in_one_directory_is_refused(switch: VswitchProcess) -> None:
    code = (
        "import sys; from pathlib import Path; from tulle.vswitch.process import Options, main_supervised; "
    )
    code += "sys.exit(main_supervised(Options(Path(sys.argv[1]))))"
    command = ["ip", "netns", "exec", NODE, sys.executable, "-c", code, str(switch.directory)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "--take-over" in done.stderr, done
    assert pings()
