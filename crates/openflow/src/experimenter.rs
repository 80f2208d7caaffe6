//! Experimenters' messages: Nicira's (`ovs-ofctl(8)`), and the ONF's extensions for OpenFlow 1.3.

use crate::async_config::AsyncConfig;
use crate::bundle::{BundleAdd, BundleControl, RequestForward};
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::ct_flush::CtFlush;
use crate::error::ErrorCode;
use crate::flow_mod::FlowMod;
use crate::flow_removed::FlowRemoved;
use crate::group::GroupMod;
use crate::match_v10;
use crate::message::{Message, Xid};
use crate::packet_in::{PacketIn, PacketInFormat};
use crate::role::{RoleState, RoleStatus};
use crate::tlv_table::{TlvTable, TlvTableMod};
use crate::version::{Dialect, Version};

/// Nicira's experimenter id.
pub(crate) const NICIRA: u32 = 0x0000_2320;
/// The Open Networking Foundation's experimenter id.
pub(crate) const ONF: u32 = 0x4f4e_4600;

/// Whose message, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nicira(u32),
    Onf(u32),
}

const ROLE_REQUEST: Kind = Kind::Nicira(10);
const ROLE_REPLY: Kind = Kind::Nicira(11);
const SET_FLOW_FORMAT: Kind = Kind::Nicira(12);
const FLOW_MOD: Kind = Kind::Nicira(13);
const FLOW_REMOVED: Kind = Kind::Nicira(14);
const FLOW_MOD_TABLE_ID: Kind = Kind::Nicira(15);
const SET_PACKET_IN_FORMAT: Kind = Kind::Nicira(16);
const PACKET_IN: Kind = Kind::Nicira(17);
const SET_ASYNC_CONFIG: Kind = Kind::Nicira(19);
const SET_CONTROLLER_ID: Kind = Kind::Nicira(20);
const FLOW_MONITOR_CANCEL: Kind = Kind::Nicira(21);
const FLOW_MONITOR_PAUSED: Kind = Kind::Nicira(22);
const FLOW_MONITOR_RESUMED: Kind = Kind::Nicira(23);
const TLV_TABLE_MOD: Kind = Kind::Nicira(24);
const TLV_TABLE_REQUEST: Kind = Kind::Nicira(25);
const TLV_TABLE_REPLY: Kind = Kind::Nicira(26);
const SET_ASYNC_CONFIG2: Kind = Kind::Nicira(27);
const RESUME: Kind = Kind::Nicira(28);
const CT_FLUSH_ZONE: Kind = Kind::Nicira(29);
const PACKET_IN2: Kind = Kind::Nicira(30);
const GROUP_MOD: Kind = Kind::Nicira(31);
const CT_FLUSH: Kind = Kind::Nicira(32);
const REQUEST_FORWARD: Kind = Kind::Nicira(132);

const ONF_FLOW_MONITOR_CANCEL: Kind = Kind::Onf(1870);
const ONF_FLOW_MONITOR_PAUSED: Kind = Kind::Onf(1871);
const ONF_FLOW_MONITOR_RESUMED: Kind = Kind::Onf(1872);
const ONF_ROLE_STATUS: Kind = Kind::Onf(1911);
const ONF_BUNDLE_CONTROL: Kind = Kind::Onf(2300);
const ONF_BUNDLE_ADD: Kind = Kind::Onf(2301);
const ONF_REQUEST_FORWARD: Kind = Kind::Onf(2350);

/// Formats of flows (`NXFF_*`): that of OpenFlow 1.0, and Nicira's.
const FLOW_FORMATS: [(u32, bool); 2] = [(0, false), (2, true)];

/// Parses the body of an experimenter's message.
pub(crate) fn parse(mut body: Reader<'_>, xid: Xid) -> Parsed<Message> {
    let experimenter = body.u32()?;
    if !matches!(experimenter, NICIRA | ONF) {
        return Err(ErrorCode::BadExperimenter);
    }
    let number = body.u32()?;
    match (experimenter, body.version()) {
        (NICIRA, Version::V10) => parse_nicira_v10(number, body),
        (NICIRA, _) => parse_nicira(Kind::Nicira(number), body),
        (_, Version::V13) => parse_onf(Kind::Onf(number), body, xid),
        _ => Err(ErrorCode::BadExperimenterType),
    }
}

/// What only OpenFlow 1.0 needs Nicira for.
fn parse_nicira_v10(number: u32, mut body: Reader<'_>) -> Parsed<Message> {
    Ok(match Kind::Nicira(number) {
        SET_FLOW_FORMAT => {
            let format = body.u32()?;
            body.finish()?;
            let known = FLOW_FORMATS.iter().find(|(number, _)| *number == format);
            Message::SetNiciraFlows(known.ok_or(ErrorCode::RequestNotPermitted)?.1)
        }
        FLOW_MOD => Message::FlowMod(FlowMod::parse_nicira(body)?),
        FLOW_REMOVED => Message::FlowRemoved(FlowRemoved::parse_nicira(body)?),
        FLOW_MOD_TABLE_ID => {
            let set = body.u8()?;
            body.skip(7)?;
            body.finish()?;
            Message::SetFlowModTableId(set != 0)
        }
        FLOW_MONITOR_CANCEL => Message::FlowMonitorCancel(parse_monitor(body)?),
        FLOW_MONITOR_PAUSED => empty(body, Message::FlowMonitorPaused)?,
        FLOW_MONITOR_RESUMED => empty(body, Message::FlowMonitorResumed)?,
        GROUP_MOD => Message::GroupMod(GroupMod::parse(body)?),
        REQUEST_FORWARD => Message::RequestForward(RequestForward::parse(body)?),
        kind => return parse_nicira(kind, body),
    })
}

fn empty(body: Reader<'_>, message: Message) -> Parsed<Message> {
    body.finish().map(|()| message)
}

fn parse_monitor(mut body: Reader<'_>) -> Parsed<u32> {
    let monitor = body.u32()?;
    body.finish()?;
    Ok(monitor)
}

/// Six zeros and a number of 16 bits.
fn parse_short(mut body: Reader<'_>) -> Parsed<u16> {
    if body.take(6)?.iter().any(|byte| *byte != 0) {
        return Err(ErrorCode::MustBeZero);
    }
    let value = body.u16()?;
    body.finish()?;
    Ok(value)
}

fn parse_nicira(kind: Kind, body: Reader<'_>) -> Parsed<Message> {
    Ok(match kind {
        ROLE_REQUEST => Message::RoleRequest(RoleState::parse_nicira(body)?),
        ROLE_REPLY => Message::RoleReply(RoleState::parse_nicira(body)?),
        SET_PACKET_IN_FORMAT => Message::SetPacketInFormat(PacketInFormat::parse(body)?),
        PACKET_IN => Message::PacketIn(PacketIn::parse_nicira(body)?),
        PACKET_IN2 => Message::PacketIn(PacketIn::parse_nicira2(body)?),
        RESUME => Message::Resume(PacketIn::parse_nicira2(body)?),
        SET_ASYNC_CONFIG => Message::SetAsync(AsyncConfig::parse_plain(body)?),
        SET_ASYNC_CONFIG2 => Message::SetAsync(AsyncConfig::parse_properties(body)?),
        SET_CONTROLLER_ID => Message::SetControllerId(parse_short(body)?),
        TLV_TABLE_MOD => Message::TlvTableMod(TlvTableMod::parse(body)?),
        TLV_TABLE_REQUEST => empty(body, Message::TlvTableRequest)?,
        TLV_TABLE_REPLY => Message::TlvTableReply(TlvTable::parse(body)?),
        CT_FLUSH_ZONE => Message::CtFlushZone(parse_short(body)?),
        CT_FLUSH => Message::CtFlush(CtFlush::parse(body)?),
        _ => return Err(ErrorCode::BadExperimenterType),
    })
}

fn parse_onf(kind: Kind, body: Reader<'_>, xid: Xid) -> Parsed<Message> {
    Ok(match kind {
        ONF_FLOW_MONITOR_CANCEL => Message::FlowMonitorCancel(parse_monitor(body)?),
        ONF_FLOW_MONITOR_PAUSED => empty(body, Message::FlowMonitorPaused)?,
        ONF_FLOW_MONITOR_RESUMED => empty(body, Message::FlowMonitorResumed)?,
        ONF_ROLE_STATUS => Message::RoleStatus(RoleStatus::parse(body)?),
        ONF_BUNDLE_CONTROL => Message::BundleControl(BundleControl::parse(body)?),
        ONF_BUNDLE_ADD => Message::BundleAdd(BundleAdd::parse(body, xid)?),
        ONF_REQUEST_FORWARD => Message::RequestForward(RequestForward::parse(body)?),
        _ => return Err(ErrorCode::BadExperimenterType),
    })
}

/// The experimenter's type that a message has in a dialect; none where it has one of the standard's, or no form.
pub(crate) fn kind_of(message: &Message, dialect: Dialect) -> Option<Kind> {
    let extended = |holds: bool| dialect.nicira_flows || !holds;
    let always = match message {
        Message::PacketIn(packet) => match packet.format {
            PacketInFormat::Standard => None,
            PacketInFormat::Nicira => Some(PACKET_IN),
            PacketInFormat::Nicira2 => Some(PACKET_IN2),
        },
        Message::SetPacketInFormat(_) => Some(SET_PACKET_IN_FORMAT),
        Message::Resume(_) => Some(RESUME),
        Message::SetControllerId(_) => Some(SET_CONTROLLER_ID),
        Message::TlvTableMod(_) => Some(TLV_TABLE_MOD),
        Message::TlvTableRequest => Some(TLV_TABLE_REQUEST),
        Message::TlvTableReply(_) => Some(TLV_TABLE_REPLY),
        Message::CtFlushZone(_) => Some(CT_FLUSH_ZONE),
        Message::CtFlush(_) => Some(CT_FLUSH),
        _ => None,
    };
    always.or_else(|| match dialect.version {
        Version::V10 => kind_v10(message, extended),
        Version::V13 => kind_v13(message),
        Version::V14 | Version::V15 => None,
    })
}

fn kind_v10(message: &Message, extended: impl Fn(bool) -> bool) -> Option<Kind> {
    match message {
        Message::FlowMod(change) if extended(!change.is_extended()) => Some(FLOW_MOD),
        Message::FlowRemoved(removed) if extended(match_v10::holds(&removed.matching)) => Some(FLOW_REMOVED),
        Message::RoleRequest(_) => Some(ROLE_REQUEST),
        Message::RoleReply(_) => Some(ROLE_REPLY),
        Message::GroupMod(_) => Some(GROUP_MOD),
        Message::SetAsync(config) if config.is_plain() => Some(SET_ASYNC_CONFIG),
        Message::SetAsync(_) => Some(SET_ASYNC_CONFIG2),
        Message::SetNiciraFlows(_) => Some(SET_FLOW_FORMAT),
        Message::SetFlowModTableId(_) => Some(FLOW_MOD_TABLE_ID),
        Message::RequestForward(_) => Some(REQUEST_FORWARD),
        Message::FlowMonitorCancel(_) => Some(FLOW_MONITOR_CANCEL),
        Message::FlowMonitorPaused => Some(FLOW_MONITOR_PAUSED),
        Message::FlowMonitorResumed => Some(FLOW_MONITOR_RESUMED),
        _ => None,
    }
}

fn kind_v13(message: &Message) -> Option<Kind> {
    match message {
        Message::SetAsync(config) if !config.is_plain() => Some(SET_ASYNC_CONFIG2),
        Message::RoleStatus(_) => Some(ONF_ROLE_STATUS),
        Message::BundleControl(_) => Some(ONF_BUNDLE_CONTROL),
        Message::BundleAdd(_) => Some(ONF_BUNDLE_ADD),
        Message::RequestForward(_) => Some(ONF_REQUEST_FORWARD),
        Message::FlowMonitorCancel(_) => Some(ONF_FLOW_MONITOR_CANCEL),
        Message::FlowMonitorPaused => Some(ONF_FLOW_MONITOR_PAUSED),
        Message::FlowMonitorResumed => Some(ONF_FLOW_MONITOR_RESUMED),
        _ => None,
    }
}

/// Emits the body of a message whose type is an experimenter's.
pub(crate) fn emit(kind: Kind, message: &Message, xid: Xid, out: &mut Writer<'_>) -> Emitted {
    let (experimenter, number) = match kind {
        Kind::Nicira(number) => (NICIRA, number),
        Kind::Onf(number) => (ONF, number),
    };
    out.u32(experimenter);
    out.u32(number);
    match message {
        Message::FlowMod(change) => return change.emit_nicira(out),
        Message::FlowRemoved(removed) => return removed.emit_nicira(out),
        Message::GroupMod(change) => return change.emit(out),
        Message::RoleRequest(role) | Message::RoleReply(role) => return role.emit(out),
        Message::RoleStatus(status) => return status.emit(out),
        Message::PacketIn(packet) if kind == PACKET_IN => return packet.emit_nicira(out),
        Message::PacketIn(packet) | Message::Resume(packet) => return packet.emit_nicira2(out),
        Message::BundleControl(control) => return control.emit(out),
        Message::BundleAdd(add) => return add.emit(xid, out),
        Message::RequestForward(forward) => return forward.emit(out),
        Message::SetAsync(config) if kind == SET_ASYNC_CONFIG => config.emit_plain(out),
        Message::SetAsync(config) => config.emit_properties(out),
        Message::SetPacketInFormat(format) => out.u32(*format as u32),
        Message::SetNiciraFlows(nicira) => out.u32(if *nicira { 2 } else { 0 }),
        Message::SetFlowModTableId(set) => {
            out.u8(u8::from(*set));
            out.zeros(7);
        }
        Message::SetControllerId(value) | Message::CtFlushZone(value) => {
            out.zeros(6);
            out.u16(*value);
        }
        Message::TlvTableMod(change) => change.emit(out),
        Message::TlvTableReply(table) => table.emit(out),
        Message::CtFlush(flush) => flush.emit(out),
        Message::FlowMonitorCancel(monitor) => out.u32(*monitor),
        _ => {}
    }
    Ok(())
}
