"""Descriptors that one supervisor gives to another."""

from __future__ import annotations

import os
import socket

from tulle.vswitch.kept import SAVED, KeptDevice, KeptDevices


def devices_with_one() -> KeptDevices:
    own = KeptDevices()
    own.devices["br0/tap1"] = KeptDevice(os.open(os.devnull, os.O_RDONLY), "02:00:00:00:00:01", 7, 1500)
    return own


def test_another_supervisor_gets_every_device_and_the_word_to_begin() -> None:
    own, others = devices_with_one(), KeptDevices()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        own.send_all(ours)
        assert [others.receive(theirs), others.receive(theirs)] == ["", SAVED]
    assert others.devices["br0/tap1"].ifindex == 7
    for devices in (own, others):
        devices.forget("br0/tap1")


def test_one_that_has_gone_ends_nobody() -> None:
    own = devices_with_one()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.close()
    with ours:
        own.send_all(ours)
    assert "br0/tap1" in own.devices
    own.forget("br0/tap1")
