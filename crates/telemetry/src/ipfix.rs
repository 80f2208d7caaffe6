//! IPFIX: records of flows of any kind, with templates that say what is in them.
//!
//! Source: RFC 7011 (format), RFC 5102 and IANA's registry (elements), RFC 5103 is not used; which elements, as in
//! `ovs-vswitchd.conf.db(5)`, table `IPFIX`.

mod domains;
mod element;
mod message;
mod record;
mod shape;

use crate::flows::Flows;
use crate::headers::Address;
use crate::moment::Clock;
use crate::packet::{Packet, TunnelInfo};
use message::Message;
use record::{Flow, Key};

pub use record::Direction;

/// The most flows that are gathered at once, whatever is asked for.
const MOST_FLOWS: usize = 131_072;
/// Longer names are cut: a record must fit in a datagram with its template.
const LONGEST_NAME: usize = 254;

/// What is set of an exporter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpfixConfig {
    /// How long a flow's packets are gathered before it is told; with 0 each sample is told by itself.
    pub active_timeout_ns: u64,
    /// How many flows are gathered; with 0 each sample is told by itself.
    pub max_flows: u32,
    /// A name that stands in each record (`virtual_obs_id`); none where it is empty.
    pub virtual_observer: String,
}

/// Where a packet is observed, in the words of RFC 7011 section 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The domain.
    pub domain: u32,
    /// The point in it.
    pub point: u32,
    /// On which way the packet is.
    pub direction: Direction,
    /// The kernel's index of the port by which it leaves; 0 where that is not known.
    pub out_ifindex: u32,
}

/// What an exporter has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IpfixCounts {
    /// Flows that began.
    pub total_flows: u64,
    /// Flows that are gathered now.
    pub current_flows: u64,
    /// Packets that were sampled.
    pub packets: u64,
    /// Of them, of IPv4.
    pub ipv4_packets: u64,
    /// Of them, of IPv6.
    pub ipv6_packets: u64,
    /// Flows that had to give up their place.
    pub evicted: u64,
}

/// One exporter: of a bridge, or of a collector set.
#[derive(Debug)]
pub struct Ipfix {
    /// None where each sample is told by itself.
    flows: Option<Flows<Key, Flow>>,
    active_timeout_ns: u64,
    message: Message,
    counts: IpfixCounts,
}

impl Ipfix {
    /// An exporter that knows of no flow; `seed` keeps tenants from aiming at one hash bucket.
    pub fn new(config: &IpfixConfig, clock: Clock, seed: u64) -> Ipfix {
        let gathers = config.active_timeout_ns > 0 && config.max_flows > 0;
        let limit = (config.max_flows as usize).min(MOST_FLOWS);
        let name = config.virtual_observer.as_bytes();
        Ipfix {
            flows: gathers.then(|| Flows::new(limit, seed)),
            active_timeout_ns: config.active_timeout_ns,
            message: Message::new(clock, name[..name.len().min(LONGEST_NAME)].into()),
            counts: IpfixCounts::default(),
        }
    }

    /// What it has done.
    pub fn counts(&self) -> IpfixCounts {
        IpfixCounts { current_flows: self.flows.as_ref().map_or(0, Flows::len) as u64, ..self.counts }
    }

    /// Corrects the wall clock.
    pub fn set_epoch(&mut self, epoch_ns: u64) {
        self.message.set_epoch(epoch_ns);
    }

    /// Counts a sampled packet; `tunnel` is the one by which it came or goes.
    pub fn packet(
        &mut self,
        packet: &Packet<'_>,
        tunnel: Option<TunnelInfo>,
        at: &Observation,
        send: &mut impl FnMut(&[u8]),
    ) {
        self.count(packet);
        let (key, flow) = (Key::new(packet, tunnel, at), Flow::new(packet));
        let Some(flows) = &mut self.flows else {
            self.counts.total_flows += 1;
            return self.message.record(&key, &flow, record::FORCED_END, packet.now_ns, send);
        };
        if let Some(known) = flows.touch(&key, packet.now_ns) {
            return known.add(&flow);
        }
        self.counts.total_flows += 1;
        if flows.is_full()
            && let Some((old_key, old)) = flows.pop_oldest()
        {
            self.counts.evicted += 1;
            self.message.record(&old_key, &old, record::LACK_OF_RESOURCES, packet.now_ns, send);
        }
        flows.insert(key, flow, packet.now_ns);
    }

    /// Tells of flows whose time has come, and sends what waits.  To be called some times a second.
    pub fn tick(&mut self, now_ns: u64, send: &mut impl FnMut(&[u8])) {
        let until = now_ns.saturating_sub(self.active_timeout_ns);
        while let Some((key, flow)) = self.flows.as_mut().and_then(|flows| flows.pop_begun_until(until)) {
            self.message.record(&key, &flow, record::ACTIVE_TIMEOUT, now_ns, send);
        }
        self.message.flush(now_ns, send);
    }

    /// Tells of all flows: the exporter goes, or its settings change.
    pub fn finish(&mut self, now_ns: u64, send: &mut impl FnMut(&[u8])) {
        while let Some((key, flow)) = self.flows.as_mut().and_then(Flows::pop_oldest) {
            self.message.record(&key, &flow, record::FORCED_END, now_ns, send);
        }
        self.message.flush(now_ns, send);
    }

    fn count(&mut self, packet: &Packet<'_>) {
        self.counts.packets += 1;
        match packet.headers.ip.map(|ip| ip.src) {
            Some(Address::V4(_)) => self.counts.ipv4_packets += 1,
            Some(Address::V6(_)) => self.counts.ipv6_packets += 1,
            None => {}
        }
    }
}
