"""What a bridge's controllers share: how sessions are opened, and how the ends of those are heard of that the native
switch serves."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from tulle._native import NativeError, Switch
from tulle.errors import Unavailable
from tulle.ovsdb.remote import Remote
from tulle.ovsdb.tls import Tls
from tulle.vswitch.channel import Session
from tulle.vswitch.configuration import ControllerConfig, wire_versions


class Served(Struct, eq=False):
    """A connection that the native switch serves; `over` gets the reason of its end."""

    session: int
    over: asyncio.Future[str]
    is_open: bool = False


class Context(Struct):
    """What all controllers of a bridge share."""

    switch: Switch
    directory: Path
    tls: Tls | None = None
    protocols: tuple[str, ...] = ()
    served: dict[int, Served] = {}
    on_opened: Callable[[], None] = lambda: None

    def serve(self, descriptor: int, config: ControllerConfig) -> int:
        """Hand a connected socket over; raises `Unavailable` once the switch is closed."""
        versions = wire_versions(self.protocols)
        try:
            return self.switch.serve(descriptor, config.target, "controller", config.probe_s, versions)
        except NativeError as error:
            raise Unavailable(str(error)) from error

    def opened(self, session: int) -> None:
        """Both sides have greeted each other."""
        if (served := self.served.get(session)) is not None and not served.is_open:
            served.is_open = True
            self.on_opened()

    def ended(self, session: int, reason: str) -> None:
        """A connection is over."""
        served = self.served.pop(session, None)
        if served is not None and not served.over.done():
            served.over.set_result(reason)

    def open_session(self, target: str, kind: str = "controller") -> Session:
        """A new session; raises `Unavailable` once the switch is closed."""
        try:
            return self.switch.open_session(target, kind, versions=wire_versions(self.protocols))
        except NativeError as error:
            raise Unavailable(str(error)) from error

    def resolved(self, place: Remote) -> Remote:
        """Relative unix sockets are in the directory of the process."""
        return dataclasses.replace(place, path=str(self.directory / place.path)) if place.path else place
