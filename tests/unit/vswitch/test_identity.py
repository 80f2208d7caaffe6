"""What the root row says of the machine's name."""

from __future__ import annotations

import platform

from tulle.vswitch.process import root_identity

KNOWN = {"system-id": "mine", "hostname": "host", "other": "kept"}


def test_a_name_that_is_given_counts() -> None:
    found = root_identity("node7", KNOWN)
    assert (found["system-id"], found["hostname"], found["other"]) == ("node7", "node7", "kept")


def test_without_a_name_what_stands_there_stays() -> None:
    found = root_identity(None, KNOWN)
    assert (found["system-id"], found["hostname"], found["other"]) == ("mine", "host", "kept")


def test_where_nothing_stands_the_machine_has_a_name() -> None:
    found = root_identity(None, {"hostname": "host"})
    assert (found["system-id"], found["hostname"]) == (platform.node(), "host")
