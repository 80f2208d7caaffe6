"""QoS and queues: packets of each queue leave at its rate, and the kernel's disciplines follow the database."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import eventually
from vswitch_process import VswitchProcess, ip

ID = os.getpid()
NODE = f"tulle-vq-{ID}"
WORKLOADS = tuple(f"tulle-vq{index}-{ID}" for index in (1, 2))
SLOW, FAST = 5001, 5002
PACKET_BYTES, HEADERS_BYTES = 1000, 42
SEND = """
import socket, sys
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
for _ in range(int(sys.argv[2])):
    out.sendto(bytes(1000), ("10.0.0.2", int(sys.argv[1])))
"""
RECEIVE = """
import json, socket, sys, time
into = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
into.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
into.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
into.bind(("", int(sys.argv[1])))
into.settimeout(float(sys.argv[3]))
print("ready", flush=True)
times, marks = [], set()
try:
    while len(times) < int(sys.argv[2]):
        _, control, _, _ = into.recvmsg(2000, 100)
        times.append(time.monotonic())
        marks |= {data[0] for _, _, data in control}
except TimeoutError:
    pass
print(json.dumps([times, sorted(marks)]))
"""


@pytest.fixture(params=[False])
def switch(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[VswitchProcess]:
    """A bridge br0 with the veth devices q1 and q2, whose other ends are 10.0.0.1 and 10.0.0.2."""
    process = None
    for name in (NODE, *WORKLOADS):
        ip("netns", "add", name)
    try:
        for index, workload in enumerate(WORKLOADS, 1):
            ip(
                "-n",
                NODE,
                "link",
                "add",
                f"q{index}",
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                workload,
            )
            ip("-n", NODE, "link", "set", f"q{index}", "up")
            ip("-n", workload, "addr", "add", f"10.0.0.{index}/24", "dev", "eth0")
            ip("-n", workload, "link", "set", "eth0", "up")
        process = VswitchProcess(tmp_path / "vs", NODE, supervised=request.param)
        process.vsctl("add-br", "br0", "--", "add-port", "br0", "q1", "--", "add-port", "br0", "q2")
        yield process
    finally:
        if process is not None and process.process.poll() is None:
            process.stop(signal.SIGTERM)
        for name in (NODE, *WORKLOADS):
            ip("netns", "del", name)


def tc(*arguments: str) -> str:
    return subprocess.run(
        ["ip", "netns", "exec", NODE, "tc", *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def give_queues(switch: VswitchProcess, port: str = "q2", **columns: str) -> None:
    """100 Mbit/s in all: queue 1 up to 4 Mbit/s, queue 2 up to 16; `columns` are of the first one."""
    slow = [f"{name}={value}" for name, value in columns.items()]
    switch.vsctl(
        *["set", "Port", port, "qos=@qos", "--"],
        *["--id=@qos", "create", "QoS", "type=linux-htb", "other_config:max-rate=100000000"],
        *["queues:1=@slow", "queues:2=@fast", "--"],
        *["--id=@slow", "create", "Queue", "other_config:max-rate=4000000", *slow, "--"],
        *["--id=@fast", "create", "Queue", "other_config:max-rate=16000000"],
    )


def classify(switch: VswitchProcess, to: str) -> None:
    """Packets to the port SLOW into queue 1, to FAST into queue 2."""
    switch.ofctl("del-flows")
    switch.ofctl("add-flow", "priority=1,actions=NORMAL")
    for port, queue in ((SLOW, 1), (FAST, 2)):
        flow = f"priority=2,udp,tp_dst={port},actions=set_queue:{queue},output:{to}"
        switch.ofctl("add-flow", flow)
    command = ["ip", "netns", "exec", WORKLOADS[0], "ping", "-c", "1", "-W", "1", "10.0.0.2"]
    eventually(lambda: subprocess.run(command, capture_output=True).returncode == 0, "a ping")


def send(port: int, count: int, patience_s: float = 5) -> tuple[list[float], list[int]]:
    """Send packets as fast as can be; when each of them arrived, and the marks they bore."""
    command = ["ip", "netns", "exec", WORKLOADS[1], sys.executable, "-c", RECEIVE]
    command += [str(port), str(count), str(patience_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout is not None and receiver.stdout.readline() == "ready\n"
        sender = ["ip", "netns", "exec", WORKLOADS[0], sys.executable, "-c", SEND, str(port), str(count)]
        subprocess.run(sender, check=True, timeout=60)
        times, marks = json.loads(receiver.stdout.readline())
    return times, marks


def rate_bps(times: list[float]) -> float:
    return (len(times) - 1) * (PACKET_BYTES + HEADERS_BYTES) * 8 / (times[-1] - times[0])


def disciplines(port: str) -> list[str]:
    return [line.split()[1] for line in tc("qdisc", "show", "dev", port).splitlines()]


def classes(port: str = "q2") -> dict[str, str]:
    """The lines of `tc class show` by handle."""
    return {line.split()[2]: line for line in tc("class", "show", "dev", port).splitlines()}


def status(switch: VswitchProcess, port: str = "q2") -> str:
    return switch.vsctl("get", "Port", port, "status")


def test_each_queue_sends_at_its_rate(switch: VswitchProcess) -> None:
    give_queues(switch)
    classify(switch, "q2")
    slow, _ = send(SLOW, 300)
    fast, _ = send(FAST, 600)
    assert (len(slow), len(fast)) == (300, 600), "a queue delays and loses nothing"
    assert 2.0e6 < rate_bps(slow) < 4.6e6, rate_bps(slow)
    assert 8.0e6 < rate_bps(fast) < 18.4e6, rate_bps(fast)


def test_controllers_and_operators_see_what_queues_have_counted(switch: VswitchProcess) -> None:
    give_queues(switch)
    classify(switch, "q2")
    assert len(send(SLOW, 50)[0]) == 50
    counted = eventually(lambda: queue_packets(switch, 1) >= 50 and queue_packets(switch, 1), "50 packets")
    assert counted == 50
    shown = switch.appctl("qos/show", "q2")
    assert "QoS: q2 linux-htb\nmax-rate: 100000000" in shown
    assert "Queue 1:" in shown and "max-rate: 4000000" in shown and "tx_packets: 50" in shown
    assert f"tx_bytes: {50 * (PACKET_BYTES + HEADERS_BYTES)}" in shown
    assert "QoS type: linux-htb" in switch.appctl("qos/show-types", "q2")
    assert switch.appctl("qos/show", "q1") == "QoS not configured on q1"
    for version in ("OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"):
        target = f"unix:{switch.directory}/br0.mgmt"
        config = switch.run("ovs-ofctl", "-O", version, "queue-get-config", target, "q2")
        assert {f"queue {number}:" in config for number in (0, 1, 2)} == {True}, config


def queue_packets(switch: VswitchProcess, queue: int) -> int:
    found = switch.ofctl("queue-stats", "q2", str(queue))
    return int(found.split("pkts=")[1].split(",")[0])


def test_rates_change_in_place_and_the_discipline_stays(switch: VswitchProcess) -> None:
    give_queues(switch)
    classify(switch, "q2")
    assert len(send(SLOW, 20)[0]) == 20
    before = tc("-s", "qdisc", "show", "dev", "q2").split("Sent ")[1].split()[0]
    queue = switch.vsctl("--bare", "--columns=_uuid", "find", "Queue", "other_config:max-rate=4000000")
    switch.vsctl("set", "Queue", queue, "other_config:max-rate=8000000", "other_config:priority=3")
    assert "prio 3" in classes()["1:2"] and "ceil 8Mbit" in classes()["1:2"], classes()
    qos = switch.vsctl("--bare", "--columns=_uuid", "find", "QoS")
    switch.vsctl("remove", "QoS", qos, "queues", "2")
    assert sorted(classes()) == ["1:1", "1:2", "1:fffe"]
    after = tc("-s", "qdisc", "show", "dev", "q2").split("Sent ")[1].split()[0]
    assert int(after) >= int(before) > 0, "the discipline is the same one, with its counters"


def test_the_discipline_goes_with_the_row_and_others_are_left_alone(switch: VswitchProcess) -> None:
    tc("qdisc", "add", "dev", "q1", "root", "handle", "7:", "htb")
    give_queues(switch)
    assert disciplines("q2") == ["htb"]
    switch.vsctl(
        "clear", "Port", "q2", "qos", "--", "--all", "destroy", "QoS", "--", "--all", "destroy", "Queue"
    )
    assert disciplines("q2") == ["noqueue"] and classes() == {}
    assert switch.ofctl("queue-stats") == "OFPST_QUEUE reply (OF1.3) (xid=0x2): 0 queues"
    give_queues(switch)
    switch.vsctl("del-port", "q2")
    assert disciplines("q2") == ["noqueue"]
    switch.vsctl("add-port", "br0", "q2")
    give_queues(switch)
    assert switch.stop(signal.SIGTERM) == 0
    assert (disciplines("q1"), disciplines("q2")) == (["htb"], ["noqueue"])
    assert " 7: " in tc("qdisc", "show", "dev", "q1")
    switch.start()
    assert disciplines("q2") == ["htb"]


def test_a_discipline_that_somebody_removes_comes_back(switch: VswitchProcess) -> None:
    give_queues(switch)
    tc("qdisc", "del", "dev", "q2", "root")
    eventually(lambda: "1:2" in classes(), "the classes")


def test_noop_leaves_the_discipline_of_others_which_sees_the_queues(switch: VswitchProcess) -> None:
    tc("qdisc", "add", "dev", "q2", "root", "handle", "1:", "htb", "default", "9")
    tc("class", "add", "dev", "q2", "parent", "1:", "classid", "1:2", "htb", "rate", "8mbit")
    switch.vsctl("set", "Port", "q2", "qos=@q", "--", "--id=@q", "create", "QoS", "type=linux-noop")
    assert "default 0x9" in tc("qdisc", "show", "dev", "q2")
    classify(switch, "q2")
    assert len(send(SLOW, 20)[0]) == 20
    assert " 20 pkt" in tc("-s", "class", "show", "dev", "q2", "classid", "1:2")


@pytest.mark.parametrize("switch", [True], indirect=True)
def test_a_restart_of_the_forwarding_process_keeps_the_queues(switch: VswitchProcess) -> None:
    give_queues(switch)
    classify(switch, "q2")
    assert len(send(SLOW, 20)[0]) == 20
    before = switch.forwarding_pid
    switch.process.send_signal(signal.SIGHUP)
    pid = switch.directory / "ovs-vswitchd.pid"  # empty for a moment
    eventually(lambda: pid.read_text().strip() not in ("", str(before)), "another process")
    bridges = ["ovs-ofctl", "show", f"unix:{switch.directory}/br0.mgmt"]
    eventually(lambda: subprocess.run(bridges, capture_output=True).returncode == 0, "the bridge to answer")
    assert eventually(lambda: queue_packets(switch, 1), "the counters of the kernel's class") == 20
    slow, _ = send(SLOW, 200)
    assert len(slow) == 200 and rate_bps(slow) < 4.6e6


def test_a_queue_marks_its_packets(switch: VswitchProcess) -> None:
    give_queues(switch, dscp="46")
    classify(switch, "q2")
    assert send(SLOW, 5) == (pytest.approx(send(SLOW, 5)[0], abs=30), [46 << 2])
    assert send(FAST, 5)[1] == [0]


def test_wrong_values_are_told_and_the_rest_holds(switch: VswitchProcess) -> None:
    give_queues(switch, other_config='{min-rate="-5",max-rate=4000000,priority=high}')
    told = status(switch)
    assert "Queue 1 other_config:min-rate must be an integer of 1 to" in told and "not '-5'" in told
    assert "Queue 1 other_config:priority must be" in told
    assert "ceil 4Mbit" in classes()["1:2"]
    qos = switch.vsctl("--bare", "--columns=_uuid", "find", "QoS")
    switch.vsctl("set", "QoS", qos, "type=linux-hfsc")
    assert "QoS type 'linux-hfsc' is not one of linux-htb" in status(switch)
    assert disciplines("q2") == ["noqueue"]
    switch.vsctl("set", "QoS", qos, "type=linux-sfq")
    told = status(switch)
    assert disciplines("q2") == ["sfq"] or "the kernel refuses linux-sfq" in told, told
    switch.vsctl("set", "QoS", qos, "type=egress-policer")
    assert "needs other_config:cir and cbs" in status(switch)


def test_a_policer_on_the_way_out_loses_what_is_too_much(switch: VswitchProcess) -> None:
    make = [
        "--id=@q",
        "create",
        "QoS",
        "type=egress-policer",
        "other_config:cir=1000",
        "other_config:cbs=65536",
    ]
    switch.vsctl("set", "Port", "q2", "qos=@q", "--", *make)
    classify(switch, "q2")
    times, _ = send(SLOW, 200, 1)
    assert 50 <= len(times) <= 70, "about 65,536 bytes of IP packets of 1028, and a thousand more a second"
    assert "queue-limited" in switch.appctl("drops/show", "json")
    assert disciplines("q2") == ["noqueue"]


def test_a_tap_port_is_limited_since_no_kernel_stands_behind_it(switch: VswitchProcess) -> None:
    switch.vsctl(
        "del-port", "q2", "--", "add-port", "br0", "t2", "--", "set", "Interface", "t2", "type=internal"
    )
    ip("-n", NODE, "link", "set", "t2", "netns", WORKLOADS[1])
    ip("-n", WORKLOADS[1], "addr", "flush", "dev", "eth0")
    ip("-n", WORKLOADS[1], "addr", "add", "10.0.0.2/24", "dev", "t2")
    ip("-n", WORKLOADS[1], "link", "set", "t2", "up")
    give_queues(switch, "t2", other_config="max-rate=8000")
    assert "what is too fast is lost" in status(switch, "t2")
    classify(switch, "t2")
    slow, _ = send(SLOW, 200, 1)
    assert 55 <= len(slow) <= 70, "the burst of 65,536 bytes, and a thousand more a second"
    assert len(send(FAST, 100)[0]) == 100, "the other queue has its own bucket"
    counted = switch.ofctl("queue-stats", "t2", "1")
    assert f"pkts={len(slow)}," in counted and f"errors={200 - len(slow)}" in counted, counted


def test_what_comes_in_is_policed_by_packets(switch: VswitchProcess) -> None:
    switch.vsctl("set", "Interface", "q1", "ingress_policing_kpkts_rate=1", "ingress_policing_kpkts_burst=1")
    classify(switch, "q2")
    times, _ = send(SLOW, 20_000, 1)
    duration_s = times[-1] - times[0]
    assert 900 <= len(times) <= 1100 + 1000 * duration_s < 20_000, (len(times), duration_s)
    assert '"policed"' in switch.appctl("drops/show", "json")
