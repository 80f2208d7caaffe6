"""The values between the database and the switch: bridges and ports as they should be, as they are, and the
steps that lead there.

Two kinds of thing are told apart: what a port *is* (`Device`; another one is another port) and what can be
changed while packets pass (`PortSettings`, `BridgeSettings`, `Forwarding`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from tulle.ovsdb.remote import Remote
from tulle.vswitch.forwarding import Forwarding
from tulle.vswitch.queueing import Kind, QosConfig
from tulle.vswitch.telemetry import Telemetry

LOCAL_PORT = 65534
"""The number of a bridge's own interface (OFPP_LOCAL of OpenFlow 1.0, as ovs-vsctl shows it)."""
LAST_PORT = 0xFEFF
NATIVE_LOCAL_PORT = 0xFFFF_FFFE
"""The same in OpenFlow 1.3 (section 7.2.1) and in the native switch."""

CREATED = ("tap", "internal", "local")
"""Kinds of devices that the switch makes."""
FailMode = Literal["standalone", "secure"]


WIRE_VERSIONS = {"OpenFlow10": 1, "OpenFlow13": 4, "OpenFlow14": 5, "OpenFlow15": 6}
"""The names of `protocols` that are spoken, and what stands in the header of messages."""


def wire_versions(protocols: tuple[str, ...]) -> list[int] | None:
    """The versions that sessions may agree on; None is all of them, also where no name is of one that is spoken."""
    return [WIRE_VERSIONS[name] for name in protocols if name in WIRE_VERSIONS] or None


def native_number(number: int) -> int:
    """A port's number as the native switch has it."""
    return NATIVE_LOCAL_PORT if number == LOCAL_PORT else number


class TunnelOptions(Struct, frozen=True):
    """How a tunnel port's packets look.

    Keys are numbers, "flow" or absent; of `tos` and `ttl`, None means the inner packet's; a `checksum` of None is as
    is usual.
    """

    in_key: int | str | None = None
    out_key: int | str | None = None
    dst_port: int = 0
    tos: int | None = 0
    ttl: int | None = 64
    dont_fragment: bool = True
    checksum: bool | None = None
    gbp: bool = False
    sequence: bool = False


class BfdSettings(Struct, frozen=True):
    """How a tunnel's health is watched.

    Of the addresses inside the tunnel, a `source_mac` of None is one of the switch's choice, a `destination_mac` of
    None Open vSwitch's usual one, and an `accepted_mac` of None any.
    """

    min_rx_ms: int = 1000
    min_tx_ms: int = 100
    decay_min_rx_ms: int = 0
    multiplier: int = 3
    forwarding_if_rx: bool = False
    cpath_down: bool = False
    check_key: bool = False
    oam: bool = False
    source_mac: str | None = None
    destination_mac: str | None = None
    accepted_mac: str | None = None
    source: str = "169.254.1.1"
    destination: str = "169.254.1.0"


class Device(Struct, frozen=True):
    """What a port is attached to.

    Of a tunnel, empty `local` means the route's source address, and "flow" of either end that flows say it.
    Of a patch, `peer` is the other port's name.
    """

    name: str
    kind: Kind
    encapsulation: str = ""
    remote: str = ""
    local: str = ""
    peer: str = ""
    tunnel: TunnelOptions = TunnelOptions()


class PortSettings(Struct, frozen=True):
    """What of a port can be changed.  `mtu` in bytes; None leaves a device as it is, policing 0 lets all in."""

    mtu: int | None = None
    mac: str | None = None
    policing_kbps: int = 0
    policing_burst_kb: int = 0
    policing_kpps: int = 0
    policing_burst_kp: int = 0
    bfd: BfdSettings | None = None


class PortConfig(Struct, frozen=True):
    """A port as it should be; `request` is the number asked for, `previous` the one it had before."""

    device: Device
    request: int | None = None
    previous: int | None = None
    settings: PortSettings = PortSettings()


class ControllerConfig(Struct, frozen=True):
    """One row of table Controller; `place` is None where `error` says why the target cannot be."""

    target: str
    place: Remote | None
    error: str = ""
    max_backoff_s: float = 8.0
    probe_s: float = 5.0

    @property
    def is_primary(self) -> bool:
        """Whether it is one that the bridge obeys, for `fail_mode`: those that it connects to."""
        return self.place is not None and not self.place.listens


class TableSettings(Struct, frozen=True):
    """What is set of a flow table: its name, the most flows, and which of them make place for others."""

    number: int
    name: str | None = None
    flow_limit: int | None = None
    evicts: bool = False
    groups: tuple[str, ...] = ()


class BridgeSettings(Struct, frozen=True):
    """What of a bridge can be changed.

    `mac` is the address of its own interface; `threads` forward, and each looks for packets for `busy_poll_us` before
    it sleeps.
    """

    datapath_id: int
    mac: str | None = None
    fail_mode: FailMode = "standalone"
    controllers: tuple[ControllerConfig, ...] = ()
    protocols: tuple[str, ...] = ()
    tables: tuple[TableSettings, ...] = ()
    description: str = "None"
    serial: str = "None"
    busy_poll_us: int | None = None
    threads: int = 1
    telemetry: Telemetry = Telemetry()


class BridgeConfig(Struct, frozen=True):
    """A bridge as it should be; `qos` by the names of interfaces."""

    name: str
    settings: BridgeSettings
    ports: tuple[PortConfig, ...] = ()
    forwarding: Forwarding = Forwarding()
    qos: Mapping[str, QosConfig] = {}


class PortState(Struct, frozen=True):
    """A port as it is; `error` is why it does not work."""

    device: Device
    number: int
    error: str | None = None
    settings: PortSettings = PortSettings()


class BridgeState(Struct, frozen=True):
    """A bridge as it is; ports by name."""

    name: str
    settings: BridgeSettings
    ports: Mapping[str, PortState]
    forwarding: Forwarding = Forwarding()


class AddBridge(Struct, frozen=True, tag=True):
    """Make a bridge without ports."""

    name: str
    settings: BridgeSettings


class RemoveBridge(Struct, frozen=True, tag=True):
    """Take a bridge away with all its ports."""

    name: str


class SetBridge(Struct, frozen=True, tag=True):
    """Change a bridge while it forwards."""

    name: str
    settings: BridgeSettings


class AddPort(Struct, frozen=True, tag=True):
    """Attach a device under this number."""

    bridge: str
    number: int
    device: Device
    settings: PortSettings = PortSettings()


class RemovePort(Struct, frozen=True, tag=True):
    """Detach a device."""

    bridge: str
    number: int
    name: str


class SetPort(Struct, frozen=True, tag=True):
    """Change a port while it forwards."""

    bridge: str
    name: str
    settings: PortSettings


Step = AddBridge | RemoveBridge | SetBridge | AddPort | RemovePort | SetPort
