"""Where the ports of a drained node go."""

from __future__ import annotations

from tulle.control.draining import Removal, by_network, drained
from tulle.values import Binding, LogicalPort, Network


def network(name: str, **ports: str | None) -> Network:
    """Ports by name with the node that they ask for."""
    made = (LogicalPort(port, "lan", "", node=node, namespace=f"ns-{port}") for port, node in ports.items())
    return Network(name, ports=tuple(made))


def test_ports_go_where_the_fewest_are_by_then() -> None:
    networks = [network("red", a="n1", b="n1", c="n1", d="n2"), network("blue", e="n1")]
    found = drained("n1", networks, [], ["n2", "n3"])
    places = {(one.network, one.port): one.target for one in found}
    assert places == {("blue", "e"): "n3", ("red", "a"): "n2", ("red", "b"): "n3", ("red", "c"): "n2"}
    assert by_network(found) == {"blue": {"e": "n3"}, "red": {"a": "n2", "b": "n3", "c": "n2"}}


def test_what_is_not_the_controller_s_to_move_is_told_with_the_reason() -> None:
    machine = LogicalPort("vm", "lan", "", node="n1")
    loose = LogicalPort("loose", "lan", "")
    going = LogicalPort("going", "lan", "", node="n2", namespace="x")
    bindings = [Binding("red", "loose", "n1"), Binding("red", "going", "n1")]
    found = drained("n1", [Network("red", ports=(machine, loose, going))], bindings, ["n2"])
    assert [(one.port, one.target) for one in found] == [("going", None), ("loose", None), ("vm", None)]
    assert all(one.reason for one in found) and by_network(found) == {}


def test_a_port_goes_to_no_node_that_its_neighbours_do_not_reach() -> None:
    networks = [network("red", a="n1", b="n4")]
    assert drained("n1", networks, [], ["n2", "n3"], {frozenset(("n2", "n4"))}) == (
        Removal("red", "a", "n3"),
    )
    (stuck,) = drained("n1", networks, [], ["n2"], {frozenset(("n2", "n4"))})
    assert stuck.target is None and "reaches" in stuck.reason


def test_ports_elsewhere_stay() -> None:
    assert drained("n1", [network("red", a="n2", b=None)], [], ["n2"]) == ()
