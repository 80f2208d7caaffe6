"""Connections on their way through the control socket's commands, into a native switch and out of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from tulle._native import Switch
from tulle.errors import InvalidInput
from tulle.vswitch import commands_moving

TCP = (
    "orig=6/10.0.0.1/4000/10.0.0.2/80/0 reply=6/10.0.0.2/80/10.0.0.1/4000/0 ns=9000000000 flags=1 mark=1 label=ff "
    "tcp=3e9,1f4000,3e9,1f400,7,1,2;1389,1f5000,1389,1f400,7,1,2"
)
UDP = "orig=17/fd00::1/5/fd00::2/53/0 reply=17/fd00::2/53/fd00::1/5/0 ns=9000000000 flags=0"


@pytest.fixture
def bridge() -> Any:
    switch = Switch("moving", 1, 1)
    yield SimpleNamespace(switch=switch)
    switch.close()


def text(*lines: str, version: int = 1) -> str:
    return orjson.dumps({"version": version, "connections": lines}).decode()


def exported(bridge: Any, zone: str, *addresses: str) -> list[str]:
    found = orjson.loads(commands_moving.export(bridge, [zone, "0", *addresses]))
    assert found["version"] == 1
    return [
        line.replace(line[line.index("ns=") : line.index(" flags")], "ns=9000000000")
        for line in found["connections"]
    ]


def test_what_goes_in_comes_out_in_the_zone_that_was_named(bridge: Any) -> None:
    done = orjson.loads(commands_moving.import_(bridge, "7", "0", text(TCP, UDP)))
    assert done == {"added": 2, "updated": 0, "refused": 0}
    assert sorted(exported(bridge, "7")) == sorted([TCP, UDP])
    assert exported(bridge, "7", "fd00::2") == [UDP]
    assert exported(bridge, "8") == []
    again = orjson.loads(commands_moving.import_(bridge, "7", "100", text(TCP)))
    assert again == {"added": 0, "updated": 1, "refused": 0}


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "[]",
        "{",
        text(TCP, version=2),
        '{"version": 1, "connections": [5]}',
        '{"version": 1, "connections": "x"}',
        text(*[UDP] * (commands_moving.MOST + 1)),
        text(UDP, TCP.replace("orig=6", "orig=600")),
        text(UDP, "x" * 5000),
        "[" * 100_000,
    ],
)
def test_of_bad_input_nothing_is_taken(bridge: Any, bad: str) -> None:
    with pytest.raises(InvalidInput):
        commands_moving.import_(bridge, "7", "0", bad)
    assert exported(bridge, "7") == []


@pytest.mark.parametrize("zone", ["-1", "65536", "x", "", "٣"])
def test_a_zone_is_a_number_of_16_bits(bridge: Any, zone: str) -> None:
    with pytest.raises(InvalidInput):
        commands_moving.export(bridge, [zone, "0"])
    with pytest.raises(InvalidInput):
        commands_moving.import_(bridge, zone, "0", text(UDP))


def test_an_address_is_an_address(bridge: Any) -> None:
    with pytest.raises(InvalidInput, match="expected an address"):
        commands_moving.export(bridge, ["7", "0", "10.0.0.256"])
