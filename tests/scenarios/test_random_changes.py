"""Random changes of random networks: what is changed in place is what would have been built anew."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from memory_lab import MemoryLab
from random_networks import NODE_SETS, networks

from tulle.values import LabFile, Network, Node

SETTINGS = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
Flows = dict[str, dict[str, str]]


def built_anew(lab: MemoryLab, nodes: tuple[Node, ...], networks: tuple[Network, ...]) -> Flows:
    """The flows of a lab that never had other networks, with the same numbers."""
    other = MemoryLab(LabFile((), nodes))
    other.ids = lab.ids
    for name, node in other.nodes.items():
        node.numbers |= lab.nodes[name].numbers
    other.apply(networks)
    return other.flows()


@SETTINGS
@given(networks("red"), networks("red"), networks("blue"), NODE_SETS)
def test_flows_changed_in_place_are_the_flows_built_anew(
    red: Network, redder: Network, blue: Network, nodes: tuple[Node, ...]
) -> None:
    lab = MemoryLab(LabFile((blue, red), nodes))
    for wanted in ((blue, redder), (redder,), (blue, red), ()):
        lab.apply(wanted)
        assert lab.flows() == built_anew(lab, nodes, wanted)
        again = lab.apply(wanted)
        assert not any(one.commands for one in again.values()), again


@SETTINGS
@given(networks("red"), networks("red"), networks("blue"), NODE_SETS)
def test_a_change_of_one_network_leaves_the_flows_of_the_other_alone(
    red: Network, redder: Network, blue: Network, nodes: tuple[Node, ...]
) -> None:
    lab = MemoryLab(LabFile((blue, red), nodes))
    made = lab.apply((blue, redder))
    for name, changed in made.items():
        node = lab.nodes[name]
        touched = {*changed.add, *changed.modify, *(node.former[key] for key in changed.delete)}
        owners = {node.owners[int(text.split(",")[0].removeprefix("cookie="), 16)] for text in touched}
        assert not [owner for owner in owners if "blue/" in owner], owners
