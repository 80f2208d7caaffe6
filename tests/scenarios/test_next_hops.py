"""Of several ways a flow takes one, its answers the same one, and all flows together share them by weight."""

from __future__ import annotations

from collections import Counter

from tulle._native import Datapath, emit_frame
from tulle.openflow.flows import emit_flow
from tulle.values import Choose, LocalPort, Output, Resubmit, Slice, fields, flow

PLACES, FLOWS = 4, 400
WAYS = [LocalPort(f"red/{at}") for at in range(PLACES)]


def datapath() -> Datapath:
    made, numbers = Datapath(), {port: at + 2 for at, port in enumerate(WAYS)}
    made.add_port(1)
    choice = Choose(Slice("reg7", 0, 16), PLACES, "connection"), Resubmit(22)
    flows = [flow(21, 0, (), choice, "route"), flow(0, 0, (), (Resubmit(21),), "port")]
    flows += [flow(22, 1, fields(reg7=at), (Output(port),), "hop") for at, port in enumerate(WAYS)]
    for number in numbers.values():
        made.add_port(number)
    for one in flows:
        made.flow_mod("add", emit_flow(one, numbers) or "")
    return made


def way(switch: Datapath, words: str) -> int:
    frame = emit_frame(f"{words},dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,nw_ttl=64")
    (output,) = [one for one in switch.process(1, frame) if one["effect"] == "output"]
    return int(output["port"])


def test_flows_are_shared_and_answers_go_the_same_way() -> None:
    switch, ways = datapath(), Counter[int]()
    for protocol in ("tcp", "udp"):
        for at in range(FLOWS // 2):
            there, back = f"nw_src=10.0.1.{at % 50}", f"nw_dst=203.0.113.{at}"
            sent = way(switch, f"{protocol},{there},{back},{protocol}_src={5000 + at},{protocol}_dst=443")
            there, back = f"nw_dst=10.0.1.{at % 50}", f"nw_src=203.0.113.{at}"
            answered = way(switch, f"{protocol},{there},{back},{protocol}_dst={5000 + at},{protocol}_src=443")
            assert (
                sent
                == answered
                == way(
                    switch,
                    f"{protocol},nw_src=10.0.1.{at % 50},nw_dst=203.0.113.{at},"
                    f"{protocol}_src={5000 + at},{protocol}_dst=443",
                )
            )
            ways[sent] += 1
    assert len(ways) == PLACES and min(ways.values()) > FLOWS / PLACES / 2, ways
