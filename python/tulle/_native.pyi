"""What the native side offers to Python; the only door between the two.

Python is called per batch or per configuration change, never per packet.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

class NativeError(Exception):
    """The native side refused; the text says what was expected and what came."""

def canonical_flow(text: str) -> str:
    """A flow in `ovs-ofctl` syntax, in the one canonical form; raises NativeError naming what is wrong."""

def canonical_match(text: str) -> str:
    """A match in `ovs-ofctl` syntax, in canonical form."""

def emit_frame(text: str, payload: bytes | None = None) -> bytes:
    """An Ethernet frame whose fields are those of the match (`tcp,dl_src=…,nw_dst=…,tcp_dst=80`), checksums right."""

def icmp_error(frame: bytes, kind: str, mac: str, address: str, mtu: int = 0) -> bytes | None:
    """The ICMP or ICMPv6 error that a router with `mac` and `address` answers to `frame`, or None where
    RFC 1122 section 3.2.2 or RFC 4443 section 2.4 forbid one.
    kind: "ttl-exceeded", "net-unreachable", "host-unreachable", "too-big"."""

def probe_kernel() -> list[tuple[str, bool]]:
    """What this kernel can do, each tried on a socket or device made for the purpose; takes some milliseconds."""

def device_features(device: str, names: list[str]) -> tuple[list[bool], int | None]:
    """Which features of a device are on, by the names that `ethtool -k` calls the kernel's own, and by how many queues
    it sends, None where its driver does not say."""

def export_connections(
    switch: Switch, zone: int, addresses: Sequence[str], most: int, lenient_ms: int = 0
) -> list[str]:
    """A line about each connection of a zone (of some addresses, if any are given) that another switch can go on with;
    for `lenient_ms` their windows follow what that one sees."""

def import_connections(
    switch: Switch, zone: int, lines: Sequence[str], lenient_ms: int
) -> tuple[int, int, int]:
    """Takes such lines over: how many were new, known, refused.  Raises NativeError, with nothing done, for a line
    that is no connection."""

class Switch:
    """One bridge: a datapath on a native thread of its own, with ports, tunnels and OpenFlow sessions."""

    def __init__(self, name: str, datapath_id: int, seed: int) -> None: ...
    @property
    def event_fd(self) -> int:
        """Readable when `events()` has something."""
    def events(self) -> list[dict[str, Any]]:
        """Drains: {"event": "session-ready"}, {"event": "next-hop-needed", "remote": "172.31.0.2"},
        {"event": "port-failed", "port": 3, "error": "…"}, {"event": "health-changed", "port": 3},
        {"event": "session-closed", "session": 1, "reason"}."""
    def add_tap(
        self, number: int, name: str, mtu: int, mac: str | None = None, set_up: bool = True
    ) -> dict[str, Any]:
        """Creates the TAP device in the present network namespace and attaches it; {"mac", "ifindex"}."""
    def add_device(self, number: int, name: str) -> dict[str, Any]:
        """Attaches an existing device (veth) by AF_PACKET; {"mac", "ifindex", "mtu"}."""
    def add_tunnel(self, number: int, name: str, config: dict[str, Any]) -> None:
        """A tunnel port.  {"encapsulation", "remote": address or "flow", "local": address, "flow" or "", "in_key" and
        "out_key": int, "flow" or None, "dst_port", "tos" and "ttl": int, or None as inside, "dont_fragment",
        "checksum": bool, or None as is usual, "gbp", "sequence"}"""
    def watch_health(self, number: int, settings: dict[str, Any] | None) -> None:
        """Watches a tunnel by BFD, or does not any more: {"min_rx_ms", "min_tx_ms", "decay_min_rx_ms", "multiplier",
        "forwarding_if_rx", "cpath_down", "check_key", "oam", "source_mac", "destination_mac" and "accepted_mac": str
        or None, "source", "destination": IPv4}.  Raises NativeError if there is no such tunnel."""
    def health(self) -> dict[int, dict[str, Any]]:
        """The sessions by port: {"forwarding", "flaps", "multiplier", "cpath_down", "tx_interval_ms",
        "rx_interval_ms", "detects_in_ms", "sends_in_ms", "sent_in_ms" (from now, or None), "local", "remote":
        {"flags", "state", "diagnostic", "discriminator", "min_tx_ms", "min_rx_ms", "multiplier"}}"""
    def force_forwarding(self, number: int | None, forced: bool | None) -> None:
        """Says whether a port, or all that are watched, forward, whatever their sessions say; None leaves it to
        them.  Raises NativeError if the port has no session."""
    def configure_bridge(self, config: dict[str, Any]) -> None:
        """What NORMAL and mirrors follow, all of it anew: {"bundles": [{"name", "members": [number],
        "live": [number], "vlan_mode", "tag", "trunks", "bond", "protected"}], "mirrors": [{"name", "select_all",
        "select_sources", "select_destinations", "select_vlans", "output_port", "output_vlan", "snap_len"}],
        "flood_vlans", "mac_aging_s", "mac_limit", "forward_bpdu"}"""
    def configure_tables(self, tables: dict[int, dict[str, Any]]) -> None:
        """What is set of flow tables, all of it anew: {7: {"name": str | None, "flow_limit": int | None,
        "evicts": bool, "groups": ["NXM_OF_IN_PORT[]"]}}; groups that cannot be are ignored."""
    def configure_telemetry(self, settings: dict[str, Any], seed: int) -> None:
        """What collectors are told, all of it anew; what stays as it was keeps what it has gathered.  The keys are
        those that `tulle.vswitch.telemetry.native` makes: "sflow", "netflow", "ipfix" (each may be None), and
        "collector_sets" by number; targets are `ADDRESS:PORT`.  `seed` makes sampling unpredictable for tenants."""
    def telemetry_statistics(self) -> list[dict[str, Any]]:
        """[{"exporter": "sflow" | "netflow" | "ipfix" | "ipfix-7", "flows", "evicted", "sent", "unsent"}]; the last
        two are datagrams."""
    def describe(self, description: str, serial: str) -> None:
        """What controllers are told for people."""
    def set_busy_poll(self, time_us: int | None) -> None:
        """How many microseconds a thread looks for more packets before it sleeps; None is the default."""
    def set_threads(self, count: int) -> None:
        """How many threads forward, 1 to 64; to be called where the devices are that are ports.  Raises NativeError
        where a device cannot be shared: then there are as many threads, and some have none of it."""
    def threads(self) -> int:
        """How many threads forward."""
    def fdb(self) -> list[tuple[int, int, str, int, bool]]:
        """(port, VLAN, MAC address, age in seconds, whether it was told rather than learned)."""
    def fdb_statistics(self) -> dict[str, int]:
        """current static limit learned expired evicted moved."""
    def clear_fdb_statistics(self) -> None: ...
    def flush_fdb(self) -> None: ...
    def add_fdb(self, vlan: int, mac: str, port: int) -> None: ...
    def remove_fdb(self, vlan: int, mac: str) -> bool: ...
    def mirror_statistics(self) -> list[tuple[str, int, int]]:
        """(name, packets, bytes)."""
    def connections(self, zone: int | None, most: int) -> list[str]:
        """A line about each tracked connection."""
    def flush_connections(self, zone: int | None = None, parts: Sequence[str] = ()) -> None:
        """Forgets connections: all, those of a zone, those whose line has all the parts."""
    def connection_counts(self) -> dict[str, Any]:
        """current limit zones default_limit limits created expired evicted invalid; zones and limits are pairs."""
    def set_connection_limit(self, limit: int) -> None: ...
    def set_zone_limit(self, zone: int | None, limit: int | None) -> None:
        """Of one zone, or the default one; None is no limit."""
    def hold(self, is_held: bool) -> None:
        """Leaves what comes in by devices in their queues for now, or takes it again."""
    def adopt_tap(self, number: int, name: str, descriptor: int, mac: str, ifindex: int, mtu: int) -> None:
        """Attaches a TAP device that another switch left open; the caller may close its descriptor."""
    def tap_descriptor(self, number: int) -> int:
        """A copy of a TAP port's descriptor, for the caller to close; it keeps the device."""
    def adopt_device(self, number: int, name: str, descriptor: int, ring_slots: int) -> dict[str, Any]:
        """As `adopt_tap`, for an existing device and what another switch received from it by; mac ifindex mtu."""
    def device_descriptor(self, number: int) -> tuple[int, int]:
        """A copy of the descriptor that a device receives by, for the caller to close; the slots of its ring."""
    def adopt_underlay(self, device: str, descriptor: int) -> None:
        """As `open_underlay`, with the socket that another switch has received by; addresses and tunnels come first,
        since they decide what that receives from now on."""
    def underlay_descriptor(self, device: str) -> int:
        """A copy of the descriptor that a device of the underlay is received by, for the caller to close."""
    def guards(self) -> list[tuple[str, list[int]]]:
        """By what the ports of tunnels are kept, for the caller to close; `tcp:7471`, `udp:4789` or `gre`."""
    def adopt_guard(self, name: str, descriptors: Sequence[int]) -> None:
        """Has a tunnel that is added later go on with them; the caller may close its own."""
    def drop_guards(self) -> None:
        """Lets go of what `adopt_guard` has brought and no tunnel has taken."""
    def note_saved(self) -> None:
        """Says that what `save_flows` has written last is whole and in its place; what no journal has is unsaved until
        then."""
    def save_flows(self, path: Path, journal: tuple[int, Path] | None = None) -> int:
        """Writes all flows, groups and meters to a file, a line each; how many flows.  What changes from then on
        goes into the journal, which has a number that rises."""
    def load_flows(self, path: Path | None, journals: Sequence[tuple[int, Path]] = ()) -> dict[str, Any]:
        """Adds what such a file has and what has changed since, all of it between two batches of packets; what is
        refused keeps nothing else away: {"flows": 7, "others": 2, "changes": 3, "refused": 1, "problems": [the first
        refused, with the reason]}."""
    def begin_journal(self, path: Path) -> None:
        """Writes down from now on what sessions change, before they are answered."""
    def unsaved(self) -> tuple[int, bool, str | None]:
        """Bytes of the journal, whether something has changed that is not in it, why it cannot be written."""
    @property
    def version(self) -> int:
        """Rises with every change of flows, groups and meters."""
    def add_patch(self, number: int, name: str) -> None:
        """A patch port that leads nowhere until `connect_patch`."""
    def connect_patch(self, number: int, peer: Switch | None, peer_number: int) -> None:
        """Frames that leave by the patch port enter the peer by its port, or are lost where there is none."""
    def set_policing(
        self, number: int, bits: tuple[int, int] | None, packets: tuple[int, int] | None
    ) -> None:
        """What may come in by a port: bits a second and at once, packets the same; None lets all in."""
    def set_queues(
        self,
        number: int,
        queues: tuple[
            tuple[int, int] | None,
            int,
            dict[int, tuple[int | None, int | None, int | None, tuple[int, int] | None]],
            bool,
        ]
        | None,
    ) -> None:
        """The queues of a port: its limit (bit/s, bits), bytes of a frame that do not count, by number rates (tenths
        of a per cent of the link's, at least and at most), DSCP and limit, and whether the kernel counts."""
    def set_queue_counters(self, number: int, counted: dict[int, tuple[int, int, int]]) -> None:
        """What the kernel has counted: packets, bytes, errors by queue."""
    def queue_counters(self, number: int) -> dict[int, tuple[int, int, int]]:
        """Packets, bytes, errors by queue."""
    def allow_direct(self, number: int, allowed: bool) -> None:
        """Whether small frames may go past a queueing discipline where the port's device has none."""
    def set_port_state(self, number: int, is_up: bool, has_link: bool) -> None:
        """What controllers are told of a port."""
    def set_datapath_id(self, datapath_id: int) -> None:
        """What sessions report that are opened from now on."""
    def change_flows(self, command: str, flows: Sequence[str]) -> None:
        """Changes flows between two batches of packets; command: "add", "delete" (of all tables), "delete-strict"."""
    def remove_port(self, number: int) -> None: ...
    def open_underlay(self, device: str) -> None:
        """Opens a device that carries tunnels; again only where it is another one than before."""
    def look_at_underlay(self) -> None:
        """Looks again at what the devices that carry tunnels cut by themselves."""
    def close_underlay(self, device: str) -> None: ...
    def set_underlay_addresses(self, addresses: list[str]) -> None:
        """This host's addresses: packets to others are not taken."""
    def set_way(self, remote: str, way: tuple[str, str, str, int] | None) -> None:
        """How packets to a remote leave: (device, local address, MAC address of the next hop, MTU); None: unknown."""
    def port_statistics(self) -> dict[int, dict[str, int]]:
        """Per port: rx_packets rx_bytes rx_dropped rx_errors tx_packets tx_bytes tx_dropped tx_errors."""
    def drops(self) -> list[dict[str, Any]]:
        """[{"reason": "no-match", "port": 3, "table": 10, "packets": 7}]; `table` is None where no flow had to do
        with it, and reasons with no packet are left out."""
    def cache_statistics(self) -> dict[str, int]: ...
    def dump_cache(self) -> list[str]:
        """A line for people about each cached verdict."""
    def flows(self) -> list[tuple[str, int, int]]:
        """(canonical text, packets, bytes) of every flow."""
    def trace(
        self,
        in_port: int,
        frame: bytes,
        tunnel: tuple[int, str, str] | None = None,
        states: Sequence[int] = (),
        options: str = "",
    ) -> dict[str, Any]:
        """Runs the forwarding code itself on a frame, without sending or counting.  `states` are the ct_state
        after each ct(), instead of a new connection; `options` the tun_metadata that the frame has, as a match.
        "passes": [{"id", "ct_state", "flow", "megaflow", "operations", "events": [("table" | "action" | "note",
        depth, text)]}],
        {"steps": [{"table", "priority", "cookie", "match", "actions", "depth"}],
         "outputs": [{"port", "tunnel": (id, src, dst) | None, "frame": bytes}],
         "controller": [{"cookie", "table"}], "drops": [reason]}"""
    def open_session(
        self,
        name: str = "",
        kind: str = "service",
        probe_s: float = 0.0,
        versions: Sequence[int] | None = None,
    ) -> SwitchSession:
        """A session whose bytes the caller moves; kind: "controller" (gets packet-ins unasked) or "service"."""
    def serve(
        self,
        fd: int,
        name: str = "",
        kind: str = "service",
        probe_s: float = 0.0,
        versions: Sequence[int] | None = None,
    ) -> int:
        """A session over a connected stream socket, which the switch serves; its number.  The caller may close
        its own descriptor.  `versions` are those of the wire; None is all."""
    def snoop(self, fd: int) -> None:
        """Copies what passes between the switch and its controllers to a connected stream socket, of which the caller
        may close its own descriptor; what is not read in time is left out."""
    def close_session(self, id: int) -> None: ...
    def sessions(self) -> list[dict[str, Any]]:
        """[{"session": 1, "name": "tcp:…", "role": "other" | "primary" | "secondary", "version": 4 | None}]"""
    def start_capture(self, number: int | None, path: str) -> None:
        """Copies the frames of a port (None: the underlay) to a pcap file until `stop_capture`."""
    def stop_capture(self, number: int | None) -> None: ...
    def close(self) -> None:
        """Stops the thread and closes every port.  Idempotent."""

class SwitchSession:
    """The switch's side of one OpenFlow connection: bytes in, bytes out, changes applied natively."""

    def receive(self, data: bytes) -> None:
        """Takes what came from the peer and applies it."""
    def outgoing(self) -> bytes:
        """What is to be sent now: replies, and packet-ins queued meanwhile."""
    def probe(self) -> None:
        """Queues an echo request."""
    @property
    def open(self) -> bool:
        """True once both sides have greeted each other."""
    @property
    def closed(self) -> bool:
        """True when the peer broke the protocol: send `outgoing()`, then close."""
    def close(self) -> None: ...

class ControllerSession:
    """The controller's side of one OpenFlow connection, without sockets."""

    def __init__(self) -> None: ...
    def receive(self, data: bytes) -> list[dict[str, Any]]:
        """Events in the past tense:
        {"event": "negotiated", "version": 4}
        {"event": "barrier-passed", "xid": 7}
        {"event": "flows-dumped", "xid": 7, "flows": [(canonical text, packets, bytes, seconds)]}
        {"event": "packet-received", "in_port", "table", "cookie", "metadata", "registers": {name: value},
         "frame"}
        {"event": "refused", "xid": 7, "type": 5, "code": 1, "text": "…"}
        {"event": "closed", "reason": "…"}"""
    def outgoing(self) -> bytes: ...
    def flow_mods(self, command: str, flows: Sequence[str]) -> list[int]:
        """Queues one flow_mod a flow; command: "add", "modify-strict", "delete-strict"; gives the xids."""
    def meter_mod(self, command: str, meter: int, packets_per_second: int) -> int:
        """Queues a change of a meter; command: "add", "modify", "delete", which looks at no rate; gives the xid."""
    def barrier(self) -> int: ...
    def dump_flows(self) -> int: ...
    def packet_out(self, in_port: int, actions: str, frame: bytes) -> int: ...

class Datapath:
    """A switch in memory: no thread, no device, no clock; for scenarios and tests."""

    def __init__(self, seed: int = 0) -> None: ...
    def add_port(self, number: int) -> None: ...
    def remove_port(self, number: int) -> None: ...
    def flow_mod(self, command: str, flow: str) -> None: ...
    def process(
        self, in_port: int, frame: bytes, tunnel: tuple[int, str, str] | None = None, now_ns: int = 0
    ) -> list[dict[str, Any]]:
        """{"effect": "output", "port", "tunnel", "frame"}, {"effect": "packet-in", "cookie", "table",
        "frame", "metadata", "registers"}, {"effect": "drop", "reason"}."""
    def trace(
        self, in_port: int, frame: bytes, tunnel: tuple[int, str, str] | None = None
    ) -> dict[str, Any]: ...
    def flows(self) -> list[tuple[str, int, int]]:
        """(canonical text, packets, bytes)."""

class Encapsulator:
    """Push and pop of one encapsulation between two underlay addresses; for vectors and scenarios."""

    def __init__(self, encapsulation: str, local: str, remote: str, mtu: int = 1500) -> None: ...
    def push(self, frame: bytes, context: int) -> list[bytes]:
        """The outer Ethernet frames, cut to the MTU, as they would stand on a wire without offloads."""
    def pop(self, frame: bytes, now_ns: int = 0) -> list[tuple[int, bytes]]:
        """(context, inner frame) completed by this outer frame; raises NativeError with the drop reason."""
