//! What can be wrong with a message: the error types and codes of OpenFlow 1.3.5 section 7.5.4.

use thiserror::Error;

use crate::bytes::{Parsed, Put, Reader};
use crate::message::Message;

/// How much of a refused message its error quotes.
pub(crate) const QUOTED_LEN: usize = 64;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $kind:literal, $code:literal;)*) => {
        /// An error type and code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
            /// Any other type and code.
            Other(u16, u16),
        }

        impl ErrorCode {
            /// All codes with a name.
            pub const NAMED: &'static [ErrorCode] = &[$(ErrorCode::$name),*];

            /// Type and code on the wire.
            pub fn wire(self) -> (u16, u16) {
                match self {
                    $(ErrorCode::$name => ($kind, $code),)*
                    ErrorCode::Other(kind, code) => (kind, code),
                }
            }
        }
    };
}

codes! {
    /// No version in common (`OFPHFC_INCOMPATIBLE`).
    Incompatible = 0, 0;
    /// `OFPBRC_BAD_VERSION`.
    BadVersion = 1, 0;
    /// Unknown or unsupported message type (`OFPBRC_BAD_TYPE`).
    BadType = 1, 1;
    /// `OFPBRC_BAD_MULTIPART`.
    BadMultipart = 1, 2;
    /// `OFPBRC_BAD_EXPERIMENTER`.
    BadExperimenter = 1, 3;
    /// `OFPBRC_BAD_EXP_TYPE`.
    BadExperimenterType = 1, 4;
    /// `OFPBRC_EPERM`.
    RequestNotPermitted = 1, 5;
    /// `OFPBRC_BAD_LEN`.
    BadRequestLength = 1, 6;
    /// `OFPBRC_BUFFER_UNKNOWN`.
    BufferUnknown = 1, 8;
    /// `OFPBRC_BAD_TABLE_ID`.
    BadRequestTable = 1, 9;
    /// `OFPBRC_IS_SLAVE`: the controller's role forbids the request.
    RoleForbids = 1, 10;
    /// `OFPBRC_BAD_PORT`.
    BadPort = 1, 11;
    /// `OFPBRC_BAD_PACKET`.
    BadPacket = 1, 12;
    /// A multipart request in several messages (`OFPBRC_MULTIPART_BUFFER_OVERFLOW`).
    MultipartOverflow = 1, 13;
    /// `OFPBAC_BAD_TYPE`.
    BadActionType = 2, 0;
    /// `OFPBAC_BAD_LEN`.
    BadActionLength = 2, 1;
    /// `OFPBAC_BAD_EXPERIMENTER`.
    BadActionExperimenter = 2, 2;
    /// `OFPBAC_BAD_EXP_TYPE`.
    BadActionExperimenterType = 2, 3;
    /// `OFPBAC_BAD_OUT_PORT`.
    BadOutPort = 2, 4;
    /// `OFPBAC_BAD_ARGUMENT`.
    BadActionArgument = 2, 5;
    /// `OFPBAC_TOO_MANY`.
    TooManyActions = 2, 7;
    /// `OFPBAC_MATCH_INCONSISTENT`.
    MatchInconsistent = 2, 10;
    /// `OFPBAC_BAD_SET_TYPE`.
    BadSetType = 2, 13;
    /// `OFPBAC_BAD_SET_LEN`.
    BadSetLength = 2, 14;
    /// `OFPBAC_BAD_SET_ARGUMENT`.
    BadSetArgument = 2, 15;
    /// `OFPBIC_UNKNOWN_INST`.
    UnknownInstruction = 3, 0;
    /// `OFPBIC_UNSUP_INST`.
    UnsupportedInstruction = 3, 1;
    /// A goto that does not lead to a later table (`OFPBIC_BAD_TABLE_ID`).
    BadGotoTable = 3, 2;
    /// `OFPBIC_BAD_EXPERIMENTER`.
    BadInstructionExperimenter = 3, 5;
    /// `OFPBIC_BAD_LEN`.
    BadInstructionLength = 3, 7;
    /// `OFPBMC_BAD_TYPE`.
    BadMatchType = 4, 0;
    /// `OFPBMC_BAD_LEN`.
    BadMatchLength = 4, 1;
    /// A value bit outside the mask (`OFPBMC_BAD_WILDCARDS`).
    BadWildcards = 4, 5;
    /// `OFPBMC_BAD_FIELD`.
    BadField = 4, 6;
    /// `OFPBMC_BAD_VALUE`.
    BadValue = 4, 7;
    /// `OFPBMC_BAD_MASK`.
    BadMask = 4, 8;
    /// `OFPBMC_BAD_PREREQ`.
    BadPrerequisite = 4, 9;
    /// `OFPBMC_DUP_FIELD`.
    DuplicateField = 4, 10;
    /// `OFPFMFC_UNKNOWN`.
    FlowModFailed = 5, 0;
    /// `OFPFMFC_TABLE_FULL`.
    TableFull = 5, 1;
    /// `OFPFMFC_BAD_TABLE_ID`.
    BadFlowModTable = 5, 2;
    /// `OFPFMFC_OVERLAP`.
    Overlap = 5, 3;
    /// `OFPFMFC_BAD_COMMAND`.
    BadFlowModCommand = 5, 6;
    /// `OFPFMFC_BAD_FLAGS`.
    BadFlowModFlags = 5, 7;
    /// `OFPSCFC_BAD_FLAGS`.
    BadConfigFlags = 10, 0;
    /// `OFPRRFC_STALE`.
    StaleRole = 11, 0;
    /// `OFPRRFC_BAD_ROLE`.
    BadRole = 11, 2;
    /// Table features cannot be set (`OFPTFFC_EPERM`).
    TableFeaturesFixed = 13, 5;
}

impl ErrorCode {
    /// The code with this wire form.
    pub fn from_wire(kind: u16, code: u16) -> ErrorCode {
        let known = ErrorCode::NAMED.iter().find(|known| known.wire() == (kind, code));
        known.copied().unwrap_or(ErrorCode::Other(kind, code))
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, code) = self.wire();
        write!(f, "{self:?} (type {kind}, code {code})")
    }
}

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
        OfError { xid, code, offending: quote(message) }
    }

    /// The error message that answers the refused one.
    pub fn reply(&self) -> Message {
        Message::Error(ErrorReport { code: self.code, data: self.offending.clone() })
    }
}

fn quote(message: &[u8]) -> Vec<u8> {
    message[..message.len().min(QUOTED_LEN)].to_vec()
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
        let code = ErrorCode::from_wire(body.u16()?, body.u16()?);
        Ok(ErrorReport { code, data: body.rest().to_vec() })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        let (kind, code) = self.code.wire();
        out.u16(kind);
        out.u16(code);
        out.extend_from_slice(&self.data);
    }
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
}
