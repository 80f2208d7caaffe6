//! Which packets of the underlay are this bridge's, and whose tunnel they belong to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use tulle_datapath::TunnelKey;
use tulle_encap::Popped;
use tulle_io::{Guarded, TunnelPackets};
use tulle_wire::{ethernet, ipv6, protocol};

use super::directory::Attitude;
use super::inbound::{Inner, Passed};
use super::kind::Reception;
use super::registry::new_bridge;
use super::{Directory, Registry, flag};
use crate::engine::Engine;

/// What a bridge knows of the tunnels of all.  The engine has it, and a copy each thread.
#[derive(Clone, Debug)]
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

    /// Learns what has changed; true where something has.
    #[inline]
    pub(crate) fn follow(&mut self) -> bool {
        let Some(registry) = &self.registry else { return false };
        let version = registry.version();
        let has_changed = version != self.version;
        if has_changed {
            (self.version, self.directory) = (version, registry.directory());
        }
        has_changed
    }

    /// What this bridge receives.
    pub(super) fn receptions(&self) -> Vec<(Guarded, Reception)> {
        self.directory.receptions(self.bridge)
    }

    /// What is done with a packet from `source` that came by a device.
    #[inline]
    pub(super) fn attitude(&self, wire: Guarded, device: u32, source: IpAddr) -> Attitude {
        self.directory.attitude(self.bridge, wire, device, source)
    }

    /// The port that a frame has come by.  Errors: it is another bridge's; or why it is lost.
    #[inline]
    pub(crate) fn port_of(&self, inner: &Inner) -> Result<u32, Option<&'static str>> {
        let Passed { wire, counts, popped } = &inner.passed;
        let Popped { context, source, destination, .. } = *popped;
        match self.directory.find(*wire, context, source, destination) {
            Some(owner) if owner.bridge == self.bridge => Ok(owner.port),
            Some(_) => Err(None),
            None => Err(counts.then_some("tunnel-unknown-peer")),
        }
    }

    /// Takes the bridge's tunnels away from the others' eyes.
    pub(crate) fn leave(&self) {
        if let Some(registry) = &self.registry {
            registry.remove_bridge(self.bridge);
        }
    }
}

impl Engine {
    /// Receives what this bridge's tunnels need, after one came or went.
    pub(crate) fn follow_tunnels(&mut self) -> std::io::Result<()> {
        self.membership.follow();
        let receptions = self.membership.receptions();
        self.changed();
        let mut wanted = TunnelPackets::default();
        for (wire, _) in receptions {
            match wire {
                Guarded::Tcp(port) => wanted.tcp_ports.push(port),
                Guarded::Udp(port) => wanted.udp_ports.push(port),
                Guarded::Gre => wanted.gre = true,
            }
        }
        self.wires.underlay.set_wanted(wanted)
    }

    /// Tells the other bridges at which devices this one listens.
    pub(crate) fn tell_devices(&mut self) {
        let devices = self.wires.underlay.numbered().map(|(_, carrier)| carrier.ifindex).collect();
        if let Some(registry) = &self.membership.registry {
            registry.set_devices(self.membership.bridge, devices);
        }
    }
}

/// What flows may match of a packet that came out of a tunnel.
#[inline]
pub(super) fn key_of(popped: &Popped) -> TunnelKey {
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
pub(super) fn wire_of(outer: &[u8]) -> Option<(Guarded, IpAddr)> {
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
