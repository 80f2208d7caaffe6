//! What comes out of tunnels: from the devices of the underlay to the datapath.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use tulle_datapath::{Datapath, Metadata, TunnelKey};
use tulle_encap::Popped;
use tulle_io::clock::monotonic_ns;
use tulle_io::{Arrival, Guarded, Received, TunnelPackets};
use tulle_wire::{FrameBuf, ethernet, ipv6, protocol};

use super::directory::Attitude;
use super::registry::new_bridge;
use super::{Directory, Registry, flag};
use crate::engine::Engine;
use crate::wires::Wires;

/// The longest options of Geneve (RFC 8926 section 3.4).
const MOST_OPTIONS: usize = 252;

/// What a bridge knows of the tunnels of all.
#[derive(Debug)]
pub(crate) struct Membership {
    pub bridge: u64,
    registry: Option<Arc<Registry>>,
    version: u64,
    directory: Arc<Directory>,
}

impl Membership {
    pub(crate) fn new() -> Membership {
        Membership { bridge: new_bridge(), registry: None, version: 0, directory: Arc::default() }
    }

    /// Joins the others; the registry stays the one that was joined first.
    pub(crate) fn join(&mut self, registry: Arc<Registry>) -> (Arc<Registry>, u64) {
        (Arc::clone(self.registry.get_or_insert(registry)), self.bridge)
    }

    /// The registry and this bridge's number there, once it has joined.
    pub(crate) fn joined(&self) -> Option<(Arc<Registry>, u64)> {
        Some((Arc::clone(self.registry.as_ref()?), self.bridge))
    }

    /// Learns what has changed.
    #[inline]
    fn follow(&mut self) {
        let Some(registry) = &self.registry else { return };
        let version = registry.version();
        if version != self.version {
            (self.version, self.directory) = (version, registry.directory());
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        if let Some(registry) = &self.registry {
            registry.remove_bridge(self.bridge);
        }
    }
}

impl Engine {
    /// Receives what this bridge's tunnels need, after one came or went.
    pub(crate) fn follow_tunnels(&mut self) -> std::io::Result<()> {
        let Self { membership, receivers, wires, .. } = self;
        membership.follow();
        let receptions = membership.directory.receptions(membership.bridge);
        receivers.keep(&receptions);
        let mut wanted = TunnelPackets::default();
        for (wire, _) in receptions {
            match wire {
                Guarded::Tcp(port) => wanted.tcp_ports.push(port),
                Guarded::Udp(port) => wanted.udp_ports.push(port),
                Guarded::Gre => wanted.gre = true,
            }
        }
        wires.underlay.set_wanted(wanted)
    }

    /// Tells the other bridges at which devices this one listens.
    pub(crate) fn tell_devices(&mut self) {
        let devices = self.wires.underlay.numbered().map(|(_, carrier)| carrier.ifindex).collect();
        if let Some(registry) = &self.membership.registry {
            registry.set_devices(self.membership.bridge, devices);
        }
    }

    /// Receives a batch from a device of the underlay.
    pub(crate) fn receive_underlay(&mut self, slot: usize) {
        self.membership.follow();
        let mut arrivals = std::mem::take(&mut self.arrivals);
        let (count, device) = match self.wires.underlay.carriers.get(slot) {
            Some(Some(carrier)) => {
                let received = carrier.socket.receive_batch(&mut arrivals);
                (received.map_or(0, |(count, _)| count), carrier.ifindex)
            }
            _ => (0, 0),
        };
        let now = monotonic_ns();
        for arrival in &mut arrivals[..count] {
            self.receive_outer(arrival, device, now);
        }
        self.arrivals = arrivals;
    }

    fn receive_outer(&mut self, arrival: &mut Arrival, device: u32, now: u64) {
        let Self { datapath, wires, receivers, membership, .. } = self;
        if let Some(capture) = wires.underlay.capture.as_mut() {
            capture.write(arrival.frame.bytes());
        }
        let Some((wire, source)) = wire_of(arrival.frame.bytes()) else {
            return wires.losses.count(0, "tunnel-outer-foreign");
        };
        let counts = match membership.directory.attitude(membership.bridge, wire, device, source) {
            Attitude::Leave => return,
            Attitude::Take => false,
            Attitude::TakeAndCount => true,
        };
        let Some(receiver) = receivers.of(wire) else {
            return wires.losses.count(0, "tunnel-outer-foreign");
        };
        if arrival.received != Received::Frame {
            return wires.losses.count(0, "device-bad-frame");
        }
        receiver.pop(&mut arrival.frame, &arrival.offload, now, &mut |result, frame| match result {
            Ok(popped) => deliver(datapath, wires, membership, (wire, counts), &popped, frame, now),
            Err(reason) if counts => wires.losses.count(0, reason.name()),
            Err(_) => {}
        });
    }
}

/// Hands one frame out of a tunnel to the datapath, where the tunnel is one of this bridge's.
#[inline]
fn deliver(
    datapath: &mut Datapath,
    wires: &mut Wires,
    membership: &Membership,
    (wire, counts): (Guarded, bool),
    popped: &Popped,
    frame: &mut FrameBuf,
    now: u64,
) {
    let owner = membership.directory.find(wire, popped.context, popped.source, popped.destination);
    let number = match owner {
        Some(owner) if owner.bridge == membership.bridge => owner.port,
        Some(_) => return,
        None if counts => return wires.losses.count(0, "tunnel-unknown-peer"),
        None => return,
    };
    let Some(port) = wires.port(number) else { return };
    port.counters.received(frame.len());
    port.record(frame.bytes());
    let metadata = Metadata { in_port: number, tunnel: Some(key_of(popped)) };
    if popped.options(frame).is_empty() {
        return datapath.process(frame, &popped.offload, &metadata, now, wires);
    }
    // They stand in the frame's headroom, which flows may write to.
    let mut room = [0; MOST_OPTIONS];
    let options = copied(popped.options(frame), &mut room);
    datapath.process_with_options(frame, &popped.offload, &metadata, options, now, wires);
}

#[inline]
fn copied<'a>(options: &[u8], room: &'a mut [u8; MOST_OPTIONS]) -> &'a [u8] {
    let to = &mut room[..options.len().min(MOST_OPTIONS)];
    to.copy_from_slice(&options[..to.len()]);
    to
}

/// What flows may match of a packet that came out of a tunnel.
#[inline]
fn key_of(popped: &Popped) -> TunnelKey {
    let flag = |is_set, flag| if is_set { flag } else { 0 };
    let mut key = TunnelKey {
        id: popped.context,
        tos: popped.tos,
        ttl: popped.ttl,
        flags: flag(popped.key, flag::KEY)
            | flag(popped.checksum, flag::CHECKSUM)
            | flag(popped.oam, flag::OAM),
        ..TunnelKey::default()
    };
    match (popped.source, popped.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => (key.src, key.dst) = (source, destination),
        (IpAddr::V6(source), IpAddr::V6(destination)) => (key.ipv6_src, key.ipv6_dst) = (source, destination),
        _ => {}
    }
    if let Some(gbp) = popped.gbp {
        (key.gbp_id, key.gbp_flags) = (gbp.id, gbp.flags);
    }
    key
}

/// By which port or protocol an outer frame came that has passed the filter, and from whom.
#[inline]
fn wire_of(outer: &[u8]) -> Option<(Guarded, IpAddr)> {
    let packet = outer.get(ethernet::HEADER_LEN..)?;
    let (protocol, source, transport) = match packet.first()? >> 4 {
        4 => {
            let address: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
            (*packet.get(9)?, Ipv4Addr::from(address).into(), 4 * usize::from(packet[0] & 15))
        }
        6 => {
            let address: [u8; 16] = packet.get(8..24)?.try_into().ok()?;
            (*packet.get(6)?, Ipv6Addr::from(address).into(), ipv6::HEADER_LEN)
        }
        _ => return None,
    };
    let port = || Some(u16::from_be_bytes(packet.get(transport + 2..transport + 4)?.try_into().ok()?));
    match protocol {
        protocol::TCP => Some((Guarded::Tcp(port()?), source)),
        protocol::UDP => Some((Guarded::Udp(port()?), source)),
        protocol::GRE => Some((Guarded::Gre, source)),
        _ => None,
    }
}
