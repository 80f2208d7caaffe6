"""Debian's ovs-vsctl, ovs-ofctl, ovs-appctl and ovsdb-client against a switch process of ours."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import eventually
from vswitch_process import VswitchProcess, ip

NAMESPACE = f"tulle-vst-{os.getpid()}"


@pytest.fixture
def vswitch(tmp_path: Path) -> Iterator[VswitchProcess]:
    ip("netns", "add", NAMESPACE)
    process = None
    try:
        ip("-n", NAMESPACE, "link", "set", "lo", "up")
        process = VswitchProcess(tmp_path / "vs", NAMESPACE)
        yield process
    finally:
        if process is not None and process.process.poll() is None:
            process.stop(signal.SIGKILL)
        ip("netns", "del", NAMESPACE)


def devices() -> set[str]:
    return {link["ifname"] for link in json.loads(ip("-n", NAMESPACE, "-j", "link"))}


def test_ports_are_configured_when_ovs_vsctl_returns(vswitch: VswitchProcess) -> None:
    vswitch.vsctl("add-br", "br0")
    add = ["add-port", "br0", "t1", "--", "set", "Interface", "t1", "type=tap", "ofport_request=7"]
    vswitch.vsctl(*add, "--", "add-port", "br0", "t2", "--", "set", "Interface", "t2", "type=tap")
    assert vswitch.vsctl("get", "Interface", "t1", "ofport") == "7"
    assert vswitch.vsctl("get", "Interface", "t2", "ofport") == "1"
    assert {"t1", "t2"} <= devices()
    mac = json.loads(ip("-n", NAMESPACE, "-j", "link", "show", "t1"))[0]["address"]
    assert vswitch.vsctl("get", "Interface", "t1", "mac_in_use") == f'"{mac}"'
    vswitch.vsctl("del-port", "br0", "t1")
    assert "t1" not in devices()
    vswitch.vsctl("del-br", "br0")
    assert "t2" not in devices()


def test_a_bad_interface_has_an_error_and_the_others_work(vswitch: VswitchProcess) -> None:
    bad = ["add-port", "br0", "bad", "--", "set", "Interface", "bad", "type=vxlan"]
    absent = ["add-port", "br0", "absent0"]
    good = ["add-port", "br0", "good", "--", "set", "Interface", "good", "type=tap"]
    vswitch.vsctl("--no-wait", "add-br", "br0", "--", *bad, "--", *absent, "--", *good)
    eventually(lambda: vswitch.vsctl("get", "Interface", "good", "ofport") not in ("[]", "-1"), "good port")
    assert "remote_ip is needed" in vswitch.vsctl("get", "Interface", "bad", "error")
    for name in ("bad", "absent0"):
        assert vswitch.vsctl("get", "Interface", name, "ofport") == "-1"
        assert vswitch.vsctl("get", "Interface", name, "error") != "[]"
    ip("-n", NAMESPACE, "link", "add", "absent0", "type", "veth", "peer", "name", "absent1")
    eventually(
        lambda: vswitch.vsctl("get", "Interface", "absent0", "error") == "[]", "the device to be taken"
    )


def test_ovs_ofctl_adds_dumps_and_deletes_flows(vswitch: VswitchProcess) -> None:
    vswitch.vsctl("add-br", "br0")
    vswitch.ofctl("add-flow", "cookie=0x5,table=1,priority=9,tcp,tcp_dst=80,actions=output:3")
    vswitch.ofctl("add-flow", "priority=1,in_port=1,actions=set_field:7->metadata,resubmit(,1)")
    dumped = vswitch.ofctl("dump-flows")
    assert "cookie=0x5" in dumped and "tp_dst=80" in dumped and "resubmit(,1)" in dumped, dumped
    vswitch.ofctl("del-flows", "table=1")
    assert "tp_dst=80" not in vswitch.ofctl("dump-flows")


def test_ovs_appctl_traces_and_shows(vswitch: VswitchProcess) -> None:
    vswitch.vsctl("add-br", "br0", "--", "set-fail-mode", "br0", "secure")
    vswitch.vsctl("add-port", "br0", "t1", "--", "set", "Interface", "t1", "type=tap")
    vswitch.ofctl("add-flow", "priority=3,in_port=1,ip,actions=IN_PORT")
    flow = "in_port=1,icmp,nw_src=10.0.0.1,nw_dst=10.0.0.2"
    assert "output: port 1" in vswitch.appctl("ofproto/trace", "br0", flow)
    assert vswitch.appctl("version").startswith("tulle-vswitch")
    assert "ofproto/trace" in vswitch.appctl("list-commands")
    assert json.loads(vswitch.appctl("drops/show", "json")) is not None
    assert "hits" in vswitch.appctl("coverage/show")
    request = {"bridge": "br0", "in_port": 1, "frame": "02" * 60, "tunnel": None}
    traced = json.loads(vswitch.appctl("tulle/trace", json.dumps(request)))
    assert (traced["outputs"], traced["drops"]) == ([], ["no-match"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("ofproto/trace", "nowhere", "in_port=1"),
        ("ofproto/trace", "br0", "pear=1"),
        ("ofproto/trace", "br0", "in_port=1", "zz"),
        ("tulle/trace", "[1]"),
        ("tulle/trace", '{"bridge":"br0","in_port":-1,"frame":"00"}'),
        ("tulle/trace", '{"bridge":"br0","in_port":1,"frame":"00","tunnel":[1,"x","y"]}'),
    ],
)
def test_a_bad_trace_is_refused(vswitch: VswitchProcess, arguments: tuple[str, ...]) -> None:
    vswitch.vsctl("add-br", "br0")
    command = ["ovs-appctl", "-t", f"{vswitch.directory}/vswitchd.ctl", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done
    assert "Traceback" not in vswitch.log.read_text(), vswitch.log.read_text()
    assert vswitch.appctl("ofproto/list") == "br0"


def test_bridges_and_numbers_survive_kill_9(vswitch: VswitchProcess) -> None:
    ports = [part for name in "ab" for part in ("--", "add-port", "br0", name)]
    types = [part for name in "ab" for part in ("--", "set", "Interface", name, "type=tap")]
    vswitch.vsctl("add-br", "br0", *ports, *types, "ofport_request=9")
    before = [vswitch.vsctl("get", "Interface", name, "ofport") for name in "ab"]
    vswitch.stop(signal.SIGKILL)
    vswitch.start()
    eventually(lambda: {"a", "b"} <= devices(), "the devices to come back")
    vswitch.vsctl("set", "Bridge", "br0", "external_ids:seen=yes")
    assert [vswitch.vsctl("get", "Interface", name, "ofport") for name in "ab"] == before


def test_sigterm_leaves_no_device_and_no_socket(vswitch: VswitchProcess) -> None:
    vswitch.vsctl("add-br", "br0", "--", "add-port", "br0", "t1", "--", "set", "Interface", "t1", "type=tap")
    assert vswitch.stop() == 0, vswitch.log.read_text()
    assert devices() == {"lo"}
    left = {path.name for path in vswitch.directory.iterdir() if path.is_socket()}
    assert left == set()
    assert "Traceback" not in vswitch.log.read_text(), vswitch.log.read_text()


def test_appctl_exit_ends_the_process(vswitch: VswitchProcess) -> None:
    vswitch.appctl("exit")
    assert vswitch.process.wait(60) == 0


def test_garbage_on_every_socket_does_no_harm(vswitch: VswitchProcess) -> None:
    vswitch.vsctl("add-br", "br0")
    for name in ("db.sock", "br0.mgmt", "vswitchd.ctl"):
        for garbage in (b"\0" * 4096, b"\xff" * 4096, b"{" * 4096, b'{"id":1,"method":"x","params":[{}]}'):
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(str(vswitch.directory / name))
                peer.sendall(garbage)
    vswitch.ofctl("add-flow", "actions=drop")
    assert vswitch.appctl("ofproto/list") == "br0"
    assert "Traceback" not in vswitch.log.read_text(), vswitch.log.read_text()


def test_the_tools_find_the_switch_by_ovs_rundir_alone(vswitch: VswitchProcess) -> None:
    environment = {**os.environ, "OVS_RUNDIR": str(vswitch.directory)}

    def run(*command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
        assert (done.returncode, done.stderr) == (0, ""), (command, done, vswitch.log.read_text()[-2000:])
        return done.stdout

    run("ovs-vsctl", "add-br", "br0")
    assert "actions=NORMAL" in run("ovs-ofctl", "-O", "OpenFlow13", "dump-flows", "br0")
    assert "br0" in run("ovs-appctl", "ofproto/list")
    assert "br0 65534/65534: (tap)" in run("ovs-appctl", "dpif/show")
    run("ovs-vsctl", "set-fail-mode", "br0", "secure")
    assert "actions=NORMAL" not in run("ovs-ofctl", "-O", "OpenFlow13", "dump-flows", "br0")


def test_a_controller_is_connected_to_snooped_on_and_its_loss_is_shown(vswitch: VswitchProcess) -> None:
    inside = ["ip", "netns", "exec", NAMESPACE]
    vswitch.vsctl(
        "add-br",
        "br0",
        "--",
        "set-controller",
        "br0",
        "tcp:127.0.0.1:6653",
        "ptcp:6654",
        "tcp:127.0.0.1:pear",
    )
    controller = subprocess.Popen(
        [
            *inside,
            "ovs-testcontroller",
            f"--unixctl={vswitch.directory}/c.ctl",
            "-O",
            "OpenFlow13",
            "ptcp:6653",
        ]
    )
    try:
        column = lambda name: vswitch.vsctl("--columns", name, "list", "Controller")  # noqa: E731
        eventually(lambda: "true" in column("is_connected"), f"the controller; {column('status')}")
        assert "expected a port" in column("status")
        eventually(lambda: "CONTROLLER" in vswitch.ofctl("dump-flows"), "the controller's flow")
        snoop = f"unix:{vswitch.directory}/br0.snoop"
        with subprocess.Popen(
            ["ovs-ofctl", "-O", "OpenFlow13", "snoop", snoop],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OVS_RUNDIR": str(vswitch.directory)},
        ) as watching:
            assert watching.stdout is not None
            os.set_blocking(watching.stdout.fileno(), False)
            seen: list[bytes] = []

            def heard() -> bool:
                """It may begin to listen after the controller has connected anew."""
                vswitch.appctl("bridge/reconnect", "br0")
                seen.append(watching.stdout.read() or b"")
                return b"FEATURES_REPLY" in b"".join(seen)

            try:
                eventually(heard, "the controller to be snooped on", step_s=0.3)
            finally:
                watching.terminate()
        done = subprocess.run(
            [*inside, "ovs-ofctl", "-O", "OpenFlow13", "dump-flows", "tcp:127.0.0.1:6654"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "CONTROLLER" in done.stdout, done
    finally:
        controller.terminate()
        controller.wait(60)
    eventually(lambda: "true" not in column("is_connected"), "the loss to be shown")
    vswitch.vsctl("del-controller", "br0")
    assert "actions=NORMAL" in vswitch.ofctl("dump-flows")


def test_a_manager_is_listened_for_and_shown(vswitch: VswitchProcess) -> None:
    vswitch.vsctl("set-manager", "ptcp:6640:127.0.0.1")
    command = [
        "ip",
        "netns",
        "exec",
        NAMESPACE,
        "ovs-vsctl",
        "--db=tcp:127.0.0.1:6640",
        "--timeout=30",
        "show",
    ]
    eventually(lambda: subprocess.run(command, capture_output=True).returncode == 0, "the manager's port")
    vswitch.vsctl("set-manager", "ptcp:1:192.0.2.1")
    eventually(lambda: "cannot listen" in vswitch.vsctl("list", "Manager"), "the error to be shown")


@pytest.mark.parametrize(
    ("table", "record", "change", "said"),
    [
        ("Bridge", "br0", "stp_enable=true", "spanning tree protocol is not supported"),
        ("Bridge", "br0", "other_config:hwaddr=pear", "hwaddr must be"),
        ("Port", "br0", "lacp=active", "lacp is not supported"),
    ],
)
def test_what_is_not_supported_is_said_in_the_status(
    vswitch: VswitchProcess, table: str, record: str, change: str, said: str
) -> None:
    vswitch.vsctl("add-br", "br0")
    vswitch.vsctl("set", table, record, change)
    eventually(lambda: said in vswitch.vsctl("get", table, record, "status"), "the status")


def test_a_datapath_id_changes_while_ports_stay(vswitch: VswitchProcess) -> None:
    vswitch.vsctl("add-br", "br0", "--", "add-port", "br0", "t1", "--", "set", "Interface", "t1", "type=tap")
    before = ip("-n", NAMESPACE, "link", "show", "t1").split(":")[0]
    vswitch.vsctl("set", "Bridge", "br0", "other_config:datapath-id=00000000000000ab")
    assert "dpid:00000000000000ab" in vswitch.ofctl("show")
    vswitch.vsctl("set", "Interface", "t1", "mtu_request=1400")
    assert "mtu 1400" in ip("-n", NAMESPACE, "link", "show", "t1")
    assert ip("-n", NAMESPACE, "link", "show", "t1").split(":")[0] == before
