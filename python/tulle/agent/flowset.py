"""All flows of this node, by the unit that each comes from, so that a change costs what it changes.

A unit is whatever is compiled at once (see `logical.incremental`); where two units have a flow of the same key,
the greater unit's counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from tulle.openflow.flows import limit_meter, meter_id
from tulle.values import Controller, Flow, Limit, LocalPort, Meter, Output, TunnelPort, Zone, cookie_for

Unit = tuple[Any, ...]


NO_PORTS: Mapping[LocalPort | TunnelPort | Zone, int] = {}


class Told(Struct, frozen=True):
    """What else a unit's flows say; see `Compiled`."""

    owners: Mapping[int, str] = {}
    reasons: Mapping[tuple[int, int], str] = {}
    meters: Mapping[int, int | Limit] = {}
    sends: frozenset[TunnelPort] = frozenset()


NOTHING_TOLD = Told()


class FlowSet:
    """`texts` maps keys to canonical texts, `holders` to the units that they are of.

    `changed` are the keys that may have another text than when last taken, with the network of each.

    `former` are owners that are gone since then.
    """

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.owners: dict[int, str] = {}
        self.reasons: Mapping[tuple[int, int], str] = {}
        self.meters: Mapping[int, int | Limit] = {}
        self.sends: frozenset[TunnelPort] = frozenset()
        self.changed: dict[str, str] = {}
        self.former: dict[int, str] = {}
        self._of: dict[Unit, tuple[str, ...]] = {}
        self._shared: dict[str, dict[Unit, str]] = {}
        self.holders: dict[str, Unit] = {}
        self._named: dict[int, int] = {}
        self._told: dict[Unit, Told] = {}
        self._told_owners: dict[Unit, tuple[int, ...]] = {}

    def put(self, unit: Unit, texts: Mapping[str, str], told: Told) -> bool:
        """Let these be the flows of a unit; whether reasons, meters or sends may be others than before."""
        gone = [key for key in self._of.get(unit, ()) if key not in texts]
        for key in gone:
            self._withdraw(unit, key)
        for key, text in texts.items():
            self._claim(unit, key, text)
        self._of[unit] = tuple(texts)
        self._name(unit, told.owners)
        return self._tell(unit, told)

    def drop(self, unit: Unit) -> bool:
        """Let a unit be gone; as `put`."""
        for key in self._of.pop(unit, ()):
            self._withdraw(unit, key)
        self._name(unit, {})
        return self._tell(unit, NOTHING_TOLD)

    def summarize(self) -> None:
        """Join reasons, meters and sends anew."""
        reasons: dict[tuple[int, int], str] = {}
        meters: dict[int, int | Limit] = {}
        sends: set[TunnelPort] = set()
        for unit in sorted(self._told):
            told = self._told[unit]
            reasons |= told.reasons
            sends |= told.sends
            for number, rate in told.meters.items():
                meters[number] = _greater(rate, meters.get(number, 0))
        self.reasons, self.meters, self.sends = reasons, meters, frozenset(sends)

    def _claim(self, unit: Unit, key: str, text: str) -> None:
        holder = self.holders.get(key)
        if holder is not None and holder != unit:
            claims = self._shared.setdefault(key, {holder: self.texts[key]})
            claims[unit] = text
            holder = max(claims)
            self._set(key, holder, claims[holder])
        elif key in self._shared:
            self._shared[key][unit] = text
            self._set(key, unit, text)
        else:
            self._set(key, unit, text)

    def _withdraw(self, unit: Unit, key: str) -> None:
        claims = self._shared.get(key)
        if claims is None:
            del self.texts[key], self.holders[key]
            self.changed[key] = unit[0]
            return
        del claims[unit]
        holder = max(claims)
        self._set(key, holder, claims[holder])
        if len(claims) == 1:
            del self._shared[key]

    def _set(self, key: str, holder: Unit, text: str) -> None:
        self.holders[key] = holder
        if self.texts.get(key) != text:
            self.texts[key] = text
            self.changed[key] = holder[0]

    def _name(self, unit: Unit, owners: Mapping[int, str]) -> None:
        for cookie in owners:
            self._named[cookie] = self._named.get(cookie, 0) + 1
        self.owners.update(owners)
        for cookie in self._told_owners.pop(unit, ()):
            self._named[cookie] -= 1
            if not self._named[cookie]:
                del self._named[cookie]
                self.former[cookie] = self.owners.pop(cookie)
        if owners:
            self._told_owners[unit] = tuple(owners)

    def _tell(self, unit: Unit, told: Told) -> bool:
        known = self._told.pop(unit, NOTHING_TOLD)
        if told.reasons or told.meters or told.sends:
            self._told[unit] = told
        return (known.reasons, known.meters, known.sends) != (told.reasons, told.meters, told.sends)


def told(flows: Iterable[Flow], ports: Mapping[LocalPort | TunnelPort | Zone, int] = NO_PORTS) -> Told:
    """What flows say beside their texts; of two owners that share a meter, the higher rate counts."""
    owners: dict[int, str] = {}
    reasons: dict[tuple[int, int], str] = {}
    meters: dict[int, int | Limit] = {}
    sends: set[TunnelPort] = set()
    for flow in flows:
        owners[flow.cookie] = flow.owner
        for action in flow.actions:
            if isinstance(action, Controller):
                reasons[flow.table, flow.cookie] = action.reason
                if action.rate:
                    number = meter_id(cookie_for(action.share) if action.share else flow.cookie)
                    meters[number] = _greater(action.rate, meters.get(number, 0))
            elif isinstance(action, Meter) and action.port in ports:
                meters[int(limit_meter(ports[action.port], to_port=action.to_port))] = action.limit
            elif isinstance(action, Output) and isinstance(action.port, TunnelPort):
                sends.add(action.port)
    return Told(owners, reasons, meters, frozenset(sends))


def _greater(one: int | Limit, other: int | Limit) -> int | Limit:
    """Of two rates the higher one; of two limits, which two versions of a network can have, that of the later."""
    return max(one, other) if isinstance(one, int) and isinstance(other, int) else one
