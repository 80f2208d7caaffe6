"""What a bridge does without a controller (`fail_mode` of `ovs-vswitchd.conf.db(5)`, table Bridge).

A standalone bridge is a learning switch while it has no controller, and also when none of those that it was told
of has answered for three probe intervals.  A secure one has only the flows that somebody installs.
As in Open vSwitch, getting a first controller or losing the last one empties the tables.
"""

from __future__ import annotations

import contextlib

import structlog

from tulle._native import NativeError, Switch
from tulle.vswitch.configuration import BridgeSettings

STANDALONE_FLOW = "table=0,priority=0,actions=NORMAL"
FAIL_OPEN_FLOW = "table=0,priority=65535,actions=NORMAL"
"""Open vSwitch hides this flow above all priorities; here it is seen, at the highest."""
PROBES = 3
SHORTEST_PROBE_S = 1.0
_logger = structlog.get_logger(__name__)


class FailMode:
    """Follows one bridge's settings and connections."""

    def __init__(self, switch: Switch, name: str) -> None:
        self._switch = switch
        self._name = name
        self._settings: BridgeSettings | None = None
        self._alone_since: float | None = None
        self._is_open = False

    def configure(self, settings: BridgeSettings, now: float, *, restored: bool = False) -> None:
        """Take new settings; the flows of a bridge that was `restored` stay."""
        before, self._settings = self._settings, settings
        key = (_has_controllers(settings), settings.fail_mode)
        if before is not None and key == (_has_controllers(before), before.fail_mode):
            return
        self._alone_since = now if key[0] else None
        self._is_open = False
        if restored or (before is not None and key[0] and _has_controllers(before)):
            self._change("delete-strict", FAIL_OPEN_FLOW)
            return
        if before is not None:
            self._change("delete", "")
        if key == (False, "standalone"):
            self._change("add", STANDALONE_FLOW)

    def follow(self, is_connected: bool, now: float) -> None:
        """Look whether a controller is there."""
        settings = self._settings
        if settings is None or not _has_controllers(settings):
            return
        if is_connected:
            self._alone_since = None
            self._set_open(False)
            return
        if self._alone_since is None:
            self._alone_since = now
        probes = [max(one.probe_s, SHORTEST_PROBE_S) for one in settings.controllers if one.is_primary]
        if settings.fail_mode == "standalone" and now - self._alone_since >= PROBES * max(probes):
            self._set_open(True)

    def _set_open(self, is_open: bool) -> None:
        if self._is_open == is_open:
            return
        self._is_open = is_open
        _logger.warning("no controller: a learning switch now" if is_open else "a controller is back",
                        bridge=self._name)  # fmt: skip
        self._change("add" if is_open else "delete-strict", FAIL_OPEN_FLOW)

    def _change(self, command: str, flow: str) -> None:
        with contextlib.suppress(NativeError):  # the switch is closed
            self._switch.change_flows(command, [flow])


def _has_controllers(settings: BridgeSettings) -> bool:
    return any(one.is_primary for one in settings.controllers)
