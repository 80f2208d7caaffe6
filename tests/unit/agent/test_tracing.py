"""The switch's numbers in a trace become names of logical objects and nodes."""

from __future__ import annotations

import pytest

from tulle.agent.tracing import Names, _in_port, trace_result
from tulle.errors import NotFound
from tulle.store import TraceOutput, TraceRequest
from tulle.values import LocalPort, Node, TunnelPort

PORTS = {LocalPort("red/web1"): 3, TunnelPort("node2", "stt"): 7}
NODES = {
    name: Node(name, address, ("stt",)) for name, address in (("node1", "192.0.2.1"), ("node2", "192.0.2.2"))
}
WAYS = {"node1": "stt", "node2": "stt"}
ADDRESSES = {name: node.address for name, node in NODES.items()}


def test_steps_outputs_punts_and_drops_are_named() -> None:
    step = {"table": 12, "priority": 100, "cookie": 5, "match": "reg14=1", "actions": "drop", "depth": 2}
    answer = {
        "steps": [step],
        "outputs": [
            {"port": 3, "tunnel": None, "frame": "aa"},
            {"port": 7, "tunnel": [0x10002, "0.0.0.0", "0.0.0.0"], "frame": "bb"},
            {"port": 99, "tunnel": None, "frame": "cc"},
        ],
        "controller": [{"table": 20, "cookie": 9}, {"table": 21, "cookie": 1}],
        "drops": ["no-match"],
    }
    names = Names({5: "port red/web1"}, {(20, 9): "ttl-exceeded"})
    result = trace_result(answer, PORTS, names, "192.0.2.1", ADDRESSES)
    assert (result.steps[0].owner, result.steps[0].depth) == ("port red/web1", 2)
    assert result.outputs == (
        TraceOutput(port="red/web1", frame="aa"),
        TraceOutput(None, "node2", "0x10002", "192.0.2.1", "192.0.2.2", "bb"),
        TraceOutput(port="switch port 99", frame="cc"),
    )
    assert (result.punts, result.drops) == (("ttl-exceeded", "table 21"), ("no-match",))


def test_a_frame_enters_by_its_port_or_by_the_tunnel_from_its_sender() -> None:
    by_port = TraceRequest("1", "node1", b"", "red", "web1")
    assert _in_port(by_port, PORTS, NODES, WAYS) == 3
    by_tunnel = TraceRequest("1", "node1", b"", tunnel_id=1, tunnel_src="192.0.2.2", tunnel_dst="192.0.2.1")
    assert _in_port(by_tunnel, PORTS, NODES, WAYS) == 7


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (TraceRequest("1", "node1", b"", "red", "web9"), "port red/web9 is not plugged in"),
        (TraceRequest("1", "node1", b"", tunnel_id=1, tunnel_src="192.0.2.9"), "no node has the address"),
        (TraceRequest("1", "node1", b"", tunnel_id=1, tunnel_src="192.0.2.1"), "the tunnel to node1"),
    ],
)
def test_a_frame_that_cannot_enter_is_refused_with_the_reason(request_: TraceRequest, said: str) -> None:
    with pytest.raises(NotFound, match=said):
        _in_port(request_, PORTS, NODES, WAYS)
