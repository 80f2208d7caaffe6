"""How much a port may send and get, and what its packets are marked with."""

from __future__ import annotations

from msgspec import Struct

from .match import Match


class Rate(Struct, frozen=True):
    """At most `rate_kbps` (kbit/s), and `burst_kbit` (kbit) at once.

    A burst of 0 is a tenth of a second, at least 1050 kbit.
    """

    rate_kbps: int
    burst_kbit: int = 0


class Marking(Struct, frozen=True):
    """Packets that `match` leave with this DSCP (RFC 2474)."""

    match: Match
    dscp: int


class Qos(Struct, frozen=True, omit_defaults=True):
    """What a port's packets are held to: those that it sends (`from_port`) and those that it gets (`to_port`).

    What it sends is marked by the first of `markings` that fits, else with `dscp`, or not at all.
    """

    from_port: Rate | None = None
    to_port: Rate | None = None
    dscp: int | None = None
    markings: tuple[Marking, ...] = ()

    @property
    def marks(self) -> bool:
        """Whether it marks any packet."""
        return self.dscp is not None or bool(self.markings)


class Limit(Struct, frozen=True):
    """A meter that lets so much pass: kbit/s, and kbit at once."""

    rate_kbps: int
    burst_kbit: int
