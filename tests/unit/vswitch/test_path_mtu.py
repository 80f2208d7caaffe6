"""ICMP errors about tunnel packets: what is believed, for how long, and what never."""

from __future__ import annotations

import random
import struct
from ipaddress import ip_address

import pytest

from tulle.vswitch.path_mtu import VALID_S, PathMtus
from tulle.vswitch.too_big import TCP, UDP, TooBig, parse_v4, parse_v6

LOCAL, REMOTE = "192.0.2.1", "198.51.100.2"
LOCAL_V6, REMOTE_V6 = "2001:db8:1::1", "2001:db8:2::2"
CLAIM = TooBig(LOCAL, REMOTE, UDP, 4789, 1500, 1400)


def quoted_v4(length: int = 1500, fragment: int = 0x4000, protocol: int = UDP) -> bytes:
    ends = ip_address(LOCAL).packed + ip_address(REMOTE).packed
    header = struct.pack("!BBHHHBBH", 0x45, 0, length, 1, fragment, 64, protocol, 0) + ends
    return header + struct.pack("!HHHH", 50000, 4789, length - 20, 0)


def error_v4(mtu: int, quoted: bytes, kind: int = 3, code: int = 4) -> bytes:
    outer = struct.pack("!BBHHHBBH", 0x45, 0, 0, 0, 0, 64, 1, 0) + bytes(8)
    return outer + struct.pack("!BBHHH", kind, code, 0, 0, mtu) + quoted


def error_v6(mtu: int, length: int = 1500, kind: int = 2) -> bytes:
    ends = ip_address(LOCAL_V6).packed + ip_address(REMOTE_V6).packed
    quoted = struct.pack("!IHBB", 6 << 28, length - 40, UDP, 64) + ends
    return struct.pack("!BBHI", kind, 0, 0, mtu) + quoted + struct.pack("!HHHH", 50000, 4789, length - 40, 0)


def test_a_claim_is_read_from_both_families() -> None:
    assert parse_v4(error_v4(1400, quoted_v4())) == CLAIM
    assert parse_v6(error_v6(1400)) == TooBig(LOCAL_V6, REMOTE_V6, UDP, 4789, 1500, 1400)
    stt = parse_v4(error_v4(1400, quoted_v4(protocol=TCP)))
    assert stt is not None and (stt.protocol, stt.port) == (TCP, 4789)
    gre = parse_v4(error_v4(1400, quoted_v4(protocol=47)))
    assert gre is not None and (gre.protocol, gre.port) == (47, 0)


def test_a_router_of_old_that_says_no_mtu_means_the_next_one_of_the_list() -> None:
    claims = [parse_v4(error_v4(0, quoted_v4(length))) for length in (1500, 1492, 9000)]
    assert [claim and claim.mtu for claim in claims] == [1492, 1006, 8166]


@pytest.mark.parametrize(
    "packet",
    [
        error_v4(1400, quoted_v4(), code=3),
        error_v4(1400, quoted_v4(), kind=11),
        error_v4(1400, quoted_v4(fragment=0)),
        error_v4(1400, quoted_v4(fragment=0x4001)),
        error_v4(1400, quoted_v4(length=1400)),
        error_v4(1400, quoted_v4()[:27]),
        error_v4(1400, b"\x65" + quoted_v4()[1:]),
    ],
    ids=["other code", "other type", "may be cut", "fragment", "would have fitted", "cut", "no IPv4"],
)
def test_what_is_no_such_error_is_not_read(packet: bytes) -> None:
    assert parse_v4(packet) is None


def test_no_bytes_make_the_parsers_fail() -> None:
    good = (error_v4(1400, quoted_v4()), error_v6(1400))
    for size in range(len(good[1]) + 1):
        parse_v4(good[0][:size]), parse_v6(good[1][:size])
    numbers = random.Random(1)
    for _ in range(5000):
        packet = bytearray(numbers.choice(good))
        for _ in range(numbers.randrange(1, 6)):
            packet[numbers.randrange(len(packet))] = numbers.randrange(256)
        parse_v4(bytes(packet)), parse_v6(bytes(packet))


class Known:
    """Path MTUs of one tunnel, at a time that the test sets."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.changes = 0
        ours = {(REMOTE, UDP, 4789), (REMOTE_V6, UDP, 4789)}
        self.mtus = PathMtus(
            lambda claim: (claim.remote, claim.protocol, claim.port) in ours, self._note, lambda: self.now_s
        )

    def _note(self) -> None:
        self.changes += 1


def test_a_smaller_mtu_counts_for_ten_minutes() -> None:
    known = Known()
    assert known.mtus.learn(CLAIM) and known.changes == 1
    assert (known.mtus.of(REMOTE, 1500), known.mtus.of("192.0.2.9", 1500)) == (1400, 1500)
    assert known.mtus.of(REMOTE, 1300) == 1300, "the route's own is less"
    known.now_s += VALID_S - 1
    assert known.mtus.of(REMOTE, 1500) == 1400
    known.now_s += 1
    assert known.mtus.of(REMOTE, 1500) == 1500


def test_a_path_only_becomes_smaller_and_never_unreasonably_so() -> None:
    known = Known()
    for claimed, expected in ((1400, 1400), (1450, 1400), (68, 576), (0, 576)):
        known.mtus.learn(TooBig(LOCAL, REMOTE, UDP, 4789, 1500, claimed))
        assert known.mtus.of(REMOTE, 1500) == expected
    assert known.changes == 2
    known.mtus.learn(TooBig(LOCAL_V6, REMOTE_V6, UDP, 4789, 1500, 100))
    assert known.mtus.of(REMOTE_V6, 1500) == 1280


def test_packets_that_no_tunnel_sends_change_nothing() -> None:
    known = Known()
    for claim in (
        TooBig(LOCAL, "198.51.100.3", UDP, 4789, 1500, 1400),
        TooBig(LOCAL, REMOTE, UDP, 53, 1500, 1400),
        TooBig(LOCAL, REMOTE, TCP, 4789, 1500, 1400),
    ):
        assert not known.mtus.learn(claim)
    assert known.changes == 0 and known.mtus.of(REMOTE, 1500) == 1500
