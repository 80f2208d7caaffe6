"""However wishes, reports, crashes and delays interleave, nobody sends what the other end does not receive.

The model is a slow obvious one: agents that are interrupted between any two of their steps and remove what is
not named at once, without the moment of grace that the real ones give.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tulle.control import advance, all_tunnels_of, choice_between, settled, tunnels_of
from tulle.encap import encapsulations
from tulle.values import Node, Tunnel, TunnelEnd

ABLE = ("stt", "vxlan", "geneve", "gre")
NETWORKS = ("", "red", "blue")
NAMES = ("n1", "n2")
ORDERS = st.lists(st.sampled_from(ABLE), min_size=1, max_size=3, unique=True).map(tuple)


@dataclass
class Agent:
    """One end: what it has made, how it sends, and the row that it is working on."""

    name: str
    made: set[str] = field(default_factory=set)
    sends: dict[str, str] = field(default_factory=dict)
    row: Tunnel | None = None
    stage: int = 0


class Retunnelling(RuleBasedStateMachine):
    """A pair of nodes and three networks."""

    def __init__(self) -> None:
        super().__init__()
        self.able = {name: Node(name, f"192.0.2.{name[-1]}", ABLE) for name in NAMES}
        self.wishes = dict.fromkeys(NAMES, ABLE)
        self.orders: dict[str, tuple[str, ...]] = {}
        self.ends: dict[tuple[str, str], TunnelEnd] = {}
        self.agents = {name: Agent(name) for name in NAMES}
        self.row = Tunnel("n1", "n2", "stt")
        for agent in self.agents.values():  # in place before the first wish changes
            self._pass(agent)

    @rule(name=st.sampled_from(NAMES), wish=ORDERS)
    def prefer_at_a_node(self, name: str, wish: tuple[str, ...]) -> None:
        self.wishes[name] = wish
        self.control()

    @rule(network=st.sampled_from(NETWORKS[1:]), wish=ORDERS | st.just(()))
    def prefer_in_a_network(self, network: str, wish: tuple[str, ...]) -> None:
        self.orders[network] = wish
        self.control()

    @rule()
    def control(self) -> None:
        declared = {name: Node(name, node.address, self.wishes[name]) for name, node in self.able.items()}
        orders = {network: order for network, order in self.orders.items() if order}
        chosen = choice_between(self.able, declared, orders).pairs(encapsulations())
        (row,) = advance([self.row], chosen, self.ends, self.able)
        assert isinstance(row, Tunnel)
        self.row = row

    @rule(name=st.sampled_from(NAMES))
    def work(self, name: str) -> None:
        """One stage of an agent's pass."""
        self._stage(self.agents[name])

    @rule(name=st.sampled_from(NAMES))
    def crash(self, name: str) -> None:
        """A new agent begins a pass of its own; the switch has what it had."""
        self.agents[name].stage = 0

    @rule()
    def come_to_rest(self) -> None:
        """With agents that live, every wish comes true and nothing else is left."""
        for _ in range(8):
            self.control()
            for agent in self.agents.values():
                agent.stage = 0
                self._pass(agent)
        assert settled(self.row, self.ends, self.able) and not self.row.coming and not self.row.leaving
        used = {self.row.encapsulation, *self.row.networks.values()}
        assert all(agent.made == used for agent in self.agents.values())

    @invariant()
    def everybody_receives_what_the_other_sends(self) -> None:
        one, other = self.agents.values()
        assert set(one.sends.values()) <= other.made, (one, other, self.row)
        assert set(other.sends.values()) <= one.made, (one, other, self.row)

    def _pass(self, agent: Agent) -> None:
        for _ in range(4):
            self._stage(agent)

    def _stage(self, agent: Agent) -> None:
        """As `Reconciler.run_once` does: make, send, report, remove."""
        if agent.stage == 0 or agent.row is None:
            agent.row = self.row
            agent.made |= self._named(agent)
        elif agent.stage == 1:
            for network in NETWORKS:
                (tunnel,) = tunnels_of(agent.name, [agent.row], self.able, network)
                agent.sends[network] = tunnel.encapsulation
        elif agent.stage == 2:
            remote = next(name for name in NAMES if name != agent.name)
            receives, sends = (
                tuple(sorted(some)) for some in (self._named(agent), set(agent.sends.values()))
            )
            end = TunnelEnd(agent.name, remote, agent.row.generation, receives, sends)
            self.ends[agent.name, remote] = end
        else:
            agent.made &= self._named(agent)
        agent.stage = (agent.stage + 1) % 4

    def _named(self, agent: Agent) -> set[str]:
        assert agent.row is not None
        return {one.encapsulation for one in all_tunnels_of(agent.name, [agent.row], self.able)}


TestRetunnelling = Retunnelling.TestCase
TestRetunnelling.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
