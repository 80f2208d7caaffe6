//! What IPFIX exporters counted (Nicira's `NXST_IPFIX_BRIDGE` and `NXST_IPFIX_FLOW`, `ovs-ofctl(8)`).

use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};

/// What an exporter counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IpfixStats {
    /// Flows since the start.
    pub total_flows: u64,
    /// Flows now.
    pub current_flows: u64,
    /// Packets sampled.
    pub packets: u64,
    /// Of them, over IPv4.
    pub ipv4_packets: u64,
    /// Of them, over IPv6.
    pub ipv6_packets: u64,
    /// Packets that were no good.
    pub error_packets: u64,
    /// Of them, over IPv4.
    pub ipv4_error_packets: u64,
    /// Of them, over IPv6.
    pub ipv6_error_packets: u64,
    /// Messages sent to the collectors.
    pub sent_packets: u64,
    /// Messages that could not be sent.
    pub send_errors: u64,
    /// The collector set; 0 for the bridge's exporter.
    pub collector_set: u32,
}

impl IpfixStats {
    pub(super) fn parse(body: &mut Reader<'_>) -> Parsed<IpfixStats> {
        let stats = IpfixStats {
            total_flows: body.u64()?,
            current_flows: body.u64()?,
            packets: body.u64()?,
            ipv4_packets: body.u64()?,
            ipv6_packets: body.u64()?,
            error_packets: body.u64()?,
            ipv4_error_packets: body.u64()?,
            ipv6_error_packets: body.u64()?,
            sent_packets: body.u64()?,
            send_errors: body.u64()?,
            collector_set: body.u32()?,
        };
        body.skip(4)?;
        Ok(stats)
    }

    pub(super) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        for count in [
            self.total_flows,
            self.current_flows,
            self.packets,
            self.ipv4_packets,
            self.ipv6_packets,
            self.error_packets,
            self.ipv4_error_packets,
            self.ipv6_error_packets,
            self.sent_packets,
            self.send_errors,
        ] {
            out.u64(count);
        }
        out.u32(self.collector_set);
        out.zeros(4);
        Ok(())
    }
}
