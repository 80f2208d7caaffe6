"""Limits of ports: their meters, their flows, and what becomes of what they drop."""

from __future__ import annotations

from struct import pack

import pytest

from tulle._native import canonical_flow
from tulle.agent import counters
from tulle.agent.flowset import told
from tulle.agent.limiting import limit_flows
from tulle.agent.tally import Tally
from tulle.control import allocate, compile_node, limit_owner
from tulle.errors import ProtocolError
from tulle.openflow import flow_texts
from tulle.openflow.flows import limit_meter
from tulle.openflow.meter_stats import Metered, parse_meters
from tulle.openflow.meters import emit_meters
from tulle.values import (
    Binding,
    Flow,
    Ids,
    Limit,
    LocalPort,
    LogicalPort,
    LogicalSwitch,
    Mirror,
    Network,
    Qos,
    Rate,
    cookie_for,
    pipeline,
)

WEB1, WEB2 = LocalPort("red/web1"), LocalPort("red/web2")
OWNERS = {cookie_for(one): one for one in (limit_owner("red/web1", "from-port"), "port red/web1")}


def network(qos: Qos | None = None) -> Network:
    ports = (
        LogicalPort("web1", "web", "02:00:00:00:00:01", node="node1", qos=qos),
        LogicalPort("web2", "web", "02:00:00:00:00:02", node="node1", port_security=True, qos=qos),
    )
    return Network("red", (LogicalSwitch("web"),), ports=ports)


def compiled(one: Network) -> tuple[Flow, ...]:
    bindings = [Binding("red", port.name, "node1") for port in one.ports]
    return compile_node("node1", (one,), bindings, (), allocate((one,), Ids()), {})


def texts(one: Network, *tables: int) -> list[str]:
    made = flow_texts(compiled(one), {WEB1: 3, WEB2: 9}, canonical_flow).values()
    return [text.partition(",")[2] for text in made if int(text.split("table=")[1].split(",")[0]) in tables]


def test_a_port_with_limits_passes_a_meter_of_its_own_each_way() -> None:
    one = network(Qos(Rate(1000), Rate(20_000)))
    found = texts(one, pipeline.FROM_PORT_LIMIT, pipeline.TO_PORT_LIMIT)
    assert [text.rpartition("=")[2] for text in found if "table=46" in text] == [
        f"meter:{0x10000 + 6},resubmit(,10)",
        f"meter:{0x10000 + 18},resubmit(,5)",
    ]
    assert sum(f"meter:{0x10000 + 7}," in text for text in found) == 2
    meters = told(compiled(one), {WEB1: 3, WEB2: 9}).meters
    assert meters == {
        0x10000 + 6: Limit(1000, 1050),
        0x10000 + 7: Limit(20_000, 2000),
        0x10000 + 18: Limit(1000, 1050),
        0x10000 + 19: Limit(20_000, 2000),
    }


def test_a_port_that_is_held_to_nothing_has_the_flows_that_it_had() -> None:
    assert texts(network(), *range(256)) == texts(network(Qos()), *range(256))
    assert not told(compiled(network()), {WEB1: 3, WEB2: 9}).meters


def test_a_port_that_is_not_there_yet_has_no_limit() -> None:
    made = flow_texts(compiled(network(Qos(Rate(1000)))), {WEB2: 9}, canonical_flow)
    assert not any(f"meter:{limit_meter(3, to_port=False)}" in text for text in made.values())


def family(qos: Qos | None = None, *mirrors: Mirror) -> Network:
    """A port, and a child of it that is mirrored."""
    ports = (
        LogicalPort("web1", "web", "02:00:00:00:00:01", node="node1", qos=qos),
        LogicalPort("pod", "pods", "02:00:00:00:00:03", parent="web1", tag=10, qos=Qos(dscp=46)),
    )
    return Network("red", (LogicalSwitch("web"), LogicalSwitch("pods")), ports=ports, mirrors=mirrors)


def test_a_child_passes_the_meters_of_its_parent_with_its_tag_outside() -> None:
    one = family(Qos(Rate(1000), Rate(20_000)))
    sent = texts(one, pipeline.FROM_PORT_LIMIT)
    assert {text.rpartition("=")[2] for text in sent} == {
        f"meter:{0x10000 + 6},resubmit(,{pipeline.FROM_PORT_MARK})",
        f"meter:{0x10000 + 6},resubmit(,{pipeline.FROM_PORT_ACL})",
    }
    delivered = [text.partition("actions=")[2] for text in texts(one, pipeline.TO_PORT_LIMIT)]
    assert len(delivered) == 4 and all(text.startswith(f"meter:{0x10000 + 7},") for text in delivered)
    assert sum("push_vlan" in text and "pop_vlan" in text for text in delivered) == 2
    assert told(compiled(one), {WEB1: 3}).meters == {
        0x10000 + 6: Limit(1000, 1050),
        0x10000 + 7: Limit(20_000, 2000),
    }


def test_a_copy_of_a_childs_frame_has_no_tag_of_the_device() -> None:
    copies = Mirror("pods", "both", port="pod", remote="192.0.2.9", encapsulation="gre")
    for qos in (None, Qos(Rate(1000), Rate(20_000))):
        one, copied = family(qos, copies), f"resubmit(,{pipeline.MIRROR_COPY})"
        (sent,) = (text for text in texts(one, pipeline.PHYSICAL_INGRESS) if copied in text)
        assert sent.index("pop_vlan") < sent.index(copied)
        delivered = texts(one, pipeline.DELIVER, pipeline.TO_PORT_LIMIT)
        found = [text for text in delivered if copied in text]
        assert found and all(text.index(copied) < text.index("push_vlan") for text in found)
        tagged = [text for text in delivered if "push_vlan" in text]
        assert all(copied in text for text in tagged)


def test_of_what_a_limit_drops_there_is_no_copy() -> None:
    mirrored = (Mirror("all", "to-port", port="web1", remote="192.0.2.9", encapsulation="gre"),)
    one = Network(
        "red", (LogicalSwitch("web"),), ports=network(Qos(None, Rate(1000))).ports, mirrors=mirrored
    )
    found = [text for text in texts(one, pipeline.TO_PORT_LIMIT) if f"meter:{0x10000 + 7}" in text]
    assert found and all(
        text.index("meter:") < text.index(f"resubmit(,{pipeline.MIRROR_COPY})") for text in found
    )


def test_a_limit_is_a_meter_of_kilobits_and_a_rate_one_of_packets() -> None:
    made = emit_meters({}, {7: 5, 9: Limit(1000, 1050)})
    flags = [int.from_bytes(made[at : at + 2], "big") for at in (10, 42, 74, 106)]
    assert flags == [0b110, 0b110, 0b1101, 0b1101]
    assert made[76:80] == (9).to_bytes(4, "big")
    assert pack("!II", 1000, 1050) in made and not emit_meters({9: Limit(1, 2)}, {9: Limit(1, 2)})
    assert emit_meters({9: Limit(1, 2)}, {9: Limit(1, 3)})


def stats(number: int, packets: int, size: int) -> bytes:
    return pack("!IH6xIQQIIQQ", number, 56, 1, 100, 100_000, 7, 500_000_000, packets, size)


def test_statistics_of_meters_are_read() -> None:
    found = dict(parse_meters(stats(0x10006, 4, 400) + stats(5, 0, 0)))
    assert found == {0x10006: Metered(4, 400, 7.5), 5: Metered(0, 0, 7.5)}


@pytest.mark.parametrize("cut", [1, 39, 41, 55])
def test_statistics_that_are_cut_short_are_refused(cut: int) -> None:
    with pytest.raises(ProtocolError):
        dict(parse_meters(stats(5, 1, 100)[:cut]))


def test_statistics_that_claim_no_length_are_refused() -> None:
    with pytest.raises(ProtocolError):
        dict(parse_meters(pack("!IH6xIQQII", 5, 0, 1, 1, 1, 1, 1)))


def test_what_a_limit_drops_has_a_name_a_reason_and_a_counter() -> None:
    flows = list(limit_flows({WEB1: 3}, {0x10006: Metered(4, 400, 7.5), 60_000: Metered(9, 900, 1.0)}))
    assert counters.flow_counters(flows, OWNERS) == {("red", "limit", "web1/from-port"): (4, 400)}
    assert counters.flow_drops(flows, OWNERS) == {("limit", "red/web1/from-port", 46): 4}
    assert ("red", "limit", "web1/from-port") in set(counters.counted_objects(network(Qos(Rate(1)))))


def test_a_meter_that_begins_anew_takes_nothing_from_what_was_counted() -> None:
    tally = Tally()
    for packets, age_s in ((4, 7.0), (6, 9.0), (1, 1.0)):
        tally.note(limit_flows({WEB1: 3}, {0x10006: Metered(packets, packets * 100, age_s)}), OWNERS)
    tally.note([], OWNERS)
    assert tally.counts() == {("red", "limit", "web1/from-port"): (7, 700)}


def test_what_flows_of_limits_pass_on_is_no_drop() -> None:
    from tulle.openflow import DumpedFlow

    cookie = f"cookie={cookie_for(limit_owner('red/web1', 'from-port')):#x}"
    passing = DumpedFlow(
        f"{cookie},table=48,priority=100,reg15=0x1 actions=meter:65543,output:3", 5, 500, 1.0
    )
    assert counters.flow_drops([passing], OWNERS) == {} == counters.flow_counters([passing], OWNERS)
