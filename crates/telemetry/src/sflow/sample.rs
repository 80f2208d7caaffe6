//! A sampled packet: `flow_sample` and the records in it.

use super::{LONGEST_HEADER, Sflow};
use crate::packet::{Outputs, Packet, TunnelInfo};

const FLOW_SAMPLE: u32 = 1;
const RAW_HEADER: u32 = 1;
const ETHERNET: u32 = 1;
const EXTENDED_SWITCH: u32 = 1001;
const TUNNEL_INGRESS: u32 = 1024;
const VNI_INGRESS: u32 = 1030;
/// A check sequence that the frame had on the wire.
const CHECK_SEQUENCE: usize = 4;
/// `SFL_DSCLASS_PHYSICAL_ENTITY`: one sampler for the whole bridge.
const SOURCE_CLASS: u32 = 2 << 24;
const SOURCE_INDEX: u32 = 1000;

/// Where a sample wants what is known later.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    output: usize,
    target_vlan: usize,
}

/// The bytes of a sample with so many bytes of the packet, at most.
pub(super) fn most_len(header: usize) -> usize {
    let (sample, raw, switch, tunnel, vni) = (40, 24, 24, 40, 12);
    sample + raw + header.next_multiple_of(4) + switch + tunnel + vni
}

impl Sflow {
    pub(super) fn write_sample(&mut self, packet: &Packet<'_>) -> Places {
        let (sequence, pool, rate) = (self.sample_sequence, self.pool, self.sampler.rate());
        let (source, header_len) = (SOURCE_CLASS | SOURCE_INDEX, self.config.header_len);
        let out = &mut self.datagram;
        out.words([FLOW_SAMPLE, 0]);
        let start = out.len();
        out.words([sequence, source, rate, pool, 0, packet.in_ifindex]);
        let output = out.len();
        out.words([0, if packet.tunnel.is_some() { 4 } else { 2 }]);
        self.write_raw(packet.frame, header_len);
        let target_vlan = self.write_switch(packet.headers.vlan);
        if let Some(tunnel) = &packet.tunnel {
            self.write_tunnel(tunnel, packet);
        }
        let length = self.datagram.len() - start;
        self.datagram.set_u32(start - 4, length as u32);
        Places { output, target_vlan }
    }

    pub(super) fn write_outputs(&mut self, places: &Places, outputs: Outputs) {
        self.datagram.set_u32(places.output, outputs.sflow());
        if let Some(tag) = outputs.vlan() {
            self.datagram.set_u32(places.target_vlan, vlan_id(tag));
            self.datagram.set_u32(places.target_vlan + 4, priority(tag));
        }
    }

    fn write_raw(&mut self, frame: &[u8], header_len: usize) {
        let header = &frame[..frame.len().min(header_len).min(LONGEST_HEADER)];
        let padded = header.len().next_multiple_of(4);
        let out = &mut self.datagram;
        out.words([RAW_HEADER, (16 + padded) as u32, ETHERNET]);
        out.words([(frame.len() + CHECK_SEQUENCE) as u32, CHECK_SEQUENCE as u32, header.len() as u32]);
        out.put(header);
        out.zeros(padded - header.len());
    }

    /// Where the VLAN by which the packet leaves is to be written; it is the same unless something else is said.
    fn write_switch(&mut self, vlan: Option<u16>) -> usize {
        let tag = vlan.unwrap_or_default();
        let out = &mut self.datagram;
        out.words([EXTENDED_SWITCH, 16, vlan_id(tag), priority(tag)]);
        let target = out.len();
        out.words([vlan_id(tag), priority(tag)]);
        target
    }

    fn write_tunnel(&mut self, tunnel: &TunnelInfo, packet: &Packet<'_>) {
        let out = &mut self.datagram;
        out.words([TUNNEL_INGRESS, 32, packet.frame.len() as u32, u32::from(tunnel.protocol)]);
        out.put(&tunnel.src.octets());
        out.put(&tunnel.dst.octets());
        out.words([0, u32::from(tunnel.port), 0, 0]);
        out.words([VNI_INGRESS, 4, tunnel.id as u32]);
    }
}

fn vlan_id(tag: u16) -> u32 {
    u32::from(tag & 0xfff)
}

fn priority(tag: u16) -> u32 {
    u32::from(tag >> 13)
}
