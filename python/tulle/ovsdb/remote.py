"""Names of places to connect to or listen at, as in ovsdb(7), "Connection Methods"."""

from __future__ import annotations

from dataclasses import dataclass

from tulle.errors import InvalidInput

DEFAULT_PORT = 6640
EXPECTED = (
    "unix:PATH, punix:PATH, tcp:HOST[:PORT], ptcp:[PORT][:HOST], ssl:HOST[:PORT] or pssl:[PORT][:HOST], "
    "an IPv6 HOST in brackets"
)


@dataclass(frozen=True, slots=True)
class Remote:
    """A unix socket (`path`), or a TCP `host` (empty: all IPv4 addresses) and `port`.  `listens` if passive."""

    listens: bool
    path: str = ""
    host: str = ""
    port: int = 0
    secure: bool = False

    def __str__(self) -> str:
        passive = "p" if self.listens else ""
        if self.path:
            return f"{passive}unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        kind = "ssl" if self.secure else "tcp"
        return f"p{kind}:{self.port}:{host}" if self.listens else f"{kind}:{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class RemoteColumn:
    """Remotes that a database names: `db:DATABASE,TABLE,COLUMN`."""

    database: str
    table: str
    column: str

    def __str__(self) -> str:
        return f"db:{self.database},{self.table},{self.column}"


@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """How to treat those who come by a remote.

    An idle peer is asked for a sign of life after `probe_s` seconds (0: never) and disconnected when as many
    more have passed.  `max_backoff_s` bounds the wait between attempts to connect.  `role` and `read_only`
    restrict what they may do (see `rbac`).
    """

    probe_s: float = 60.0
    max_backoff_s: float = 8.0
    role: str = ""
    read_only: bool = False


def parse_remote(text: str) -> Remote:
    """Parse a place to connect to or listen at; raises `InvalidInput`."""
    kind, _, rest = text.partition(":")
    if kind in ("unix", "punix") and rest:
        return Remote(kind == "punix", path=rest)
    if kind in ("tcp", "ssl") and rest:
        host, port = _split_host(rest, text)
        return Remote(False, host=host, port=_port(port, text), secure=kind == "ssl")
    if kind in ("ptcp", "pssl"):
        number, _, host = rest.partition(":")
        return Remote(True, host=_bare(host, text), port=_port(number, text), secure=kind == "pssl")
    raise InvalidInput(f"expected {EXPECTED}, got {text!r}")


def parse_configured(text: str) -> Remote | RemoteColumn:
    """Parse what a server's --remote may be: a place, or db:DATABASE,TABLE,COLUMN; raises `InvalidInput`."""
    if not text.startswith("db:"):
        return parse_remote(text)
    names = text[3:].split(",")
    if len(names) != 3 or not all(names):
        raise InvalidInput(f"expected db:DATABASE,TABLE,COLUMN, got {text!r}")
    return RemoteColumn(*names)


def _split_host(rest: str, remote: str) -> tuple[str, str]:
    if rest.startswith("["):
        host, closed, port = rest[1:].partition("]")
        if not closed or not host or (port and not port.startswith(":")):
            raise InvalidInput(f"expected [IPV6]:PORT in {remote!r}")
        return host, port[1:]
    host, _, port = rest.partition(":")
    if not host or ":" in port:
        raise InvalidInput(f"expected HOST:PORT, an IPv6 HOST in brackets, in {remote!r}")
    return host, port


def _bare(host: str, remote: str) -> str:
    if host.startswith("[") and host.endswith("]") and ":" in host:
        return host[1:-1]
    if any(character in host for character in "[]:"):
        raise InvalidInput(f"expected an IPv6 address in brackets in {remote!r}")
    return host


def _port(text: str, remote: str) -> int:
    if not text:
        return DEFAULT_PORT
    if not text.isascii() or not text.isdigit() or len(text) > 5 or int(text) > 65535:
        raise InvalidInput(f"expected a port from 0 to 65535 in {remote!r}")
    return int(text)
