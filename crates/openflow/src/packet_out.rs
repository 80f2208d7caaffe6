//! A packet that the controller sends (OpenFlow 1.0 section 5.3.6, 1.3.5 section 7.3.7, 1.5.1 section 7.3.6).

use tulle_flow::{Action, Field, Match, port};

use crate::NO_BUFFER;
use crate::actions::{check_actions, emit_actions, parse_actions};
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::matching::{emit_match, parse_match};
use crate::port_number::{emit_port, is_out_of_range, parse_port};
use crate::version::Version;

/// A packet and what to do with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PacketOut {
    /// The packet kept in the switch, in place of `data`.
    pub buffer: Option<u32>,
    /// The port that it counts as coming from; may be `port::CONTROLLER`.
    pub in_port: u32,
    /// Metadata, registers and tunnel fields that it starts with; since OpenFlow 1.5.
    pub metadata: Match,
    /// What to do with it.
    pub actions: Vec<Action>,
    /// The packet.
    pub data: Vec<u8>,
}

impl PacketOut {
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<PacketOut> {
        let version = body.version();
        let buffer = Some(body.u32()?).filter(|buffer| *buffer != NO_BUFFER);
        let mut packet = PacketOut { buffer, ..PacketOut::default() };
        if version < Version::V15 {
            packet.in_port = parse_port(&mut body)?;
        }
        let actions_len = usize::from(body.u16()?);
        body.skip(match version {
            Version::V10 => 0,
            Version::V13 | Version::V14 => 6,
            Version::V15 => 2,
        })?;
        if version == Version::V15 {
            packet.metadata = parse_match(&mut body)?;
            packet.take_in_port()?;
        }
        packet.check_in_port()?;
        packet.actions = parse_actions(body.part(actions_len, ErrorCode::BadActionLength)?)?;
        check_actions(&packet.actions, None)?;
        packet.data = body.rest().to_vec();
        Ok(packet)
    }

    /// The match of OpenFlow 1.5 must name the ingress port, and may name only what is no header.
    fn take_in_port(&mut self) -> Parsed<()> {
        if self.metadata.fields().any(|(field, ..)| !field.is_metadata()) {
            return Err(ErrorCode::PipelineFieldsOnly);
        }
        let number = self.metadata.exact(Field::InPort).ok_or(ErrorCode::BadPort)?;
        self.in_port = number as u32;
        self.metadata.require(Field::InPort, 0, 0);
        Ok(())
    }

    fn check_in_port(&self) -> Parsed<()> {
        let reserved = self.in_port >= 0xffff_ff00;
        let may_be = matches!(self.in_port, port::LOCAL | port::CONTROLLER | port::NONE);
        if is_out_of_range(self.in_port) || (reserved && !may_be) { Err(ErrorCode::BadPort) } else { Ok(()) }
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        let version = out.version();
        out.u32(self.buffer.unwrap_or(NO_BUFFER));
        if version < Version::V15 {
            emit_port(self.in_port, out)?;
        }
        let at = out.len();
        out.zeros(match version {
            Version::V10 => 2,
            Version::V13 | Version::V14 => 8,
            Version::V15 => 4,
        });
        if version == Version::V15 {
            let mut fields = self.metadata;
            fields.require(Field::InPort, self.in_port.into(), u128::MAX);
            emit_match(&fields, out)?;
        }
        let start = out.len();
        emit_actions(&self.actions, out)?;
        out.set_length(at, start);
        out.extend_from_slice(&self.data);
        Ok(())
    }
}
