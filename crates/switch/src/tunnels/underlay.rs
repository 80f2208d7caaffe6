//! The devices that carry tunnels, and the ways to remotes.

use std::collections::HashMap;
use std::net::IpAddr;

use tulle_encap::{Endpoints, Pushed};
use tulle_io::clock::{monotonic_ns, realtime_ns};
use tulle_io::{Device, Filter, PacketOptions, PacketSocket, TunnelPackets};
use tulle_wire::vnet::Offload;
use tulle_wire::{FrameBuf, Mac, flow_hash};

use super::TunnelConfig;
use super::kind::Senders;
use super::port::{Leaving, Ready};
use crate::capture::Capture;
use crate::error::SwitchError;
use crate::port::outcome;

/// Remotes whose way has been asked for lately.
const MOST_ASKED: usize = 1024;
/// How soon the way to a remote is asked for again.
const ASK_AGAIN_NS: u64 = 200_000_000;

/// How packets to a remote leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The device.
    pub device: String,
    /// This node's address towards the remote.
    pub local: IpAddr,
    /// The neighbour that takes them.
    pub next_hop: Mac,
    /// The longest IP packet that the path takes.
    pub mtu: u16,
}

/// A device that carries tunnels.
#[derive(Debug)]
pub(crate) struct Carrier {
    pub name: String,
    pub ifindex: u32,
    pub socket: PacketSocket,
    mac: Mac,
}

impl Carrier {
    /// Opens a device in the network namespace of the calling thread; nothing is received yet.
    pub(crate) fn open(name: &str) -> Result<Carrier, SwitchError> {
        let wrap = |source| SwitchError::Device { name: name.to_owned(), source };
        let device = Device::open(name).map_err(wrap)?;
        if !device.is_ethernet().map_err(wrap)? {
            return Err(SwitchError::NotEthernet(name.to_owned()));
        }
        let mut options = PacketOptions::device(device.index());
        options.filter = Some(Filter::drop_everything());
        Ok(Carrier {
            name: name.to_owned(),
            ifindex: device.index(),
            socket: PacketSocket::open(&options).map_err(wrap)?,
            mac: device.mac().map_err(wrap)?,
        })
    }

    /// What makes it another device than one that had its name before.
    pub(crate) fn identity(&self) -> (u32, Mac) {
        (self.ifindex, self.mac)
    }

    /// The same of the device that has this name now.
    pub(crate) fn identity_of(name: &str) -> Option<(u32, Mac)> {
        let device = Device::open(name).ok()?;
        Some((device.index(), device.mac().ok()?))
    }
}

/// All devices and ways.
#[derive(Debug)]
pub(crate) struct Underlay {
    /// By slot; a slot keeps its device until that is closed.
    pub carriers: Vec<Option<Carrier>>,
    pub capture: Option<Capture>,
    ways: HashMap<IpAddr, Way>,
    addresses: Vec<IpAddr>,
    wanted: TunnelPackets,
    senders: Senders,
    frame_id: u32,
    asked: HashMap<IpAddr, u64>,
}

impl Underlay {
    pub(crate) fn new() -> Underlay {
        Underlay {
            carriers: Vec::new(),
            capture: None,
            ways: HashMap::new(),
            addresses: Vec::new(),
            wanted: TunnelPackets::default(),
            senders: Senders::new(),
            // After a restart, ids must not meet those of frames that are still being put together.
            frame_id: realtime_ns() as u32,
            asked: HashMap::new(),
        }
    }

    /// The devices with their slots.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (usize, &Carrier)> {
        self.carriers.iter().enumerate().filter_map(|(slot, carrier)| Some((slot, carrier.as_ref()?)))
    }

    pub(crate) fn slot_of(&self, device: &str) -> Option<usize> {
        self.numbered().find(|(_, carrier)| carrier.name == device).map(|(slot, _)| slot)
    }

    /// Puts a device into a free slot, and lets it receive what is wanted.
    pub(crate) fn insert(&mut self, carrier: Carrier) -> std::io::Result<usize> {
        carrier.socket.set_filter(&Filter::tunnel_packets(&self.wanted))?;
        let free = self.carriers.iter().position(Option::is_none);
        let slot = free.unwrap_or_else(|| {
            self.carriers.push(None);
            self.carriers.len() - 1
        });
        self.carriers[slot] = Some(carrier);
        Ok(slot)
    }

    /// The addresses of this host, to which packets are taken.
    pub(crate) fn set_addresses(&mut self, addresses: Vec<IpAddr>) -> std::io::Result<()> {
        self.addresses = addresses;
        let TunnelPackets { tcp_ports, udp_ports, gre, .. } = std::mem::take(&mut self.wanted);
        self.want(TunnelPackets { addresses: self.addresses.clone(), tcp_ports, udp_ports, gre })
    }

    /// Says which ports and protocols are received.
    pub(crate) fn set_wanted(&mut self, wanted: TunnelPackets) -> std::io::Result<()> {
        let wanted = TunnelPackets { addresses: self.addresses.clone(), ..wanted };
        if self.wanted == wanted { Ok(()) } else { self.want(wanted) }
    }

    fn want(&mut self, wanted: TunnelPackets) -> std::io::Result<()> {
        self.wanted = wanted;
        let filter = Filter::tunnel_packets(&self.wanted);
        self.numbered().try_for_each(|(_, carrier)| carrier.socket.set_filter(&filter))
    }

    /// Says how packets to a remote leave, or that they do not.
    pub(crate) fn set_way(&mut self, remote: IpAddr, way: Option<Way>) {
        self.asked.remove(&remote);
        match way {
            Some(way) => self.ways.insert(remote, way),
            None => self.ways.remove(&remote),
        };
    }

    /// The headers towards a remote, from `local` or the way's own address, where the way is known.
    pub(crate) fn ready(
        &self,
        config: &TunnelConfig,
        remote: IpAddr,
        local: Option<IpAddr>,
    ) -> Option<Ready> {
        let way = self.ways.get(&remote)?;
        let slot = self.slot_of(&way.device)?;
        let local_mac = self.carriers[slot].as_ref()?.mac;
        let ends =
            Endpoints { local: local.unwrap_or(way.local), remote, local_mac, remote_mac: way.next_hop };
        let encap = self.senders.of(config.kind, config.gbp);
        let template = encap.template(&ends, &config.options(way.mtu)).ok()?;
        Some(Ready { template, slot })
    }

    /// Whether to ask for the way to a remote: not if that has been done a moment ago.
    pub(crate) fn may_ask(&mut self, remote: IpAddr) -> bool {
        let now = monotonic_ns();
        if self.asked.get(&remote).is_some_and(|again| now < *again) {
            return false;
        }
        if self.asked.len() >= MOST_ASKED {
            self.asked.clear();
        }
        self.asked.insert(remote, now + ASK_AGAIN_NS);
        true
    }

    /// Puts a frame into a tunnel and sends it; the name of the drop reason where it was lost.
    #[inline]
    pub(crate) fn send(
        &mut self,
        mut leaving: Leaving<'_>,
        frame: &mut FrameBuf,
        offload: &Offload,
        scratch: &mut FrameBuf,
    ) -> Result<(), &'static str> {
        let Self { carriers, capture, senders, frame_id, .. } = self;
        let (ready, config) = (leaving.ready, leaving.config);
        let Some(Some(carrier)) = carriers.get(ready.slot) else { return Err("no-next-hop") };
        let passage = leaving.passage(flow_hash(frame.bytes()), frame_id);
        let mut sent = Ok(());
        let mut emit = |outer: &[u8], offload: &Offload| {
            if let Some(capture) = capture.as_mut() {
                capture.write(outer);
            }
            let one = outcome(carrier.socket.send(outer, offload));
            sent = sent.and(one);
        };
        let encap = senders.of(config.kind, config.gbp);
        match encap.push(&ready.template, passage, frame, offload, scratch, &mut emit) {
            Ok(Pushed::Whole(offload)) => emit(frame.bytes(), &offload),
            Ok(Pushed::Cut(_)) => {}
            Err(reason) => return Err(reason.name()),
        }
        sent
    }
}
