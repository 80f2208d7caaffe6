//! The devices that carry tunnels, and the ways to remotes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tulle_encap::Endpoints;
use tulle_io::clock::monotonic_ns;
use tulle_io::{Device, Filter, PacketOptions, TunnelPackets};
use tulle_wire::Mac;

use super::kind::Senders;
use super::port::Ready;
use super::uncut::Uncut;
use super::{TunnelConfig, Uplink};
use crate::capture::SharedCapture;
use crate::error::SwitchError;

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
    /// One for each thread.
    pub uplinks: Vec<Arc<Uplink>>,
    /// Of all uplinks.
    pub uncut: Arc<Uncut>,
    mac: Mac,
}

impl Carrier {
    /// Opens a device in the network namespace of the calling thread, for so many threads of the switch; nothing is
    /// received yet, but by a socket that another process has opened.
    pub(crate) fn open(
        name: &str,
        capture: Arc<SharedCapture>,
        threads: usize,
        adopted: Option<OwnedFd>,
    ) -> Result<Carrier, SwitchError> {
        let wrap = |source| SwitchError::Device { name: name.to_owned(), source };
        let device = Device::open(name).map_err(wrap)?;
        if !device.is_ethernet().map_err(wrap)? {
            return Err(SwitchError::NotEthernet(name.to_owned()));
        }
        let mut options = PacketOptions::device(device.index());
        options.filter = Some(Filter::drop_everything());
        // Nothing is received by it, so there is nothing to take over from another process.
        let uncut = Uncut::to(name, device.index());
        let first = match adopted {
            Some(socket) => Uplink::adopt(socket, options, capture, Arc::clone(&uncut)),
            None => Uplink::open(options, capture, Arc::clone(&uncut)),
        };
        let mut uplinks = vec![Arc::new(first.map_err(wrap)?)];
        while uplinks.len() < threads {
            // One uplink does, too.
            let Ok(share) = uplinks[0].open_share(Filter::drop_everything()) else { break };
            uplinks.push(share);
        }
        let (ifindex, mac) = (device.index(), device.mac().map_err(wrap)?);
        Ok(Carrier { name: name.to_owned(), ifindex, uplinks, uncut, mac })
    }

    fn set_filter(&self, filter: &Filter) -> std::io::Result<()> {
        self.uplinks.iter().try_for_each(|uplink| uplink.socket.set_filter(filter))
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
    pub capture: Arc<SharedCapture>,
    ways: HashMap<IpAddr, Way>,
    wanted: TunnelPackets,
    senders: Senders,
    asked: HashMap<IpAddr, u64>,
}

impl Underlay {
    pub(crate) fn new() -> Underlay {
        Underlay {
            carriers: Vec::new(),
            capture: Arc::default(),
            ways: HashMap::new(),
            wanted: TunnelPackets::default(),
            senders: Senders::new(),
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
        carrier.set_filter(&self.filter())?;
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
        self.want(TunnelPackets { addresses, ..self.wanted.clone() })
    }

    /// Says which ports and protocols are received.
    pub(crate) fn set_wanted(&mut self, wanted: TunnelPackets) -> std::io::Result<()> {
        let wanted = TunnelPackets { addresses: self.wanted.addresses.clone(), ..wanted };
        if self.wanted == wanted { Ok(()) } else { self.want(wanted) }
    }

    /// Where it fails at one device, all receive what they did before, as far as possible.
    fn want(&mut self, wanted: TunnelPackets) -> std::io::Result<()> {
        let (before, filter) = (self.filter(), Filter::tunnel_packets(&wanted));
        let result = self.numbered().try_for_each(|(_, carrier)| carrier.set_filter(&filter));
        match result {
            Ok(()) => self.wanted = wanted,
            Err(_) => self.numbered().for_each(|(_, carrier)| drop(carrier.set_filter(&before))),
        }
        result
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
    ) -> Option<Arc<Ready>> {
        let way = self.ways.get(&remote)?;
        let slot = self.slot_of(&way.device)?;
        let local_mac = self.carriers[slot].as_ref()?.mac;
        let ends =
            Endpoints { local: local.unwrap_or(way.local), remote, local_mac, remote_mac: way.next_hop };
        let encap = self.senders.of(config.kind, config.gbp);
        let template = encap.template(&ends, &config.options(way.mtu)).ok()?;
        let longest = encap.longest_frame(&template);
        Some(Arc::new(Ready { config: config.clone(), template, slot, longest }))
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

    /// The uplink of a thread at a device; several share one where there are fewer.
    #[inline]
    pub(crate) fn uplink(&self, slot: usize, thread: usize) -> Option<&Arc<Uplink>> {
        let uplinks = &self.carriers.get(slot)?.as_ref()?.uplinks;
        uplinks.get(thread).or_else(|| uplinks.first())
    }

    /// What is received.
    pub(crate) fn filter(&self) -> Filter {
        Filter::tunnel_packets(&self.wanted)
    }

    /// Adds an uplink to a device, if it is still the same.
    pub(crate) fn add_uplink(&mut self, first: &Arc<Uplink>, uplink: Arc<Uplink>) -> std::io::Result<()> {
        let filter = self.filter();
        let is_same = |carrier: &&mut Carrier| Arc::ptr_eq(&carrier.uplinks[0], first);
        if let Some(carrier) = self.carriers.iter_mut().flatten().find(is_same) {
            // It may have changed since the uplink was opened.
            uplink.socket.set_filter(&filter)?;
            carrier.uplinks.push(uplink);
        }
        Ok(())
    }
}
