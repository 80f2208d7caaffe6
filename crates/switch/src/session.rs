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
    AggregateStats, Config, Connection, Description, ErrorCode, Event, Features, FlowMod, FlowModCommand,
    FlowRemoved, FlowStats, FlowStatsRequest, Message, MultipartReply, MultipartRequest, PacketIn,
    PacketInReason, PacketOut, Port, PortStats, RemovedReason, TABLE_ALL, TableFeatures, TableStats, Xid,
    flow_mod_flags,
};

use crate::engine::Engine;
use crate::job::Desk;
use crate::packet_in::{PacketInQueue, QueuedPacketIn, take};
use crate::port::MOST_PORTS;

/// Tables that the datapath has.
const TABLES: u8 = 254;

/// One connection of a controller to the switch.
#[derive(Debug)]
pub struct SwitchSession {
    connection: Connection,
    desk: Desk,
    queue: PacketInQueue,
    datapath_id: u64,
    miss_send_len: u16,
    changes: Vec<(Xid, FlowMod)>,
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
            closed,
        }
    }

    /// Takes what came from the controller and does it.
    pub fn receive(&mut self, bytes: &[u8]) {
        let events: Vec<Event> = self.connection.receive(bytes).collect();
        for event in events {
            match event {
                Event::MessageReceived { xid, message } => self.obey(xid, message),
                Event::Closed { .. } => self.closed = true,
                Event::Negotiated { .. } | Event::MessageRefused { .. } => {}
            }
        }
        self.apply_changes();
    }

    /// What is to be sent now: replies, and packet-ins that were queued meanwhile.
    pub fn outgoing(&mut self) -> Vec<u8> {
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
        match self.desk.call(move |engine| multipart(engine, &request)) {
            Ok(reply) => self.reply(xid, Message::MultipartReply { more: false, reply }),
            Err(_) => self.closed = true,
        }
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

fn multipart(engine: &mut Engine, request: &MultipartRequest) -> MultipartReply {
    match request {
        MultipartRequest::Description => MultipartReply::Description(description()),
        MultipartRequest::Flows(request) => MultipartReply::Flows(flows(engine, request)),
        MultipartRequest::Aggregate(request) => MultipartReply::Aggregate(aggregate(engine, request)),
        MultipartRequest::Tables => MultipartReply::Tables(tables(engine)),
        MultipartRequest::PortStats(number) => MultipartReply::PortStats(port_stats(engine, *number)),
        MultipartRequest::Ports => MultipartReply::Ports(ports(engine)),
        MultipartRequest::TableFeatures => MultipartReply::TableFeatures(table_features()),
    }
}

fn description() -> Description {
    Description {
        manufacturer: "Tulle".to_owned(),
        hardware: "Tulle vswitch".to_owned(),
        software: env!("CARGO_PKG_VERSION").to_owned(),
        serial: "none".to_owned(),
        datapath: "none".to_owned(),
    }
}

fn flows(engine: &mut Engine, request: &FlowStatsRequest) -> Vec<FlowStats> {
    let filter = datapath::FlowFilter {
        table: (request.table != TABLE_ALL).then_some(request.table),
        matching: request.matching,
        cookie: request.cookie,
        cookie_mask: request.cookie_mask,
        out_port: request.out_port,
    };
    let found = engine.datapath.flows(&filter, tulle_io::clock::monotonic_ns());
    let each = |stats: datapath::FlowStats| FlowStats {
        flow: stats.flow,
        duration: Duration::from_nanos(stats.duration_ns),
        flags: 0,
        packets: stats.packets,
        bytes: stats.bytes,
    };
    found.into_iter().map(each).collect()
}

fn aggregate(engine: &mut Engine, request: &FlowStatsRequest) -> AggregateStats {
    let found = flows(engine, request);
    AggregateStats {
        packets: found.iter().map(|flow| flow.packets).sum(),
        bytes: found.iter().map(|flow| flow.bytes).sum(),
        flows: found.len() as u32,
    }
}

fn tables(engine: &mut Engine) -> Vec<TableStats> {
    let each = |stats: datapath::TableStats| TableStats {
        table: stats.table,
        active: stats.active as u32,
        lookups: stats.lookups,
        matched: stats.matched,
    };
    engine.datapath.table_stats().into_iter().map(each).collect()
}

fn table_features() -> Vec<TableFeatures> {
    let each = |table| TableFeatures {
        table,
        last_table: TABLES - 1,
        name: format!("table{table}"),
        max_entries: datapath::DEFAULT_FLOW_LIMIT as u32,
    };
    (0..TABLES).map(each).collect()
}

fn port_stats(engine: &Engine, number: u32) -> Vec<PortStats> {
    let listed = engine.wires.ports.iter().enumerate();
    let wanted = listed.filter(|(at, _)| number > MOST_PORTS || *at == number as usize);
    let each = |(at, port): (usize, &Option<crate::port::Port>)| {
        let counters = port.as_ref()?.counters;
        Some(PortStats {
            number: at as u32,
            received_packets: counters.rx_packets,
            sent_packets: counters.tx_packets,
            received_bytes: counters.rx_bytes,
            sent_bytes: counters.tx_bytes,
            receive_drops: counters.rx_dropped,
            send_drops: counters.tx_dropped,
            ..PortStats::default()
        })
    };
    wanted.filter_map(each).collect()
}

fn ports(engine: &Engine) -> Vec<Port> {
    let listed = engine.wires.ports.iter().enumerate();
    let each = |(at, port): (usize, &Option<crate::port::Port>)| {
        let port = port.as_ref()?;
        Some(Port {
            number: at as u32,
            mac: port.mac,
            name: port.name.clone(),
            state: Port::STATE_LIVE,
            ..Port::default()
        })
    };
    listed.filter_map(each).collect()
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
    let stats = removed.stats;
    FlowRemoved {
        cookie: stats.flow.cookie,
        priority: stats.flow.priority,
        reason: match removed.reason {
            datapath::RemovalReason::IdleTimeout => RemovedReason::IdleTimeout,
            datapath::RemovalReason::HardTimeout => RemovedReason::HardTimeout,
            datapath::RemovalReason::Delete => RemovedReason::Delete,
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
