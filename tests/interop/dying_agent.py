"""Agents that kill themselves: `dying_agent.py ARMED NAME ADDRESS CONTROLLER SWITCH`; see `dying_steps`.

Steps are within passes only, where a crash may leave something half done: around each transaction with the switch or
the controller, each batch of flows, each attachment, and each pass.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import dying_steps
from dying_steps import around, around_awaited

from tulle.agent import attacher, process
from tulle.agent.reconciler import Reconciler
from tulle.openflow import OpenFlowClient
from tulle.ovsdb import Replica

passing = 0


def pass_of(name: str) -> None:
    """Count what happens within a pass, and no heartbeat."""
    original = getattr(Reconciler, name)

    async def wrapped(self: Reconciler, *args: Any) -> None:
        global passing
        passing += 1
        try:
            await original(self, *args)
        finally:
            passing -= 1

    setattr(Reconciler, name, wrapped)


pass_of("run_once")
pass_of("run_logical")
around_awaited(Replica, "transact", lambda: passing > 0)
around_awaited(OpenFlowClient, "_send_batch")
around_awaited(OpenFlowClient, "change")
around(attacher.Attacher, "_try")
name, address, controller, switch = sys.argv[2:]
options = process.Options(name, address, ("stt", "vxlan"), controller, Path(switch))
dying_steps.live_and_die(lambda: process.main(options))
