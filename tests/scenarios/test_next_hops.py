"""Of several ways a flow takes one, its answers the same one, and all flows together share them by weight."""

from __future__ import annotations

from collections import Counter

from memory_lab import MemoryLab
from memory_node import Delivered

from tulle._native import Datapath, emit_frame
from tulle.logical import parse_file
from tulle.logical.hops import BASIS
from tulle.openflow.flows import emit_flow
from tulle.values import Choose, LocalPort, Output, Resubmit, Slice, fields, flow

PLACES, FLOWS = 4, 400
WAYS = [LocalPort(f"red/{at}") for at in range(PLACES)]


BEHIND = """\
nodes:
  - {name: node1, address: 172.31.0.1, encapsulations: [stt]}
networks:
  - name: red
    switches:
      - {name: left, subnets: [10.0.1.0/24]}
      - {name: middle, subnets: [10.0.2.0/24]}
      - {name: beside, subnets: [10.0.4.0/24]}
      - {name: right, subnets: [10.0.3.0/24]}
    routers:
      - name: west
        ports:
          - {switch: left, mac: "02:00:00:00:01:01", addresses: [10.0.1.1/24]}
          - {switch: middle, addresses: [10.0.2.1/24]}
          - {switch: beside, addresses: [10.0.4.1/24]}
        policies:
          - name: both
            priority: 1
            match: ip4
            action: reroute
            next_hops: [{address: 10.0.2.2}, {address: 10.0.4.2}]
      - name: east
        ports:
          - {switch: middle, addresses: [10.0.2.2/24]}
          - {switch: beside, addresses: [10.0.4.2/24]}
          - {switch: right, addresses: [10.0.3.1/24]}
    ports:
      - {name: client, switch: left, node: node1, mac: "02:00:00:00:00:11", addresses: [10.0.1.11]}
      - {name: web, switch: right, node: node1, addresses: [10.0.3.11]}
    load_balancers:
      - {name: shop, router: east, protocol: tcp, vips: [10.0.9.80], dport: 80, backends: [{port: web}]}
"""


def datapath() -> Datapath:
    made, numbers = Datapath(), {port: at + 2 for at, port in enumerate(WAYS)}
    made.add_port(1)
    choice = Choose(Slice("reg7", 0, 16), PLACES, "connection", BASIS), Resubmit(22)
    flows = [flow(21, 0, (), choice, "route"), flow(0, 0, (), (Resubmit(21),), "port")]
    flows += [flow(22, 1, fields(reg7=at), (Output(port),), "hop") for at, port in enumerate(WAYS)]
    for number in numbers.values():
        made.add_port(number)
    for one in flows:
        made.flow_mod("add", emit_flow(one, numbers) or "")
    return made


def two_choices(basis: int) -> Datapath:
    """A next hop of two is chosen, and what goes to the first one is balanced between two backends."""
    made = Datapath()
    for number in range(1, 4):
        made.add_port(number)
    place, numbers = Slice("reg7", 0, 16), {WAYS[0]: 2, WAYS[1]: 3}
    flows = [
        flow(0, 0, (), (Choose(place, 2, "connection", basis), Resubmit(22)), "route"),
        flow(22, 1, fields(reg7=0), (Choose(place, 2, "connection"), Resubmit(23)), "balancer"),
        flow(22, 1, fields(reg7=1), (Output(WAYS[0]),), "other"),
        *(flow(23, 1, fields(reg7=at), (Output(WAYS[at]),), "backend") for at in range(2)),
    ]
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


def test_what_goes_one_way_is_still_balanced_between_all_backends() -> None:
    for basis, expected in ((BASIS, {2, 3}), (0, {2})):
        switch = two_choices(basis)
        words = (f"tcp,nw_src=10.0.1.9,nw_dst=10.0.9.9,tcp_src={5000 + at},tcp_dst=80" for at in range(100))
        found = Counter(way(switch, one) for one in words)
        assert found.keys() == expected, found


def test_a_balancer_behind_a_policy_with_several_next_hops_chooses_afresh() -> None:
    there = MemoryLab(parse_file(BEHIND, "behind.yaml"))
    for at in range(8):
        frame = emit_frame(
            "tcp,dl_src=02:00:00:00:00:11,dl_dst=02:00:00:00:01:01,nw_ttl=64,"
            f"nw_src=10.0.1.11,nw_dst=10.0.9.80,tcp_src={5000 + at},tcp_dst=80"
        )
        ends = [end for hop in there.send("red/client", frame) for end in hop.ends]
        assert [one.port for one in ends if isinstance(one, Delivered)] == ["red/web"], ends
