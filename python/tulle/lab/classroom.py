"""`make demo-classroom`: 20 students, each with a copy of one network, the same inside and apart from all others.

Builds the lab of examples/classroom.yaml, checks with real packets, takes it down; exit code 1 on failure.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from socket import AF_INET6, SOCK_DGRAM, socket
from typing import Any, Final

import orjson
from msgspec.structs import replace
from pyroute2 import netns
from rich.console import Console

from tulle.api.client import Client
from tulle.errors import TulleError
from tulle.lab import lifecycle
from tulle.lab.demo.report import Report
from tulle.lab.live import inside
from tulle.lab.measure import Probe, RunningPing, frames_captured, run_in
from tulle.lab.state import Lab
from tulle.lab.waiting import wait_until

EXAMPLE: Final = Path(__file__).parents[3] / "examples" / "classroom.yaml"
MASTER: Final = "lesson"
STUDENTS: Final = 20
NODES: Final = {"desk": "node1", "server": "node2"}
SERVER, SERVER6 = "10.7.1.10", "fd00:7:1::10"
PORT: Final = 7007
PATIENCE_S: Final = 60.0
ANSWER_S: Final = 1.0
AT_ONCE: Final = 8
MANY: Final = 50
MARK: Final = "0102030405060708"
BROADCAST: Final = "10.7.0.255"


class Classroom:
    """The lab while it runs, and the networks in it by name; the teacher's is one of them."""

    def __init__(self, lab: Lab, client: Client, report: Report, students: int = STUDENTS) -> None:
        self.lab, self.client, self.report = lab, client, report
        self.students = tuple(f"student{number:02}" for number in range(1, students + 1))
        self._prefix = next(one for one in lab.layout.workloads if one.endswith("desk")).removesuffix(
            "lesson-desk"
        )
        self.ended = threading.Event()

    @property
    def networks(self) -> tuple[str, ...]:
        """The teacher's and the students'."""
        return (MASTER, *self.students)

    def space(self, network: str, port: str) -> str:
        """The namespace of a workload."""
        return f"{self._prefix}{network}-{port}"

    def add_namespaces(self) -> None:
        """Those of the students, noted first, so that the lab's end is theirs too."""
        made = tuple(self.space(student, port) for student in self.students for port in NODES)
        self.lab.layout = replace(self.lab.layout, workloads=(*self.lab.layout.workloads, *made))
        self.lab.save()
        for one in made:
            netns.create(one)
            run_in(one, ["ip", "link", "set", "lo", "up"])

    def serve(self) -> None:
        """In every server, say the network's name to who asks."""
        for network in self.networks:
            sock = inside(self.space(network, "server"), _listening)
            threading.Thread(target=self._answer, args=(sock, network.encode()), daemon=True).start()

    def answers(self, address: str = SERVER) -> dict[str, str]:
        """Which network's server each desk hears at one address, or nothing."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(
                zip(self.networks, pool.map(lambda one: self.asked(one, address), self.networks), strict=True)
            )

    def asked(self, network: str, address: str = SERVER) -> str:
        """What the desk of one network hears."""
        return inside(self.space(network, "desk"), lambda: _ask(address))

    def _answer(self, sock: socket, word: bytes) -> None:
        with sock:
            sock.settimeout(0.2)
            while not self.ended.is_set():
                try:
                    _, peer = sock.recvfrom(100)
                    sock.sendto(word, peer)
                except OSError:
                    continue


def _listening() -> socket:
    sock = socket(AF_INET6, SOCK_DGRAM)
    sock.bind(("::", PORT))
    return sock


def _ask(address: str) -> str:
    with socket(AF_INET6, SOCK_DGRAM) as sock:
        sock.settimeout(ANSWER_S)
        for _ in range(2):
            try:
                sock.sendto(b"who?", (address if ":" in address else f"::ffff:{address}", PORT))
                return sock.recv(100).decode()
            except OSError:
                continue
    return ""


def copy(room: Classroom) -> None:
    """A copy for each student"""
    room.add_namespaces()
    took: list[float] = []
    for student in room.students:
        started = time.monotonic()
        places = {
            port: {"node": node, "namespace": room.space(student, port)} for port, node in NODES.items()
        }
        room.client.network(MASTER).clone(student, places, wait=True)
        took.append(time.monotonic() - started)
    middle = sorted(took)[len(took) // 2]
    saw = f"each in place in {middle:.2f} s (median), {max(took):.2f} s at most"
    room.report.check(f"{len(took)} clones are made", len(room.client.networks()) == len(room.networks), saw)


def same_inside(room: Classroom) -> None:
    """The same inside"""
    wanted = _inner(room.client.network(MASTER).document)
    different = [one for one in room.students if _inner(room.client.network(one).document) != wanted]
    room.report.check(
        "switches, routers, ports, addresses and rules are the same", not different, str(different)
    )
    for port in NODES:
        addresses = {one: _addresses(room.space(one, port)) for one in room.networks}
        odd = sorted(one for one, found in addresses.items() if found != addresses[MASTER])
        saw = ", ".join(addresses[MASTER])
        room.report.check(
            f"every {port} has the teacher's addresses", len(addresses[MASTER]) == 2 and not odd, saw
        )


def apart(room: Classroom) -> None:
    """Apart from each other"""
    room.serve()
    for address in (SERVER, SERVER6):
        heard = _all_answers(room, address)
        wrong = {one: said for one, said in heard.items() if said != one}
        room.report.check(f"every desk hears its own server at {address}", not wrong, f"{len(heard)} desks")
    first = room.students[0]
    points = [(room.space(one, port), "eth0") for one in room.networks for port in NODES]
    with frames_captured(points) as frames:
        run_in(room.space(first, "desk"), ["ping", "-n", "-c", "3", "-W", "1", "-p", MARK, SERVER])
    seen = {namespace for namespace, frame in frames if bytes.fromhex(MARK * 2) in frame}
    own = {room.space(first, port) for port in NODES}
    room.report.check(
        "what one student sends is seen in no other copy", seen == own, f"seen in {len(seen)} places"
    )


def _all_answers(room: Classroom, address: str) -> dict[str, str]:
    what = f"all answers from {address}"
    wait_until(lambda: "" not in room.answers(address).values(), what=what, limit_s=PATIENCE_S)
    return room.answers(address)


def damaged(room: Classroom) -> None:
    """One copy damaged, and brought back"""
    broken, other = room.students[len(room.students) // 2], room.students[-1]
    before = {one["name"]: one["generation"] for one in room.client.networks()}
    with RunningPing(Probe(room.space(other, "desk"), SERVER), interval_s=0.005) as running:
        with room.client.network(broken).change("what does this do?", wait=True) as draft:
            draft.acl(
                "nobody", direction="to-port", switch="servers", priority=200, match="any", action="drop"
            )
            draft.router("core", ports=draft.document["routers"][0]["ports"][:1])
        heard = room.answers()
        silent = sorted(one for one, said in heard.items() if said != one)
        room.report.check("only the damaged copy is damaged", silent == [broken], f"no answer in {silent}")
        room.client.network(broken).rollback(before[broken], wait=True)
        wait_until(
            lambda: room.asked(broken) == broken, what="the answer after the rollback", limit_s=PATIENCE_S
        )
        room.report.check("a rollback brings it back", True)
        lost = running.stop()
    saw = f"{lost.sent} pings, {lost.lost} lost"
    room.report.check("nothing was lost in another copy meanwhile", lost.sent > MANY and lost.lost == 0, saw)
    after = {one["name"]: one["generation"] for one in room.client.networks()}
    changed = sorted(name for name in after if after[name] != before[name])
    room.report.check("and no other copy was changed", changed == [broken])


def _inner(document: dict[str, Any]) -> dict[str, Any]:
    """A network without its name and without where its ports are."""
    places = ("node", "namespace", "interface")
    ports = [{key: value for key, value in port.items() if key not in places} for port in document["ports"]]
    return {**document, "name": "", "ports": ports}


def _addresses(namespace: str) -> list[str]:
    done = run_in(namespace, ["ip", "-j", "address", "show", "dev", "eth0", "scope", "global"])
    found = orjson.loads(done.stdout or "[]")
    listed = [one for device in found for one in device.get("addr_info", ()) if "local" in one]
    return sorted(f"{one['local']}/{one['prefixlen']}" for one in listed)


Step = Callable[[Classroom], None]
STEPS: Final[tuple[Step, ...]] = (copy, same_inside, apart, damaged)


def run(room: Classroom, steps: Iterable[Step] = STEPS) -> None:
    """All checks in a lab that is up."""
    try:
        for step in steps:
            room.report.title(step.__doc__ or "")
            try:
                step(room)
            except TulleError as error:
                room.report.check(f"step {step.__name__}", False, str(error))
    finally:
        room.ended.set()


def main() -> int:
    """Runs the example; 0 if all was as expected."""
    parser = argparse.ArgumentParser(prog="make demo-classroom", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the lab running")
    parser.add_argument("--students", type=int, default=STUDENTS)
    options = parser.parse_args()
    report = Report(Console())
    report.title(f"Building the lab from {EXAMPLE.name}")
    lab = lifecycle.up(EXAMPLE)
    try:
        with lifecycle.client(lab) as client:
            run(Classroom(lab, client, report, options.students))
    finally:
        if not options.keep:
            lifecycle.down(lab)
    report.title(f"{report.checks - len(report.failures)} of {report.checks} checks as expected")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
