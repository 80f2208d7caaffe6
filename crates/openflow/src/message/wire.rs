//! The body of each message by its type, and each message's type.

use super::{Message, Xid, kind};
use crate::async_config::AsyncConfig;
use crate::bundle::{BundleAdd, BundleControl, RequestForward};
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::{EmitError, ErrorCode, ErrorReport};
use crate::experimenter;
use crate::features::{Config, Features};
use crate::flow_mod::FlowMod;
use crate::flow_removed::FlowRemoved;
use crate::group::GroupMod;
use crate::header::Header;
use crate::hello::Hello;
use crate::meter::MeterMod;
use crate::multipart::{MultipartReply, MultipartRequest};
use crate::packet_in::PacketIn;
use crate::packet_out::PacketOut;
use crate::port::{PortMod, PortStatus};
use crate::queue::{QueueConfig, emit_queue_request, parse_queue_request};
use crate::role::{RoleState, RoleStatus};
use crate::table_mod::{TableConfig, TableStatus};

/// Parses what follows a header.
pub(crate) fn parse_body(header: Header, mut body: Reader<'_>) -> Parsed<Message> {
    let number = kind::canonical(body.version(), header.kind).ok_or(ErrorCode::BadType)?;
    Ok(match number {
        kind::HELLO => Message::Hello(Hello::parse(body)?),
        kind::ERROR => Message::Error(ErrorReport::parse(body)?),
        kind::ECHO_REQUEST => Message::EchoRequest(body.rest().to_vec()),
        kind::ECHO_REPLY => Message::EchoReply(body.rest().to_vec()),
        kind::EXPERIMENTER => experimenter::parse(body, header.xid)?,
        kind::FEATURES_REQUEST => empty(body, Message::FeaturesRequest)?,
        kind::FEATURES_REPLY => Message::FeaturesReply(Features::parse(body)?),
        kind::CONFIG_REQUEST => empty(body, Message::ConfigRequest)?,
        kind::CONFIG_REPLY => Message::ConfigReply(Config::parse(body)?),
        kind::SET_CONFIG => Message::SetConfig(Config::parse_request(body)?),
        kind::PACKET_IN => Message::PacketIn(PacketIn::parse(body)?),
        kind::FLOW_REMOVED => Message::FlowRemoved(FlowRemoved::parse(body)?),
        kind::PORT_STATUS => Message::PortStatus(PortStatus::parse(body)?),
        kind::PACKET_OUT => Message::PacketOut(PacketOut::parse(body)?),
        kind::FLOW_MOD => Message::FlowMod(FlowMod::parse(body)?),
        kind::GROUP_MOD => Message::GroupMod(GroupMod::parse(body)?),
        kind::PORT_MOD => Message::PortMod(PortMod::parse(body)?),
        kind::TABLE_MOD => Message::TableMod(TableConfig::parse_request(body)?),
        kind::METER_MOD => Message::MeterMod(MeterMod::parse(body)?),
        kind::MULTIPART_REQUEST => {
            let (request, more) = MultipartRequest::parse(body)?;
            Message::MultipartRequest { more, request }
        }
        kind::MULTIPART_REPLY => {
            let (reply, more) = MultipartReply::parse(body)?;
            Message::MultipartReply { more, reply }
        }
        kind::BARRIER_REQUEST => empty(body, Message::BarrierRequest)?,
        kind::BARRIER_REPLY => empty(body, Message::BarrierReply)?,
        _ => return parse_rare(number, body, header.xid),
    })
}

fn parse_rare(number: u8, body: Reader<'_>, xid: Xid) -> Parsed<Message> {
    Ok(match number {
        kind::QUEUE_CONFIG_REQUEST => Message::QueueConfigRequest(parse_queue_request(body)?),
        kind::QUEUE_CONFIG_REPLY => Message::QueueConfigReply(QueueConfig::parse(body)?),
        kind::ROLE_REQUEST => Message::RoleRequest(RoleState::parse(body)?),
        kind::ROLE_REPLY => Message::RoleReply(RoleState::parse(body)?),
        kind::ROLE_STATUS => Message::RoleStatus(RoleStatus::parse(body)?),
        kind::TABLE_STATUS => Message::TableStatus(TableStatus::parse(body)?),
        kind::ASYNC_REQUEST => empty(body, Message::AsyncRequest)?,
        kind::ASYNC_REPLY => Message::AsyncReply(AsyncConfig::parse(body)?),
        kind::SET_ASYNC => Message::SetAsync(AsyncConfig::parse(body)?),
        kind::REQUEST_FORWARD => Message::RequestForward(RequestForward::parse(body)?),
        kind::BUNDLE_CONTROL => Message::BundleControl(BundleControl::parse(body)?),
        kind::BUNDLE_ADD => Message::BundleAdd(BundleAdd::parse(body, xid)?),
        _ => return Err(ErrorCode::BadType),
    })
}

pub(crate) fn empty(body: Reader<'_>, message: Message) -> Parsed<Message> {
    body.finish().map(|()| message)
}

/// Emits one message, with its header.  Replies in parts have a way of their own.
pub(crate) fn emit_one(message: &Message, xid: Xid, out: &mut Writer<'_>) -> Emitted {
    let start = out.len();
    let version = out.version();
    let experimenter = experimenter::kind_of(message, out.dialect());
    let standard = match experimenter {
        Some(_) => kind::EXPERIMENTER,
        None => kind_of(message),
    };
    let Some(number) = kind::number(version, standard) else { return out.lacks("this message") };
    Header { version: version.wire(), kind: number, length: 0, xid }.emit(out);
    match experimenter {
        Some(kind) => experimenter::emit(kind, message, xid, out)?,
        None => emit_body(message, xid, out)?,
    }
    let length = out.len() - start;
    if length > usize::from(u16::MAX) {
        return Err(EmitError::TooLong(length));
    }
    out.set_length(start + 2, start);
    Ok(())
}

/// The type of a message; 255, which no version has, for those that only experimenters have.
fn kind_of(message: &Message) -> u8 {
    match message {
        Message::Hello(_) => kind::HELLO,
        Message::Error(_) => kind::ERROR,
        Message::EchoRequest(_) => kind::ECHO_REQUEST,
        Message::EchoReply(_) => kind::ECHO_REPLY,
        Message::FeaturesRequest => kind::FEATURES_REQUEST,
        Message::FeaturesReply(_) => kind::FEATURES_REPLY,
        Message::ConfigRequest => kind::CONFIG_REQUEST,
        Message::ConfigReply(_) => kind::CONFIG_REPLY,
        Message::SetConfig(_) => kind::SET_CONFIG,
        Message::PacketIn(_) => kind::PACKET_IN,
        Message::FlowRemoved(_) => kind::FLOW_REMOVED,
        Message::PortStatus(_) => kind::PORT_STATUS,
        Message::PacketOut(_) => kind::PACKET_OUT,
        Message::FlowMod(_) => kind::FLOW_MOD,
        Message::GroupMod(_) => kind::GROUP_MOD,
        Message::PortMod(_) => kind::PORT_MOD,
        Message::TableMod(_) => kind::TABLE_MOD,
        Message::MeterMod(_) => kind::METER_MOD,
        Message::MultipartRequest { .. } => kind::MULTIPART_REQUEST,
        Message::MultipartReply { .. } => kind::MULTIPART_REPLY,
        Message::BarrierRequest => kind::BARRIER_REQUEST,
        Message::BarrierReply => kind::BARRIER_REPLY,
        Message::QueueConfigRequest(_) => kind::QUEUE_CONFIG_REQUEST,
        Message::QueueConfigReply(_) => kind::QUEUE_CONFIG_REPLY,
        Message::RoleRequest(_) => kind::ROLE_REQUEST,
        Message::RoleReply(_) => kind::ROLE_REPLY,
        Message::RoleStatus(_) => kind::ROLE_STATUS,
        Message::TableStatus(_) => kind::TABLE_STATUS,
        Message::AsyncRequest => kind::ASYNC_REQUEST,
        Message::AsyncReply(_) => kind::ASYNC_REPLY,
        Message::SetAsync(_) => kind::SET_ASYNC,
        Message::BundleControl(_) => kind::BUNDLE_CONTROL,
        Message::BundleAdd(_) => kind::BUNDLE_ADD,
        Message::RequestForward(_) => kind::REQUEST_FORWARD,
        _ => u8::MAX,
    }
}

fn emit_body(message: &Message, xid: Xid, out: &mut Writer<'_>) -> Emitted {
    match message {
        Message::Hello(hello) => hello.emit(out),
        Message::Error(report) => return report.emit(out),
        Message::EchoRequest(data) | Message::EchoReply(data) => out.extend_from_slice(data),
        Message::FeaturesReply(features) => return features.emit(out),
        Message::ConfigReply(config) | Message::SetConfig(config) => config.emit(out),
        Message::PacketIn(packet) => return packet.emit(out),
        Message::FlowRemoved(removed) => return removed.emit(out),
        Message::PortStatus(status) => return status.emit(out),
        Message::PacketOut(packet) => return packet.emit(out),
        Message::FlowMod(change) => return change.emit(out),
        Message::GroupMod(change) => return change.emit(out),
        Message::PortMod(change) => return change.emit(out),
        Message::TableMod(change) => return change.emit_request(out),
        Message::MeterMod(change) => return change.emit(out),
        Message::MultipartRequest { more, request } => return request.emit(*more, out),
        Message::QueueConfigRequest(port) => return emit_queue_request(*port, out),
        Message::QueueConfigReply(config) => return config.emit(out),
        Message::RoleRequest(role) | Message::RoleReply(role) => return role.emit(out),
        Message::RoleStatus(status) => return status.emit(out),
        Message::TableStatus(status) => return status.emit(out),
        Message::AsyncReply(config) | Message::SetAsync(config) => return config.emit(out),
        Message::BundleControl(control) => return control.emit(out),
        Message::BundleAdd(add) => return add.emit(xid, out),
        Message::RequestForward(forward) => return forward.emit(out),
        _ => {}
    }
    Ok(())
}
