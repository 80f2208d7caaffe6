"""Everything that people do with Debian's ovs-ofctl, against a running `tulle vswitch`."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import eventually
from vswitch_process import VswitchProcess, ip

DEADLINE_S = 60.0
VERSIONS = ["OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"]


@pytest.fixture
def vswitch(tmp_path: Path) -> Iterator[VswitchProcess]:
    namespace = f"tulle-ofctl-{os.getpid()}"
    ip("netns", "add", namespace)
    process = None
    try:
        process = VswitchProcess(tmp_path / "switch", namespace)
        process.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "fail_mode=secure")
        yield process
    finally:
        if process is not None and process.process.poll() is None:
            process.stop(signal.SIGKILL)
        ip("netns", "delete", namespace)


def target(vswitch: VswitchProcess) -> str:
    return f"unix:{vswitch.directory}/br0.mgmt"


@pytest.mark.parametrize("version", VERSIONS)
def test_flows_are_added_changed_and_deleted_in_every_version(vswitch: VswitchProcess, version: str) -> None:
    def ofctl(command: str, *arguments: str) -> str:
        return vswitch.run("ovs-ofctl", "-O", version, command, target(vswitch), *arguments)

    ofctl("add-flow", "priority=5,tcp,tp_dst=80,actions=output:1")
    ofctl("add-flow", "priority=6,arp,actions=NORMAL")
    ofctl("mod-flows", "tcp,actions=output:2")
    assert "actions=output:2" in ofctl("dump-flows", "tcp")
    ofctl("del-flows", "--strict", "priority=6,arp")
    dump = ofctl("dump-flows")
    assert "arp" not in dump and "tp_dst=80" in dump, dump
    assert "flow_count=1" in ofctl("dump-aggregate")
    for command in ("show", "dump-ports", "dump-tables", "dump-desc"):
        assert ofctl(command), command


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_groups_are_added_changed_counted_and_deleted(vswitch: VswitchProcess, version: str) -> None:
    def ofctl(command: str, *arguments: str) -> str:
        return vswitch.run("ovs-ofctl", "-O", version, command, target(vswitch), *arguments)

    ofctl(
        "add-group",
        "group_id=7,type=select,bucket=weight:5,actions=output:1,bucket=weight:3,actions=output:2",
    )
    ofctl("add-group", "group_id=8,type=all,bucket=actions=group:7")
    ofctl("mod-group", "group_id=8,type=all,bucket=actions=output:3")
    described = ofctl("dump-groups")
    assert "group_id=7,type=select" in described and "weight:5" in described, described
    assert "group_id=8" in ofctl("dump-group-stats")
    assert "select" in ofctl("dump-group-features")
    ofctl("add-flow", "ip,actions=group:7")
    ofctl("del-groups", "group_id=7")
    assert "group:7" not in ofctl("dump-flows")
    assert "group_id=7" not in ofctl("dump-groups")


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_meters_are_added_changed_counted_and_deleted(vswitch: VswitchProcess, version: str) -> None:
    def ofctl(command: str, *arguments: str) -> str:
        return vswitch.run("ovs-ofctl", "-O", version, command, target(vswitch), *arguments)

    ofctl("add-meter", "meter=3,kbps,burst,stats,bands=type=drop,rate=1000,burst_size=100")
    ofctl("mod-meter", "meter=3,pktps,stats,bands=type=drop,rate=50")
    assert "meter=3 pktps" in ofctl("dump-meters")
    assert "meter:3" in ofctl("meter-stats")
    assert "max_meter" in ofctl("meter-features")
    ofctl("del-meters", "meter=3")
    assert "meter=3" not in ofctl("dump-meters")


@pytest.mark.parametrize("version", ["OpenFlow13", "OpenFlow14", "OpenFlow15"])
def test_a_bundle_of_flows_and_groups_is_all_or_nothing(
    vswitch: VswitchProcess, tmp_path: Path, version: str
) -> None:
    good = tmp_path / "good.txt"
    good.write_text("group add group_id=1,type=all,bucket=actions=output:1\nflow add ip,actions=group:1\n")
    vswitch.run("ovs-ofctl", "-O", version, "bundle", target(vswitch), str(good))
    assert "group:1" in vswitch.run("ovs-ofctl", "-O", version, "dump-flows", target(vswitch))
    bad = tmp_path / "bad.txt"
    bad.write_text("flow add arp,actions=output:2\nflow add ipv6,actions=group:99\n")
    argv = ["ovs-ofctl", "-O", version, "bundle", target(vswitch), str(bad)]
    refused = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S)
    assert refused.returncode != 0
    assert "arp" not in vswitch.run("ovs-ofctl", "-O", version, "dump-flows", target(vswitch))


def test_a_monitor_sees_flows_come_and_go(vswitch: VswitchProcess, tmp_path: Path) -> None:
    output = tmp_path / "monitor.txt"
    argv = ["ovs-ofctl", "-O", "OpenFlow14", "monitor", target(vswitch), "watch:"]
    with output.open("w") as file:
        process = subprocess.Popen(argv, stdout=file, stderr=subprocess.STDOUT)
    try:
        eventually(lambda: "FLOW_MONITOR" in output.read_text(), "the monitor is answered")
        vswitch.run("ovs-ofctl", "-O", "OpenFlow14", "add-flow", target(vswitch), "ip,actions=drop")
        eventually(lambda: "event=ADDED" in output.read_text(), "the flow is told")
        vswitch.run("ovs-ofctl", "-O", "OpenFlow14", "del-flows", target(vswitch), "ip")
        eventually(
            lambda: "event=DELETED" in output.read_text() or "event=REMOVED" in output.read_text(), "told"
        )
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_packet_out_to_the_controller_reaches_who_monitors(
    vswitch: VswitchProcess, tmp_path: Path, version: str
) -> None:
    output = tmp_path / "monitor.txt"
    argv = [
        "ovs-ofctl",
        "-O",
        version,
        "monitor",
        target(vswitch),
        "65534",
        "--detach",
        "--pidfile",
        "--no-chdir",
    ]
    pidfile = tmp_path / "monitor.pid"
    argv[-2] = f"--pidfile={pidfile}"
    with output.open("w") as file:
        subprocess.run(argv, stdout=file, stderr=subprocess.STDOUT, check=True, timeout=DEADLINE_S)
    try:
        packet = "02000000000102000000000208004500001c00000000401100000a0000010a000002000100020008" + "0000"
        vswitch.run(
            "ovs-ofctl",
            "-O",
            version,
            "packet-out",
            target(vswitch),
            f"in_port=LOCAL packet={packet} actions=controller",
        )
        eventually(lambda: "PACKET_IN" in output.read_text(), "the packet comes back")
    finally:
        os.kill(int(pidfile.read_text()), signal.SIGTERM)
