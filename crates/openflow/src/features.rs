//! What a switch is, and how it treats packets (OpenFlow 1.3.5 sections 7.3.1 and 7.3.2).

use crate::bytes::{Parsed, Put, Reader};

/// A features reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// The switch's number; the lower 48 bits are by custom a MAC address.
    pub datapath_id: u64,
    /// How many packets it can buffer.
    pub buffers: u32,
    /// How many tables it has.
    pub tables: u8,
    /// 0 for the main connection.
    pub auxiliary_id: u8,
    /// `OFPC_*` bits.
    pub capabilities: u32,
}

impl Features {
    /// Reports statistics of flows, tables and ports (`OFPC_FLOW_STATS`, `OFPC_TABLE_STATS`, `OFPC_PORT_STATS`).
    pub const STATISTICS: u32 = 0b111;

    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<Features> {
        let (datapath_id, buffers) = (body.u64()?, body.u32()?);
        let (tables, auxiliary_id) = (body.u8()?, body.u8()?);
        body.skip(2)?;
        let capabilities = body.u32()?;
        body.skip(4)?;
        body.finish()?;
        Ok(Features { datapath_id, buffers, tables, auxiliary_id, capabilities })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        out.u64(self.datapath_id);
        out.u32(self.buffers);
        out.u8(self.tables);
        out.u8(self.auxiliary_id);
        out.zeros(2);
        out.u32(self.capabilities);
        out.zeros(4);
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
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<Config> {
        let config = Config { flags: body.u16()?, miss_send_len: body.u16()? };
        body.finish()?;
        Ok(config)
    }

    pub(crate) fn emit(self, out: &mut Vec<u8>) {
        out.u16(self.flags);
        out.u16(self.miss_send_len);
    }
}
