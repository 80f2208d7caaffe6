"""Column `bfd` as settings, and what is told of a session."""

from __future__ import annotations

from typing import Any

import pytest

from tulle.vswitch.configuration import BfdSettings
from tulle.vswitch.rows_bfd import bfd_settings, bfd_status, native


def settings(**options: str) -> BfdSettings | None:
    return bfd_settings({"bfd": {"enable": "true", **options}})


@pytest.mark.parametrize("options", [{}, {"enable": "false"}, {"min_rx": "300"}, {"enable": "yes"}])
def test_without_enable_there_is_no_session(options: dict[str, str]) -> None:
    assert bfd_settings({"bfd": options}) is None
    assert native(None) is None


def test_what_is_not_said_is_as_usual() -> None:
    assert settings() == BfdSettings()
    assert BfdSettings().min_rx_ms == 1000
    assert BfdSettings().min_tx_ms == 100


def test_all_that_can_be_said_is_obeyed() -> None:
    made = settings(
        min_rx="300",
        min_tx="200",
        decay_min_rx="2000",
        mult="5",
        forwarding_if_rx="true",
        cpath_down="true",
        check_tnl_key="true",
        oam="true",
        bfd_local_src_mac="02:00:00:00:00:01",
        bfd_local_dst_mac="02:00:00:00:00:0A",
        bfd_remote_dst_mac="02:00:00:00:00:03",
        bfd_src_ip="10.0.0.1",
        bfd_dst_ip="10.0.0.2",
    )
    macs = ("02:00:00:00:00:01", "02:00:00:00:00:0a", "02:00:00:00:00:03")
    addresses = ("10.0.0.1", "10.0.0.2")
    assert made == BfdSettings(300, 200, 2000, 5, True, True, True, True, *macs, *addresses)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("min_rx", "0"),
        ("min_rx", "-1"),
        ("min_tx", "soon"),
        ("min_tx", "4294968"),
        ("mult", "0"),
        ("mult", "256"),
        ("decay_min_rx", "-5"),
        ("bfd_local_src_mac", "02:00"),
        ("bfd_local_src_mac", "0:20000000001"),
        ("bfd_local_dst_mac", "00:00:00:00:00:00"),
        ("bfd_remote_dst_mac", "02:00:00:00:00:0g"),
        ("bfd_src_ip", "fe80::1"),
        ("bfd_dst_ip", "10.0.0"),
        ("no_such_key", "1"),
    ],
)
def test_a_value_that_cannot_be_is_as_if_it_were_absent(key: str, value: str) -> None:
    assert settings(**{key: value}) == BfdSettings()


def test_the_status_has_the_words_of_open_vswitch() -> None:
    local: dict[str, Any] = {"state": "up", "diagnostic": "No Diagnostic"}
    remote: dict[str, Any] = {"state": "init", "diagnostic": "Path Down"}
    session = {"forwarding": False, "flaps": 3, "local": local, "remote": remote}
    assert bfd_status(None) == {}
    assert bfd_status(session) == {
        "forwarding": "false",
        "flap_count": "3",
        "state": "up",
        "diagnostic": "No Diagnostic",
        "remote_state": "init",
        "remote_diagnostic": "Path Down",
    }
