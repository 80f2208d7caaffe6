"""Rows of table Controller as the controllers of a bridge."""

from __future__ import annotations

from tulle.errors import InvalidInput
from tulle.ovsdb.remote import Remote, parse_remote
from tulle.vswitch.configuration import ControllerConfig
from tulle.vswitch.rows_reference import Row, Tables, referenced

DEFAULT_PORT = 6653
DEFAULT_PROBE_MS = 5000
DEFAULT_BACKOFF_MS = 8000
PASSIVE_HOST = "127.0.0.1"


def controllers(tables: Tables, bridge: Row) -> tuple[ControllerConfig, ...]:
    """A bridge's controllers; a target that cannot be is one with an error."""
    found = [controller(row) for row in referenced(tables, bridge["controller"], "Controller")]
    return tuple(sorted(found, key=lambda config: config.target))


def controller(row: Row) -> ControllerConfig:
    """One row; its times are in milliseconds, a probe of 0 is none."""
    target = row["target"]
    try:
        place, error = parse_target(target), ""
    except InvalidInput as problem:
        place, error = None, problem.message
    probe_ms, backoff_ms = row["inactivity_probe"], row["max_backoff"]
    return ControllerConfig(
        target,
        place,
        error,
        max(backoff_ms if backoff_ms is not None else DEFAULT_BACKOFF_MS, 1000) / 1000,
        max(probe_ms if probe_ms is not None else DEFAULT_PROBE_MS, 0) / 1000,
    )


def parse_target(text: str) -> Remote:
    """A target as `ovs-vswitchd.conf.db(5)` has it; raises `InvalidInput`.

    The default port is OpenFlow's, and a passive target without an address listens on this host only.
    """
    kind, _, rest = text.partition(":")
    if kind in ("tcp", "ssl") and _lacks_port(rest):
        text = f"{text}:{DEFAULT_PORT}"
    if kind in ("ptcp", "pssl"):
        number, _, host = rest.partition(":")
        text = f"{kind}:{number or DEFAULT_PORT}:{host or PASSIVE_HOST}"
    return parse_remote(text)


def _lacks_port(rest: str) -> bool:
    return bool(rest) and not rest.endswith(":") and ":" not in rest.rpartition("]")[2]
