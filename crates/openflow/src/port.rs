//! Ports: their description and changes of it (OpenFlow 1.0 section 5.2.1, 1.3.5 sections 7.2.1 and 7.4.3,
//! 1.4 section 7.2.2).

use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::port_number::{emit_port, emit_short_port, parse_port, parse_short_port};
use crate::property::{EXPERIMENTER, emit_property, emit_u32, next_property};
use crate::version::Version;

const NAME_LEN: usize = 16;
/// The property that holds what OpenFlow 1.3 has as fields; others (optical) are passed over.
const ETHERNET: u16 = 0;

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
    /// `OFPPF_*` bits in use, numbered as since OpenFlow 1.1.
    pub current: u32,
    /// `OFPPF_*` bits offered to the link's other end.
    pub advertised: u32,
    /// `OFPPF_*` bits that are possible.
    pub supported: u32,
    /// `OFPPF_*` bits that the link's other end offers.
    pub peer: u32,
    /// Present speed, in kbit/s; OpenFlow 1.0 has none.
    pub current_speed_kbps: u32,
    /// Highest speed, in kbit/s; OpenFlow 1.0 has none.
    pub max_speed_kbps: u32,
}

impl Port {
    /// Bit of `config`: the port is administratively down.
    pub const CONFIG_DOWN: u32 = 1;
    /// Bit of `config`: what the port receives is dropped.
    pub const CONFIG_NO_RECEIVE: u32 = 1 << 2;
    /// Bit of `config`: floods leave the port out (OpenFlow 1.0).
    pub const CONFIG_NO_FLOOD: u32 = 1 << 4;
    /// Bit of `config`: nothing is sent out of the port.
    pub const CONFIG_NO_FORWARD: u32 = 1 << 5;
    /// Bit of `config`: the port's packets make no packet-in messages.
    pub const CONFIG_NO_PACKET_IN: u32 = 1 << 6;
    /// Bit of `state`: no link.
    pub const STATE_LINK_DOWN: u32 = 1;
    /// Bit of `state`: in use.
    pub const STATE_LIVE: u32 = 4;

    pub(crate) fn parse(body: &mut Reader<'_>) -> Parsed<Port> {
        match body.version() {
            Version::V10 => Port::parse_v10(body),
            Version::V13 => Port::parse_v13(body),
            Version::V14 | Version::V15 => Port::parse_v14(body),
        }
    }

    fn parse_v10(body: &mut Reader<'_>) -> Parsed<Port> {
        Ok(Port {
            number: parse_short_port(body)?,
            mac: body.array()?,
            name: body.text(NAME_LEN)?,
            config: body.u32()?,
            state: body.u32()?,
            current: link_from_v10(body.u32()?),
            advertised: link_from_v10(body.u32()?),
            supported: link_from_v10(body.u32()?),
            peer: link_from_v10(body.u32()?),
            ..Port::default()
        })
    }

    fn parse_head(body: &mut Reader<'_>) -> Parsed<Port> {
        let mac = body.array()?;
        body.skip(2)?;
        let name = body.text(NAME_LEN)?;
        Ok(Port { mac, name, config: body.u32()?, state: body.u32()?, ..Port::default() })
    }

    fn parse_v13(body: &mut Reader<'_>) -> Parsed<Port> {
        let number = body.u32()?;
        body.skip(4)?;
        let mut port = Port { number, ..Port::parse_head(body)? };
        port.parse_link(body)?;
        Ok(port)
    }

    fn parse_link(&mut self, body: &mut Reader<'_>) -> Parsed<()> {
        self.current = body.u32()?;
        self.advertised = body.u32()?;
        self.supported = body.u32()?;
        self.peer = body.u32()?;
        self.current_speed_kbps = body.u32()?;
        self.max_speed_kbps = body.u32()?;
        Ok(())
    }

    fn parse_v14(body: &mut Reader<'_>) -> Parsed<Port> {
        let short = ErrorCode::BadRequestLength;
        let (number, length) = (body.u32()?, usize::from(body.u16()?));
        let mut entry = body.part(length.checked_sub(6).ok_or(short)?, short)?;
        entry.skip(2)?;
        let mut port = Port { number, ..Port::parse_head(&mut entry)? };
        while let Some(mut property) = next_property(&mut entry)? {
            if property.kind == ETHERNET {
                property.body.skip(4)?;
                port.parse_link(&mut property.body)?;
            }
        }
        Ok(port)
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        match out.version() {
            Version::V10 => self.emit_v10(out),
            Version::V13 => {
                out.u32(self.number);
                out.zeros(4);
                self.emit_head(out);
                self.emit_link(out);
                Ok(())
            }
            Version::V14 | Version::V15 => {
                self.emit_v14(out);
                Ok(())
            }
        }
    }

    fn emit_v10(&self, out: &mut Writer<'_>) -> Emitted {
        emit_short_port(self.number, out)?;
        out.extend_from_slice(&self.mac);
        out.text(&self.name, NAME_LEN);
        out.u32(self.config);
        out.u32(self.state & V10_STATES);
        let links = [self.current, self.advertised, self.supported, self.peer];
        links.into_iter().for_each(|link| out.u32(link_to_v10(link)));
        Ok(())
    }

    fn emit_head(&self, out: &mut Writer<'_>) {
        out.extend_from_slice(&self.mac);
        out.zeros(2);
        out.text(&self.name, NAME_LEN);
        out.u32(self.config);
        out.u32(self.state);
    }

    fn emit_link(&self, out: &mut Writer<'_>) {
        let links = [self.current, self.advertised, self.supported, self.peer];
        let speeds = [self.current_speed_kbps, self.max_speed_kbps];
        links.into_iter().chain(speeds).for_each(|value| out.u32(value));
    }

    fn emit_v14(&self, out: &mut Writer<'_>) {
        let start = out.len();
        out.u32(self.number);
        out.zeros(4);
        self.emit_head(out);
        emit_property(ETHERNET, out, |out| {
            out.zeros(4);
            self.emit_link(out);
        });
        out.set_length(start + 4, start);
    }
}

/// Link down, and the states of 802.1D: OpenFlow 1.0 does not say what is in use.
const V10_STATES: u32 = 0x301;

/// OpenFlow 1.0 has no 40 Gb/s, 100 Gb/s, 1 Tb/s and "other": what comes after them lies four bits lower.
fn link_from_v10(link: u32) -> u32 {
    (link & 0x7f) | ((link & 0xf80) << 4)
}

fn link_to_v10(link: u32) -> u32 {
    (link & 0x7f) | ((link >> 4) & 0xf80)
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
            _ => return Err(ErrorCode::BadReason),
        };
        body.skip(7)?;
        let port = Port::parse(&mut body)?;
        body.finish()?;
        Ok(PortStatus { reason, port })
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        out.u8(self.reason as u8);
        out.zeros(7);
        self.port.emit(out)
    }
}

/// Changes a port's configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortMod {
    /// The port.
    pub number: u32,
    /// Its MAC address, as a check.
    pub mac: [u8; 6],
    /// New `OFPPC_*` bits.
    pub config: u32,
    /// Which of them to change.
    pub mask: u32,
    /// New `OFPPF_*` bits to offer, numbered as since OpenFlow 1.1; 0 leaves them as they are.
    pub advertise: u32,
}

impl PortMod {
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<PortMod> {
        let version = body.version();
        let number = parse_port(&mut body)?;
        let old = version == Version::V10;
        body.skip(if old { 0 } else { 4 })?;
        let mac = body.array()?;
        body.skip(if old { 0 } else { 2 })?;
        let mut change =
            PortMod { number, mac, config: body.u32()?, mask: body.u32()?, ..PortMod::default() };
        if version >= Version::V14 {
            change.parse_properties(body)?;
            return Ok(change);
        }
        let advertise = body.u32()?;
        change.advertise = if old { link_from_v10(advertise) } else { advertise };
        body.skip(4)?;
        body.finish()?;
        Ok(change)
    }

    fn parse_properties(&mut self, mut body: Reader<'_>) -> Parsed<()> {
        while let Some(property) = next_property(&mut body)? {
            match property.kind {
                ETHERNET => self.advertise = property.u32()?,
                EXPERIMENTER => return Err(ErrorCode::BadPropertyExperimenter),
                _ => return Err(ErrorCode::BadPropertyType),
            }
        }
        Ok(())
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        let version = out.version();
        let old = version == Version::V10;
        emit_port(self.number, out)?;
        out.zeros(if old { 0 } else { 4 });
        out.extend_from_slice(&self.mac);
        out.zeros(if old { 0 } else { 2 });
        out.u32(self.config);
        out.u32(self.mask);
        if version >= Version::V14 {
            // Where it is left out, what the port offers stays as it is.
            if self.advertise != 0 {
                emit_u32(ETHERNET, self.advertise, out);
            }
            return Ok(());
        }
        out.u32(if old { link_to_v10(self.advertise) } else { self.advertise });
        out.zeros(4);
        Ok(())
    }
}
