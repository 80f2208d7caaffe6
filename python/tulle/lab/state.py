"""What a lab remembers on disk: its layout and its processes, in `/run/tulle/labs/NAME/lab.json`."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from tulle.errors import NotFound
from tulle.lab.certificates import Certificates
from tulle.lab.cluster import StoreCluster
from tulle.lab.layout import ROOT, Layout
from tulle.lab.processes import Process


class Lab(msgspec.Struct):
    """A lab that exists, or is on its way into or out of existence."""

    layout: Layout
    file: str
    processes: list[Process] = []
    store_cluster: int = 0  # servers that keep the databases; 0: the controller does
    debian_switches: tuple[str, ...] = ()  # nodes with Debian's Open vSwitch
    tls: bool = False  # whether agents connect to the controller by TLS

    @property
    def directory(self) -> Path:
        """Where its files lie."""
        return Path(self.layout.directory)

    @property
    def api(self) -> Path:
        """The controller's API socket."""
        return Path(self.layout.controller.directory) / "api.sock"

    @property
    def cluster(self) -> StoreCluster:
        """The cluster that keeps the databases, where there is one."""
        return StoreCluster(self.directory, self.layout.controller.socket_address, self.store_cluster)

    @property
    def certificates(self) -> Certificates:
        """Its certificates, where it has TLS."""
        return Certificates(self.directory / "certificates")

    @property
    def store_roles(self) -> list[str]:
        """The servers of the cluster: store1, store2 and so on."""
        return [f"store{index}" for index in self.cluster.indexes]

    @property
    def controller_roles(self) -> list[str]:
        """The controllers: one, or with a cluster a second one that takes over."""
        return ["controller", "controller2"] if self.store_cluster else ["controller"]

    def save(self) -> None:
        """Writes the file whole or not at all."""
        self.directory.mkdir(parents=True, exist_ok=True)
        draft = self.directory / "lab.json.new"
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(self)))
        draft.replace(self.directory / "lab.json")

    def process(self, role: str) -> Process:
        """The process that plays a role, such as `node1/vswitch`; NotFound otherwise."""
        for process in self.processes:
            if process.role == role:
                return process
        known = ", ".join(process.role for process in self.processes)
        raise NotFound(f"no process {role!r} in lab {self.layout.name}; there are: {known}")


def names() -> list[str]:
    """The labs that exist on this machine."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(path.parent.name for path in ROOT.glob("*/lab.json"))
    return []


def load(name: str | None) -> Lab:
    """The lab of this name, or the only one there is where no name is given."""
    known = names()
    if name is None:
        if len(known) != 1:
            what = f"several labs run ({', '.join(known)}): name one" if known else "no lab runs"
            raise NotFound(what)
        name = known[0]
    try:
        text = (ROOT / name / "lab.json").read_bytes()
    except FileNotFoundError:
        raise NotFound(f"no lab {name!r}; there are: {', '.join(known) or 'none'}") from None
    return msgspec.json.decode(text, type=Lab)


def require_root() -> None:
    """A lab makes network namespaces, which only root may do."""
    if os.geteuid() != 0:
        raise NotFound("a lab needs root, for network namespaces and TAP devices", code="not-root")
