"""What is compiled step by step is what is compiled as a whole."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace
from random_policies import BASE
from random_steps import TRANSLATED, doubtful_sequences, sequences

from tulle.control import allocate
from tulle.logical import compile_interfaces, compile_network, parse_match, problems
from tulle.logical.incremental import Incremental, Unit, joined
from tulle.logical.neighbours import Neighbours
from tulle.logical.numbers import grouped
from tulle.logical.rules_changed import is_sound_change
from tulle.logical.snapshot import ordered
from tulle.values import (
    Acl,
    AddressSet,
    Dns,
    Flow,
    Ids,
    Marking,
    Network,
    NextHop,
    PortGroup,
    Qos,
    Rate,
    RoutingPolicy,
    StaticRoute,
)

SETTINGS = settings(
    max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)

ACL = Acl("web", "to-port", 10, parse_match("tcp,dport=80"), "drop", "s0")


@SETTINGS
@given(sequences())
def test_any_sequence_of_changes_gives_the_flows_of_a_full_compilation(steps: list[Network]) -> None:
    incremental, kept, ids = Incremental(), dict[Unit, tuple[Flow, ...]](), Ids()
    for at, network in enumerate(steps):
        ids = allocate((network,), ids)
        given_ids = Ids(ids.datapaths, grouped(ids.ports)) if at % 2 else ids
        down = frozenset({("shop", "10.0.1.11")} if at % 3 == 1 else ())
        delta = incremental.update(network, given_ids, down)
        for unit in delta.gone:
            del kept[unit]
        kept.update(delta.compiled)
        whole = compile_network(network, ids, down)
        assert sorted(joined(kept), key=repr) == sorted(whole, key=repr)
        if not network.paused:
            assert delta.routers == compile_interfaces(network, ids)
        again = incremental.update(network, given_ids, down)
        assert not again.compiled and not again.gone


@SETTINGS
@given(doubtful_sequences())
def test_a_change_that_is_found_sound_without_a_look_at_the_whole_is_sound(steps: list[Network]) -> None:
    for old, new in pairwise(steps):
        if is_sound_change(old, new):
            assert problems(new) == []


@SETTINGS
@given(doubtful_sequences())
def test_neighbours_that_are_kept_tell_what_those_made_anew_do(steps: list[Network]) -> None:
    neighbours, old = Neighbours(), BASE
    for new in steps:
        assert is_sound_change(old, new, neighbours) == is_sound_change(old, new)
        old = old if problems(new) else new


def test_a_port_or_an_acl_more_is_found_sound_or_not_without_a_look_at_the_whole() -> None:
    port, acl = replace(BASE.ports[0], name="new", mac="02:00:00:00:00:77", addresses=("10.0.0.99",)), ACL
    network = replace(BASE, acls=(ACL,))
    for wanted in (
        replace(network, ports=(*network.ports, port)),
        replace(network, ports=network.ports[1:]),
        replace(network, acls=(ACL, replace(acl, name="other", priority=9, action="allow"))),
        replace(network, acls=()),
    ):
        assert is_sound_change(network, wanted)
    for clash in (
        replace(port, name="r-s0"),
        replace(port, mac=BASE.ports[2].mac),
        replace(port, addresses=BASE.ports[1].addresses),
        replace(port, addresses=("10.0.0.1",)),
    ):
        assert not is_sound_change(network, replace(network, ports=(*network.ports, clash)))
    clashing = replace(acl, name="other", action="allow")
    assert not is_sound_change(network, replace(network, acls=(ACL, clashing)))


def test_names_that_come_are_let_through_where_all_is_dropped_by_default() -> None:
    denying = replace(TRANSLATED, default_deny=("from-port",))
    incremental, kept, ids = Incremental(), dict[Unit, tuple[Flow, ...]](), allocate((denying,), Ids())
    for network in (denying, replace(denying, dns=Dns()), denying):
        kept.update(incremental.update(network, ids).compiled)
        whole = compile_network(network, ids)
        assert sorted(joined(kept), key=repr) == sorted(whole, key=repr)


def routed_steps() -> list[Network]:
    """Policies and routes by several next hops, and one after another all that they follow from."""
    hops = (NextHop("10.0.0.10"), NextHop("10.0.0.12", 3), NextHop("10.1.0.11", 2))
    policies = (
        RoutingPolicy("away", 9, parse_match("ip4,src=@g,dst=$some"), "reroute", hops[:2]),
        RoutingPolicy("mail", 8, parse_match("tcp,dport=25"), "reroute", hops[2:]),
        RoutingPolicy("telnet", 7, parse_match("tcp,dport=23"), "drop"),
    )
    (router,) = BASE.routers
    made = replace(
        BASE,
        routers=(replace(router, policies=policies, routes=(StaticRoute("0.0.0.0/0", next_hops=hops),)),),
        port_groups=(PortGroup("g", ("p1",)),),
        address_sets=(AddressSet("some", ("192.0.2.0/24",)),),
    )
    first, *others = made.ports
    held = replace(first, qos=Qos(Rate(1000), dscp=8, markings=(Marking(parse_match("udp"), 46),)))
    other = replace(made.routers[0], policies=policies[1:])
    return [
        BASE,
        made,
        replace(made, port_groups=(PortGroup("g", ("p1", "p3")),)),
        replace(made, address_sets=(AddressSet("some", ("192.0.2.0/24", "198.51.100.1")),)),
        replace(made, ports=(replace(first, mac="02:00:00:00:99:01"), *others)),
        replace(made, ports=(replace(first, node=None), *others)),
        replace(made, ports=tuple(others)),
        replace(made, ports=(held, *others)),
        replace(made, routers=(other,)),
        replace(made, routers=(replace(other, routes=()),)),
        BASE,
    ]


def test_policies_next_hops_and_marks_follow_whatever_they_speak_of() -> None:
    incremental, kept, ids = Incremental(), dict[Unit, tuple[Flow, ...]](), Ids()
    for network in map(ordered, routed_steps()):
        assert problems(network) == []
        ids = allocate((network,), ids)
        delta = incremental.update(network, ids)
        for unit in delta.gone:
            del kept[unit]
        kept.update(delta.compiled)
        assert sorted(joined(kept), key=repr) == sorted(compile_network(network, ids), key=repr)


def test_a_port_more_compiles_no_policy_again() -> None:
    network = ordered(routed_steps()[1])
    more = replace(network.ports[1], name="new", mac="02:00:00:00:77:77", addresses=("10.1.0.77",))
    wanted = ordered(replace(network, ports=(*network.ports, more)))
    ids = allocate((wanted,), Ids())
    incremental = Incremental()
    incremental.update(network, ids)
    assert {unit[1:] for unit in incremental.update(wanted, ids).compiled} == {("s1", "new")}
