//! Every message: which type it has, parse and emit.

pub(crate) mod kind;
mod wire;

use crate::async_config::AsyncConfig;
use crate::bundle::{BundleAdd, BundleControl, RequestForward};
use crate::bytes::{Parsed, Reader, Writer};
use crate::ct_flush::CtFlush;
use crate::error::{EmitError, ErrorCode, ErrorReport, OfError};
use crate::features::{Config, Features};
use crate::flow_mod::FlowMod;
use crate::flow_removed::FlowRemoved;
use crate::group::GroupMod;
use crate::header::{HEADER_LEN, Header};
use crate::hello::Hello;
use crate::meter::MeterMod;
use crate::multipart::{MultipartReply, MultipartRequest};
use crate::packet_in::{PacketIn, PacketInFormat};
use crate::packet_out::PacketOut;
use crate::port::{PortMod, PortStatus};
use crate::queue::QueueConfig;
use crate::role::{RoleState, RoleStatus};
use crate::table_mod::{TableConfig, TableStatus};
use crate::tlv_table::{TlvTable, TlvTableMod};
use crate::version::{Dialect, Version};

pub(crate) use wire::{emit_one, parse_body};

/// Transaction id: a reply bears that of its request.
pub type Xid = u32;

/// A message of any version, without its transaction id.
#[allow(missing_docs)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Hello(Hello),
    Error(ErrorReport),
    EchoRequest(Vec<u8>),
    EchoReply(Vec<u8>),
    FeaturesRequest,
    FeaturesReply(Features),
    ConfigRequest,
    ConfigReply(Config),
    SetConfig(Config),
    /// In the form that its `format` names.
    PacketIn(PacketIn),
    FlowRemoved(FlowRemoved),
    PortStatus(PortStatus),
    PacketOut(PacketOut),
    FlowMod(FlowMod),
    GroupMod(GroupMod),
    PortMod(PortMod),
    TableMod(TableConfig),
    MeterMod(MeterMod),
    /// A whole request, or (`more`) a part of one whose rest follows; a [`Connection`](crate::Connection) joins them.
    MultipartRequest {
        more: bool,
        request: MultipartRequest,
    },
    /// One part of a reply when received (`more`: others follow); when emitted, a whole one of any size.
    MultipartReply {
        more: bool,
        reply: MultipartReply,
    },
    BarrierRequest,
    BarrierReply,
    /// Asks for the queues of a port; up to OpenFlow 1.3.
    QueueConfigRequest(u32),
    QueueConfigReply(QueueConfig),
    RoleRequest(RoleState),
    RoleReply(RoleState),
    RoleStatus(RoleStatus),
    TableStatus(TableStatus),
    AsyncRequest,
    AsyncReply(AsyncConfig),
    SetAsync(AsyncConfig),
    BundleControl(BundleControl),
    BundleAdd(BundleAdd),
    RequestForward(RequestForward),
    /// Which form packet-in messages shall have.
    SetPacketInFormat(PacketInFormat),
    /// OpenFlow 1.0: whether matches shall go in Nicira's form.
    SetNiciraFlows(bool),
    /// OpenFlow 1.0: whether flow mods name their table.
    SetFlowModTableId(bool),
    /// The connection's number, by which actions choose where packet-ins go.
    SetControllerId(u16),
    /// Lets a paused packet go on; holds what the packet-in held, changed or not.
    Resume(PacketIn),
    TlvTableMod(TlvTableMod),
    TlvTableRequest,
    TlvTableReply(TlvTable),
    /// Forgets the tracked connections of a zone.
    CtFlushZone(u16),
    CtFlush(CtFlush),
    /// Ends a flow monitor; before OpenFlow 1.4, which does it by [`FlowMonitor`](crate::FlowMonitor).
    FlowMonitorCancel(u32),
    /// No flow updates until further notice; before OpenFlow 1.4.
    FlowMonitorPaused,
    /// Flow updates go on; before OpenFlow 1.4.
    FlowMonitorResumed,
}

impl Message {
    /// Parses exactly one message of the version that its header names.
    pub fn parse(bytes: &[u8]) -> Result<(Xid, Message), OfError> {
        let refuse = |code| OfError::new(code, bytes);
        let header = Header::parse(bytes).map_err(refuse)?;
        let version = Version::from_wire(header.version);
        // Any version may greet: the highest one known is near enough to its form.
        let greets = header.kind == kind::HELLO;
        let version = version.or(greets.then_some(Version::V15)).ok_or(ErrorCode::BadVersion);
        parse_whole(header, bytes, version.map_err(refuse)?.into())
    }

    /// Parses exactly one message of this dialect; only a hello may be of another version.
    pub fn parse_as(dialect: Dialect, bytes: &[u8]) -> Result<(Xid, Message), OfError> {
        let refuse = |code| OfError::new(code, bytes);
        let header = Header::parse(bytes).map_err(refuse)?;
        if header.version != dialect.version.wire() && header.kind != kind::HELLO {
            return Err(refuse(ErrorCode::BadVersion));
        }
        parse_whole(header, bytes, dialect)
    }

    /// Appends the message; nothing is appended where it has no wire form.
    ///
    /// A reply longer than 65535 bytes becomes several messages, all with this `xid`.
    pub fn emit(&self, dialect: impl Into<Dialect>, xid: Xid, out: &mut Vec<u8>) -> Result<(), EmitError> {
        let (start, dialect) = (out.len(), dialect.into());
        let emitted = match self {
            Message::MultipartReply { more, reply } => reply.emit(*more, xid, dialect, out),
            _ => emit_one(self, xid, &mut Writer::new(out, dialect)),
        };
        if emitted.is_err() {
            out.truncate(start);
        }
        emitted
    }
}

fn parse_whole(header: Header, bytes: &[u8], dialect: Dialect) -> Result<(Xid, Message), OfError> {
    let refuse = |code| OfError::new(code, bytes);
    if usize::from(header.length) != bytes.len() {
        return Err(refuse(ErrorCode::BadRequestLength));
    }
    let body = Reader::new(&bytes[HEADER_LEN..], ErrorCode::BadRequestLength, dialect);
    let message: Parsed<Message> = parse_body(header, body);
    Ok((header.xid, message.map_err(refuse)?))
}

/// The number that a multipart reply has in a version.
pub(crate) fn multipart_reply_kind(version: Version) -> u8 {
    kind::number(version, kind::MULTIPART_REPLY).unwrap_or(kind::MULTIPART_REPLY)
}
