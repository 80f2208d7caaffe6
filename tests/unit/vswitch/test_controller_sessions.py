"""What a bridge knows of its controllers' connections where it was not told of each change."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tulle._native import Switch
from tulle.vswitch.controller_sessions import Context, Served
from tulle.vswitch.controllers import Controllers


async def test_beginning_and_end_of_a_session_are_noticed_without_events(tmp_path: Path) -> None:
    switch = Switch("br0", 1, 2)
    changes: list[int] = []
    try:
        context = Context(switch, tmp_path)
        controllers = Controllers(context, lambda: changes.append(1))
        served = context.served[7] = Served(7, asyncio.get_running_loop().create_future())
        controllers.follow({7: False})
        assert (served.is_open, changes) == (False, [])
        for _ in range(2):
            controllers.follow({7: True})
            assert (served.is_open, changes) == (True, [1])
        controllers.follow({})
        assert served.over.result() == "the connection is over"
    finally:
        switch.close()
