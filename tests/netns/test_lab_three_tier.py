"""The example of three tiers, with real packets: what may connect does, what may not is dropped or refused."""

from __future__ import annotations

import errno
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest
from lab_bench import Bench
from patience import eventually
from pyroute2 import netns

from tulle.lab.measure import run_in

EXAMPLE = Path(__file__).parents[2] / "examples" / "three-tier.yaml"
SERVED = {"web1": 80, "web2": 80, "app1": 8080, "app2": 8080, "db1": 5432}
# What is dropped is not waited for any longer; what is answered may take long on a busy machine.
SILENCE_S, ANSWER_S = 0.7, 30.0
Result = TypeVar("Result")


class ThreeTiers(Bench):
    """The example with workload namespaces of its own."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "tier")
        self.text = re.sub("namespace: (?=shop)", f"namespace: {self.name}-", EXAMPLE.read_text())
        self.path.write_text(self.text)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreeTiers]:
    bench = ThreeTiers(tmp_path_factory.mktemp("lab"))
    stop = threading.Event()
    try:
        bench.up()
        for name, port in SERVED.items():
            inside(bench, name, lambda port=port: serve(port, stop))
        yield bench
    finally:
        stop.set()
        bench.down()


def inside(lab: Bench, name: str, do: Callable[[], Result]) -> Result:
    """What `do` gives in the namespace of a workload, on a thread of its own."""

    def there() -> Result:
        netns.setns(lab.workload(f"shop-{name}"))
        return do()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(there).result(60)


def serve(port: int, stop: threading.Event) -> None:
    """Echo to everybody, IPv4 and IPv6, until `stop`."""
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)

    def echo(peer: socket.socket) -> None:
        # A client that is cut off leaves its peer waiting.
        with peer, suppress(OSError):
            while data := peer.recv(1024):
                peer.sendall(data)

    def accept() -> None:
        with listener:
            listener.settimeout(0.2)
            while not stop.is_set():
                try:
                    peer, _ = listener.accept()
                except TimeoutError:
                    continue
                peer.settimeout(30)
                threading.Thread(target=echo, args=(peer,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def connected(lab: Bench, source: str, target: str, port: int) -> socket.socket:
    return inside(lab, source, lambda: socket.create_connection((target, port), ANSWER_S))


def echoes(client: socket.socket, word: bytes = b"hello", patience_s: float = ANSWER_S) -> bool:
    client.settimeout(patience_s)
    client.sendall(word)
    try:
        return client.recv(1024) == word
    except OSError:
        return False


def refusal(lab: Bench, source: str, target: str, port: int, patience_s: float = ANSWER_S) -> str:
    """How a connection does not come about."""
    try:
        inside(lab, source, lambda: socket.create_connection((target, port), patience_s)).close()
    except TimeoutError:
        return "silence"
    except ConnectionRefusedError:
        return "refused"
    return "connected"


def counted(lab: Bench, rule: str) -> int:
    return sum(int(row["packets"]) for row in lab.client.counters("shop") if row["name"] == rule)


@pytest.mark.parametrize(
    ("source", "target", "port"),
    [
        ("client", "10.8.1.11", 80),
        ("client", "fd00:8:1::12", 80),
        ("web1", "10.8.2.11", 8080),
        ("web1", "fd00:8:2::12", 8080),
        ("web2", "10.8.2.12", 8080),
        ("app1", "10.8.3.11", 5432),
        ("app2", "fd00:8:3::11", 5432),
    ],
)
def test_a_tier_may_connect_to_the_next_one(lab: ThreeTiers, source: str, target: str, port: int) -> None:
    with connected(lab, source, target, port) as client:
        assert echoes(client)


@pytest.mark.parametrize(
    ("source", "target", "port"),
    [("client", "10.8.2.11", 8080), ("app1", "10.8.1.11", 80 + 1), ("app2", "fd00:8:2::11", 8080)],
)
def test_nothing_else_may_connect(lab: ThreeTiers, source: str, target: str, port: int) -> None:
    assert refusal(lab, source, target, port, SILENCE_S) == "silence"
    eventually(lambda: any(row["reason"] == "default" for row in lab.client.drops()), "drops")


@pytest.mark.parametrize("target", ["10.8.3.11", "fd00:8:3::11"])
def test_who_is_rejected_is_told_so_by_a_reset(lab: ThreeTiers, target: str) -> None:
    assert refusal(lab, "app2", target, 22) == "refused"


@pytest.mark.parametrize("source", ["client", "web2"])
@pytest.mark.parametrize("target", ["10.8.3.11", "fd00:8:3::11"])
def test_who_is_rejected_behind_a_tunnel_is_told_so_too(lab: ThreeTiers, source: str, target: str) -> None:
    assert refusal(lab, source, target, 22) == "refused"


@pytest.mark.parametrize("target", ["10.8.3.11", "fd00:8:3::11"])
def test_a_rejected_datagram_is_answered_by_icmp(lab: ThreeTiers, target: str) -> None:
    def ask() -> int:
        family = socket.AF_INET6 if ":" in target else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.settimeout(ANSWER_S)
            client.connect((target, 53))
            client.send(b"?")
            try:
                client.recv(10)
            except OSError as error:
                return error.errno or 0
        return 0

    assert inside(lab, "app2", ask) == errno.ECONNREFUSED


def test_rules_count_and_log_by_their_names(lab: ThreeTiers) -> None:
    before = counted(lab, "no-back-door")
    assert refusal(lab, "app2", "10.8.3.11", 23) == "refused"
    eventually(lambda: counted(lab, "no-back-door") > before, "the counter of the rule")
    log = Path(lab.lab.process("node3/agent").log)
    eventually(lambda: "shop/no-back-door" in log.read_text(), "the line in the log")
    line = next(line for line in log.read_text().splitlines() if "shop/no-back-door" in line)
    assert "reject" in line and "10.8.3.11" in line and "tcp" in line, line
    listed = lab.tulle("acl", "list", "shop").stdout
    assert re.search(rf"no-back-door .* {counted(lab, 'no-back-door')} ", listed), listed


def test_a_rule_under_audit_counts_and_drops_nothing(lab: ThreeTiers) -> None:
    before = counted(lab, "no-pings-from-offices")
    assert lab.pings("shop-client", "10.8.1.12", 1)
    eventually(lambda: counted(lab, "no-pings-from-offices") > before, "the audit")


def test_a_workload_cannot_speak_with_an_address_that_is_not_its_own(lab: ThreeTiers) -> None:
    space = lab.workload("shop-web1")
    assert lab.pings("shop-client", "10.8.1.11", 1)
    lab.run(space, "ip", "address", "add", "10.8.1.99/32", "dev", "lo")
    done = run_in(space, ["ping", "-n", "-c", "1", "-W", "1", "-I", "10.8.1.99", "10.8.1.12"])
    assert done.returncode == 1, done
    said = "port security"
    eventually(lambda: any(row["reason"] == said for row in lab.client.drops()), said)


def test_a_trace_names_the_rule_that_refuses(lab: ThreeTiers) -> None:
    done = lab.tulle("trace", "shop", "client", "tcp,dst=10.8.3.11,dport=22")
    assert "by acl shop/no-back-door" in done.stdout, done
    steps = lab.client.trace("shop", "client", "tcp,dst=10.8.2.11,dport=8080")["halves"][-1]["steps"]
    assert steps[-1]["owner"] == "default shop/app", steps


def test_a_connection_ends_with_the_rule_that_allowed_it(lab: ThreeTiers) -> None:
    closed = re.sub(".*name: app-to-db.*\n", "", lab.text)
    with connected(lab, "app1", "10.8.3.11", 5432) as client:
        assert echoes(client)
        apply(lab, closed)
        assert not echoes(client, b"still there?", SILENCE_S)
    apply(lab, lab.text)


def apply(lab: Bench, text: str) -> None:
    lab.client.wait(lab.client.apply(text, "three-tier.yaml")["generations"], 60)


def test_a_connection_lives_on_when_its_port_moves(lab: ThreeTiers) -> None:
    with connected(lab, "client", "10.8.1.12", 80) as client:
        for node in ("node3", "node2"):
            assert echoes(client, b"before")
            lab.client.move_port("shop", "web2", node, wait=True)
            assert echoes(client, b"after"), node
