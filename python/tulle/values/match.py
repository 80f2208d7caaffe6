"""What an ACL, a policy, a marking or a trace speaks of."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Protocol = Literal["", "ip", "ip4", "ip6", "tcp", "udp", "icmp", "icmp6", "arp"]


class Match(Struct, frozen=True, omit_defaults=True):
    """An absent field means any.

    `protocol` is empty for any frame.  `src` and `dst` are an address or a prefix, both of one
    family; for `arp` they are the sender's and the target's protocol address (RFC 826).
    In an ACL or a policy they may also be `$NAME`, an address set, or `@NAME`, the addresses of a port group.
    """

    protocol: Protocol = ""
    src: str | None = None
    dst: str | None = None
    sport: int | None = None
    dport: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
