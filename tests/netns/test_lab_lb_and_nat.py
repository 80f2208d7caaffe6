"""The example of load balancing and address translation, with real connections."""

from __future__ import annotations

import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest
from lab_bench import Bench
from patience import PATIENCE_S, eventually
from pyroute2 import netns

from tulle.lab import lifecycle

EXAMPLE = Path(__file__).parents[2] / "examples" / "lb-and-nat.yaml"
SERVED = {"web1": 8080, "web2": 8080, "web3": 8080, "client": 9000, "partner": 9000, "mail": 25}
WEBS = {"web1", "web2", "web3"}
ECHO = """      - name: echo
        router: edge
        protocol: udp
        vips: [192.0.2.80]
        dport: 7
        check_s: 1
        backends: [{port: web1, dport: 7777}, {port: web3, dport: 7777}]
      - name: timed
        router: edge
        protocol: tcp
        vips: [192.0.2.80]
        dport: 444
        affinity_s: 600
        backends: [{port: web1, dport: 8080}, {port: web2, dport: 8080}, {port: web3, dport: 8080}]
"""
Result = TypeVar("Result")


class Servers:
    """Listeners in workloads; each answers with its name and with whom it sees, and then echoes."""

    def __init__(self, lab: Bench) -> None:
        self._lab = lab
        self._stops: dict[str, threading.Event] = {}

    def start(self, name: str) -> None:
        stop = self._stops[name] = threading.Event()
        inside(self._lab, name, lambda: serve(name, SERVED[name], stop))

    def stop(self, name: str) -> None:
        self._stops.pop(name).set()
        gone = lambda: SERVED[name] not in listening(self._lab, name)  # noqa: E731
        eventually(gone, f"the end of {name}")

    def stop_all(self) -> None:
        for stop in self._stops.values():
            stop.set()


class Edge(Bench):
    """The example with workload namespaces of its own."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "lbn")
        self.text = re.sub("namespace: (?=shop)", f"namespace: {self.name}-", EXAMPLE.read_text())
        self.text = self.text.replace("    acls:\n", ECHO + "    acls:\n")
        self.path.write_text(self.text)
        self.servers = Servers(self)


@pytest.fixture(scope="module", params=["ours", pytest.param("debian", marks=pytest.mark.slow)])
def lab(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Edge]:
    """With our switch on all nodes, or with Debian's on node 3, which then speaks all but STT."""
    bench = Edge(tmp_path_factory.mktemp("lab"))
    try:
        lifecycle.up(bench.path, debian_switches=["node3"] if request.param == "debian" else [])
        for name in SERVED:
            bench.servers.start(name)
        eventually(lambda: states(bench) == dict.fromkeys(WEBS, "up"), "health checks")
        yield bench
    finally:
        bench.servers.stop_all()
        bench.down()


def inside(lab: Bench, name: str, do: Callable[[], Result]) -> Result:
    """What `do` gives in the namespace of a workload, on a thread of its own."""

    def there() -> Result:
        netns.setns(lab.workload(f"shop-{name}"))
        return do()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(there).result(60)


def serve(name: str, port: int, stop: threading.Event) -> None:
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)

    def talk(peer: socket.socket, address: str) -> None:
        with peer, suppress(OSError):
            peer.sendall(f"{name} {address.removeprefix('::ffff:')}\n".encode())
            while data := peer.recv(1024):
                peer.sendall(data)

    def accept() -> None:
        with listener:
            listener.settimeout(0.2)
            while not stop.is_set():
                try:
                    peer, address = listener.accept()
                except TimeoutError:
                    continue
                peer.settimeout(60)
                threading.Thread(target=talk, args=(peer, address[0]), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def listening(lab: Bench, name: str) -> set[int]:
    found = lab.run(lab.workload(f"shop-{name}"), "ss", "-ltnH")
    return {int(line.split()[3].rpartition(":")[2]) for line in found.splitlines()}


def asked(target: str, port: int) -> tuple[str, str, str]:
    """Who served, whom it saw, and who answered, of one connection from the namespace that this runs in."""
    with socket.create_connection((target, port), PATIENCE_S / 2) as client:
        with client.makefile("rb") as lines:
            name, address = lines.readline().decode().split()
        client.sendall(b"still there?")
        assert client.recv(100) == b"still there?"
        return name, address, client.getpeername()[0]


def served(lab: Bench, source: str, target: str, port: int, times: int) -> Counter[str]:
    return inside(lab, source, lambda: Counter(asked(target, port)[0] for _ in range(times)))


def states(lab: Bench) -> dict[str, str]:
    return {one["name"]: one["state"] for one in lab.json("lb", "show", "shop", "front")["backends"]}


@pytest.mark.parametrize("vip", ["192.0.2.80", "2001:db8::80"])
@pytest.mark.parametrize("source", ["client", "partner"])
def test_connections_are_shared_among_all_backends(lab: Edge, source: str, vip: str) -> None:
    found = served(lab, source, vip, 80, 60)
    assert found.keys() == WEBS and min(found.values()) >= 5, found


def test_a_backend_sees_its_client_and_the_client_the_virtual_ip(lab: Edge) -> None:
    _, seen, peer = inside(lab, "client", lambda: asked("192.0.2.80", 80))
    assert (seen, peer) == ("192.0.2.10", "192.0.2.80")


@pytest.mark.parametrize("source", ["client", "partner", "web2"])
def test_with_affinity_a_client_always_gets_the_same_backend(lab: Edge, source: str) -> None:
    assert len(served(lab, source, "192.0.2.80", 443, 20)) == 1


def test_a_client_is_remembered_for_a_time_and_no_agent_forgets_it(lab: Edge) -> None:
    source, node = "partner", "node3"
    (first,) = served(lab, source, "192.0.2.80", 444, 12)
    learned = [rule for rule in lab.rules(node) if "table=74" in rule]
    assert learned and all("idle_timeout=600" in rule for rule in learned), learned
    lab.kill(f"{node}/agent")
    lab.restart(f"{node}/agent")
    behind = lambda: lab.tulle("doctor", "-o", "json").stdout  # noqa: E731
    eventually(lambda: "its agent is silent" not in behind(), "the new agent")
    assert "mended" not in behind()
    assert served(lab, source, "192.0.2.80", 444, 12).keys() == {first}


def test_a_backend_that_talks_to_its_own_virtual_ip_gets_an_answer(lab: Edge) -> None:
    assert served(lab, "web1", "192.0.2.80", 80, 40).keys() == WEBS
    assert served(lab, "web3", "10.9.1.100", 80, 40).keys() == {"web1", "web3"}


def test_clients_on_the_switch_of_a_load_balancer_are_served(lab: Edge) -> None:
    assert served(lab, "mail", "10.9.1.100", 80, 30).keys() == {"web1", "web3"}
    _, seen, peer = inside(lab, "mail", lambda: asked("10.9.1.100", 80))
    assert (seen, peer) == ("10.9.1.25", "10.9.1.100")


@pytest.mark.parametrize(
    ("source", "target", "seen"),
    [
        ("web1", "192.0.2.10", "192.0.2.1"),
        ("web2", "192.0.2.11", "192.0.2.1"),
        ("web3", "2001:db8::10", "2001:db8::1"),
        ("web1", "2001:db8::11", "2001:db8::1"),
        ("mail", "192.0.2.10", "192.0.2.25"),
        ("mail", "192.0.2.11", "192.0.2.25"),
    ],
)
def test_those_outside_see_the_external_address(lab: Edge, source: str, target: str, seen: str) -> None:
    assert inside(lab, source, lambda: asked(target, 9000))[1:] == (seen, target)


def test_many_share_one_address_at_once(lab: Edge) -> None:
    """All from one port number of theirs, to one port of one server."""

    def connect() -> socket.socket:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("", 34567))
        made.settimeout(PATIENCE_S / 2)
        made.connect(("192.0.2.11", 9000))
        return made

    clients = [inside(lab, name, connect) for name in ("web1", "web2", "web3")]
    for at, client in enumerate(clients):
        assert client.recv(100) == b"partner 192.0.2.1\n"
        client.sendall(word := f"from {at}".encode())
        assert client.recv(100) == word
    for client in clients:
        client.close()


@pytest.mark.parametrize("source", ["client", "partner", "web1"])
def test_one_to_one_leads_inside(lab: Edge, source: str) -> None:
    name, _, peer = inside(lab, source, lambda: asked("192.0.2.25", 25))
    assert (name, peer) == ("mail", "192.0.2.25")


def test_pings_are_translated(lab: Edge) -> None:
    for source, target in (("web1", "192.0.2.11"), ("web2", "2001:db8::10"), ("client", "192.0.2.25")):
        lab.wait_pings(f"shop-{source}", target)
    lab.wait_pings("shop-client", "192.0.2.1")


def test_fragments_are_translated_too(lab: Edge) -> None:
    for source, target in (("web1", "192.0.2.11"), ("web3", "2001:db8::10"), ("partner", "192.0.2.25")):
        words = (lab.workload(f"shop-{source}"), "ping", "-n", "-c", "2", "-i", "0.2", "-s", "4000", target)
        eventually(lambda: " 2 received" in lab.run(*words), f"fragments from {source} to {target}")  # noqa: B023


def test_a_refusal_is_told_about_the_address_that_was_asked(lab: Edge) -> None:
    """ICMP quotes the packet as its sender knows it, else the sender's kernel would not understand it."""

    for source in ("client", "partner"):
        client = inside(lab, source, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        with client:
            client.settimeout(1)
            client.connect(("192.0.2.25", 4444))
            eventually(lambda: refused(client), f"the refusal of {source}")  # noqa: B023


def refused(client: socket.socket) -> bool:
    try:
        client.send(b"?")
        client.recv(10)
    except ConnectionRefusedError:
        return True
    except TimeoutError:
        pass
    return False


def test_a_trace_names_the_load_balancer_and_the_backend(lab: Edge) -> None:
    said = lab.tulle("trace", "shop", "client", "tcp,dst=192.0.2.80,dport=80").stdout
    assert "balancer shop/front" in said and re.search(r"balancer shop/front to web\d", said), said


def test_rules_count_what_begins_by_their_names(lab: Edge) -> None:
    def begun() -> tuple[int, int]:
        rules = {one["name"]: one["begun"] for one in lab.json("nat", "list", "shop")}
        return rules["everybody"], lab.json("lb", "show", "shop", "sticky")["begun"]

    inside(lab, "web1", lambda: asked("192.0.2.11", 9000))
    inside(lab, "client", lambda: asked("192.0.2.80", 443))
    eventually(lambda: min(begun()) > 0, "the counters")


def test_a_backend_that_does_not_serve_gets_no_connections_and_comes_back(lab: Edge) -> None:
    lab.servers.stop("web2")
    eventually(lambda: states(lab)["web2"] == "down", "web2 down")

    def others() -> bool:
        try:
            return served(lab, "client", "192.0.2.80", 80, 30).keys() == WEBS - {"web2"}
        except OSError:
            return False

    eventually(others, "connections to the others alone")
    lab.servers.start("web2")
    eventually(lambda: states(lab)["web2"] == "up", "web2 up")
    eventually(
        lambda: served(lab, "client", "192.0.2.80", 80, 30).keys() == WEBS,
        "connections to all",
    )


def test_a_connection_lives_on_without_its_agent_and_with_a_new_one(lab: Edge) -> None:
    client = inside(lab, "client", lambda: socket.create_connection(("192.0.2.80", 80), PATIENCE_S / 2))
    with client:
        assert client.recv(100).endswith(b" 192.0.2.10\n")
        lab.kill("node1/agent")
        client.sendall(b"without")
        assert client.recv(100) == b"without"
        lab.restart("node1/agent")
        lab.client.wait(lab.client.apply(lab.text, "lb-and-nat.yaml")["generations"], 60)
        client.sendall(b"with a new one")
        assert client.recv(100) == b"with a new one"


def test_a_client_that_moved_is_served_where_it_is_and_what_was_translated_goes_on(lab: Edge) -> None:
    balanced = inside(lab, "client", lambda: greeted("192.0.2.80", 80))
    translated = inside(lab, "web1", lambda: greeted("192.0.2.10", 9000))
    with balanced, translated:
        for node in ("node2", "node1"):
            lab.client.move_port("shop", "client", node, wait=True)
            for one in (balanced, translated):
                one.sendall(node.encode())
                assert one.recv(100) == node.encode()
            _, seen, peer = inside(lab, "client", lambda: asked("192.0.2.80", 80))
            assert (seen, peer) == ("192.0.2.10", "192.0.2.80")
            assert inside(lab, "web1", lambda: asked("192.0.2.10", 9000))[1] == "192.0.2.1"


def greeted(target: str, port: int) -> socket.socket:
    """A connection that has said who it is."""
    made = socket.create_connection((target, port), 10)
    made.settimeout(10)
    assert made.recv(100).endswith(b"\n")
    return made


def echo(name: str) -> socket.socket:
    """Answers datagrams with its name until it is closed, in the namespace that this runs in."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("", 7777))

    def answer() -> None:
        with suppress(OSError):
            while server.fileno() >= 0:
                data, peer = server.recvfrom(100)
                if data:
                    server.sendto(name.encode(), peer)

    threading.Thread(target=answer, daemon=True).start()
    return server


def test_who_speaks_udp_from_one_port_goes_on_with_another_backend(lab: Edge) -> None:
    names = ("web1", "web3")
    servers = {name: inside(lab, name, lambda name=name: echo(name)) for name in names}

    def up() -> dict[str, str]:
        return {one["name"]: one["state"] for one in lab.json("lb", "show", "shop", "echo")["backends"]}

    eventually(lambda: set(up().values()) == {"up"}, "both up")
    client = inside(lab, "client", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    client.settimeout(1)
    client.connect(("192.0.2.80", 7))

    def answered() -> str:
        try:
            client.send(b"who?")
            return client.recv(100).decode()
        except OSError:
            return ""

    eventually(lambda: answered() in names, "an answer")
    gone = answered()
    (other,) = set(names) - {gone}
    servers[gone].close()
    eventually(lambda: answered() == other, f"{other} in place of {gone}")
    client.close()
    servers[other].close()


def test_a_contradiction_is_refused_with_its_line(lab: Edge) -> None:
    wrong = lab.text.replace("external: 192.0.2.25", "external: 198.51.100.25")
    path = lab.path.with_name("wrong.yaml")
    path.write_text(wrong)
    line = next(at for at, text in enumerate(wrong.splitlines(), 1) if "198.51.100.25" in text)
    done = lab.tulle("apply", "-f", str(path))
    assert done.returncode == 1 and f":{line}" in done.stderr, done
    assert "198.51.100.25 is on no subnet of router edge" in done.stderr
