//! What is wrong with a message that came, and the message that says so (OpenFlow 1.3.5 section 7.5.4).

use thiserror::Error;

use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
pub use crate::error_code::ErrorCode;
use crate::error_code::WireError;
use crate::experimenter::{NICIRA, ONF};
use crate::message::Message;
use crate::version::Version;

/// How much of a refused message its error quotes.
pub(crate) const QUOTED_LEN: usize = 64;

/// The type of experimenter errors (`OFPET_EXPERIMENTER`).
const EXPERIMENTER: u16 = 0xffff;
/// Nicira's type of errors in OpenFlow 1.0 (`NXET_VENDOR`), always with code 0.
const NICIRA_VENDOR: u16 = 0xb0c2;

/// Why some bytes are not a message that can be obeyed; carries all that its error reply needs.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("OpenFlow message {xid:#x} refused: {code}")]
pub struct OfError {
    /// The message's transaction id, 0 where it has none.
    pub xid: u32,
    /// What is wrong.
    pub code: ErrorCode,
    /// The start of the message, at most 64 bytes.
    pub offending: Vec<u8>,
}

impl OfError {
    pub(crate) fn new(code: ErrorCode, message: &[u8]) -> OfError {
        let xid = crate::header::Header::parse(message).map_or(0, |header| header.xid);
        OfError { xid, code, offending: message[..message.len().min(QUOTED_LEN)].to_vec() }
    }

    /// The error message that answers the refused one.
    pub fn reply(&self) -> Message {
        Message::Error(ErrorReport { code: self.code, data: self.offending.clone() })
    }
}

/// The body of an error message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorReport {
    /// What is wrong.
    pub code: ErrorCode,
    /// The start of the refused message, or text where a hello was refused.
    pub data: Vec<u8>,
}

impl ErrorReport {
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<ErrorReport> {
        let code = parse_code(&mut body)?;
        Ok(ErrorReport { code, data: body.rest().to_vec() })
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        match self.code.form(out.version()) {
            WireError::Standard(kind, code) => emit_words(&[kind, code], out),
            WireError::Nicira10(kind, code) => {
                emit_words(&[NICIRA_VENDOR, 0], out);
                out.u32(NICIRA);
                emit_words(&[kind, code], out);
            }
            WireError::Nicira(code) => emit_experimenter(code, NICIRA, out),
            WireError::Onf(code) => emit_experimenter(code, ONF, out),
            WireError::None => return out.lacks("this error"),
        }
        out.extend_from_slice(&self.data);
        Ok(())
    }
}

fn parse_code(body: &mut Reader<'_>) -> Parsed<ErrorCode> {
    let version = body.version();
    let (kind, code) = (body.u16()?, body.u16()?);
    match kind {
        NICIRA_VENDOR if version == Version::V10 => {
            let vendor = body.u32()?;
            let (kind, code) = (body.u16()?, body.u16()?);
            Ok(match vendor {
                NICIRA => ErrorCode::from_form(WireError::Nicira10(kind, code), version),
                _ => ErrorCode::OtherExperimenter(vendor, code),
            })
        }
        EXPERIMENTER if version > Version::V10 => Ok(match body.u32()? {
            NICIRA => ErrorCode::from_form(WireError::Nicira(code), version),
            ONF => ErrorCode::from_form(WireError::Onf(code), version),
            other => ErrorCode::OtherExperimenter(other, code),
        }),
        _ => Ok(ErrorCode::from_form(WireError::Standard(kind, code), version)),
    }
}

fn emit_words(words: &[u16], out: &mut Writer<'_>) {
    words.iter().for_each(|word| out.u16(*word));
}

fn emit_experimenter(code: u16, experimenter: u32, out: &mut Writer<'_>) {
    emit_words(&[EXPERIMENTER, code], out);
    out.u32(experimenter);
}

/// Why a message has no wire form.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum EmitError {
    /// Longer than 65535 bytes.
    #[error("the message takes {0} bytes, and OpenFlow allows 65535")]
    TooLong(usize),
    /// No header names these bits as one field (only the type of service, across DSCP and ECN).
    #[error("OpenFlow cannot name bits {offset}..{end} of {field} as one field", field = .0.field.name(), offset = .0.offset, end = .0.offset + .0.bits)]
    NoSuchSubField(tulle_flow::SubField),
    /// The version spoken cannot express something.
    #[error("OpenFlow {version} has no form for {what}")]
    NoForm {
        /// What.
        what: &'static str,
        /// The version.
        version: Version,
    },
}
