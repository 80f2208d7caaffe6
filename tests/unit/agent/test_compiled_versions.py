"""Versions of a network, compiled step by step: what packets get into, what stays, and what is told of it."""

from __future__ import annotations

import re
from typing import Any

from msgspec.structs import replace
from test_compilation import BINDINGS, IDS, NETWORKS, PORTS, TUNNELS, network, new_compilation

from tulle.agent.compilation import Compilation, Compiled, Tunnels
from tulle.agent.editions import Live
from tulle.encap import encapsulations
from tulle.values import Backend, LoadBalancer, LogicalSwitch, Network

RED = NETWORKS[0]
OTHER = replace(network("red"), routers=())


def compiled(compilation: Compilation, red: Network, live: Live, **more: Any) -> Compiled:
    ways = Tunnels(TUNNELS, TUNNELS)
    networks, lives = (red, NETWORKS[1]), {"red": live}
    found = compilation.compile(networks, BINDINGS, ways, IDS, encapsulations(), PORTS, live=lives, **more)
    again = compilation.anew()()
    assert found.texts == again.texts and found.owners == again.owners and found.reasons == again.reasons
    assert found.meters == again.meters and found.sends == again.sends
    return found


def entries(found: Compiled) -> list[str]:
    return [text for text in found.texts.values() if "in_port=3" in text and "table=0," in text]


def test_packets_enter_in_the_version_that_is_stamped_and_nothing_else_changes() -> None:
    compilation = new_compilation()
    compiled(compilation, RED, Live())
    former = compilation.latest["red"]
    both = Live(1, 0, {}, (former,))
    found = compiled(compilation, OTHER, both)
    before, texts = entries(found), dict(found.texts)
    turned = compiled(compilation, OTHER, replace(both, stamped=1))
    assert len(before) == len(entries(turned)) == 1 and before != entries(turned)
    assert turned.changed is not None
    assert {key for key in texts.keys() | turned.texts.keys() if texts.get(key) != turned.texts.get(key)} == (
        turned.changed.keys()
    )
    ended = compiled(compilation, OTHER, Live(1, 1))
    number = f"metadata={IDS.datapaths['red/lan']:#x}"
    assert any(number in text for text in texts.values())
    assert not any(number in re.split("[ ,]", text) for text in ended.texts.values())
    assert ended.former.keys().isdisjoint(ended.owners) and "router red/core" in ended.former.values()


def test_a_new_compilation_says_that_all_flows_may_be_others() -> None:
    compilation = new_compilation()
    assert compiled(compilation, RED, Live()).changed is None
    assert compiled(compilation, RED, Live()).changed == {}


def test_a_version_that_waits_for_numbers_leaves_the_former_one_entered() -> None:
    compilation = new_compilation()
    first = dict(compiled(compilation, RED, Live()).texts)
    both = Live(1, 0, {}, (compilation.latest["red"],))
    coming = replace(RED, switches=(*RED.switches, LogicalSwitch("more")))
    waiting = compiled(compilation, coming, both)
    assert waiting.texts == first and set(compilation.pending) == {"red"}


def test_packets_go_on_to_enter_a_version_that_translates_while_the_next_one_does_not() -> None:
    balancer = LoadBalancer("shop", "tcp", ("10.0.0.80",), 80, (Backend(address="10.0.0.1"),), switch="lan")
    balanced = replace(RED, load_balancers=(balancer,))
    compilation = new_compilation()
    before = entries(compiled(compilation, balanced, Live()))
    kept = compilation.latest["red"]
    both = compiled(compilation, RED, Live(1, 0, {}, (kept,)))
    assert before and len(entries(both)) == len(before), "the flow by which packets enter writes a zone"
