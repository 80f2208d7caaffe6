"""Rows of tables QoS and Queue as what ports are given.  A value that cannot be is as if it were absent, and a problem
of the Port row that leads to it."""

from __future__ import annotations

from collections.abc import Mapping

from tulle.vswitch.queueing import HTB, POLICER, QosConfig, QueueConfig
from tulle.vswitch.rows_reference import Row, Tables, referenced

LARGEST = 0xFFFF_FFFF
LONGEST_PERTURB_S = 0x7FFF_FFFF // 1000
"""The kernel counts it in ticks, of which there are a thousand a second at most, in a signed word."""
LONGEST_LATENCY_US = LARGEST * 64 // 1000
"""The kernel's word counts 64 ns (psched)."""
KERNEL_TYPES: Mapping[str, Mapping[str, tuple[str, int]]] = {
    "linux-sfq": {"perturb": ("perturb", LONGEST_PERTURB_S), "quantum": ("quantum", LARGEST)},
    "linux-codel": {
        "target": ("cdl_target", LARGEST),
        "interval": ("cdl_interval", LARGEST),
        "limit": ("cdl_limit", LARGEST),
    },
    "linux-fq_codel": {
        "target": ("fqc_target", LARGEST),
        "interval": ("fqc_interval", LARGEST),
        "limit": ("fqc_limit", LARGEST),
        "flows": ("fqc_flows", LARGEST),
        "quantum": ("fqc_quantum", LARGEST),
    },
    "linux-netem": {
        "latency": ("delay", LONGEST_LATENCY_US),
        "limit": ("limit", LARGEST),
        "loss": ("loss", 100),
    },
}
"""Disciplines without classes: options by the names of the schema, each with that of pyroute2 and its bound."""
NOOP = "linux-noop"
TYPES = (HTB, NOOP, POLICER, *KERNEL_TYPES)
LAST_QUEUE = 0xEFFF
LARGEST_RATE_BPS = 8 << 40
MOST_DIGITS = 20
"""Python refuses to read a number of thousands of them."""


class Problems(list[str]):
    """Gathers what cannot be."""

    def number(self, row: Row, key: str, least: int, most: int, where: str) -> int | None:
        """An integer of `other_config`, or None."""
        text = row["other_config"].get(key)
        if text is None:
            return None
        is_number = text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS
        if is_number and least <= int(text) <= most:
            return int(text)
        self.append(f"{where} other_config:{key} must be an integer of {least} to {most}, not {text[:40]!r}")
        return None


def bridge_qos(tables: Tables, bridge: Row) -> dict[str, QosConfig]:
    """What the ports of a bridge ask for, by the names of their interfaces."""
    found: dict[str, QosConfig] = {}
    for port in referenced(tables, bridge["ports"], "Port"):
        qos = _qos(tables, port, Problems())
        if qos is not None:
            found |= {str(one["name"]): qos for one in referenced(tables, port["interfaces"], "Interface")}
    return found


def qos_problems(tables: Tables, port: Row) -> list[str]:
    """What of the QoS of a row of table Port cannot be."""
    found = Problems()
    _qos(tables, port, found)
    return found


def _qos(tables: Tables, port: Row, problems: Problems) -> QosConfig | None:
    for row in referenced(tables, port["qos"], "QoS"):
        kind = row["type"]
        if kind == POLICER:
            return _policer(row, problems)
        if kind == HTB:
            rate = problems.number(row, "max-rate", 8, LARGEST_RATE_BPS, "QoS")
            return QosConfig(kind, rate, queues=_queues(tables, row, problems))
        if kind == NOOP:
            return QosConfig(kind)
        if kind in KERNEL_TYPES:
            return QosConfig(kind, options=_options(row, KERNEL_TYPES[kind], problems))
        problems.append(f"QoS type {kind!r} is not one of {', '.join(TYPES)}; everything is sent as it comes")
    return None


def _policer(row: Row, problems: Problems) -> QosConfig | None:
    """Bytes in the row."""
    rate = problems.number(row, "cir", 1, LARGEST_RATE_BPS // 8, "QoS")
    burst = problems.number(row, "cbs", 1, LARGEST_RATE_BPS // 8, "QoS")
    if rate is None or burst is None:
        problems.append(f"QoS type {POLICER} needs other_config:cir and cbs; everything is sent as it comes")
        return None
    return QosConfig(POLICER, rate * 8, burst * 8)


def _options(
    row: Row, known: Mapping[str, tuple[str, int]], problems: Problems
) -> tuple[tuple[str, int], ...]:
    found = {name: problems.number(row, key, 0, most, "QoS") for key, (name, most) in known.items()}
    return tuple((name, value) for name, value in found.items() if value is not None)


def _queues(tables: Tables, row: Row, problems: Problems) -> tuple[QueueConfig, ...]:
    """In order of their numbers; the default queue is always there."""
    rows = tables.get("Queue", {})
    found = {0: QueueConfig(0)}
    for number, uuid in sorted(row["queues"].items()):
        if number > LAST_QUEUE:
            problems.append(f"Queue {number} has no class; the last one is {LAST_QUEUE}")
        elif uuid in rows:
            found[number] = _queue(number, rows[uuid], problems)
    return tuple(found.values())


def _queue(number: int, row: Row, problems: Problems) -> QueueConfig:
    where = f"Queue {number}"
    least = problems.number(row, "min-rate", 1, LARGEST_RATE_BPS, where)
    most = problems.number(row, "max-rate", 8, LARGEST_RATE_BPS, where)
    if least is not None and most is not None and most < least:
        problems.append(f"{where} other_config:max-rate {most} is below min-rate {least}, which counts")
        most = least
    return QueueConfig(
        number,
        least,
        most,
        problems.number(row, "burst", 1, LARGEST, where),
        problems.number(row, "priority", 0, LARGEST, where) or 0,
        row["dscp"],
    )
