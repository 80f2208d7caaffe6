"""Devices are put into the namespaces of their workloads, with real namespaces and TAP devices."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tulle.agent.attach import attach
from tulle.errors import NotFound
from tulle.values import Attachment

SPACE = f"tulle-att-{os.getpid()}"
FIRST, SECOND = f"ta{os.getpid() % 10**7}", f"tb{os.getpid() % 10**7}"
PORT = Attachment(
    "red/web",
    "02:00:00:00:01:0b",
    ("10.0.1.11/24", "fd00:1::11/64"),
    ("10.0.1.1", "fd00:1::1"),
    SPACE,
    "tap",
    1450,
)


def ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (arguments, done)
    return done.stdout


def inside(*arguments: str) -> Any:
    return json.loads(ip("-n", SPACE, "-j", *arguments) or "[]")


def snapshot() -> str:
    """Everything that an attachment sets, as one text."""
    return "".join(
        ip("-n", SPACE, *words.split()) for words in ("-d link", "addr", "route", "-6 route show table main")
    )


@pytest.fixture
def space() -> Iterator[None]:
    ip("netns", "add", SPACE)
    try:
        for name in (FIRST, SECOND):
            ip("tuntap", "add", name, "mode", "tap")
        yield
    finally:
        for name in (FIRST, SECOND):
            subprocess.run(["ip", "link", "del", name], capture_output=True)
        ip("netns", "del", SPACE)


@pytest.mark.usefixtures("space")
def test_a_device_gets_everything_and_attaching_again_changes_nothing() -> None:
    attach(PORT, FIRST, True)
    (link,) = [one for one in inside("link") if one["ifname"] == "eth0"]
    assert (link["address"], link["mtu"], "UP" in link["flags"]) == (PORT.mac, 1450, True)
    addresses = {f"{a['local']}/{a['prefixlen']}" for a in inside("addr", "show", "eth0")[0]["addr_info"]}
    assert set(PORT.addresses) <= addresses
    assert {one["dst"]: one.get("gateway") for one in inside("route")} == {
        "10.0.1.0/24": None,
        "default": "10.0.1.1",
    }
    defaults = [one["gateway"] for one in inside("-6", "route") if one["dst"] == "default"]
    assert defaults == ["fd00:1::1"]
    before = snapshot()
    attach(PORT, FIRST, True)
    assert snapshot() == before


@pytest.mark.usefixtures("space")
def test_other_addresses_and_gateways_replace_the_old_ones() -> None:
    attach(PORT, FIRST, True)
    other = Attachment("red/web", PORT.mac, ("10.0.9.5/24",), ("10.0.9.1",), SPACE, "tap", 1500)
    attach(other, FIRST, True)
    text = snapshot()
    assert "10.0.1." not in text and "fd00:1:" not in text, text
    assert "10.0.9.5/24" in text and "default via 10.0.9.1" in text and "mtu 1500" in text, text


@pytest.mark.usefixtures("space")
def test_a_second_device_waits_until_it_is_preferred() -> None:
    attach(PORT, FIRST, True)
    attach(PORT, SECOND, False)
    assert inside("route", "get", "10.0.1.99")[0]["dev"] == "eth0"
    attach(PORT, SECOND, True)
    assert inside("route", "get", "10.0.1.99")[0]["dev"] == "eth1"
    assert inside("-6", "route", "get", "fd00:1::99")[0]["dev"] == "eth1"
    assert inside("route", "get", "192.0.2.1")[0]["dev"] == "eth1"
    ip("-n", SPACE, "link", "del", "eth0")
    assert inside("route", "get", "192.0.2.1")[0]["gateway"] == "10.0.1.1"
    assert {a["local"] for a in inside("addr", "show", "eth1")[0]["addr_info"]} >= {"10.0.1.11", "fd00:1::11"}


@pytest.mark.usefixtures("space")
def test_what_is_missing_is_named() -> None:
    with pytest.raises(NotFound, match="nowhere"):
        attach(Attachment("red/web", PORT.mac, (), (), "nowhere", "tap", 1500), FIRST, True)
    with pytest.raises(NotFound, match="neither here nor in its namespace"):
        attach(PORT, "tap-absent", True)
    with pytest.raises(NotFound):
        attach(Attachment("red/web", PORT.mac, (), (), "../../etc", "tap", 1500), FIRST, True)
