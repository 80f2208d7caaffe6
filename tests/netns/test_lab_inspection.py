"""What users ask when something does not work, against a running lab: why, reach, flows, capture, top, doctor."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from lab_bench import Bench
from patience import eventually
from scapy.utils import PcapNgReader


def test_why_says_that_a_port_reaches_another_and_by_which_rule_not(lab: Bench) -> None:
    done = lab.tulle("why", "red", "web1", "db2", "tcp/80")
    assert done.returncode == 0 and done.stdout.count("reaches") == 2, done
    done = lab.tulle("why", "red", "web1", "db2", "tcp/22")
    assert done.returncode == 1 and "does not reach" in done.stdout, done
    assert "acl red/no-ssh-to-db" in done.stdout and "otherwise" not in done.stdout, done


def test_reach_shows_groups_of_ports_and_the_switches_agree(lab: Bench) -> None:
    done = lab.tulle("reach", "red", "--probe", "--from", "web1")
    assert done.returncode == 0, done
    assert re.search(r"web1 .*db1.*other tcp", done.stdout), done
    assert "0 went otherwise" in done.stdout, done


def test_flows_name_the_object_that_they_stand_for(lab: Bench) -> None:
    found = lab.json("flows", "red", "--node", "node2", "--about", "no-ssh-to-db")["flows"]
    assert found and {one["object"] for one in found} == {"acl red/no-ssh-to-db"}
    assert not [one for one in lab.json("flows", "red")["flows"] if "blue" in one["object"]]


def test_top_shows_who_is_busy(lab: Bench) -> None:
    space = lab.workload("red-web1")
    words = ["ip", "netns", "exec", space, "ping", "-q", "-i", "0.01", "10.0.1.12"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as ping:
        try:
            eventually(lambda: _busy(lab) >= {"web1", "web2"}, "both ends of the ping among the busy ports")
        finally:
            ping.terminate()


def _busy(lab: Bench) -> set[str]:
    rows = lab.json("top", "red", "-n", "1", "--interval", "2")
    return {one["name"] for one in rows if one["packets_s"] > 10}


def test_a_capture_of_a_network_has_its_frames_inside_and_outside_with_names(
    lab: Bench, tmp_path: Path
) -> None:
    file = tmp_path / "red.pcapng"
    words = [sys.executable, "-m", "tulle.cli", "--api", str(lab.lab.api)]
    words += ["capture", "red", "-w", str(file), "--seconds", "6"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        while child.poll() is None:
            lab.pings("red-web1", "10.0.1.12", 1)
            lab.pings("red-web1", "10.0.1.13", 1)
        assert child.stdout is not None
        said = child.stdout.read()
    assert child.returncode == 0, said
    with PcapNgReader(str(file)) as frames:
        notes = {_note(frame) for frame in frames}
    for wanted in (
        "from red/web1 at node1",
        "to red/web2 at node2",
        "stt node1 to node2, red/web",
        "vxlan node",
    ):
        assert any(wanted in note for note in notes), (wanted, notes, said)
    assert not [note for note in notes if "blue" in note]
    shown = subprocess.run(["tshark", "-n", "-r", str(file)], capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0 and "Echo (ping) reply" in shown.stdout, shown


def test_real_packets_are_followed_to_where_they_arrive_or_to_the_rule_that_drops_them(lab: Bench) -> None:
    space = lab.workload("red-web1")
    before = lab.rules("node1")
    with subprocess.Popen(
        ["ip", "netns", "exec", space, "ping", "-q", "-i", "0.1", "10.0.1.12"], stdout=subprocess.DEVNULL
    ) as ping:
        try:
            found = lab.json("trace", "red", "web1", "icmp", "--to", "web2", "--live", "--count", "2")
        finally:
            ping.terminate()
    assert len(found["journeys"]) == 2 and not found["lost"] and not found["silent"], found
    for one in found["journeys"]:
        hops = [(hop["node"], hop.get("port") or f"tunnel {hop['tunnel']}") for hop in one["hops"]]
        ends = ("node1", "web1"), ("node1", "tunnel node2"), ("node2", "tunnel node1"), ("node2", "web2")
        assert (one["end"], hops) == ("delivered", list(ends)), one
        # All nodes of a lab have one clock, and pings come back, so it is known to be right within its bounds.
        clock = found["clocks"]["node2"]
        assert abs(clock["ahead_ns"]) <= clock["within_ns"] < 10**9, found
    knock = "while true; do timeout 1 bash -c 'echo >/dev/tcp/10.0.2.12/22'; done"
    with subprocess.Popen(
        ["ip", "netns", "exec", space, "bash", "-c", knock], stderr=subprocess.DEVNULL
    ) as knocking:
        try:
            done = lab.tulle("trace", "red", "web1", "tcp,dport=22", "--to", "db2", "--live", "--count", "1")
        finally:
            knocking.terminate()
    assert "=> dropped at node2 by acl red/no-ssh-to-db, table 40" in done.stdout, done
    assert re.search(r"node2 +tunnel from node1 +received by stt", done.stdout), done
    assert lab.rules("node1") == before
    eventually(lambda: _dropped(lab) == {"red", "db"}, "the drop among the counters of network and switch")


def _dropped(lab: Bench) -> set[str]:
    """Whose packets an ACL has dropped, of the network and its switches; what passed is counted too."""
    found = lab.json("network", "show", "red", "--counters")["counters"]
    assert all(one["packets"] > 0 for one in found if one["kind"] in ("network", "router")), found
    return {one["name"] for one in found if one["drops"].get("acl")}


def _note(frame: object) -> str:
    note = getattr(frame, "comment", b"") or b""
    return note.decode() if isinstance(note, bytes) else str(note)


def test_the_doctor_finds_nothing_wrong_and_then_what_is(lab: Bench) -> None:
    done = lab.tulle("doctor")
    assert done.returncode == 0 and "flows are as they should be" in done.stdout, done
    lab.kill("node3/agent")
    try:
        eventually(lambda: "node3: its agent is silent" in lab.tulle("doctor").stdout, "the silent agent")
        assert lab.tulle("doctor").returncode == 1
    finally:
        lab.restart("node3/agent")
    eventually(lambda: lab.tulle("doctor").returncode == 0, "the agent to be back")


def test_flows_that_somebody_else_changed_are_found_and_mended(lab: Bench) -> None:
    before = lab.rules("node1")
    target = f"unix:{lab.directory('node1')}/br-int.mgmt"
    for words in (
        ["del-flows", target, "table=40"],
        ["add-flow", target, "table=77,priority=9,tcp,actions=drop"],
    ):
        subprocess.run(["ovs-ofctl", "-O", "OpenFlow13", *words], check=True, timeout=60)
    assert lab.rules("node1") != before
    done = lab.tulle("doctor")
    assert done.returncode == 1 and re.search(r"node1: .*mended: \d+ missing, 1 surplus", done.stdout), done
    eventually(lambda: lab.rules("node1") == before, "the flows as they were")
    assert "had to be mended 1 times" in lab.tulle("doctor").stdout
