"""Rows of QoS and Queue become disciplines of the kernel and limits of the native switch."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.tcmsg.common import calc_xmittime

from tulle.vswitch.disciplines import (
    ALL,
    AddDiscipline,
    Discipline,
    RemoveClass,
    RemoveDiscipline,
    SetClass,
    Step,
    discipline,
    plan,
)
from tulle.vswitch.queueing import LEAST_BURST_BITS, QosConfig, QueueConfig, native_queues
from tulle.vswitch.rows_queue import bridge_qos, qos_problems
from tulle.vswitch.rows_reference import Row, Tables

RATES = st.none() | st.integers(8, 10**12)
QUEUES = st.builds(QueueConfig, st.integers(0, 20), RATES, RATES, RATES, st.integers(0, 2**32 - 1), st.none())
HTB = st.builds(
    lambda rate, queues: QosConfig(
        "linux-htb", rate, queues=tuple({one.number: one for one in queues}.values())
    ),
    RATES,
    st.lists(QUEUES),
)
OTHERS = st.sampled_from([QosConfig("linux-sfq"), QosConfig("linux-sfq", options=(("perturb", 5),))])
DISCIPLINES = st.none() | st.builds(discipline, HTB | OTHERS, RATES, st.integers(68, 65535))


def tables_with(kind: str, queues: dict[int, dict[str, str]], **options: str) -> tuple[Tables, Row, Row]:
    """A bridge with one port of one interface, and the port."""
    ids = {number: uuid4() for number in queues}
    rows: dict[str, Any] = {"Queue": {ids[at]: {"dscp": None, "other_config": queues[at]} for at in queues}}
    qos, interface, port = uuid4(), uuid4(), uuid4()
    options = {name.replace("_", "-"): value for name, value in options.items()}
    rows["QoS"] = {qos: {"type": kind, "queues": ids, "other_config": options}}
    rows["Interface"] = {interface: {"name": "p1"}}
    rows["Port"] = {port: {"qos": qos, "interfaces": {interface}}}
    return rows, {"ports": {port}}, rows["Port"][port]


def do(current: Discipline | None, steps: list[Step]) -> Discipline | None:
    """What the kernel has after the steps; they must be possible."""
    for step in steps:
        match step:
            case AddDiscipline(kind, options):
                current = Discipline(kind, options)
            case RemoveDiscipline():
                assert current is not None
                current = None
            case RemoveClass(handle):
                assert current is not None and handle in [one.handle for one in current.classes]
                rest = tuple(one for one in current.classes if one.handle != handle)
                current = Discipline(current.kind, current.options, rest)
            case SetClass(wanted):
                assert current is not None
                rest = tuple(one for one in current.classes if one.handle != wanted.handle)
                parents = [one.handle for one in rest]
                assert wanted.handle == ALL or wanted.parent in parents, "the outer class comes first"
                current = Discipline(current.kind, current.options, (*rest, wanted))
    return current


@given(DISCIPLINES, DISCIPLINES)
def test_the_steps_lead_to_what_is_wanted_and_then_there_are_none(
    current: Discipline | None, desired: Discipline | None
) -> None:
    reached = do(current, plan(current, desired))
    assert plan(reached, desired) == []
    if reached is not None and desired is not None:
        assert set(reached.classes) == set(desired.classes)


def test_a_change_of_one_queue_touches_its_class_only() -> None:
    before = discipline(QosConfig("linux-htb", 10**8, queues=(QueueConfig(0), QueueConfig(1))), None, 1500)
    after = QosConfig("linux-htb", 10**8, queues=(QueueConfig(0), QueueConfig(1, max_bps=10**7)))
    (step,) = plan(before, discipline(after, None, 1500))
    assert isinstance(step, SetClass) and step.wanted.handle == 0x10002
    assert (step.wanted.least, step.wanted.most) == (1500, 1_250_000)


@given(HTB, RATES)
def test_no_class_has_nothing_or_more_than_all(qos: QosConfig, link_bps: int | None) -> None:
    classes = discipline(qos, link_bps, 1500).classes
    rate = max(qos.rate_bps(link_bps) // 8, 1)
    assert all(0 < one.least <= one.most <= rate for one in classes)


@given(HTB, RATES, st.integers(68, 65535))
def test_bursts_fit_into_the_kernels_words(qos: QosConfig, link_bps: int | None, mtu: int) -> None:
    for one in discipline(qos, link_bps, mtu).classes:
        for rate, burst in ((one.least, one.least_burst), (one.most, one.burst)):
            assert 0 < calc_xmittime(rate, burst) < 1 << 32


def test_rows_become_queues_and_the_default_one_is_always_there() -> None:
    queues = {1: {"min-rate": "1000", "max-rate": "2000", "burst": "3000", "priority": "4"}}
    tables, bridge, port = tables_with("linux-htb", queues, max_rate="5000")
    wanted = QosConfig("linux-htb", 5000, queues=(QueueConfig(0), QueueConfig(1, 1000, 2000, 3000, 4)))
    assert bridge_qos(tables, bridge) == {"p1": wanted}
    assert qos_problems(tables, port) == []


def test_what_cannot_be_is_said_and_is_as_if_it_were_absent() -> None:
    queues = {1: {"min-rate": "9", "max-rate": "8"}, 2: {"burst": "0"}, 61440: {}}
    tables, bridge, port = tables_with("linux-htb", queues, max_rate="fast")
    assert bridge_qos(tables, bridge)["p1"].queues == (QueueConfig(0), QueueConfig(1, 9, 9), QueueConfig(2))
    first, *rest = qos_problems(tables, port)
    assert first.startswith("QoS other_config:max-rate must be an integer of 8 to") and "'fast'" in first
    assert rest == [
        "Queue 1 other_config:max-rate 8 is below min-rate 9, which counts",
        "Queue 2 other_config:burst must be an integer of 1 to 4294967295, not '0'",
        "Queue 61440 has no class; the last one is 61439",
    ]


def test_an_unknown_type_is_said_and_nothing_is_shaped() -> None:
    tables, bridge, port = tables_with("linux-hfsc", {})
    assert bridge_qos(tables, bridge) == {}
    assert "QoS type 'linux-hfsc' is not one of linux-htb" in qos_problems(tables, port)[0]


@pytest.mark.parametrize(
    ("kind", "option", "most"),
    [
        ("linux-netem", "loss", 100),
        ("linux-netem", "latency", 274_877_906),
        ("linux-sfq", "perturb", 2_147_483),
        ("linux-codel", "limit", 2**32 - 1),
    ],
)
def test_options_stay_in_the_words_of_the_kernel(kind: str, option: str, most: int) -> None:
    tables, bridge, port = tables_with(kind, {}, **{option: str(most)})
    (qos,) = bridge_qos(tables, bridge).values()
    assert [value for _, value in qos.options] == [most] and qos_problems(tables, port) == []
    for wrong in (str(most + 1), "1" * 5000):
        tables, bridge, port = tables_with(kind, {}, **{option: wrong})
        assert bridge_qos(tables, bridge)["p1"].options == ()
        assert f"must be an integer of 0 to {most}" in qos_problems(tables, port)[0]


def test_only_what_the_kernel_does_not_shape_is_limited_by_the_switch() -> None:
    qos = QosConfig("linux-htb", 10**7, queues=(QueueConfig(0), QueueConfig(1, max_bps=10**6, dscp=46)))
    assert native_queues(qos, "device", 10**8) == (
        None,
        0,
        {0: (None, None, None, None), 1: (None, 10, 46, None)},
        True,
    )
    limits = {0: (None, None, None, None), 1: (None, None, 46, (10**6, LEAST_BURST_BITS))}
    assert native_queues(qos, "internal", None) == ((10**7, 10**6), 0, limits, False)
    policer = QosConfig("egress-policer", 8000, 10**6)
    assert native_queues(policer, "device", None) == ((8000, 10**6), 14, {}, False)
    assert native_queues(QosConfig("linux-noop"), "device", None) == (None, 0, {}, False)
