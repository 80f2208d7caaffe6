"""Names of places to connect to or listen at, as in ovsdb(7), "Connection Methods"."""

from __future__ import annotations

from dataclasses import dataclass

from tulle.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Remote:
    """A unix socket (`path`), or a TCP `host` (empty: all addresses) and `port`.  `listens` if passive."""

    listens: bool
    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        passive = "p" if self.listens else ""
        if self.path:
            return f"{passive}unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ptcp:{self.port}:{host}" if self.listens else f"tcp:{host}:{self.port}"


def parse_remote(text: str) -> Remote:
    """Parse unix:PATH, punix:PATH, tcp:HOST:PORT or ptcp:PORT[:HOST]; raises `InvalidInput`."""
    kind, _, rest = text.partition(":")
    if kind in ("unix", "punix") and rest:
        return Remote(kind == "punix", path=rest)
    if kind == "tcp":
        host, _, port = rest.rpartition(":")
        if host:
            return Remote(False, host=host.strip("[]"), port=_port(port, text))
    if kind == "ptcp":
        port, _, host = rest.partition(":")
        return Remote(True, host=host.strip("[]"), port=_port(port or "6640", text))
    raise InvalidInput(f"expected unix:PATH, punix:PATH, tcp:HOST:PORT or ptcp:PORT[:HOST], got {text!r}")


def _port(text: str, remote: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise InvalidInput(f"expected a port from 0 to 65535 in {remote!r}")
    return int(text)
