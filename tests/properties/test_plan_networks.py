"""Files, snapshots, compilation and plans on random networks."""

from __future__ import annotations

from collections.abc import Iterable

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from plan_strategies import NODES, networks, nodes

from tulle.control import (
    allocate,
    attachments,
    choose,
    compile_node,
    placement,
    plan,
    requested_bindings,
    tunnels_of,
)
from tulle.encap import encapsulations
from tulle.errors import InvalidInput
from tulle.logical import (
    compile_network,
    diff,
    document_of,
    emit_file,
    network_of,
    parse_file,
    parse_match,
    problems,
)
from tulle.values import (
    AddAttachment,
    AddFlow,
    AddTunnel,
    Attachment,
    DeleteFlow,
    Flow,
    Ids,
    LabFile,
    ModifyAttachment,
    ModifyFlow,
    ModifyTunnel,
    Network,
    Node,
    NodeState,
    RemoveAttachment,
    RemoveTunnel,
    Step,
    TunnelInterface,
)

TWO = st.tuples(networks("red"), networks("blue"))
quick = settings(max_examples=60, deadline=None)


def desired(node: str, wanted: Iterable[Network], all_nodes: tuple[Node, ...], ids: Ids) -> NodeState:
    """All that a node should have."""
    known, wanted = encapsulations(), list(wanted)
    by_name = {one.name: one for one in all_nodes}
    bindings = requested_bindings(wanted, by_name)
    place = placement(node, wanted, bindings)
    tunnels = tunnels_of(node, choose(all_nodes, known), by_name)
    flows = [one for network in place.networks for one in compile_network(network, ids)]
    flows += compile_node(node, place.networks, place.bindings, tunnels, ids, known)
    mtus = {network.name: 1450 for network in wanted}
    return NodeState(tunnels, attachments(node, wanted, bindings, mtus), tuple(flows))


def applied(state: NodeState, steps: Iterable[Step]) -> NodeState:
    """What a node has after the steps; each must fit what is there."""
    tunnels = {(one.remote, one.encapsulation): one for one in state.tunnels}
    plugs = {one.port: one for one in state.attachments}
    flows = {one.key: one for one in state.flows}
    for step in steps:
        match step:
            case AddTunnel(tunnel=tunnel) | ModifyTunnel(tunnel=tunnel):
                key = (tunnel.remote, tunnel.encapsulation)
                assert (key in tunnels) == isinstance(step, ModifyTunnel)
                tunnels[key] = tunnel
            case RemoveTunnel(tunnel=tunnel):
                del tunnels[tunnel.remote, tunnel.encapsulation]
            case AddAttachment(attachment=plug) | ModifyAttachment(attachment=plug):
                assert (plug.port in plugs) == isinstance(step, ModifyAttachment)
                plugs[plug.port] = plug
            case RemoveAttachment(attachment=plug):
                del plugs[plug.port]
            case AddFlow(flow=flow) | ModifyFlow(flow=flow):
                assert (flow.key in flows) == isinstance(step, ModifyFlow)
                flows[flow.key] = flow
            case DeleteFlow(flow=flow):
                del flows[flow.key]
    return NodeState(tuple(tunnels.values()), tuple(plugs.values()), tuple(flows.values()))


def as_sets(state: NodeState) -> tuple[set[TunnelInterface], set[Attachment], set[Flow]]:
    return set(state.tunnels), set(state.attachments), set(state.flows)


@quick
@given(TWO)
def test_a_valid_network_survives_its_file_and_its_document(two: tuple[Network, ...]) -> None:
    for network in two:
        assert problems(network, NODES) == []
        assert network_of(orjson.loads(orjson.dumps(document_of(network)))) == network
    document = LabFile(tuple(sorted(two, key=lambda one: one.name)))
    assert parse_file(emit_file(document), "net.yaml") == document


@quick
@given(TWO, nodes())
def test_flows_have_unique_keys_and_canonical_matches(
    two: tuple[Network, ...], all_nodes: tuple[Node, ...]
) -> None:
    ids = allocate(two, Ids())
    for node in NODES:
        flows = desired(node, two, all_nodes, ids).flows
        keys = [flow.key for flow in flows]
        assert len(set(keys)) == len(keys), [key for key in keys if keys.count(key) > 1]
        for flow in flows:
            names = [one.field for one in flow.match]
            assert names == sorted(set(names)), flow
            assert 0 <= flow.priority <= 65535, flow
            assert flow.owner, flow


@quick
@given(networks(), st.randoms(use_true_random=False))
def test_compilation_does_not_depend_on_the_order_of_members(network: Network, random: object) -> None:
    ids = allocate([network], Ids())
    shuffled = list(network.ports)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    other = replace(
        network,
        switches=network.switches[::-1],
        routers=network.routers[::-1],
        ports=tuple(shuffled),
        acls=network.acls[::-1],
    )
    assert compile_network(other, ids) == compile_network(network, ids)
    assert compile_network(network, ids) == compile_network(network, ids)


@quick
@given(TWO, TWO, nodes(), nodes())
def test_planning_again_after_applying_gives_nothing(
    before: tuple[Network, ...], after: tuple[Network, ...], old: tuple[Node, ...], new: tuple[Node, ...]
) -> None:
    ids = allocate(before, Ids())
    for node in NODES:
        current = desired(node, before, old, ids)
        wanted = desired(node, after, new, allocate(after, ids))
        reached = applied(current, plan(current, wanted))
        assert as_sets(reached) == as_sets(wanted)
        assert plan(reached, wanted) == []


@quick
@given(networks("red"), networks("red"))
def test_networks_differ_exactly_when_their_difference_is_not_empty(one: Network, other: Network) -> None:
    assert diff(one, one) == ()
    assert (diff(one, other) == ()) == (one == other)
    there = {(change.path, change.kind == "changed") for change in diff(one, other)}
    assert there == {(change.path, change.kind == "changed") for change in diff(other, one)}


FRAGMENTS = st.sampled_from(
    [
        "networks:",
        "- ",
        "\n",
        "  ",
        "    ",
        "name: red",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "switches: ",
        "ports: ",
        "mac: ",
        "addresses: ",
        "10.0.1.1/24",
        "::1",
        "routers: ",
        "acls: ",
        "match: tcp",
        "&a ",
        "*a",
        "!!str ",
        "? ",
        ": ",
        "|\n",
        "nodes: ",
        "underlay: {subnet: 10.0.0.0/8}",
        "~",
        "'",
        '"',
        "#",
        "\t",
        "---\n",
        "%YAML 1.1\n",
        "priority: 1",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(FRAGMENTS, max_size=40).map("".join)))
def test_any_text_is_a_file_or_refused(text: str) -> None:
    try:
        document = parse_file(text, "net.yaml")
    except InvalidInput as error:
        assert error.where is not None
        assert error.where.startswith("net.yaml"), error.where
    else:
        assert all(problems(network) == [] for network in document.networks)


@settings(max_examples=150, deadline=None)
@given(TWO, st.data())
def test_a_damaged_file_is_a_file_or_refused(two: tuple[Network, ...], data: st.DataObject) -> None:
    text = emit_file(LabFile(two))
    at = data.draw(st.integers(0, len(text)))
    until = data.draw(st.integers(at, min(len(text), at + 30)))
    try:
        document = parse_file(text[:at] + data.draw(st.text(max_size=5)) + text[until:], "net.yaml")
    except InvalidInput as error:
        assert str(error).startswith("net.yaml"), str(error)
    else:
        assert all(problems(network) == [] for network in document.networks)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="tcpudimaryso=,./:0123456789fe-% ", max_size=40))
def test_any_text_is_a_match_or_refused(text: str) -> None:
    try:
        match = parse_match(text)
    except InvalidInput as error:
        assert str(error).startswith("match")
    else:
        assert match is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("name", "switches", "routers", "ports", "acls")


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5), networks())
def test_any_document_is_a_network_or_refused(document: dict[str, object], network: Network) -> None:
    try:
        made = network_of(document_of(network) | document)
    except InvalidInput:
        return
    assert problems(made) == []
