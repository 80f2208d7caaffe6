"""A trace goes from node to node; the agents here answer from a table."""

from __future__ import annotations

from itertools import count

import pytest
from controller_fixture import NODES, TEXT, Cores

from tulle import store
from tulle.controller.tracing import HALVES_MAX, Tracer
from tulle.errors import Conflict, ProtocolError, Unavailable
from tulle.ovsdb import Change
from tulle.store import TraceOutput, TraceRequest, TraceResult, TraceStep

STEP = TraceStep(0, 100, "in_port=1", "resubmit(,10)", "port red/web1")


def traced(
    answers: dict[str, TraceResult | str], timeout_s: float = 10.0
) -> tuple[Cores, Tracer, list[TraceRequest]]:
    """A controller with agents that give these answers, by node; the list gathers what they were asked."""
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    cores.register(*NODES)
    cores.bind_all()
    asked: list[TraceRequest] = []

    def answer(_changes: list[Change]) -> None:
        for node, result in answers.items():
            for request in store.trace_requests(cores.state_rows, node):
                asked.append(request)
                cores.write_state(
                    lambda w, id=request.id, result=result: store.write_trace_result(
                        w, cores.state_rows, id, result
                    )
                )

    cores.state_database.subscribe(answer)
    numbers = count(1)
    tracer = Tracer(cores.state_store, lambda: f"t{next(numbers)}", str.encode, timeout_s)
    return cores, tracer, asked


def tunnel_to(node: str) -> TraceOutput:
    return TraceOutput(
        node=node, tunnel_id="0x10002", tunnel_src="172.31.0.1", tunnel_dst="172.31.0.2", frame="0a0b"
    )


async def trace(cores: Cores, tracer: Tracer) -> list[dict[str, object]]:
    network = cores.intent.network("red").network
    found = await tracer.trace(network, "web1", "tcp,dst=10.0.2.12,dport=80")
    assert not list(cores.state_rows("Trace")), "rows of the trace stayed behind"
    return found["halves"]


async def test_trace_within_a_node_has_one_half():
    answer = TraceResult((STEP,), (TraceOutput("red/db1"),))
    cores, tracer, asked = traced({"node1": answer})
    (half,) = await trace(cores, tracer)
    assert half["node"] == "node1"
    assert half["entered"] == "port red/web1"
    assert list(half["outputs"]) == [{"port": "red/db1"}]
    assert b"nw_dst=10.0.2.12" in asked[0].frame


async def test_tunnel_is_followed_to_the_far_node():
    far = TraceResult((STEP,), (TraceOutput("red/db2"),))
    cores, tracer, asked = traced({"node1": TraceResult((STEP,), (tunnel_to("node2"),)), "node2": far})
    halves = await trace(cores, tracer)
    assert [half["node"] for half in halves] == ["node1", "node2"]
    assert halves[1]["entered"] == "tunnel from 172.31.0.1"
    second = asked[1]
    assert (second.tunnel_id, second.tunnel_src, second.frame) == (0x10002, "172.31.0.1", b"\x0a\x0b")
    assert second.port == ""


async def test_failure_at_the_far_node_does_not_lose_the_near_half():
    cores, tracer, _ = traced(
        {"node1": TraceResult((STEP,), (tunnel_to("node2"),)), "node2": "no such tunnel"}
    )
    halves = await trace(cores, tracer)
    assert halves[0]["steps"]
    assert halves[1]["failed"] == "no such tunnel"


async def test_nodes_that_send_to_each_other_for_ever_do_not_trace_for_ever():
    loop = {
        "node1": TraceResult((), (tunnel_to("node2"),)),
        "node2": TraceResult((), (tunnel_to("node1"),) * 3),
    }
    cores, tracer, _ = traced(loop)
    assert len(await trace(cores, tracer)) == HALVES_MAX


@pytest.mark.parametrize(
    "changed",
    [{"tunnel_id": "x"}, {"tunnel_src": "here"}, {"frame": "zz"}, {"frame": ""}, {"node": "node77"}],
)
async def test_malformed_output_of_an_agent_is_not_followed(changed):
    import msgspec

    output = msgspec.structs.replace(tunnel_to("node2"), **changed)
    cores, tracer, _ = traced({"node1": TraceResult((), (output,)), "node2": TraceResult()})
    assert len(await trace(cores, tracer)) == 1


async def test_node_that_does_not_answer_is_named():
    cores, tracer, _ = traced({}, timeout_s=0.01)
    with pytest.raises(Unavailable, match="node1 did not answer"):
        await trace(cores, tracer)
    assert not list(cores.state_rows("Trace"))


async def test_answer_that_is_no_result_is_a_protocol_error():
    cores, tracer, _ = traced({})

    def spoil(_changes: list[Change]) -> None:
        row = {"status": "done", "result": "[]"}
        where = [["status", "==", "requested"]]
        cores.state_database.transact([{"op": "update", "table": "Trace", "where": where, "row": row}])

    cores.state_database.subscribe(spoil)
    with pytest.raises(ProtocolError, match="node1"):
        await trace(cores, tracer)


async def test_port_that_is_bound_nowhere_cannot_be_traced():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    tracer = Tracer(cores.state_store, lambda: "t", str.encode)
    with pytest.raises(Conflict, match="bound to no node"):
        await trace(cores, tracer)
