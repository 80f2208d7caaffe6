"""By which address sFlow collectors know a bridge (`ovs-vswitchd.conf.db(5)`, column `agent` of table sFlow)."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
from ipaddress import ip_address

from tulle.vswitch.rows_telemetry import address_and_port
from tulle.vswitch.telemetry import SflowConfig

SIOCGIFADDR = 0x8915
NAME_BYTES = 15


def agent_address(config: SflowConfig) -> str | None:
    """The address that `agent` says, or that of the device it names, or the one by which the first target is
    reached; None where there is none."""
    if not config.agent:
        return _address_towards(config.targets[0])
    with contextlib.suppress(ValueError):
        address = str(ip_address(config.agent))
        return address if "%" not in address else None  # a zone means nothing to a collector
    return _address_of(config.agent)


def _address_of(device: str) -> str | None:
    name = device.encode()[:NAME_BYTES]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        try:
            answer = fcntl.ioctl(asker, SIOCGIFADDR, struct.pack("40s", name))
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])


def _address_towards(target: str) -> str | None:
    """Connecting a socket of UDP asks the routing table and sends nothing."""
    place = address_and_port(target)
    family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asker:
        try:
            asker.connect(place)
        except OSError:
            return None
        return str(asker.getsockname()[0])
