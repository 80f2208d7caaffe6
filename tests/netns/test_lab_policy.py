"""Policy, trace against reality, refused files, and a port that moves."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
from lab_bench import Bench
from patience import eventually
from pyroute2 import netns

from tulle.lab.measure import Probe, RunningPing, run_in


def acl_packets(lab: Bench) -> int:
    rows = lab.client.counters("red")
    return sum(row["packets"] for row in rows if row["kind"] == "acl" and row["name"] == "no-ssh-to-db")


def connect_fails(lab: Bench, target: str, port: int) -> bool:
    code = f"import socket; socket.create_connection(({target!r}, {port}), 1)"
    return "timed out" in run_in(lab.workload("red-web1"), ["python3", "-c", code]).stderr


@pytest.mark.parametrize("target", ["10.0.2.12", "fd00:2::12"])
def test_an_acl_drops_what_it_names_and_counts_it(lab: Bench, target: str) -> None:
    before = acl_packets(lab)
    assert connect_fails(lab, target, 22)
    assert not connect_fails(lab, target, 23)  # refused by the workload itself, not timed out
    eventually(lambda: acl_packets(lab) > before, "the counter of the ACL")
    assert any("no-ssh-to-db" in str(row) for row in lab.client.drops())


def trace(lab: Bench, match: str) -> dict[str, Any]:
    return dict(lab.json("trace", "red", "web1", match))


@pytest.mark.parametrize("target", ["10.0.1.12", "10.0.2.12", "10.0.1.13"])
def test_a_trace_of_an_answered_ping_ends_at_the_far_port(lab: Bench, target: str) -> None:
    halves = trace(lab, f"icmp,dst={target}")["halves"]
    assert len(halves) == 2 and halves[1]["steps"], halves
    assert all("table" in step for half in halves for step in half["steps"])
    assert "port" in halves[1]["outputs"][0], halves[1]
    assert lab.pings("red-web1", target)


def test_a_trace_of_a_dropped_packet_names_the_acl(lab: Bench) -> None:
    halves = trace(lab, "tcp,dst=10.0.2.12,dport=22")["halves"]
    assert "no-ssh-to-db" in str(halves[-1]), halves
    assert not any("port" in output for half in halves for output in half.get("outputs", [])), halves


@pytest.mark.parametrize("words", [("-t", "1", "10.0.2.12"), ("-6", "-t", "1", "fd00:2::12")])
def test_a_ping_whose_time_runs_out_is_told_so_by_the_router(lab: Bench, words: tuple[str, ...]) -> None:
    done = run_in(lab.workload("red-web1"), ["ping", "-n", "-c", "1", "-W", "10", *words])
    assert "exceeded" in done.stdout, done


@pytest.mark.parametrize("target", ["192.0.2.77", "2001:db8:77::1"])
def test_a_ping_to_an_unknown_network_is_unreachable(lab: Bench, target: str) -> None:
    done = run_in(lab.workload("red-web1"), ["ping", "-n", "-c", "1", "-W", "10", target])
    assert "nreachable" in done.stdout or "No route" in done.stdout, done


BAD = {
    "unknown key": ("    switches:\n", "    colour: red\n    switches:\n"),
    "duplicate port": ("- name: web2", "- name: web1"),
    "duplicate address": ("[10.0.1.12, ", "[10.0.1.11, "),
    "address outside its subnet": ("[10.0.1.12, ", "[10.7.1.12, "),
    "bad match": ("tcp,dport=22", "tcp,dport=seven"),
    "unknown switch": ("        switch: db\n", "        switch: nowhere\n"),
    "unknown node": ("        node: node2\n", "        node: node9\n"),
    "bad mac": ('"02:00:00:00:01:12"', '"02:00:00:00:01:zz"'),
    "not yaml": ("networks:\n", "networks: [\n"),
    "tab": ("networks:\n", "networks:\n\t- x\n"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_refused_with_its_line_and_changes_nothing(lab: Bench, what: str) -> None:
    old, new = BAD[what]
    assert old in lab.text, old
    file = lab.path.with_name("bad.yaml")
    file.write_text(lab.text.replace(old, new, 1))
    networks = {n["name"]: n["generation"] for n in lab.client.networks()}
    rules = lab.rules("node1")
    done = lab.tulle("apply", "-f", str(file))
    assert done.returncode == 1 and "bad.yaml:" in done.stderr and "Traceback" not in done.stderr, done
    assert networks == {n["name"]: n["generation"] for n in lab.client.networks()}
    assert rules == lab.rules("node1")


def echo_server(space: str, ready: threading.Event) -> None:
    netns.setns(space)
    with socket.create_server(("10.0.1.12", 9000)) as server:
        ready.set()
        server.settimeout(60)
        peer, _ = server.accept()
        with peer:
            while data := peer.recv(1024):
                peer.sendall(data)


def open_client(space: str) -> socket.socket:
    made: list[socket.socket] = []

    def connect() -> None:
        netns.setns(space)
        made.append(socket.create_connection(("10.0.1.12", 9000), 60))

    thread = threading.Thread(target=connect)
    thread.start()
    thread.join()
    assert made, "no connection"
    return made[0]


def said_and_heard(client: socket.socket, word: bytes) -> bool:
    client.settimeout(60)
    client.sendall(word)
    return client.recv(1024) == word


def port_counters(lab: Bench) -> int:
    rows = [row for row in lab.client.counters("red") if row["kind"] == "port" and row["name"] == "web2"]
    return sum(row["packets"] for row in rows)


def test_a_port_moves_and_comes_back_with_its_connection(lab: Bench) -> None:
    ready = threading.Event()
    server = threading.Thread(target=echo_server, args=(lab.workload("red-web2"), ready), daemon=True)
    server.start()
    assert ready.wait(60)
    counted, lost = [port_counters(lab)], []
    with open_client(lab.workload("red-web1")) as client:
        for node in ("node3", "node2"):
            with RunningPing(Probe(lab.workload("red-web1"), "10.0.1.12")) as running:
                assert said_and_heard(client, b"before")
                done = lab.tulle("port", "move", "red", "web2", node, "--wait")
                assert done.returncode == 0, done
                assert said_and_heard(client, b"after")
                lost.append(running.stop())
            counted.append(port_counters(lab))
    server.join(60)
    print("moves:", lost)
    assert all(result.sent > 10 and result.lost <= 2 for result in lost), lost
    assert counted == sorted(counted), counted
