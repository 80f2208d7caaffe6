//! A packet that the controller sends (OpenFlow 1.3.5 section 7.3.7).

use tulle_flow::Action;

use crate::NO_BUFFER;
use crate::actions::{emit_actions, parse_actions};
use crate::bytes::{Parsed, Put, Reader};
use crate::error::{EmitError, ErrorCode};

/// A packet and what to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketOut {
    /// The packet kept in the switch, in place of `data`.
    pub buffer: Option<u32>,
    /// The port that it counts as coming from; may be `port::CONTROLLER`.
    pub in_port: u32,
    /// What to do with it.
    pub actions: Vec<Action>,
    /// The packet.
    pub data: Vec<u8>,
}

impl PacketOut {
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<PacketOut> {
        let buffer = Some(body.u32()?).filter(|buffer| *buffer != NO_BUFFER);
        let in_port = body.u32()?;
        let actions_len = usize::from(body.u16()?);
        body.skip(6)?;
        let actions = parse_actions(body.part(actions_len, ErrorCode::BadActionLength)?)?;
        Ok(PacketOut { buffer, in_port, actions, data: body.rest().to_vec() })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) -> Result<(), EmitError> {
        out.u32(self.buffer.unwrap_or(NO_BUFFER));
        out.u32(self.in_port);
        let at = out.len();
        out.zeros(8);
        emit_actions(&self.actions, out)?;
        out.set_length(at, at + 8);
        out.extend_from_slice(&self.data);
        Ok(())
    }
}
