//! The switch's side of one OpenFlow connection: what each message does.
//!
//! Bytes in, bytes out; whoever owns the socket moves them.  Changes are applied on the engine's thread,
//! a run of flow modifications as one job, in order, before the next message is looked at.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tulle_datapath as datapath;
use tulle_flow::{Field, Match};
use tulle_openflow::{
    Config, Connection, ErrorCode, Event, Features, FlowMod, FlowModCommand, FlowRemoved, Message,
    MultipartRequest, PacketIn, PacketInReason, PacketOut, RemovedReason, TABLE_ALL, Xid, flow_mod_flags,
};

use crate::engine::Engine;
use crate::job::Desk;
use crate::packet_in::{PacketInQueue, QueuedPacketIn, take};
use crate::report::report;

/// Tables that the datapath has.
pub(crate) const TABLES: u8 = 254;

/// Bytes of replies that may wait before the next request is looked at.
const MOST_OUTGOING: usize = 1 << 20;

/// One connection of a controller to the switch.
#[derive(Debug)]
pub struct SwitchSession {
    connection: Connection,
    desk: Desk,
    queue: PacketInQueue,
    datapath_id: u64,
    miss_send_len: u16,
    changes: Vec<(Xid, FlowMod)>,
    /// Messages that wait until the replies before them have been taken.
    waiting: VecDeque<Event>,
    closed: bool,
}

impl SwitchSession {
    pub(crate) fn new(desk: Desk, datapath_id: u64) -> SwitchSession {
        let queue: PacketInQueue = Arc::new(Mutex::new(VecDeque::new()));
        let registered = Arc::clone(&queue);
        let closed = desk.call(move |engine| engine.wires.sessions.push(registered)).is_err();
        let connection = Connection::new();
        SwitchSession {
            connection,
            desk,
            queue,
            datapath_id,
            miss_send_len: 0xffff,
            changes: Vec::new(),
            waiting: VecDeque::new(),
            closed,
        }
    }

    /// Takes what came from the controller and does it, but for what waits until replies have been taken.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.waiting.extend(self.connection.receive(bytes));
        self.work();
    }

    /// A short request may have a long reply: no more of them than fit are answered at a time.
    fn work(&mut self) {
        while self.connection.outgoing_len() < MOST_OUTGOING {
            let Some(event) = self.waiting.pop_front() else { break };
            match event {
                Event::MessageReceived { xid, message } => self.obey(xid, message),
                Event::Closed { .. } => self.closed = true,
                Event::Negotiated { .. } | Event::MessageRefused { .. } => {}
            }
        }
        self.apply_changes();
    }

    /// What is to be sent now: replies, and packet-ins that were queued meanwhile.  To be called until it
    /// gives nothing, before more is received.
    pub fn outgoing(&mut self) -> Vec<u8> {
        self.work();
        for packet in take(&self.queue) {
            if self.connection.is_open() {
                let _ = self.connection.notify(&Message::PacketIn(packet_in(&packet)));
            }
        }
        self.connection.outgoing()
    }

    /// True when the connection is over: the socket is to be closed once `outgoing` is sent.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Ends the session; packet-ins no longer reach it.
    pub fn close(&mut self) {
        let queue = Arc::clone(&self.queue);
        let _ = self
            .desk
            .call(move |engine| engine.wires.sessions.retain(|session| !Arc::ptr_eq(session, &queue)));
        self.closed = true;
    }

    fn obey(&mut self, xid: Xid, message: Message) {
        if let Message::FlowMod(change) = message {
            self.changes.push((xid, change));
            return;
        }
        self.apply_changes();
        match &message {
            Message::FeaturesRequest => self.reply(xid, Message::FeaturesReply(self.features())),
            Message::ConfigRequest => {
                let config = Config { flags: 0, miss_send_len: self.miss_send_len };
                self.reply(xid, Message::ConfigReply(config));
            }
            Message::SetConfig(config) => self.miss_send_len = config.miss_send_len,
            Message::BarrierRequest => self.reply(xid, Message::BarrierReply),
            Message::RoleRequest(role) => self.reply(xid, Message::RoleReply(*role)),
            Message::PacketOut(packet) => self.send_packet(xid, packet, &message),
            Message::MultipartRequest(request) => self.report(xid, request),
            Message::UseStandardPacketIn | Message::EchoReply(_) | Message::Error(_) => {}
            _ => self.refuse(xid, &message, ErrorCode::BadType),
        }
    }

    fn features(&self) -> Features {
        Features {
            datapath_id: self.datapath_id,
            buffers: 0,
            tables: TABLES,
            auxiliary_id: 0,
            capabilities: Features::STATISTICS,
        }
    }

    fn reply(&mut self, xid: Xid, message: Message) {
        // What has no wire form would be our own mistake; the connection stays usable without it.
        let emitted = self.connection.reply(xid, &message);
        debug_assert!(emitted.is_ok(), "{message:?}: {emitted:?}");
    }

    fn refuse(&mut self, xid: Xid, request: &Message, code: ErrorCode) {
        let _ = self.connection.refuse(xid, request, code);
    }

    /// Applies the flow modifications that have gathered, as one job.
    fn apply_changes(&mut self) {
        if self.changes.is_empty() {
            return;
        }
        let changes = std::mem::take(&mut self.changes);
        let job = move |engine: &mut Engine| -> Vec<(Xid, FlowMod, Applied)> {
            let now = tulle_io::clock::monotonic_ns();
            let apply = |(xid, change): (Xid, FlowMod)| {
                let applied = apply(engine, &change, now);
                (xid, change, applied)
            };
            changes.into_iter().map(apply).collect()
        };
        match self.desk.call(job) {
            Ok(results) => {
                results.into_iter().for_each(|(xid, change, applied)| self.answer(xid, change, applied))
            }
            Err(_) => self.closed = true,
        }
    }

    fn answer(&mut self, xid: Xid, change: FlowMod, applied: Applied) {
        match applied {
            Ok(removed) => {
                for flow in removed.into_iter().filter(|flow| flow.notify) {
                    let _ = self.connection.notify(&Message::FlowRemoved(flow_removed(flow)));
                }
            }
            Err(code) => self.refuse(xid, &Message::FlowMod(change), code),
        }
    }

    fn send_packet(&mut self, xid: Xid, packet: &PacketOut, request: &Message) {
        if packet.buffer.is_some() {
            return self.refuse(xid, request, ErrorCode::BufferUnknown);
        }
        let packet = packet.clone();
        if self
            .desk
            .call(move |engine| engine.send_packet(packet.in_port, &packet.actions, &packet.data))
            .is_err()
        {
            self.closed = true;
        }
    }

    fn report(&mut self, xid: Xid, request: &MultipartRequest) {
        let request = request.clone();
        match self.desk.call(move |engine| report(engine, &request)) {
            Ok(reply) => self.reply(xid, Message::MultipartReply { more: false, reply }),
            Err(_) => self.closed = true,
        }
    }
}

impl Drop for SwitchSession {
    /// A session that nobody closed must not go on gathering packet-ins.
    fn drop(&mut self) {
        self.close();
    }
}

type Applied = Result<Vec<datapath::FlowRemoved>, ErrorCode>;

fn apply(engine: &mut Engine, change: &FlowMod, now: u64) -> Applied {
    if change.buffer.is_some() {
        return Err(ErrorCode::BufferUnknown);
    }
    engine.datapath.flow_mod(&change_of(change), now).map_err(|error| error_code(&error))
}

fn change_of(change: &FlowMod) -> datapath::FlowMod {
    datapath::FlowMod {
        command: match change.command {
            FlowModCommand::Add => datapath::Command::Add,
            FlowModCommand::Modify => datapath::Command::Modify,
            FlowModCommand::ModifyStrict => datapath::Command::ModifyStrict,
            FlowModCommand::Delete => datapath::Command::Delete,
            FlowModCommand::DeleteStrict => datapath::Command::DeleteStrict,
        },
        flow: change.flow.clone(),
        all_tables: change.flow.table == TABLE_ALL && change.command.deletes(),
        cookie_mask: change.cookie_mask,
        out_port: change.out_port,
        notify_removal: change.flags & flow_mod_flags::SEND_FLOW_REMOVED != 0,
        check_overlap: change.flags & flow_mod_flags::CHECK_OVERLAP != 0,
        reset_counts: change.flags & flow_mod_flags::RESET_COUNTS != 0,
        no_packet_counts: change.flags & flow_mod_flags::NO_PACKET_COUNTS != 0,
        no_byte_counts: change.flags & flow_mod_flags::NO_BYTE_COUNTS != 0,
        out_group: change.out_group,
        ..datapath::FlowMod::default()
    }
}

fn error_code(error: &datapath::FlowModError) -> ErrorCode {
    match error {
        datapath::FlowModError::TableFull { .. } => ErrorCode::TableFull,
        datapath::FlowModError::BadTable(_) => ErrorCode::BadFlowModTable,
        datapath::FlowModError::Overlap => ErrorCode::Overlap,
        datapath::FlowModError::ReadOnlyField(_) => ErrorCode::BadSetType,
        datapath::FlowModError::BackwardGoto(_) => ErrorCode::BadGotoTable,
    }
}

fn packet_in(packet: &QueuedPacketIn) -> PacketIn {
    let mut metadata = Match::ANY;
    for field in Field::ALL.iter().copied().filter(|field| field.is_metadata()) {
        let value = packet.key.field(field);
        if value != 0 || field == Field::InPort {
            metadata.require(field, value, field.ones());
        }
    }
    PacketIn {
        buffer: None,
        total_len: packet.total_len.min(0xffff) as u16,
        reason: PacketInReason::Action,
        table: packet.table,
        cookie: packet.cookie,
        metadata,
        data: packet.frame.clone(),
    }
}

fn flow_removed(removed: datapath::FlowRemoved) -> FlowRemoved {
    let stats = removed.stats();
    FlowRemoved {
        cookie: stats.flow.cookie,
        priority: stats.flow.priority,
        reason: match removed.reason {
            datapath::RemovalReason::IdleTimeout => RemovedReason::IdleTimeout,
            datapath::RemovalReason::HardTimeout => RemovedReason::HardTimeout,
            datapath::RemovalReason::Delete
            | datapath::RemovalReason::MeterDelete
            | datapath::RemovalReason::Eviction => RemovedReason::Delete,
            datapath::RemovalReason::GroupDelete => RemovedReason::GroupDelete,
        },
        table: stats.flow.table,
        duration: Duration::from_nanos(stats.duration_ns),
        idle_timeout: stats.flow.idle_timeout,
        hard_timeout: stats.flow.hard_timeout,
        packets: stats.packets,
        bytes: stats.bytes,
        matching: stats.flow.matching,
    }
}
