"""A VLAN of a physical network is of one network."""

from __future__ import annotations

import pytest

from tulle.controller.joining import refuse_shared_vlans
from tulle.errors import InvalidInput
from tulle.values import LogicalPort, LogicalSwitch, Network


def joined(name: str, tag: int | None, physical: str = "campus") -> Network:
    port = LogicalPort("wall", "lan", "02:00:00:00:00:01", tag=tag, localnet=physical)
    return Network(name, (LogicalSwitch("lan"),), ports=(port,))


def test_another_networks_vlan_is_refused() -> None:
    red = joined("red", 100)
    with pytest.raises(
        InvalidInput, match=r"network blue: port wall: VLAN 100 .* of port wall of network red"
    ):
        refuse_shared_vlans([red], [(None, joined("blue", 100))])
    with pytest.raises(InvalidInput, match="untagged"):
        refuse_shared_vlans([joined("red", None)], [(None, joined("blue", None))])
    with pytest.raises(InvalidInput):
        refuse_shared_vlans([], [(None, red), (None, joined("blue", 100))])


def test_other_vlans_and_a_network_itself_are_not() -> None:
    red = joined("red", 100)
    refuse_shared_vlans([red], [(None, joined("blue", 101)), (None, joined("green", 100, "other"))])
    refuse_shared_vlans([red], [(red, joined("red", 100))])
    refuse_shared_vlans([red], [(red, None), (None, joined("renamed", 100))])
    refuse_shared_vlans([red], [(None, Network("blue"))])
