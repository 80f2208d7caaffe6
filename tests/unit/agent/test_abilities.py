"""What the agent takes a switch to be capable of, from its root row."""

from __future__ import annotations

from typing import Any

import pytest

from tulle.agent.abilities import capabilities, datapath_type, spoken
from tulle.store import Source


def root(**columns: Any) -> Source:
    row = {"external_ids": {}, "iface_types": frozenset(), "datapath_types": frozenset(), **columns}
    return lambda table: [row] if table == "Open_vSwitch" else []


def test_the_order_of_preference_stays() -> None:
    switch = root(external_ids={"tulle-encapsulations": "stt,vxlan"})
    assert spoken(("vxlan", "stt", "geneve"), switch) == ("vxlan", "stt")


def test_an_open_vswitch_that_lists_stt_cannot_speak_it() -> None:
    switch = root(iface_types=frozenset({"stt", "vxlan", "geneve", "tap"}))
    assert spoken(("stt", "vxlan"), switch) == ("vxlan",)


def test_a_switch_that_says_nothing_yet_is_trusted() -> None:
    assert spoken(("stt", "vxlan"), root()) == ("stt", "vxlan")
    assert spoken(("stt", "vxlan"), lambda _table: []) == ("stt", "vxlan")


@pytest.mark.parametrize(
    ("types", "expected"), [({"netdev"}, "netdev"), ({"netdev", "system"}, ""), (set(), "")]
)
def test_the_userspace_datapath_is_asked_for_where_there_is_no_other(types: set[str], expected: str) -> None:
    assert datapath_type(root(datapath_types=frozenset(types))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"packet-ring": "yes", "eth0/queues": "4"}', {"packet-ring": "yes", "eth0/queues": "4"}),
        ("{}", {}),
        ("no JSON", {}),
        ('{"packet-ring": 1}', {}),
        ('["packet-ring"]', {}),
    ],
)
def test_capabilities_are_what_the_switch_says_or_nothing(text: str, expected: dict[str, str]) -> None:
    assert capabilities(root(external_ids={"tulle-capabilities": text})) == expected
    assert capabilities(root()) == {}
