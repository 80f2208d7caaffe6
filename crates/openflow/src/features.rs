//! What a switch is, and how it treats packets (OpenFlow 1.0 section 5.3.1, 1.3.5 sections 7.3.1 and 7.3.2).

use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::port::Port;
use crate::version::Version;

/// A features reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// The switch's number; the lower 48 bits are by custom a MAC address.
    pub datapath_id: u64,
    /// How many packets it can buffer.
    pub buffers: u32,
    /// How many tables it has.
    pub tables: u8,
    /// 0 for the main connection; OpenFlow 1.0 has none.
    pub auxiliary_id: u8,
    /// `OFPC_*` bits.
    pub capabilities: u32,
    /// Bit n: has the action of type n; only OpenFlow 1.0 says it here.
    pub actions: u32,
    /// The ports; only OpenFlow 1.0 lists them here.
    pub ports: Vec<Port>,
}

impl Features {
    /// Reports statistics of flows, tables and ports (`OFPC_FLOW_STATS`, `OFPC_TABLE_STATS`, `OFPC_PORT_STATS`).
    pub const STATISTICS: u32 = 0b111;
    /// Reports statistics of groups (`OFPC_GROUP_STATS`; in OpenFlow 1.0 the bit means 802.1D).
    pub const GROUP_STATISTICS: u32 = 1 << 3;
    /// Reports statistics of queues (`OFPC_QUEUE_STATS`).
    pub const QUEUE_STATISTICS: u32 = 1 << 6;
    /// Matches addresses in ARP packets (`OFPC_ARP_MATCH_IP` of OpenFlow 1.0).
    pub const ARP_MATCH_IP: u32 = 1 << 7;
    /// Takes bundles (`OFPC_BUNDLES` of OpenFlow 1.4).
    pub const BUNDLES: u32 = 1 << 9;
    /// Monitors flows (`OFPC_FLOW_MONITORING` of OpenFlow 1.4).
    pub const FLOW_MONITORING: u32 = 1 << 10;

    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<Features> {
        let (datapath_id, buffers) = (body.u64()?, body.u32()?);
        let (tables, auxiliary_id) = (body.u8()?, body.u8()?);
        body.skip(2)?;
        let (capabilities, actions) = (body.u32()?, body.u32()?);
        let mut features = Features { datapath_id, buffers, tables, capabilities, ..Features::default() };
        if body.version() == Version::V10 {
            features.actions = actions;
            while !body.is_empty() {
                features.ports.push(Port::parse(&mut body)?);
            }
        } else {
            features.auxiliary_id = auxiliary_id;
        }
        body.finish()?;
        Ok(features)
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        let old = out.version() == Version::V10;
        out.u64(self.datapath_id);
        out.u32(self.buffers);
        out.u8(self.tables);
        out.u8(if old { 0 } else { self.auxiliary_id });
        out.zeros(2);
        out.u32(self.capabilities);
        out.u32(if old { self.actions } else { 0 });
        if old { self.ports.iter().try_for_each(|port| port.emit(out)) } else { Ok(()) }
    }
}

/// A switch's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How fragments are treated (`OFPC_FRAG_*`).
    pub flags: u16,
    /// Bytes of a packet that a table miss sends to the controller.
    pub miss_send_len: u16,
}

impl Default for Config {
    fn default() -> Self {
        Config { flags: 0, miss_send_len: 128 }
    }
}

impl Config {
    /// The bits of `flags` that tell how fragments are treated.
    pub const FRAGMENTS: u16 = 3;
    /// Fragments are matched as they are, ports as 0 (`OFPC_FRAG_NORMAL`).
    pub const FRAGMENTS_NORMAL: u16 = 0;
    /// Fragments are dropped (`OFPC_FRAG_DROP`).
    pub const FRAGMENTS_DROP: u16 = 1;
    /// Fragments are reassembled (`OFPC_FRAG_REASM`).
    pub const FRAGMENTS_REASSEMBLE: u16 = 2;
    /// First fragments are matched with their ports (`OFPC_FRAG_NX_MATCH` of Open vSwitch).
    pub const FRAGMENTS_NICIRA: u16 = 3;
    /// Packets with a used up TTL go to the controller (`OFPC_INVALID_TTL_TO_CONTROLLER`, OpenFlow 1.1 and 1.2 and,
    /// as an extension, 1.0).
    pub const INVALID_TTL_TO_CONTROLLER: u16 = 4;

    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<Config> {
        let config = Config { flags: body.u16()?, miss_send_len: body.u16()? };
        body.finish()?;
        Ok(config)
    }

    /// As [`parse`](Config::parse), for a request: flags without a meaning are refused.
    pub(crate) fn parse_request(body: Reader<'_>) -> Parsed<Config> {
        let known = match body.version() {
            Version::V10 => Config::FRAGMENTS | Config::INVALID_TTL_TO_CONTROLLER,
            _ => Config::FRAGMENTS,
        };
        let config = Config::parse(body)?;
        if config.flags & !known == 0 { Ok(config) } else { Err(ErrorCode::BadConfigFlags) }
    }

    pub(crate) fn emit(self, out: &mut Writer<'_>) {
        out.u16(self.flags);
        out.u16(self.miss_send_len);
    }
}
