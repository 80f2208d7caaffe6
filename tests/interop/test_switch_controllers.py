"""Controllers that others wrote, from PyPI and from Debian, in charge of our switch and, to compare, of Debian's."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from patience import eventually
from switch_debian import DebianSwitch
from switch_faucet import Faucet
from switch_lan import Lan
from switch_osken import OsKen
from vswitch_process import VswitchProcess, ip

NAMESPACE = f"tulle-ctl-{os.getpid()}"
PORT = 6653
APP = str(Path(__file__).with_name("switch_learning_app.py"))
TARGET = f"tcp:127.0.0.1:{PORT}"


@pytest.fixture(params=["tulle", pytest.param("debian", marks=pytest.mark.slow)])
def lan(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Lan]:
    ip("netns", "add", NAMESPACE)
    switch: DebianSwitch | VswitchProcess | None = None
    try:
        ip("-n", NAMESPACE, "link", "set", "lo", "up")
        make = VswitchProcess if request.param == "tulle" else DebianSwitch
        switch = make(tmp_path / "switch", NAMESPACE)
        lan = Lan(switch, NAMESPACE)
        yield lan
        assert "Traceback" not in switch.log.read_text(), switch.log.read_text()
    finally:
        for host in (1, 2):
            subprocess.run(["ip", "netns", "del", f"{NAMESPACE}-h{host}"], capture_output=True)
        if switch is not None:
            switch.stop()
        ip("netns", "del", NAMESPACE)


@pytest.fixture(scope="session")
def osken() -> OsKen:
    package = OsKen()
    package.install()
    return package


@contextmanager
def controller(
    lan: Lan, command: list[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """A controller beside the switch."""
    with log.open("a") as output:
        process = subprocess.Popen(
            ["ip", "netns", "exec", lan.namespace, *command], stdout=output, stderr=output, env=environment
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(60)


def learned(lan: Lan) -> list[str]:
    """The flows that a controller made for one destination."""
    return [flow for flow in lan.switch.ofctl("dump-flows").splitlines() if "dl_dst=" in flow]


@pytest.mark.parametrize("version", [3, 4, 5])
def test_an_os_ken_app_learns_and_installs_flows(
    lan: Lan, osken: OsKen, tmp_path: Path, version: int
) -> None:
    log = tmp_path / "controller.log"
    with controller(lan, osken.manager(PORT, APP, host="127.0.0.1"), log):
        lan.control(TARGET, protocols=",".join({"OpenFlow13", f"OpenFlow1{version}"}))
        eventually(lan.pings, "a ping over the learning switch")
        eventually(lambda: len(learned(lan)) >= 2, "flows in both directions")
        assert f"version {version + 1}\n" in log.read_text(), log.read_text()
        before = log.read_text().count("packet in")
        assert lan.pings(3)
        assert log.read_text().count("packet in") == before, "packets went to the controller past the flows"


def test_flows_outlive_their_controller(lan: Lan, osken: OsKen, tmp_path: Path) -> None:
    command, log = osken.manager(PORT, APP, host="127.0.0.1"), tmp_path / "controller.log"
    with controller(lan, command, log):
        lan.control(TARGET)
        eventually(lan.pings, "a ping over the learning switch")
        eventually(lambda: len(learned(lan)) >= 2, "flows in both directions")
    eventually(lambda: not lan.connected(), "the switch to notice that the controller is gone")
    assert lan.pings(3)
    with controller(lan, command, log):
        eventually(lan.connected, "the switch to connect again")
        assert lan.pings(3)


@pytest.mark.slow
def test_faucet_bridges_and_filters(lan: Lan, tmp_path: Path) -> None:
    faucet = Faucet()
    faucet.install()
    with controller(lan, faucet.command(PORT), tmp_path / "controller.log", faucet.environment(tmp_path)):
        lan.control(TARGET)
        eventually(lan.pings, "a ping over Faucet's tables")
        eventually(
            lambda: any("vlan_vid=" in flow or "dl_vlan=" in flow for flow in learned(lan)), "hosts learned"
        )
        dropped = [flow for flow in lan.switch.ofctl("dump-flows").splitlines() if "tp_dst=23" in flow]
        assert dropped and "actions=drop" in dropped[0], lan.switch.ofctl("dump-flows")
        exceptions = tmp_path / "faucet_exception.log"
        assert not exceptions.exists() or exceptions.read_text() == "", exceptions.read_text()


@pytest.mark.parametrize("version", ["OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"])
def test_ovs_testcontroller_learns(lan: Lan, tmp_path: Path, version: str) -> None:
    command = ["ovs-testcontroller", "-O", version, f"ptcp:{PORT}:127.0.0.1", "--max-idle=60"]
    command += [f"--unixctl={tmp_path}/controller.ctl"]
    with controller(lan, command, tmp_path / "log"):
        lan.control(TARGET, protocols=version)
        eventually(lan.connected, "the controller")
        eventually(lan.pings, "a ping over the learning switch")
