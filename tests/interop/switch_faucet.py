"""Faucet from PyPI in a virtual environment of its own, since it needs another os-ken than the test suite."""

from __future__ import annotations

import os
from pathlib import Path

from switch_osken import ROOT, install

REQUIREMENTS = ("faucet==1.10.12", "setuptools==65.5.0")
CONFIGURATION = """
vlans:
  office:
    vid: 100
dps:
  lan:
    dp_id: 1
    hardware: "Open vSwitch"
    interfaces:
      1: {native_vlan: office}
      2: {native_vlan: office, acl_in: no-telnet}
acls:
  no-telnet:
    - rule: {dl_type: 0x800, nw_proto: 6, tcp_dst: 23, actions: {allow: 0}}
    - rule: {actions: {allow: 1}}
"""


class Faucet:
    """The installed package; `folder` keeps the virtual environment between runs."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(os.environ.get("TULLE_FAUCET", ROOT / ".venv-faucet"))

    def install(self) -> None:
        """Make the virtual environment, unless it has what is needed already."""
        install(self.folder, REQUIREMENTS)

    def command(self, port: int) -> list[str]:
        """The command line of a controller on the loopback device."""
        listen = ["--ryu-ofp-listen-host=127.0.0.1", f"--ryu-ofp-tcp-listen-port={port}"]
        return [str(self.folder / "bin" / "faucet"), *listen]

    def environment(self, directory: Path) -> dict[str, str]:
        """Its settings; everything that it writes goes to a directory, the configuration is put there."""
        (directory / "faucet.yaml").write_text(CONFIGURATION)
        return {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "FAUCET_CONFIG": str(directory / "faucet.yaml"),
            "FAUCET_LOG": str(directory / "faucet.log"),
            "FAUCET_EXCEPTION_LOG": str(directory / "faucet_exception.log"),
        }
