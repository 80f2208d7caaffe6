"""However wishes, reports, crashes and delays interleave, nobody sends what the other end does not receive.

Random walks over a slow obvious model: agents that are interrupted between any two of their steps, ports that
work some time after they were made, and no moment of grace before a port goes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import pytest

from tulle.control import advance, all_tunnels_of, choice_between, settled, tunnels_of
from tulle.encap import encapsulations
from tulle.values import Node, Tunnel, TunnelEnd

ABLE = ("stt", "vxlan", "geneve", "gre")
NETWORKS = ("", "red", "blue")
NAMES = ("n1", "n2")
WALKS, STEPS, REST_ROUNDS = 80, 60, 10


@dataclass
class Agent:
    """One end: ports that it has made, those that work, how it sends, and the row that it is working on."""

    name: str
    row: Tunnel
    made: set[str] = field(default_factory=lambda: {"stt"})
    works: set[str] = field(default_factory=lambda: {"stt"})
    sends: dict[str, str] = field(default_factory=lambda: dict.fromkeys(NETWORKS, "stt"))
    stage: int = 0

    @property
    def named(self) -> set[str]:
        return {one.encapsulation for one in all_tunnels_of(self.name, [self.row], NODES)}


NODES = {name: Node(name, f"192.0.2.{name[-1]}", ABLE) for name in NAMES}


class Model:
    """A pair of nodes with a tunnel in use, and three networks."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.row = Tunnel("n1", "n2", "stt")
        self.agents = [Agent(name, self.row) for name in NAMES]
        self.wishes = dict.fromkeys(NAMES, ABLE)
        self.orders: dict[str, tuple[str, ...]] = {}
        self.ends: dict[tuple[str, str], TunnelEnd] = {}
        self.log: list[str] = []
        for agent in self.agents:
            self._report(agent)

    def step(self) -> None:
        """Something happens; stages of agents most often."""
        acts = (
            self.work,
            self.work,
            self.work,
            self.control,
            self.control,
            self.wish,
            self.crash,
            self.come_up,
        )
        act = self.random.choice(acts)
        agent = self.random.choice(self.agents)
        self.log.append(f"{act.__name__} {agent.name}")
        act(agent)
        self.check()

    def wish(self, agent: Agent) -> None:
        """For both nodes, for one, or for a network."""
        order = tuple(self.random.sample(ABLE, self.random.randint(1, 3)))
        kind = self.random.choice(("both", agent.name, *NETWORKS[1:]))
        self.log.append(f"  {kind} {order}")
        if kind in NETWORKS:
            self.orders[kind] = order if self.random.random() < 0.7 else ()
        else:
            self.wishes |= dict.fromkeys(NAMES if kind == "both" else (kind,), order)

    def control(self, _agent: Agent | None = None) -> None:
        """The controller's step."""
        declared = {name: Node(name, NODES[name].address, wish) for name, wish in self.wishes.items()}
        orders = {network: order for network, order in self.orders.items() if order}
        chosen = choice_between(NODES, declared, orders).pairs(encapsulations())
        (row,) = advance([self.row], chosen, self.ends, NODES)
        assert isinstance(row, Tunnel)
        self.row = row

    def crash(self, agent: Agent) -> None:
        """A new agent begins a pass of its own; the switch has what it had."""
        agent.stage = 0

    def come_up(self, agent: Agent) -> None:
        """What an agent has made works some time later."""
        agent.works |= agent.made

    def work(self, agent: Agent) -> None:
        """The next stage of a pass, as `Reconciler.run_once` has them: make, send, report, remove."""
        if agent.stage == 0:
            agent.row = self.row
            agent.made |= agent.named
        elif agent.stage == 1:
            for network in NETWORKS:
                (tunnel,) = tunnels_of(agent.name, [agent.row], NODES, network)
                agent.sends[network] = tunnel.encapsulation
        elif agent.stage == 2:
            self._report(agent)
        else:
            agent.made &= agent.named
            agent.works &= agent.made
        agent.stage = (agent.stage + 1) % 4

    def come_to_rest(self) -> None:
        """With agents that live, every wish comes true, and nothing else is left."""
        for _ in range(REST_ROUNDS):
            self.control()
            for agent in self.agents:
                self.come_up(agent)
                for _stage in range(8):
                    self.work(agent)
                    self.check()
        assert settled(self.row, self.ends, NODES) and not self.row.coming and not self.row.leaving, self
        used = {self.row.encapsulation, *self.row.networks.values()}
        assert all(agent.made == used for agent in self.agents), (self.agents, self.log)

    def check(self) -> None:
        for agent, other in (self.agents, reversed(self.agents)):
            assert set(agent.sends.values()) <= other.works, (agent, other, self.row, self.log)

    def _report(self, agent: Agent) -> None:
        remote = next(name for name in NAMES if name != agent.name)
        receives = tuple(sorted(agent.named & agent.works))
        sends = tuple(sorted(set(agent.sends.values())))
        end = TunnelEnd(agent.name, remote, agent.row.generation, receives, sends)
        self.ends[agent.name, remote] = end


@pytest.mark.parametrize("seed", range(4))
def test_nobody_ever_sends_what_the_other_end_does_not_receive(seed: int) -> None:
    random = Random(seed)
    for _ in range(WALKS):
        model = Model(random)
        for _step in range(STEPS):
            model.step()
        model.come_to_rest()
