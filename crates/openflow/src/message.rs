//! Every message: which type it has, parse and emit.

use crate::bytes::{Parsed, Put, Reader};
use crate::error::{EmitError, ErrorCode, ErrorReport, OfError};
use crate::features::{Config, Features};
use crate::flow_mod::FlowMod;
use crate::flow_removed::FlowRemoved;
use crate::header::{HEADER_LEN, Header, VERSION};
use crate::hello::Hello;
use crate::multipart::{MultipartReply, MultipartRequest};
use crate::nicira::NICIRA;
use crate::packet_in::PacketIn;
use crate::packet_out::PacketOut;
use crate::port::PortStatus;
use crate::role::RoleState;

/// Transaction id: a reply bears that of its request.
pub type Xid = u32;

pub(crate) const HELLO: u8 = 0;
pub(crate) const ERROR: u8 = 1;
const ECHO_REQUEST: u8 = 2;
const ECHO_REPLY: u8 = 3;
const EXPERIMENTER: u8 = 4;
const FEATURES_REQUEST: u8 = 5;
const FEATURES_REPLY: u8 = 6;
const CONFIG_REQUEST: u8 = 7;
const CONFIG_REPLY: u8 = 8;
const SET_CONFIG: u8 = 9;
const PACKET_IN: u8 = 10;
const FLOW_REMOVED: u8 = 11;
const PORT_STATUS: u8 = 12;
const PACKET_OUT: u8 = 13;
const FLOW_MOD: u8 = 14;
const MULTIPART_REQUEST: u8 = 18;
pub(crate) const MULTIPART_REPLY: u8 = 19;
const BARRIER_REQUEST: u8 = 20;
const BARRIER_REPLY: u8 = 21;
const ROLE_REQUEST: u8 = 24;
const ROLE_REPLY: u8 = 25;

/// Nicira's request for a format of packet-in (`NXT_SET_PACKET_IN_FORMAT`).
const SET_PACKET_IN_FORMAT: u32 = 16;

/// A message, without its transaction id.
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
    PacketIn(PacketIn),
    FlowRemoved(FlowRemoved),
    PortStatus(PortStatus),
    PacketOut(PacketOut),
    FlowMod(FlowMod),
    MultipartRequest(MultipartRequest),
    /// One part of a reply when received (`more`: others follow); when emitted, a whole one of any size.
    MultipartReply {
        more: bool,
        reply: MultipartReply,
    },
    BarrierRequest,
    BarrierReply,
    RoleRequest(RoleState),
    RoleReply(RoleState),
    /// Asks for packet-in messages as OpenFlow 1.3 defines them.  Needs no answer; other formats are refused.
    UseStandardPacketIn,
}

impl Message {
    /// Parses exactly one message of OpenFlow 1.3.
    pub fn parse(bytes: &[u8]) -> Result<(Xid, Message), OfError> {
        let refuse = |code| OfError::new(code, bytes);
        let header = Header::parse(bytes).map_err(refuse)?;
        if usize::from(header.length) != bytes.len() {
            return Err(refuse(ErrorCode::BadRequestLength));
        }
        if header.version != VERSION && header.kind != HELLO {
            return Err(refuse(ErrorCode::BadVersion));
        }
        let body = Reader::new(&bytes[HEADER_LEN..], ErrorCode::BadRequestLength);
        let message = parse_body(header.kind, body).map_err(refuse)?;
        Ok((header.xid, message))
    }

    /// Appends the message; nothing is appended where it has no wire form.
    ///
    /// A reply longer than 65535 bytes becomes several messages, all with this `xid`.
    pub fn emit(&self, xid: Xid, out: &mut Vec<u8>) -> Result<(), EmitError> {
        let start = out.len();
        let emitted = match self {
            Message::MultipartReply { more, reply } => reply.emit(*more, xid, out),
            _ => self.emit_one(xid, out),
        };
        if emitted.is_err() {
            out.truncate(start);
        }
        emitted
    }

    fn emit_one(&self, xid: Xid, out: &mut Vec<u8>) -> Result<(), EmitError> {
        let start = out.len();
        Header { version: VERSION, kind: self.kind(), length: 0, xid }.emit(out);
        self.emit_body(out)?;
        let length = out.len() - start;
        if length > usize::from(u16::MAX) {
            return Err(EmitError::TooLong(length));
        }
        out.set_length(start + 2, start);
        Ok(())
    }

    fn kind(&self) -> u8 {
        match self {
            Message::Hello(_) => HELLO,
            Message::Error(_) => ERROR,
            Message::EchoRequest(_) => ECHO_REQUEST,
            Message::EchoReply(_) => ECHO_REPLY,
            Message::FeaturesRequest => FEATURES_REQUEST,
            Message::FeaturesReply(_) => FEATURES_REPLY,
            Message::ConfigRequest => CONFIG_REQUEST,
            Message::ConfigReply(_) => CONFIG_REPLY,
            Message::SetConfig(_) => SET_CONFIG,
            Message::PacketIn(_) => PACKET_IN,
            Message::FlowRemoved(_) => FLOW_REMOVED,
            Message::PortStatus(_) => PORT_STATUS,
            Message::PacketOut(_) => PACKET_OUT,
            Message::FlowMod(_) => FLOW_MOD,
            Message::MultipartRequest(_) => MULTIPART_REQUEST,
            Message::MultipartReply { .. } => MULTIPART_REPLY,
            Message::BarrierRequest => BARRIER_REQUEST,
            Message::BarrierReply => BARRIER_REPLY,
            Message::RoleRequest(_) => ROLE_REQUEST,
            Message::RoleReply(_) => ROLE_REPLY,
            Message::UseStandardPacketIn => EXPERIMENTER,
        }
    }

    fn emit_body(&self, out: &mut Vec<u8>) -> Result<(), EmitError> {
        match self {
            Message::Hello(hello) => hello.emit(out),
            Message::Error(report) => report.emit(out),
            Message::EchoRequest(data) | Message::EchoReply(data) => out.extend_from_slice(data),
            Message::FeaturesReply(features) => features.emit(out),
            Message::ConfigReply(config) | Message::SetConfig(config) => config.emit(out),
            Message::PacketIn(packet) => packet.emit(out),
            Message::FlowRemoved(removed) => removed.emit(out),
            Message::PortStatus(status) => status.emit(out),
            Message::PacketOut(packet) => return packet.emit(out),
            Message::FlowMod(flow_mod) => return flow_mod.emit(out),
            Message::MultipartRequest(request) => request.emit(out),
            Message::RoleRequest(role) | Message::RoleReply(role) => role.emit(out),
            Message::UseStandardPacketIn => {
                [NICIRA, SET_PACKET_IN_FORMAT, 0].into_iter().for_each(|word| out.u32(word));
            }
            Message::FeaturesRequest
            | Message::ConfigRequest
            | Message::BarrierRequest
            | Message::BarrierReply
            | Message::MultipartReply { .. } => {}
        }
        Ok(())
    }
}

fn parse_body(kind: u8, mut body: Reader<'_>) -> Parsed<Message> {
    Ok(match kind {
        HELLO => Message::Hello(Hello::parse(body)?),
        ERROR => Message::Error(ErrorReport::parse(body)?),
        ECHO_REQUEST => Message::EchoRequest(body.rest().to_vec()),
        ECHO_REPLY => Message::EchoReply(body.rest().to_vec()),
        EXPERIMENTER => parse_experimenter(body)?,
        FEATURES_REQUEST => empty(body, Message::FeaturesRequest)?,
        FEATURES_REPLY => Message::FeaturesReply(Features::parse(body)?),
        CONFIG_REQUEST => empty(body, Message::ConfigRequest)?,
        CONFIG_REPLY => Message::ConfigReply(Config::parse(body)?),
        SET_CONFIG => Message::SetConfig(Config::parse(body)?),
        PACKET_IN => Message::PacketIn(PacketIn::parse(body)?),
        FLOW_REMOVED => Message::FlowRemoved(FlowRemoved::parse(body)?),
        PORT_STATUS => Message::PortStatus(PortStatus::parse(body)?),
        PACKET_OUT => Message::PacketOut(PacketOut::parse(body)?),
        FLOW_MOD => Message::FlowMod(FlowMod::parse(body)?),
        MULTIPART_REQUEST => Message::MultipartRequest(MultipartRequest::parse(body)?),
        MULTIPART_REPLY => {
            let (reply, more) = MultipartReply::parse(body)?;
            Message::MultipartReply { more, reply }
        }
        BARRIER_REQUEST => empty(body, Message::BarrierRequest)?,
        BARRIER_REPLY => empty(body, Message::BarrierReply)?,
        ROLE_REQUEST => Message::RoleRequest(RoleState::parse(body)?),
        ROLE_REPLY => Message::RoleReply(RoleState::parse(body)?),
        _ => return Err(ErrorCode::BadType),
    })
}

fn empty(body: Reader<'_>, message: Message) -> Parsed<Message> {
    body.finish().map(|()| message)
}

fn parse_experimenter(mut body: Reader<'_>) -> Parsed<Message> {
    let (experimenter, kind) = (body.u32()?, body.u32()?);
    if experimenter != NICIRA {
        return Err(ErrorCode::BadExperimenter);
    }
    if kind != SET_PACKET_IN_FORMAT {
        return Err(ErrorCode::BadExperimenterType);
    }
    let format = body.u32()?;
    body.finish()?;
    if format == 0 { Ok(Message::UseStandardPacketIn) } else { Err(ErrorCode::RequestNotPermitted) }
}
