"""Numbers for datapaths and ports."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tulle.control import allocate
from tulle.errors import Conflict
from tulle.values import Ids, LogicalPort, LogicalRouter, LogicalSwitch, Network, RouterPort


def network(name: str, *ports: str) -> Network:
    switch = LogicalSwitch("web")
    router = LogicalRouter("core", (RouterPort("core-web", "web", "02:00:00:00:00:ff"),))
    made = tuple(LogicalPort(port, "web", f"02:00:00:00:00:{at:02x}") for at, port in enumerate(ports))
    return Network(name, (switch,), (router,), made)


def test_numbers_are_unique_where_they_must_be() -> None:
    ids = allocate([network("red", "a", "b"), network("blue", "a")], Ids())
    assert sorted(ids.datapaths.values()) == [1, 2, 3, 4]
    assert sorted(ids.ports[name] for name in ids.ports if name.startswith("red/web/")) == [1, 2, 3]
    assert ids.ports["red/core/core-web"] == 1


def test_what_has_a_number_keeps_it() -> None:
    first = allocate([network("red", "b", "c")], Ids())
    second = allocate([network("blue", "z"), network("red", "a", "b", "c")], first)
    assert all(second.ports[name] == number for name, number in first.ports.items())
    assert all(second.datapaths[name] == number for name, number in first.datapaths.items())
    assert allocate([network("blue", "z"), network("red", "a", "b", "c")], second) == second


def test_a_free_number_is_given_out_again() -> None:
    first = allocate([network("red", "a", "b")], Ids())
    second = allocate([network("red", "b", "c")], first)
    assert second.ports["red/web/c"] == first.ports["red/web/a"]


def test_a_number_that_is_still_bound_is_not_given_out() -> None:
    first = allocate([network("red", "a", "b")], Ids())
    second = allocate([network("red", "b", "c")], first, bound={"red/web/a"})
    assert second.ports["red/web/a"] == first.ports["red/web/a"]
    assert len({second.ports[f"red/web/{port}"] for port in "abc"}) == 3
    gone = allocate([network("blue", "a")], first, bound={"red/web/a"})
    assert gone.datapaths["red/web"] == first.datapaths["red/web"]
    assert len(set(gone.datapaths.values())) == len(gone.datapaths)


def test_running_out_of_numbers_is_said() -> None:
    full = Ids({"red/web": 1}, {f"red/web/p{number}": number for number in range(1, 32768)})
    ports = tuple(LogicalPort(f"p{number}", "web", "") for number in range(1, 32769))
    crowded = replace(network("red"), ports=ports, routers=())
    with pytest.raises(Conflict, match="no number is left for red/web/p32768"):
        allocate([crowded], full)
