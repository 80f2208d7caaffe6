"""Who newly reaches whom, as a dry run tells it: a packet's fate by the slow model says the same, pair by pair."""

from __future__ import annotations

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from random_networks import networks
from reach_model import LOOP, Model, Packet

from tulle.logical.delivery import Delivery
from tulle.logical.filtering import own_address
from tulle.logical.reach import EVERYTHING, Reach, reach_change
from tulle.logical.services import Service, services
from tulle.values import Network

SETTINGS = settings(
    max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


def model_delivers(network: Network, source: str, target: str, service: Service) -> bool:
    """What the slow twin says; it knows no source ports."""
    ports = {port.name: port for port in network.ports}
    if network.paused or source not in ports or target not in ports or ports[source].node is None:
        return False
    src, dst = (own_address(ports[name], service.version) for name in (source, target))
    if src is None or dst is None:
        return False
    model = Model(network)
    packet = Packet(service.protocol, str(src), str(dst), service.dport, service.kind)
    if model._acl("from-port", ports[source], packet):
        return False
    try:
        first = model._first(ports[source], packet.dst)
    except StopIteration:
        return False
    found = model._to(first, ports[source], packet, 0)
    assume(found != LOOP)
    return found == f"delivered to {target}"


@SETTINGS
@given(networks("red"))
def test_delivery_agrees_with_the_slow_model(network: Network) -> None:
    quick = Delivery(network)
    for service in services([network]):
        for source in network.ports:
            for target in network.ports:
                if source != target:
                    said = quick.delivers(source.name, target.name, service)
                    event(str(said))
                    assert said == model_delivers(network, source.name, target.name, service), (
                        source,
                        target,
                        service,
                    )


def spread(found: tuple[Reach, ...], labels: list[str]) -> set[tuple[str, str, str]]:
    """(source, target, label) of every entry."""
    return {
        (source, target, label)
        for one in found
        for source in one.sources
        for target in one.targets
        if source != target
        for label in (
            labels if one.services == (EVERYTHING,) else [s.split(" over ")[0] for s in one.services]
        )
    }


@SETTINGS
@given(networks("red"), networks("red"), st.booleans())
def test_what_is_gained_and_lost_is_the_difference_of_all_pairs(
    old: Network, new: Network, paused: bool
) -> None:
    new = replace(new, paused=paused)
    kinds = services([old, new])
    names = sorted({port.name for network in (old, new) for port in network.ports})
    gained, lost = set(), set()
    for source in names:
        for target in names:
            if source == target:
                continue
            for kind in kinds:
                was = model_delivers(old, source, target, kind)
                will = model_delivers(new, source, target, kind)
                if will and not was:
                    gained.add((source, target, kind.label))
                if was and not will:
                    lost.add((source, target, kind.label))
    found = reach_change(old, new)
    labels = sorted({one.label for one in kinds})
    assert gained <= spread(found.gained, labels)
    assert lost <= spread(found.lost, labels)
    assert {one[:2] for one in spread(found.gained, labels)} == {one[:2] for one in gained}
    assert {one[:2] for one in spread(found.lost, labels)} == {one[:2] for one in lost}


def test_a_network_that_does_not_exist_reaches_nothing() -> None:
    assert reach_change(None, None).gained == ()
