//! sFlow version 5: samples of packets, and counters of ports.
//!
//! Source: "sFlow Version 5" (sflow.org, July 2004), and "sFlow Tunnel Structures" (2012) for what came out of a tunnel.

mod counters;
mod sample;

use std::net::IpAddr;

use crate::datagram::Datagram;
use crate::moment::Clock;
use crate::packet::{Outputs, Packet};
use crate::sampler::Sampler;
pub use counters::PortReport;

/// The most bytes of a packet that a sample may have; the rest of the datagram is for what is said about it.
pub(crate) const LONGEST_HEADER: usize = 1024;

/// What is set of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SflowConfig {
    /// By which address collectors know it.
    pub agent: IpAddr,
    /// Tells it from others of the same address.
    pub sub_agent: u32,
    /// One packet in so many is a sample.
    pub sampling: u32,
    /// How many bytes of the packet are told, 1024 at most.
    pub header_len: usize,
    /// How often counters are told; none is never.
    pub polling_ns: Option<u64>,
}

/// The agent of one bridge.
#[derive(Debug)]
pub struct Sflow {
    config: SflowConfig,
    clock: Clock,
    sampler: Sampler,
    /// Packets that could have been sampled.
    pool: u32,
    datagram: Datagram,
    samples: u32,
    sequence: u32,
    sample_sequence: u32,
    counter_sequence: u32,
    polled_ns: u64,
    /// Where the sample that is not complete wants its outputs.
    open: Option<sample::Places>,
}

impl Sflow {
    /// An agent that begins now; `seed` decides which packets are sampled.
    pub fn new(config: SflowConfig, clock: Clock, seed: u64) -> Sflow {
        Sflow {
            config,
            clock,
            sampler: Sampler::new(config.sampling, seed),
            pool: 0,
            datagram: Datagram::new(),
            samples: 0,
            sequence: 0,
            sample_sequence: 0,
            counter_sequence: 0,
            polled_ns: clock.start_ns,
            open: None,
        }
    }

    /// Corrects the wall clock.
    pub fn set_epoch(&mut self, epoch_ns: u64) {
        self.clock.epoch_ns = epoch_ns;
    }

    /// A packet came; true where it is to be sampled.
    #[inline]
    pub fn takes(&mut self) -> bool {
        self.pool = self.pool.wrapping_add(1);
        self.sampler.takes()
    }

    /// Begins a sample of a packet as it came in; [`complete`](Self::complete) says what became of it.
    pub fn sample(&mut self, packet: &Packet<'_>, send: &mut impl FnMut(&[u8])) {
        let room = sample::most_len(self.config.header_len.min(packet.frame.len()).min(LONGEST_HEADER));
        self.begin(room, packet.now_ns, send);
        self.sample_sequence = self.sample_sequence.wrapping_add(1);
        self.open = Some(self.write_sample(packet));
        self.samples += 1;
    }

    /// Says what became of the sampled packet.
    pub fn complete(&mut self, outputs: Outputs) {
        if let Some(places) = self.open.take() {
            self.write_outputs(&places, outputs);
        }
    }

    /// True where counters are due; then it is not for another period.
    pub fn is_polled(&mut self, now_ns: u64) -> bool {
        let is_due =
            self.config.polling_ns.is_some_and(|period| now_ns.saturating_sub(self.polled_ns) >= period);
        if is_due {
            self.polled_ns = now_ns;
        }
        is_due
    }

    /// Tells the counters of a port.
    pub fn port(&mut self, report: &PortReport<'_>, now_ns: u64, send: &mut impl FnMut(&[u8])) {
        self.begin(counters::most_len(report), now_ns, send);
        self.write_counters(report);
        self.samples += 1;
    }

    /// Sends what waits.  To be called some times a second.
    pub fn flush(&mut self, now_ns: u64, send: &mut impl FnMut(&[u8])) {
        if self.samples == 0 {
            return;
        }
        let (uptime, samples) = (self.clock.uptime_ms(now_ns), self.samples);
        let end = self.header_len();
        self.datagram.set_u32(end - 8, uptime);
        self.datagram.set_u32(end - 4, samples);
        send(self.datagram.bytes());
        self.sequence = self.sequence.wrapping_add(1);
        self.samples = 0;
        self.open = None;
        self.datagram.clear();
    }

    /// Makes room for one more sample of at most so many bytes.
    fn begin(&mut self, most: usize, now_ns: u64, send: &mut impl FnMut(&[u8])) {
        if most > self.datagram.room() {
            self.flush(now_ns, send);
        }
        if self.datagram.is_empty() {
            self.write_header();
        }
    }

    /// Time and number of samples are set when it is sent.
    fn write_header(&mut self) {
        let out = &mut self.datagram;
        out.u32(5);
        match self.config.agent {
            IpAddr::V4(address) => {
                out.u32(1);
                out.put(&address.octets());
            }
            IpAddr::V6(address) => {
                out.u32(2);
                out.put(&address.octets());
            }
        }
        out.words([self.config.sub_agent, self.sequence.wrapping_add(1), 0, 0]);
    }

    fn header_len(&self) -> usize {
        if self.config.agent.is_ipv4() { 28 } else { 40 }
    }
}
