//! NetFlow version 5: a record for each IPv4 flow.
//!
//! Source: "NetFlow Export Datagram Format", Cisco, version 5; what Open vSwitch puts into the fields that are left
//! to the exporter (interfaces, engine) as in `ovs-vswitchd.conf.db(5)`, table `NetFlow`.

use std::hash::{Hash, Hasher};

use crate::datagram::{Datagram, LONGEST};
use crate::flows::Flows;
use crate::headers::{Address, Transport};
use crate::moment::Clock;
use crate::packet::{Outputs, Packet};

/// A flow without packets for this long is over.
pub const IDLE_NS: u64 = 5_000_000_000;
/// The most flows that are known at once.
const MOST_FLOWS: usize = 65_536;
const HEADER_LEN: usize = 24;
const RECORD_LEN: usize = 48;
const MOST_RECORDS: u16 = ((LONGEST - HEADER_LEN) / RECORD_LEN) as u16;
/// A flow whose octets come near what a record can hold is told at once.
const MOST_OCTETS: u32 = u32::MAX - 0x2_0000;

/// What is set of an exporter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetflowConfig {
    /// A flow that goes on is told after this time; none waits until it ends.
    pub active_timeout_ns: Option<u64>,
    /// Type of the engine.
    pub engine_type: u8,
    /// Its number.
    pub engine_id: u8,
    /// Put the low 7 bits of the engine's number into the high ones of interface numbers.
    pub add_id_to_interface: bool,
}

/// What an exporter has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetflowCounts {
    /// Flows now.
    pub current_flows: usize,
    /// Records made.
    pub records: u64,
    /// Of them, of flows that had to give up their place.
    pub evicted: u64,
}

/// The exporter of one bridge.
#[derive(Debug)]
pub struct Netflow {
    config: NetflowConfig,
    clock: Clock,
    flows: Flows<Key, Flow>,
    datagram: Datagram,
    records: u16,
    sequence: u32,
    counts: NetflowCounts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    src: [u8; 4],
    dst: [u8; 4],
    src_port: u16,
    dst_port: u16,
    protocol: u8,
    tos: u8,
    in_port: u16,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let addresses = [u32::from_ne_bytes(self.src), u32::from_ne_bytes(self.dst)].map(u64::from);
        state.write_u64(addresses[0] << 32 | addresses[1]);
        let ports = u64::from(self.src_port) << 16 | u64::from(self.dst_port);
        let kind = u64::from(self.protocol) << 8 | u64::from(self.tos);
        state.write_u64(ports << 32 | kind << 16 | u64::from(self.in_port));
    }
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    packets: u32,
    octets: u32,
    first_ns: u64,
    last_ns: u64,
    tcp_flags: u8,
    output: u16,
}

impl Netflow {
    /// An exporter that knows of no flow; `seed` keeps tenants from aiming at one hash bucket.
    pub fn new(config: NetflowConfig, clock: Clock, seed: u64) -> Netflow {
        let (flows, datagram) = (Flows::new(MOST_FLOWS, seed), Datagram::new());
        Netflow { config, clock, flows, datagram, records: 0, sequence: 0, counts: NetflowCounts::default() }
    }

    /// What it has done.
    pub fn counts(&self) -> NetflowCounts {
        NetflowCounts { current_flows: self.flows.len(), ..self.counts }
    }

    /// Corrects the wall clock.
    pub fn set_epoch(&mut self, epoch_ns: u64) {
        self.clock.epoch_ns = epoch_ns;
    }

    /// Counts a packet; those that are not IPv4 have no place in this format.
    #[inline]
    pub fn packet(&mut self, packet: &Packet<'_>, outputs: Outputs, send: &mut impl FnMut(&[u8])) {
        let Some((key, length)) = key_of(packet) else { return };
        let (now_ns, output) = (packet.now_ns, outputs.netflow());
        let tcp_flags = packet.headers.tcp_flags;
        if let Some(flow) = self.flows.touch(&key, now_ns) {
            if flow.output == output && flow.octets < MOST_OCTETS && flow.packets < u32::MAX {
                flow.packets += 1;
                flow.octets += length;
                flow.last_ns = now_ns;
                flow.tcp_flags |= tcp_flags;
                return;
            }
            if let Some(flow) = self.flows.remove(&key) {
                self.record(&key, &flow, now_ns, send);
            }
        }
        self.make_place(now_ns, send);
        let flow = Flow { packets: 1, octets: length, first_ns: now_ns, last_ns: now_ns, tcp_flags, output };
        self.flows.insert(key, flow, now_ns);
    }

    /// Tells of flows whose time has come, and sends what waits.  To be called some times a second.
    pub fn tick(&mut self, now_ns: u64, send: &mut impl FnMut(&[u8])) {
        while let Some((key, flow)) = self.flows.pop_unused_since(now_ns.saturating_sub(IDLE_NS)) {
            self.record(&key, &flow, now_ns, send);
        }
        if let Some(timeout_ns) = self.config.active_timeout_ns {
            while let Some((key, flow)) = self.flows.pop_begun_until(now_ns.saturating_sub(timeout_ns)) {
                self.record(&key, &flow, now_ns, send);
            }
        }
        self.flush(now_ns, send);
    }

    /// Tells of all flows: the exporter goes, or its settings change.
    pub fn finish(&mut self, now_ns: u64, send: &mut impl FnMut(&[u8])) {
        while let Some((key, flow)) = self.flows.pop_oldest() {
            self.record(&key, &flow, now_ns, send);
        }
        self.flush(now_ns, send);
    }

    fn make_place(&mut self, now_ns: u64, send: &mut impl FnMut(&[u8])) {
        if self.flows.is_full()
            && let Some((key, flow)) = self.flows.pop_unused()
        {
            self.counts.evicted += 1;
            self.record(&key, &flow, now_ns, send);
        }
    }

    fn record(&mut self, key: &Key, flow: &Flow, now_ns: u64, send: &mut impl FnMut(&[u8])) {
        if self.records == 0 {
            self.datagram.zeros(HEADER_LEN);
        }
        let (input, output) = (self.interface(key.in_port), self.interface(flow.output));
        let out = &mut self.datagram;
        out.put(&key.src);
        out.put(&key.dst);
        out.u32(0);
        out.u16(input);
        out.u16(output);
        let [first, last] = [flow.first_ns, flow.last_ns].map(|time| self.clock.uptime_ms(time));
        out.words([flow.packets, flow.octets, first, last]);
        out.u16(key.src_port);
        out.u16(key.dst_port);
        out.put(&[0, flow.tcp_flags, key.protocol, key.tos]);
        out.zeros(8);
        self.records += 1;
        self.counts.records += 1;
        if self.records >= MOST_RECORDS {
            self.flush(now_ns, send);
        }
    }

    fn interface(&self, number: u16) -> u16 {
        if self.config.add_id_to_interface {
            u16::from(self.config.engine_id) << 9 | number & 0x1ff
        } else {
            number
        }
    }

    fn flush(&mut self, now_ns: u64, send: &mut impl FnMut(&[u8])) {
        if self.records == 0 {
            return;
        }
        let (seconds, nanoseconds) = self.clock.unix(now_ns);
        let out = &mut self.datagram;
        out.set_u16(0, 5);
        out.set_u16(2, self.records);
        out.set_u32(4, self.clock.uptime_ms(now_ns));
        out.set_u32(8, seconds);
        out.set_u32(12, nanoseconds);
        out.set_u32(16, self.sequence);
        out.set_u16(20, u16::from(self.config.engine_type) << 8 | u16::from(self.config.engine_id));
        send(out.bytes());
        self.sequence = self.sequence.wrapping_add(u32::from(self.records));
        self.records = 0;
        self.datagram.clear();
    }
}

/// The flow of an IPv4 packet, and the packet's length.  Type and code of ICMP stand in the place of the
/// destination port, as collectors expect them.
fn key_of(packet: &Packet<'_>) -> Option<(Key, u32)> {
    let ip = packet.headers.ip?;
    let (Address::V4(src), Address::V4(dst)) = (ip.src, ip.dst) else { return None };
    let (src_port, dst_port) = match packet.headers.transport {
        Transport::Ports(src, dst) => (src, dst),
        Transport::Icmp(kind, code) => (0, u16::from(kind) << 8 | u16::from(code)),
        Transport::None => (0, 0),
    };
    let in_port = packet.in_port as u16;
    let key = Key { src, dst, src_port, dst_port, protocol: ip.protocol, tos: ip.tos, in_port };
    Some((key, ip.length))
}
