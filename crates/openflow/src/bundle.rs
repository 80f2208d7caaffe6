//! Bundles: several changes that happen together (OpenFlow 1.4 section 7.3.9; 1.3 by the ONF's extension 230), and
//! requests that the switch forwards to other controllers (OpenFlow 1.4 section 7.4.6; extension 235).

use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::header::{HEADER_LEN, Header};
use crate::message::{self, Message, Xid};
use crate::property::refuse_properties;
use crate::version::Version;

/// Bits of a bundle's flags.
pub mod bundle_flags {
    /// All or nothing, and no packet sees half of it.
    pub const ATOMIC: u16 = 1;
    /// In the order in which the messages came.
    pub const ORDERED: u16 = 1 << 1;
}

/// What a bundle-control message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleControlKind {
    /// Open it.
    OpenRequest,
    /// It is open.
    OpenReply,
    /// Take no more messages.
    CloseRequest,
    /// It is closed.
    CloseReply,
    /// Do it all.
    CommitRequest,
    /// It is done.
    CommitReply,
    /// Forget it.
    DiscardRequest,
    /// It is forgotten.
    DiscardReply,
}

const KINDS: [BundleControlKind; 8] = [
    BundleControlKind::OpenRequest,
    BundleControlKind::OpenReply,
    BundleControlKind::CloseRequest,
    BundleControlKind::CloseReply,
    BundleControlKind::CommitRequest,
    BundleControlKind::CommitReply,
    BundleControlKind::DiscardRequest,
    BundleControlKind::DiscardReply,
];

/// Opens, closes, commits or discards a bundle, or says that it is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundleControl {
    /// The bundle.
    pub bundle: u32,
    /// What to do.
    pub kind: BundleControlKind,
    /// [`bundle_flags`].
    pub flags: u16,
}

impl BundleControl {
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<BundleControl> {
        let (bundle, kind, flags) = (body.u32()?, body.u16()?, body.u16()?);
        let kind = *KINDS.get(usize::from(kind)).ok_or(ErrorCode::BadBundleType)?;
        refuse_properties(body)?;
        Ok(BundleControl { bundle, kind, flags })
    }

    pub(crate) fn emit(self, out: &mut Writer<'_>) -> Emitted {
        if out.version() == Version::V10 {
            return out.lacks("a bundle");
        }
        out.u32(self.bundle);
        out.u16(self.kind as u16);
        out.u16(self.flags);
        Ok(())
    }
}

/// Puts a message into a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleAdd {
    /// The bundle.
    pub bundle: u32,
    /// [`bundle_flags`], as they were when the bundle was opened.
    pub flags: u16,
    /// The message; its transaction id is that of this one.
    pub message: Box<Message>,
}

impl BundleAdd {
    /// Parses the body of a message of transaction `xid`.
    pub(crate) fn parse(mut body: Reader<'_>, xid: Xid) -> Parsed<BundleAdd> {
        let bundle = body.u32()?;
        body.skip(2)?;
        let flags = body.u16()?;
        let mut body =
            body.blaming(ErrorCode::BundleMessageBadLength).nested(ErrorCode::BundleMessageUnsupported)?;
        let (header, content) = parse_inner(&mut body)?;
        if header.xid != xid {
            return Err(ErrorCode::BundleMessageBadXid);
        }
        let message = message::parse_body(header, content)?;
        // What follows would be properties; their place is not sure, as nobody pads alike, and there are none.
        if !may_be_bundled(&message) {
            return Err(ErrorCode::BundleMessageUnsupported);
        }
        Ok(BundleAdd { bundle, flags, message: Box::new(message) })
    }

    pub(crate) fn emit(&self, xid: Xid, out: &mut Writer<'_>) -> Emitted {
        if out.version() == Version::V10 {
            return out.lacks("a bundle");
        }
        out.u32(self.bundle);
        out.zeros(2);
        out.u16(self.flags);
        message::emit_one(&self.message, xid, out)
    }
}

/// Changes of flows, groups and ports, and packets.
fn may_be_bundled(message: &Message) -> bool {
    matches!(
        message,
        Message::FlowMod(_) | Message::GroupMod(_) | Message::PortMod(_) | Message::PacketOut(_)
    )
}

fn parse_inner<'a>(body: &mut Reader<'a>) -> Parsed<(Header, Reader<'a>)> {
    let mut head = *body;
    let header = Header::parse(head.take(HEADER_LEN)?)?;
    if header.version != body.version().wire() {
        return Err(ErrorCode::BundleMessageBadVersion);
    }
    let bad = ErrorCode::BundleMessageBadLength;
    let length = usize::from(header.length).checked_sub(HEADER_LEN).ok_or(bad)?;
    body.skip(HEADER_LEN)?;
    Ok((header, body.part(length, ErrorCode::BadRequestLength)?))
}

/// Tells a controller of another's change of a group or meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestForward {
    /// The other's transaction id.
    pub xid: Xid,
    /// The change.
    pub message: Box<Message>,
}

impl RequestForward {
    pub(crate) fn parse(body: Reader<'_>) -> Parsed<RequestForward> {
        let mut body = body.nested(ErrorCode::BadType)?;
        let (header, content) = parse_inner(&mut body)?;
        body.finish()?;
        let message = message::parse_body(header, content)?;
        match message {
            Message::GroupMod(_) | Message::MeterMod(_) => {
                Ok(RequestForward { xid: header.xid, message: Box::new(message) })
            }
            _ => Err(ErrorCode::BadType),
        }
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        message::emit_one(&self.message, self.xid, out)
    }
}
