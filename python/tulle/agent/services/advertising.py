"""Router advertisements that nobody has asked for: to all workloads of this node, and to nobody else.

RFC 4861 section 6.2.4: a few soon after something has changed, then one now and then.  Time is given.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from msgspec import Struct

from tulle.agent.slowpath import Answer
from tulle.values import FLOOD_KEY, Advertiser, NetworkServices, ServedSwitch, pipeline

from .answering import ETHERNET_MTU
from .router_advertisement import advertisement

INTERVAL_S, FIRST_INTERVAL_S, LEAST_INTERVAL_S = 200.0, 16.0, 3.0
FIRST_COUNT: Final = 3


class _Said(Struct):
    """What was said last: the frame, the one that ends it, by whom, for which workloads, when, how often since then."""

    frame: bytes
    ending: bytes
    switch: ServedSwitch
    advertiser: Advertiser
    workloads: frozenset[str]
    at: float
    times: int


class Advertising:
    """`due` gives what is to be sent now; it is to be asked once a second, and costs little while nothing is."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], _Said] = {}
        self._known: object = None
        self._next = 0.0

    def due(
        self,
        services: Collection[NetworkServices],
        mtus: Mapping[str, int],
        local: Collection[str],
        now: float,
    ) -> list[Answer]:
        """Frames for the workloads that are `local` (`network/port`); what is said no more ends with a last one."""
        known = (services, dict(mtus), frozenset(local))
        if known == self._known and now < self._next:
            return []
        self._known, self._next = known, now + INTERVAL_S
        sent: list[Answer] = []
        there = set()
        for network, switch, one in _advertisers(services):
            workloads = frozenset(
                name for lease in switch.leases.values() if (name := f"{network}/{lease.port}") in local
            )
            if workloads:
                there.add(place := (network, one.name))
                mtu = mtus.get(network, ETHERNET_MTU)
                sent += self._say(place, switch, one, mtu, workloads, now)
        sent += [self._end(place, services) for place in self._said.keys() - there]
        return sent

    def _end(self, place: tuple[str, str], services: Collection[NetworkServices]) -> Answer:
        """The last word, by the numbers that the switch has now: the flows of others may be gone with their version."""
        said = self._said.pop(place)
        switches = (switch for one in services if one.network == place[0] for switch in one.switches)
        now = next((one for one in switches if one.name == said.switch.name), said.switch)
        return Answer(_to_all(now, said.advertiser), said.ending)

    def _say(
        self,
        place: tuple[str, str],
        switch: ServedSwitch,
        one: Advertiser,
        mtu: int,
        workloads: frozenset[str],
        now: float,
    ) -> Iterator[Answer]:
        frame = advertisement(one, switch.told, mtu, has_dhcp=switch.has_dhcp)
        before = self._said.get(place)
        is_news = before is None or before.frame != frame or not workloads <= before.workloads
        if before is not None and now < (again := before.at + _pause(before, is_news)):
            self._next = min(self._next, again)
            return
        last = advertisement(one, switch.told, mtu, has_dhcp=switch.has_dhcp, ends=True)
        times = 1 if before is None or is_news else before.times + 1
        self._said[place] = made = _Said(frame, last, switch, one, workloads, now, times)
        self._next = min(self._next, now + _pause(made, False))
        yield Answer(_to_all(switch, one), frame)


def _pause(before: _Said, is_news: bool) -> float:
    if is_news:
        return LEAST_INTERVAL_S
    return FIRST_INTERVAL_S if before.times < FIRST_COUNT else INTERVAL_S


def _advertisers(
    services: Collection[NetworkServices],
) -> Iterator[tuple[str, ServedSwitch, Advertiser]]:
    for one in services:
        for switch in one.switches:
            for advertiser in switch.advertisers:
                yield one.network, switch, advertiser


def _to_all(switch: ServedSwitch, one: Advertiser) -> str:
    """As if it came out of a tunnel, for what does goes into no other one."""
    return (
        f"set_field:{switch.datapath:#x}->metadata,set_field:{one.key:#x}->reg14,"
        f"set_field:{FLOOD_KEY:#x}->reg15,resubmit(,{pipeline.TUNNEL_DELIVERY})"
    )
