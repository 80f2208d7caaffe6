//! Counters of a port: `counters_sample` and the records in it.

use super::Sflow;

const COUNTERS_SAMPLE: u32 = 2;
const GENERIC_INTERFACE: u32 = 1;
const OPENFLOW_PORT: u32 = 1004;
const PORT_NAME: u32 = 1005;
const ETHERNET: u32 = 6;
const UNKNOWN: u32 = u32::MAX;
const LONGEST_NAME: usize = 255;

/// What is told of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortReport<'a> {
    /// Its index in the kernel.
    pub ifindex: u32,
    /// Its OpenFlow number.
    pub number: u32,
    /// The bridge that it is at.
    pub datapath_id: u64,
    /// Its name.
    pub name: &'a str,
    /// In bit/s; 0 is not known.
    pub speed_bps: u64,
    /// It is set up.
    pub is_up: bool,
    /// It has a link.
    pub has_link: bool,
    /// Packets received.
    pub rx_packets: u64,
    /// Their bytes.
    pub rx_bytes: u64,
    /// Packets lost on their way in.
    pub rx_dropped: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Their bytes.
    pub tx_bytes: u64,
    /// Packets that could not be sent.
    pub tx_dropped: u64,
}

fn name_of<'a>(report: &PortReport<'a>) -> &'a [u8] {
    let name = report.name.as_bytes();
    &name[..name.len().min(LONGEST_NAME)]
}

/// The bytes of a sample.
pub(super) fn most_len(report: &PortReport<'_>) -> usize {
    let (sample, interface, port, name) = (20, 96, 20, 12);
    sample + interface + port + name + name_of(report).len().next_multiple_of(4)
}

impl Sflow {
    pub(super) fn write_counters(&mut self, report: &PortReport<'_>) {
        self.counter_sequence = self.counter_sequence.wrapping_add(1);
        let sequence = self.counter_sequence;
        let out = &mut self.datagram;
        out.words([COUNTERS_SAMPLE, 0]);
        let start = out.len();
        out.words([sequence, report.ifindex & 0xff_ffff, 3]);
        self.write_interface(report);
        self.write_names(report);
        let length = self.datagram.len() - start;
        self.datagram.set_u32(start - 4, length as u32);
    }

    /// `if_counters`; kinds of packets are not told apart, and errors not counted.
    fn write_interface(&mut self, report: &PortReport<'_>) {
        let out = &mut self.datagram;
        out.words([GENERIC_INTERFACE, 88, report.ifindex, ETHERNET]);
        out.u64(report.speed_bps);
        let status = u32::from(report.is_up) | u32::from(report.has_link) << 1;
        out.words([1, status]);
        out.u64(report.rx_bytes);
        out.words([report.rx_packets as u32, UNKNOWN, UNKNOWN, report.rx_dropped as u32, 0, UNKNOWN]);
        out.u64(report.tx_bytes);
        out.words([report.tx_packets as u32, UNKNOWN, UNKNOWN, report.tx_dropped as u32, 0, 0]);
    }

    /// "sFlow OpenFlow Structures" (2014): which port of which bridge it is, and its name.
    fn write_names(&mut self, report: &PortReport<'_>) {
        let name = name_of(report);
        let padded = name.len().next_multiple_of(4);
        let out = &mut self.datagram;
        out.words([OPENFLOW_PORT, 12]);
        out.u64(report.datapath_id);
        out.words([report.number, PORT_NAME, (4 + padded) as u32, name.len() as u32]);
        out.put(name);
        out.zeros(padded - name.len());
    }
}
