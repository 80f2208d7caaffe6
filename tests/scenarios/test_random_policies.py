"""Random conversations through random policies: each packet ends where the network says, answers too."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from memory_lab import MemoryLab
from memory_node import Delivered, Dropped, End, Hop, Punted
from policy_model import PolicyModel
from random_networks import NODE_SETS
from random_policies import policed_networks, talks
from reach_model import ECHO, Packet, packet_of
from test_random_reachability import before_the_agent

from tulle._native import emit_frame
from tulle.controller.frame import frame_match
from tulle.logical import parse_match
from tulle.values import LabFile, Match, Network, Node

SETTINGS = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    phases=(Phase.generate,),  # a shorter example is not worth minutes
    suppress_health_check=[HealthCheck.too_slow],
)
SPORT = 49152
PAYLOAD = b"hello"  # An echo reply of zeros alone has two right checksums (RFC 1624 section 3).


def fate(hops: list[Hop]) -> str:
    """What happened to the packet itself, in the words of the model; what was only logged is left out."""
    said: list[str] = []
    for hop in before_the_agent(hops):
        logged = [end for end in hop.ends if isinstance(end, Punted) and end.reason.startswith("log ")]
        said += [_word(end) for end in hop.ends if end not in logged]
        if any(end.reason.endswith(" reject") for end in logged):
            said.append("agent reject")
        elif len(logged) == len(hop.ends):
            said.append(hop.steps[-1][1])  # The switch tells of no drop where a packet went to the agent.
    return ", ".join(dict.fromkeys(word.replace("red/", "") for word in said if word))


def _word(end: End) -> str:
    match end:
        case Delivered(port, _):
            return f"delivered to {port}"
        case Punted(reason, _):
            return f"agent {reason}"
        case Dropped(_, _, owner):
            return owner
    return ""


def frame_back(network: Network, port: str, asked: Packet) -> bytes:
    """What the receiver answers."""
    source = next(one for one in network.ports if one.name == port)
    text = f"dst={asked.src},src={asked.dst}"
    match asked.protocol:
        case "tcp" | "udp":
            text = f"{asked.protocol},{text},sport={asked.dport},dport={SPORT}"
        case _:
            text = f"{asked.protocol},{text},type={ECHO[asked.protocol][1]}"
    words = frame_match(network, source.name, parse_match(text))
    return emit_frame(words + (",tcp_flags=+syn+ack" if asked.protocol == "tcp" else ""), PAYLOAD)


class Talk:
    """One lab and one model, asked the same."""

    def __init__(self, network: Network, nodes: tuple[Node, ...]) -> None:
        self.lab = MemoryLab(LabFile((network,), nodes))
        self.past: list[tuple[str, Match, str, Packet]] = []
        self.change(network)

    def change(self, network: Network) -> None:
        self.network, former = network, getattr(self, "model", None)
        self.lab.apply((network,))
        self.model = PolicyModel(network)
        if former is not None:
            self.model.take_over(former)

    def exchange(self, data: st.DataObject) -> None:
        """A packet, and its answer where it arrived."""
        source, match = data.draw(talks())
        expected = self._ask(source, match)
        if expected.startswith("delivered to "):
            target = expected.removeprefix("delivered to ")
            asked = packet_of(next(one for one in self.network.ports if one.name == source), match)
            if target != source and asked.kind not in (0, 129):
                self.past.append((source, match, target, asked))
                self._answer(target, asked)

    def go_on(self) -> None:
        """Further packets of conversations that began before, whatever becomes of them."""
        for source, match, target, asked in self.past[-3:]:
            self._ask(source, match)
            self._answer(target, asked)

    def _ask(self, source: str, match: Match) -> str:
        words = frame_match(self.network, source, match)
        frame = emit_frame(words + (",tcp_flags=+syn" if match.protocol == "tcp" else ""), PAYLOAD)
        self.model.sport, self.model.answers = SPORT, False
        expected = self.model.fate(source, match)
        event(expected.split()[0])
        hops = self.lab.send(f"red/{source}", frame)
        assert fate(hops) == expected, hops
        return expected

    def _answer(self, target: str, asked: Packet) -> None:
        frame = frame_back(self.network, target, asked)
        port = next(one for one in self.network.ports if one.name == target)
        kind = ECHO.get(asked.protocol, (0, 0))[1]
        packet = Packet(asked.protocol, asked.dst, asked.src, SPORT, kind)
        self.model.sport, self.model.answers = asked.dport, True
        expected = self.model.fate_of(port, packet)
        event(f"answer {expected.split()[0]}")
        hops = self.lab.send(f"red/{target}", frame)
        assert fate(hops) == expected, hops


@SETTINGS
@given(policed_networks(), NODE_SETS, st.data())
def test_a_conversation_goes_as_the_policies_say(
    red: Network, nodes: tuple[Node, ...], data: st.DataObject
) -> None:
    talk = Talk(red, nodes)
    for _ in range(8):
        talk.exchange(data)


@SETTINGS
@given(policed_networks(), policed_networks(), NODE_SETS, st.data())
def test_other_policies_take_effect_on_connections_that_are_there(
    red: Network, redder: Network, nodes: tuple[Node, ...], data: st.DataObject
) -> None:
    talk = Talk(red, nodes)
    for network in (red, redder, red):
        talk.change(network)
        talk.go_on()
        for _ in range(3):
            talk.exchange(data)
