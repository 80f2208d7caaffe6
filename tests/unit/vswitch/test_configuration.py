"""Planning what the switch has to do: numbers, order, and nothing to do once it is done."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tulle.vswitch.configuration import (
    LOCAL_PORT,
    AddBridge,
    AddPort,
    BridgeConfig,
    BridgeSettings,
    BridgeState,
    Device,
    PortConfig,
    PortSettings,
    PortState,
    RemoveBridge,
    RemovePort,
    SetBridge,
    SetPort,
    Step,
)
from tulle.vswitch.planning import assign_numbers, plan

ONE, TWO = BridgeSettings(1), BridgeSettings(2)


def tap(name: str) -> Device:
    return Device(name, "tap")


def patch(name: str, peer: str) -> Device:
    return Device(name, "patch", peer=peer)


def done(current: dict[str, BridgeState], steps: list[Step]) -> dict[str, BridgeState]:
    """What the steps lead to."""
    after = {name: BridgeState(name, one.settings, dict(one.ports)) for name, one in current.items()}
    for step in steps:
        match step:
            case AddBridge(name, settings):
                assert name not in after, f"{name} is there already"
                after[name] = BridgeState(name, settings, {})
            case SetBridge(name, settings):
                after[name] = BridgeState(name, settings, after[name].ports)
            case RemoveBridge(name):
                del after[name]
            case AddPort(bridge, number, device, port_settings):
                ports = after[bridge].ports
                assert device.name not in ports, step
                assert number not in {port.number for port in ports.values()}, step
                ports[device.name] = PortState(device, number, settings=port_settings)
            case SetPort(bridge, name, port_settings):
                port = after[bridge].ports[name]
                after[bridge].ports[name] = PortState(port.device, port.number, port.error, port_settings)
            case RemovePort(bridge, number, name):
                assert after[bridge].ports.pop(name).number == number
    return after


def test_requested_numbers_win_over_previous_and_lowest_free_ones() -> None:
    ports = [
        PortConfig(tap("a")),
        PortConfig(tap("b"), previous=1),
        PortConfig(tap("c"), request=1),
        PortConfig(tap("d"), previous=5),
        PortConfig(Device("br", "local")),
    ]
    assert assign_numbers({2}, ports) == {"a": 3, "b": 4, "c": 1, "d": 5, "br": LOCAL_PORT}


def test_numbers_that_cannot_be_previous_ones_are_ignored() -> None:
    ports = [PortConfig(tap("a"), previous=-1), PortConfig(tap("b"), previous=LOCAL_PORT)]
    assert assign_numbers(set(), ports) == {"a": 1, "b": 2}


def test_a_port_whose_device_changes_is_taken_away_before_it_is_added() -> None:
    current = {"br": BridgeState("br", ONE, {"a": PortState(tap("a"), 4)})}
    steps = plan(current, [BridgeConfig("br", ONE, (PortConfig(patch("a", "b")),))])
    assert steps == [RemovePort("br", 4, "a"), AddPort("br", 1, patch("a", "b"))]


def test_settings_change_without_taking_the_port_away() -> None:
    current = {"br": BridgeState("br", ONE, {"a": PortState(tap("a"), 4)})}
    steps = plan(current, [BridgeConfig("br", ONE, (PortConfig(tap("a"), settings=PortSettings(1400)),))])
    assert steps == [SetPort("br", "a", PortSettings(1400))]


def test_the_bridges_own_port_keeps_its_number_whatever_is_requested() -> None:
    local = Device("br", "local")
    current = {"br": BridgeState("br", ONE, {"br": PortState(local, LOCAL_PORT)})}
    assert plan(current, [BridgeConfig("br", ONE, (PortConfig(local, request=5),))]) == []


def test_a_request_takes_effect_when_its_number_becomes_free_in_the_same_change() -> None:
    current = {"br": BridgeState("br", ONE, {"a": PortState(tap("a"), 1), "b": PortState(tap("b"), 5)})}
    steps = plan(current, [BridgeConfig("br", ONE, (PortConfig(tap("a"), request=5),))])
    assert done(current, steps)["br"].ports["a"].number == 5


def test_two_ports_swap_their_numbers() -> None:
    current = {"br": BridgeState("br", ONE, {"a": PortState(tap("a"), 1), "b": PortState(tap("b"), 2)})}
    ports = (PortConfig(tap("a"), request=2), PortConfig(tap("b"), request=1))
    after = done(current, plan(current, [BridgeConfig("br", ONE, ports)]))
    assert {name: port.number for name, port in after["br"].ports.items()} == {"a": 2, "b": 1}


def test_a_failed_port_is_not_planned_again() -> None:
    current = {"br": BridgeState("br", ONE, {"a": PortState(tap("a"), 1, "no such device")})}
    assert plan(current, [BridgeConfig("br", ONE, (PortConfig(tap("a")),))]) == []


def test_another_datapath_id_leaves_the_ports_alone() -> None:
    current = {"br": BridgeState("br", ONE, {"a": PortState(tap("a"), 1)})}
    steps = plan(current, [BridgeConfig("br", TWO, (PortConfig(tap("a")),))])
    assert steps == [SetBridge("br", TWO)]


numbers = st.none() | st.integers(1, 4)
port_lists = st.lists(
    st.builds(
        PortConfig,
        st.builds(Device, st.sampled_from("abcde"), st.sampled_from(["tap", "device"]))
        | st.just(Device("own", "local")),
        numbers,
        numbers,
        st.builds(PortSettings, st.sampled_from([None, 1400])),
    ),
    max_size=6,
    unique_by=lambda port: port.device.name,
)
desires = st.lists(
    st.builds(
        BridgeConfig, st.sampled_from(["br0", "br1"]), st.sampled_from([ONE, TWO]), port_lists.map(tuple)
    ),
    max_size=2,
    unique_by=lambda bridge: bridge.name,
)


@given(desires, desires)
def test_planning_again_after_doing_gives_nothing(
    first: list[BridgeConfig], second: list[BridgeConfig]
) -> None:
    current = done({}, plan({}, first))
    after = done(current, plan(current, second))
    assert plan(after, second) == []
    wanted = {bridge.name: {port.device.name for port in bridge.ports} for bridge in second}
    assert {name: set(bridge.ports) for name, bridge in after.items()} == wanted
