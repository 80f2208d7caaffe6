"""Rows of tables sFlow, NetFlow, IPFIX and Flow_Sample_Collector_Set as what collectors are told.

Wrong values are problems of the bridge, and the default stands in their place; targets that cannot be are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from tulle.errors import InvalidInput
from tulle.vswitch.rows_reference import Row, Tables, referenced
from tulle.vswitch.telemetry import BridgeIpfixConfig, IpfixConfig, NetflowConfig, SflowConfig, Telemetry

SFLOW_PORT, IPFIX_PORT = 6343, 4739
"""Ports of targets without one (IANA)."""
ACTIVE_TIMEOUT_S = 600
MOST_SHOWN = 80
"""Characters of a wrong value that a problem repeats."""
LONGEST_HEADER_BYTES = 1024
LONGEST_OBSERVER_BYTES = 254
LARGEST = 2**32 - 1
MOST_DIGITS = 5
"""Of a port."""


def telemetry(tables: Tables, bridge: Row, datapath_id: int) -> tuple[Telemetry, list[str]]:
    """What collectors are told of a bridge, and what its rows ask for and do not get."""
    problems: list[str] = []
    found = Telemetry(
        _sflow(tables, bridge, problems),
        _netflow(tables, bridge, datapath_id, problems),
        _bridge_ipfix(tables, bridge, problems),
        tuple(_collector_sets(tables, bridge, problems)),
    )
    return found, problems


def address_and_port(target: str, port: int | None = None) -> tuple[str, int]:
    """`ADDRESS:PORT`, or `ADDRESS` where there is a default port, as a pair; raises `InvalidInput`."""
    text, number = target, port
    has_brackets = target.startswith("[") and "]" in target
    if has_brackets:
        text, _, rest = target[1:].partition("]")
        number = _port(rest[1:]) if rest.startswith(":") else port if not rest else None
    elif target.count(":") == 1:
        text, _, rest = target.partition(":")
        number = _port(rest)
    shown = f"target {target[:MOST_SHOWN]!r}"
    try:
        address = ip_address(text)
    except ValueError:
        raise InvalidInput(f"{shown} must be an IP address with a port") from None
    if "%" in text:
        raise InvalidInput(f"{shown} must be an IP address without a zone")
    if number is None:
        raise InvalidInput(f"{shown} needs a port from 1 to 65535")
    return str(address), number


def _port(text: str) -> int | None:
    is_number = text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS
    return int(text) if is_number and 0 < int(text) < 65536 else None


def _targets(row: Row, what: str, port: int | None, problems: list[str]) -> tuple[str, ...]:
    found = []
    for target in sorted(row["targets"]):
        try:
            address, number = address_and_port(target, port)
        except InvalidInput as error:
            problems.append(f"{what}: {error.message}")
            continue
        found.append(f"[{address}]:{number}" if ":" in address else f"{address}:{number}")
    return tuple(found)


def _number(row: Row, what: str, bounds: tuple[int, int], default: int, problems: list[str]) -> int:
    """An integer column named at the end of `what`; the default where it is absent or out of bounds."""
    value: int | None = row[what.rpartition(" ")[2]]
    if value is None:
        return default
    if not bounds[0] <= value <= bounds[1]:
        problems.append(f"{what} must be {bounds[0]} to {bounds[1]}, not {value}; {default} is used")
        return default
    return value


def _sflow(tables: Tables, bridge: Row, problems: list[str]) -> SflowConfig | None:
    for row in referenced(tables, bridge["sflow"], "sFlow"):
        targets = _targets(row, "sflow", SFLOW_PORT, problems)
        config = SflowConfig(
            targets,
            row["agent"] or "",
            _number(row, "sflow sampling", (1, LARGEST), 400, problems),
            _number(row, "sflow header", (1, LONGEST_HEADER_BYTES), 128, problems),
            _number(row, "sflow polling", (0, LARGEST), 30, problems),
        )
        return config if targets else None
    return None


def _netflow(tables: Tables, bridge: Row, datapath_id: int, problems: list[str]) -> NetflowConfig | None:
    for row in referenced(tables, bridge["netflow"], "NetFlow"):
        targets = _targets(row, "netflow", None, problems)
        timeout_s = row["active_timeout"] or ACTIVE_TIMEOUT_S
        kind, number = row["engine_type"], row["engine_id"]
        config = NetflowConfig(
            targets,
            None if timeout_s < 0 else timeout_s,
            datapath_id >> 8 & 0xFF if kind is None else kind,
            datapath_id & 0xFF if number is None else number,
            row["add_id_to_interface"],
        )
        return config if targets else None
    return None


def _ipfix(row: Row, what: str, problems: list[str]) -> IpfixConfig | None:
    targets = _targets(row, what, IPFIX_PORT, problems)
    observer = row["other_config"].get("virtual_obs_id", "")
    if len(observer.encode()) > LONGEST_OBSERVER_BYTES:
        problems.append(f"{what} other_config:virtual_obs_id has more than {LONGEST_OBSERVER_BYTES} bytes")
        observer = ""
    config = IpfixConfig(targets, row["cache_active_timeout"] or 0, row["cache_max_flows"] or 0, observer)
    return config if targets else None


def _bridge_ipfix(tables: Tables, bridge: Row, problems: list[str]) -> BridgeIpfixConfig | None:
    for row in referenced(tables, bridge["ipfix"], "IPFIX"):
        exporter = _ipfix(row, "ipfix", problems)
        config = row["other_config"]

        def is_enabled(what: str, config: Row = config) -> bool:
            return str(config.get(f"enable-{what}-sampling", "true")).lower() != "false"

        if exporter is not None:
            return BridgeIpfixConfig(
                exporter,
                row["sampling"] or 64,
                row["obs_domain_id"] or 0,
                row["obs_point_id"] or 0,
                is_enabled("input"),
                is_enabled("output"),
                is_enabled("tunnel"),
            )
    return None


def _collector_sets(tables: Tables, bridge: Row, problems: list[str]) -> Iterable[tuple[int, IpfixConfig]]:
    rows = tables.get("Flow_Sample_Collector_Set", {}).values()
    own = [row for row in rows if row["bridge"] == bridge["_uuid"]]
    for row in sorted(own, key=lambda row: int(row["id"])):
        for ipfix in referenced(tables, row["ipfix"], "IPFIX"):
            exporter = _ipfix(ipfix, f"collector set {row['id']}", problems)
            if exporter is not None:
                yield row["id"], exporter
