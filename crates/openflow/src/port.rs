//! Ports: their description and changes of it (OpenFlow 1.3.5 sections 7.2.1 and 7.4.3).

use crate::bytes::{Parsed, Put, Reader};
use crate::error::ErrorCode;

const NAME_LEN: usize = 16;

/// A port's description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Port {
    /// OpenFlow port number.
    pub number: u32,
    /// MAC address.
    pub mac: [u8; 6],
    /// Name, at most 15 bytes.
    pub name: String,
    /// `OFPPC_*` bits.
    pub config: u32,
    /// `OFPPS_*` bits.
    pub state: u32,
    /// `OFPPF_*` bits in use.
    pub current: u32,
    /// `OFPPF_*` bits offered to the link's other end.
    pub advertised: u32,
    /// `OFPPF_*` bits that are possible.
    pub supported: u32,
    /// `OFPPF_*` bits that the link's other end offers.
    pub peer: u32,
    /// Present speed, in kbit/s.
    pub current_speed_kbps: u32,
    /// Highest speed, in kbit/s.
    pub max_speed_kbps: u32,
}

impl Port {
    /// Bit of `config`: the port is administratively down.
    pub const CONFIG_DOWN: u32 = 1;
    /// Bit of `state`: no link.
    pub const STATE_LINK_DOWN: u32 = 1;
    /// Bit of `state`: in use.
    pub const STATE_LIVE: u32 = 4;

    pub(crate) fn parse(body: &mut Reader<'_>) -> Parsed<Port> {
        let number = body.u32()?;
        body.skip(4)?;
        let mac = body.array()?;
        body.skip(2)?;
        Ok(Port {
            number,
            mac,
            name: body.text(NAME_LEN)?,
            config: body.u32()?,
            state: body.u32()?,
            current: body.u32()?,
            advertised: body.u32()?,
            supported: body.u32()?,
            peer: body.u32()?,
            current_speed_kbps: body.u32()?,
            max_speed_kbps: body.u32()?,
        })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        out.u32(self.number);
        out.zeros(4);
        out.extend_from_slice(&self.mac);
        out.zeros(2);
        out.text(&self.name, NAME_LEN);
        let features = [self.current, self.advertised, self.supported, self.peer];
        let speeds = [self.current_speed_kbps, self.max_speed_kbps];
        for value in [self.config, self.state].into_iter().chain(features).chain(speeds) {
            out.u32(value);
        }
    }
}

/// What happened to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortStatusReason {
    /// It is new.
    Added,
    /// It is gone.
    Deleted,
    /// Its description changed.
    Modified,
}

/// Tells a controller of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortStatus {
    /// What happened.
    pub reason: PortStatusReason,
    /// The port, as it is now or was last.
    pub port: Port,
}

impl PortStatus {
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<PortStatus> {
        let reason = match body.u8()? {
            0 => PortStatusReason::Added,
            1 => PortStatusReason::Deleted,
            2 => PortStatusReason::Modified,
            _ => return Err(ErrorCode::BadType),
        };
        body.skip(7)?;
        let port = Port::parse(&mut body)?;
        body.finish()?;
        Ok(PortStatus { reason, port })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        out.u8(self.reason as u8);
        out.zeros(7);
        self.port.emit(out);
    }
}
