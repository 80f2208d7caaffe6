"""What a switch finds that kernel and underlay can do, and that it notices when that changes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import eventually
from tunnel_peers import add_tunnel, cable, inside, namespaces
from vswitch_process import VswitchProcess

ID = os.getpid()
NODE, PEER = f"tulle-ca-{ID}", f"tulle-cb-{ID}"


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[VswitchProcess]:
    with namespaces(NODE, PEER):
        cable(NODE, PEER, "u0", (("192.0.2.1/24",), ("192.0.2.2/24",)))
        running = VswitchProcess(tmp_path / "switch", NODE)
        try:
            yield running
        finally:
            running.stop()


def told(switch: VswitchProcess) -> dict[str, str]:
    text = switch.vsctl("--if-exists", "get", "Open_vSwitch", ".", "external_ids:tulle-capabilities")
    return json.loads(json.loads(text)) if text else {}


def test_the_database_says_what_was_found_and_follows_the_device(switch: VswitchProcess) -> None:
    kernel = eventually(lambda: told(switch), "the kernel's capabilities")
    assert kernel["udp-segmentation"] == kernel["packet-ring"] == "yes"
    assert not [name for name in kernel if "/" in name], "there is no tunnel"
    switch.vsctl("add-br", "br0")
    add_tunnel(switch, "vx", "vxlan", 1, remote_ip="192.0.2.2")
    eventually(lambda: told(switch).get("u0/tcp-segmentation") == "yes", "the device's")
    assert told(switch)["u0/queues"] == "1"
    inside(NODE, "ethtool", "-K", "u0", "tso", "off")
    eventually(lambda: told(switch)["u0/tcp-segmentation"] == "no", "the change")
    assert told(switch)["u0/udp-segmentation"] == "yes"
    switch.vsctl("del-port", "vx", "--", "set", "Open_vSwitch", ".", "external_ids:mine=kept")
    eventually(lambda: told(switch) == kernel, "no device any more")
    assert switch.vsctl("get", "Open_vSwitch", ".", "external_ids:mine") == "kept"
