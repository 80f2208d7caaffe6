"""Operations on networks, with an agent killed at each step of what it does for them: it ends with the new network."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from mortal_process import NEVER, MortalProcess
from patience import eventually
from test_agent_nodes import ADDRESSES, CONTROLLER, NETWORK, NODES, REMOTE, WORKLOADS, Site, run, wire

from tulle.api import Client, connect
from tulle.errors import Unavailable

STEPS_MAX = 80
TWIN = """networks:
  - name: twin
    switches: [{name: lan, subnets: [10.7.0.0/24]}]
    ports:
      - {name: a, switch: lan, node: node1, namespace: NS-a, interface: twin}
      - {name: b, switch: lan, node: node2, namespace: NS-b, interface: twin}
"""
SHOP = """networks:
  - name: shop
    switches: [{name: lan, subnets: [10.8.0.0/24]}, {name: services}]
    ports:
      - {name: a, switch: lan, node: node1, namespace: NS-a, interface: shop}
      - {name: b, switch: lan, node: node2, namespace: NS-b, interface: shop}
      - {name: in, switch: services, node: node1, namespace: NS-c, interface: in, addresses: []}
      - {name: out, switch: services, node: node1, namespace: NS-c, interface: out, addresses: []}
    appliances: [{name: wall, in: in, out: out}]
    chains: [{name: guard, port: a, direction: to-port, match: ip4, appliances: [wall], fail: closed, idle: true}]
"""


def in_path(tulle: Client, *, is_idle: bool) -> object:
    """Put the chain into the path of packets, or out of it."""
    kept = {"port": "a", "direction": "to-port", "match": "ip4", "appliances": ["wall"], "fail": "closed"}
    values = {"name": "guard", **kept, "idle": is_idle}
    return tulle.edit("shop", [{"kind": "chain", "name": "guard", "values": values}])


def there(interface: str) -> dict[str, dict[str, str]]:
    """Where a copy has its port a."""
    return {"a": {"node": "node1", "namespace": WORKLOADS["a"], "interface": interface}}


Operation = Callable[[Client, str, str], object]
"""It is given the file of network red, and another one."""
OPERATIONS: dict[str, tuple[Operation, Operation]] = {
    "create": (
        lambda tulle, _text, _other: tulle.apply(placed(TWIN), "twin.yaml"),
        lambda tulle, _text, _other: tulle.delete_network("twin"),
    ),
    "apply": (
        lambda tulle, _text, other: tulle.apply(other, "other.yaml"),
        lambda tulle, text, _other: tulle.apply(text, "text.yaml"),
    ),
    "rollback": (
        lambda tulle, _text, _other: tulle.rollback("red", "other"),
        lambda tulle, _text, _other: tulle.rollback("red", "text"),
    ),
    "rename": (
        lambda tulle, _text, _other: tulle.network("red").rename("crimson"),
        lambda tulle, _text, _other: tulle.network("crimson").rename("red"),
    ),
    "pause": (
        lambda tulle, _text, _other: tulle.network("red").pause(),
        lambda tulle, _text, _other: tulle.network("red").resume(),
    ),
    "clone": (
        lambda tulle, _text, _other: tulle.network("red").clone("copy", there("copy")),
        lambda tulle, _text, _other: tulle.delete_network("copy"),
    ),
    "import": (
        lambda tulle, _text, _other: tulle.import_network(
            tulle.export("red"), name="import", places=there("import")
        ),
        lambda tulle, _text, _other: tulle.delete_network("import"),
    ),
    "move": (
        lambda tulle, _text, _other: tulle.move_port("red", "b", "node1"),
        lambda tulle, _text, _other: tulle.move_port("red", "b", "node2"),
    ),
    "drain": (
        lambda tulle, _text, _other: tulle.drain("node1", to="node2"),
        lambda tulle, _text, _other: tulle.move_port("red", "a", "node1"),
    ),
    "prepare": (
        lambda tulle, _text, _other: tulle.prepare_port("red", "b", "node1"),
        lambda tulle, _text, _other: tulle.cancel_prepared("red", "b"),
    ),
    "insert": (
        lambda tulle, _text, _other: in_path(tulle, is_idle=False),
        lambda tulle, _text, _other: in_path(tulle, is_idle=True),
    ),
    "prefer": (
        lambda tulle, _text, _other: tulle.prefer("red", ["vxlan"]),
        lambda tulle, _text, _other: tulle.prefer("red", []),
    ),
}


def placed(text: str) -> str:
    """A file with the names of the namespaces that are there."""
    for name, space in WORKLOADS.items():
        text = text.replace(f"NS-{name}", space)
    return text


class Dying:
    """A site whose node1 has agents that die."""

    def __init__(self, site: Site, agent: MortalProcess) -> None:
        self.agent = agent
        self.tulle = connect(site.directory / "ctl" / "api.sock")
        self.text = placed(NETWORK)
        self.other = self.text.replace("dport=22", "dport=23").replace("no-ssh", "no-telnet")

    def set_up(self) -> None:
        self.tulle.apply(placed(SHOP), "shop.yaml")
        for name in ("other", "text"):
            self.tulle.apply(getattr(self, name), f"{name}.yaml", wait=True, timeout_s=60)
            self.tulle.snapshot("red", name)

    def killed(self, operation: Operation, at: int) -> tuple[bool, list[str]]:
        """Do it while the agent dies at a step; whether it did, and the steps until then."""
        self.agent.end()
        self.agent.start(at)
        eventually(self.is_settled, lambda: self.agent.log.read_text()[-3000:])
        _, steps = self.agent.change(lambda: operation(self.tulle, self.text, self.other), self.wait_for_it)
        died = 0 < at <= len(steps)
        if died:
            self.agent.end()
            self.agent.start(NEVER)
        eventually(self.is_settled, lambda: f"{steps[-3:]} {self.agent.log.read_text()[-3000:]}")
        self.check(steps)
        return died, steps

    def wait_for_it(self) -> None:
        """Until the agent has done its part, or has died."""
        eventually(lambda: not self.agent.is_alive or self.is_settled(), "the agent to do something")
        self.agent.settle()

    def is_settled(self) -> bool:
        """Whether every node has what is wanted, with a live agent."""
        if not all(one["connected"] for one in self.tulle.nodes()):
            return False
        generations = {one["name"]: one["generation"] for one in self.tulle.networks()}
        try:
            self.tulle.wait(generations, 0.2)
        except Unavailable:
            return False
        return True

    def check(self, steps: list[str]) -> None:
        """What the switches have is what a full computation gives."""
        wrong = [one for one in self.findings() if one["level"] == "error"]
        assert wrong == [], (steps[-3:], wrong, self.agent.log.read_text()[-3000:])

    def findings(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = self.tulle.get("/v1/doctor")["findings"]
        return found


@pytest.fixture(scope="module")
def dying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dying]:
    names = [CONTROLLER, *NODES.values(), *WORKLOADS.values()]
    site = Site(tmp_path_factory.mktemp("dying"))
    with ExitStack() as stack:
        for name in names:
            run("ip", "netns", "add", name)
            stack.callback(subprocess.run, ["ip", "netns", "del", name], capture_output=True)
        wire(NODES)
        for name in ("controller", "vswitch-node1", "vswitch-node2", "agent-node2"):
            site.start(name)
            stack.callback(site.kill, name)
        words = ["node1", ADDRESSES["node1"], f"tcp:{REMOTE}:6640", str(site.directory / "switch-node1")]
        inside = ["ip", "netns", "exec", NODES["node1"]]
        agent = MortalProcess("dying_agent.py", site.directory / "armed", words, inside)
        stack.callback(agent.close)
        eventually((site.directory / "ctl" / "api.sock").exists, site.logs)
        agent.start(NEVER)
        eventually(lambda: site.nodes() >= NODES.keys(), site.logs)
        made = Dying(site, agent)
        made.set_up()
        yield made


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_agent_killed_at_any_step_ends_with_the_new_network(dying: Dying, name: str) -> None:
    at, told = 1, []
    alive = [False, False]
    while not all(alive) and at < STEPS_MAX:
        for which, operation in enumerate(OPERATIONS[name]):
            died, steps = dying.killed(operation, at)
            alive[which] = not died
            told.append(steps[-1:])
        at += 1
    assert at > 3 and all(alive), (at, told)
