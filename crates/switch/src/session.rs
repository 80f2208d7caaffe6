//! The switch's side of one OpenFlow connection: what each message does.
//!
//! A plain state machine on the engine's thread: bytes in, changes to the engine, bytes out.
//! A message is done with before the next is looked at, so a barrier needs nothing but its answer.

mod asynchronous;
mod bundles;
mod changes;
mod groups;
mod meters;
mod monitors;
mod options;
mod packets;
mod ports;
mod roles;

use std::collections::VecDeque;

use tulle_openflow::{
    AsyncConfig, Config, Connection, ErrorCode, Event, Features, Message, MultipartRequest, PacketInFormat,
    QueueConfig, QueueSelector, Role, TableConfig, Version, Versions, WireRange, Xid,
};

use crate::engine::Engine;
use crate::report::{self, report};
use crate::sessions::SessionInfo;
pub(crate) use changes::{Answer, change_of};
pub(crate) use groups::described as described_group;
pub(crate) use meters::described as described_meter;
pub(crate) use ports::config_bits;

/// Tables that the datapath has.
pub(crate) const TABLES: u8 = 254;

/// Bytes of replies that may wait before the next request is looked at.
const MOST_OUTGOING: usize = 1 << 20;
/// Bytes that may wait before packets and other notices for a peer that does not read are lost.
const MOST_UNREAD: usize = 4 << 20;

/// What a peer is to the switch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionKind {
    /// A controller: gets packets and other notices unasked.
    #[default]
    Controller,
    /// A tool that connects for a while: gets notices only after it has set a miss length.
    Service,
}

/// How a session is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// What its owner calls it.
    pub name: String,
    /// What the peer is.
    pub kind: SessionKind,
    /// The versions of OpenFlow that may be spoken; none means all.
    pub versions: Option<Versions>,
    /// Nanoseconds of silence after which the peer is asked for an echo, and as many again after which it is
    /// given up; 0 for never.
    pub probe_ns: u64,
}

/// One connection of a controller to the switch.
#[derive(Debug)]
pub(crate) struct Session {
    id: u64,
    options: SessionOptions,
    connection: Connection,
    role: Role,
    wishes: AsyncConfig,
    packet_in_format: PacketInFormat,
    controller_id: u16,
    miss_send_len: u16,
    bundles: bundles::Bundles,
    monitors: monitors::Monitors,
    /// Messages that wait until the replies before them have been taken.
    waiting: VecDeque<Event>,
    /// The message that is obeyed, as it came.
    wire: Option<WireRange>,
    heard_ns: u64,
    probed_ns: u64,
    closed: Option<String>,
}

impl Session {
    pub(crate) fn new(id: u64, options: SessionOptions) -> Session {
        let versions = options.versions.unwrap_or(Versions::ALL);
        let miss_send_len = match options.kind {
            SessionKind::Controller => 128,
            SessionKind::Service => 0,
        };
        Session {
            id,
            options,
            connection: Connection::with_versions(versions),
            role: Role::Equal,
            wishes: asynchronous::usual(),
            packet_in_format: PacketInFormat::Standard,
            controller_id: 0,
            miss_send_len,
            bundles: bundles::Bundles::default(),
            monitors: monitors::Monitors::new(),
            waiting: VecDeque::new(),
            wire: None,
            heard_ns: tulle_io::clock::monotonic_ns(),
            probed_ns: 0,
            closed: None,
        }
    }

    /// Takes what came from the peer and does it, but for what waits until replies have been taken.
    pub(crate) fn receive(&mut self, engine: &mut Engine, bytes: &[u8]) {
        self.heard_ns = tulle_io::clock::monotonic_ns();
        let mut copied = self.is_snooped(engine).then(|| [self.connection.unfinished(), bytes].concat());
        if self.waiting.is_empty() {
            self.connection.keep_changes(engine.journal.is_some());
        }
        self.waiting.extend(self.connection.receive(bytes));
        if let Some(copied) = copied.as_mut().filter(|_| !self.connection.is_closed()) {
            copied.truncate(copied.len() - self.connection.unfinished().len());
            engine.copy_to_snoopers(copied);
        }
        self.work(engine);
    }

    /// Whether somebody listens to controllers, of whom this peer is one.
    fn is_snooped(&self, engine: &Engine) -> bool {
        self.options.kind == SessionKind::Controller && !engine.wires.snoopers.is_empty()
    }

    /// A short request may have a long reply: no more of them than fit are answered at a time.
    fn work(&mut self, engine: &mut Engine) {
        while self.connection.outgoing_len() < MOST_OUTGOING {
            let Some(event) = self.waiting.pop_front() else { break };
            match event {
                Event::MessageReceived { xid, message, wire: None } => self.obey(engine, xid, message),
                Event::MessageReceived { xid, message, wire } => {
                    self.wire = wire;
                    engine.note_others();
                    self.obey(engine, xid, message);
                    engine.note_version();
                }
                Event::Closed { reason } => self.closed = Some(format!("{reason:?}")),
                Event::Negotiated { version } => self.greeted(engine, version),
                Event::MessageRefused { .. } => {}
            }
        }
    }

    /// What is to be sent now.  To be called until it gives nothing, before more is received.
    pub(crate) fn outgoing(&mut self, engine: &mut Engine) -> Vec<u8> {
        self.work(engine);
        let bytes = self.connection.outgoing();
        // Nothing is acknowledged that a successor would not know.
        engine.flush_journal();
        if !bytes.is_empty() && self.is_snooped(engine) {
            engine.copy_to_snoopers(&bytes);
        }
        bytes
    }

    pub(crate) fn has_outgoing(&self) -> bool {
        self.connection.outgoing_len() > 0
    }

    /// True when the connection is over: the socket is to be closed once `outgoing` is sent.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// Why the connection is over, for people.
    pub(crate) fn reason(&self) -> String {
        self.closed.clone().unwrap_or_else(|| "connection closed by the peer".to_owned())
    }

    pub(crate) fn info(&self, id: u64) -> SessionInfo {
        SessionInfo {
            id,
            name: self.options.name.clone(),
            role: roles::name(self.role),
            version: self.connection.version().map(Version::wire),
        }
    }

    /// Asks a silent peer for an echo; true where it has not answered the last one.
    pub(crate) fn probe(&mut self, now: u64) -> bool {
        let silence = now.saturating_sub(self.heard_ns);
        if self.options.probe_ns == 0 || silence < self.options.probe_ns {
            return false;
        }
        if self.probed_ns > self.heard_ns {
            return now.saturating_sub(self.probed_ns) >= self.options.probe_ns;
        }
        self.probed_ns = now;
        self.ask_echo();
        false
    }

    /// Sends an echo request.
    pub(crate) fn ask_echo(&mut self) {
        if self.connection.is_open() {
            let _ = self.connection.send(&Message::EchoRequest(Vec::new()));
        }
    }

    /// True once both sides have greeted each other and until the connection is over.
    pub(crate) fn is_open(&self) -> bool {
        self.connection.is_open()
    }

    fn greeted(&mut self, engine: &mut Engine, version: Version) {
        self.wishes = asynchronous::usual_of(version);
        if self.options.kind == SessionKind::Controller {
            engine.wires.snoopers.version = version;
        }
        engine.session_greeted(self.id, version);
    }

    /// True where OpenFlow 1.0 is spoken.
    pub(crate) fn is_old(&self) -> bool {
        self.connection.version() == Some(Version::V10)
    }

    fn version(&self) -> Version {
        self.connection.version().unwrap_or(Version::V13)
    }

    fn obey(&mut self, engine: &mut Engine, xid: Xid, message: Message) {
        if self.role == Role::Slave && changes_state(&message) {
            return self.refuse(xid, &message, ErrorCode::RoleForbids);
        }
        match message {
            Message::FlowMod(change) => self.change_flows(engine, xid, change),
            Message::GroupMod(change) => self.change_groups(engine, xid, change),
            Message::MeterMod(change) => self.change_meters(engine, xid, change),
            Message::PortMod(change) => self.change_port(engine, xid, change),
            Message::TableMod(change) => self.change_table(engine, xid, change),
            Message::TlvTableMod(change) => self.change_options(engine, xid, change),
            Message::PacketOut(packet) => self.send_packet(engine, xid, packet),
            Message::Resume(packet) => self.resume(engine, xid, packet),
            Message::BundleControl(request) => self.control_bundle(engine, xid, request),
            Message::BundleAdd(request) => self.add_to_bundle(xid, request),
            Message::BarrierRequest => self.answer_barrier(engine, xid),
            Message::MultipartRequest { request, .. } => self.report(engine, xid, request),
            other => self.converse(engine, xid, other),
        }
    }

    /// Messages that concern the session alone, or only ask.
    fn converse(&mut self, engine: &mut Engine, xid: Xid, message: Message) {
        match message {
            Message::FeaturesRequest => self.reply(xid, Message::FeaturesReply(features(engine))),
            Message::ConfigRequest => {
                let config = Config { flags: engine.fragment_flags(), miss_send_len: self.miss_send_len };
                self.reply(xid, Message::ConfigReply(config));
            }
            Message::SetConfig(config) => self.set_config(engine, xid, config),
            Message::QueueConfigRequest(number) => self.report_queues(engine, xid, number),
            Message::RoleRequest(request) => self.take_role(engine, xid, request),
            Message::AsyncRequest => self.reply(xid, Message::AsyncReply(self.wishes)),
            Message::SetAsync(config) => self.wishes.change(&config),
            Message::SetPacketInFormat(format) => self.packet_in_format = format,
            Message::SetControllerId(id) => self.controller_id = id,
            Message::FlowMonitorCancel(monitor) => self.cancel_monitor(engine, xid, monitor),
            Message::TlvTableRequest => self.reply(xid, Message::TlvTableReply(engine.options())),
            Message::CtFlushZone(zone) => engine.flush_zone(zone),
            Message::CtFlush(request) => engine.flush_some(&request),
            Message::SetNiciraFlows(_)
            | Message::SetFlowModTableId(_)
            | Message::EchoReply(_)
            | Message::Error(_) => {}
            other => self.refuse(xid, &other, ErrorCode::BadType),
        }
    }

    /// Nothing of a table's can be set but that a full one gives up flows for new ones.
    fn change_table(&mut self, engine: &mut Engine, xid: Xid, request: TableConfig) {
        match engine.change_table(&request) {
            Ok(()) => self.keep(engine, true),
            Err(code) => self.refuse(xid, &Message::TableMod(request), code),
        }
    }

    fn set_config(&mut self, engine: &mut Engine, xid: Xid, config: Config) {
        if self.role == Role::Slave {
            return self.refuse(xid, &Message::SetConfig(config), ErrorCode::RoleForbids);
        }
        if !engine.set_fragment_flags(config.flags) {
            return self.refuse(xid, &Message::SetConfig(config), ErrorCode::BadConfigFlags);
        }
        self.keep(engine, true);
        let invalid_ttl = 1 << tulle_openflow::PacketInReason::InvalidTtl as u32;
        if config.flags & Config::INVALID_TTL_TO_CONTROLLER != 0 {
            self.wishes.master.packet_in = self.wishes.master.packet_in.map(|mask| mask | invalid_ttl);
        }
        self.miss_send_len = config.miss_send_len;
    }

    fn report_queues(&mut self, engine: &mut Engine, xid: Xid, number: u32) {
        let selector = QueueSelector { port: number, queue: tulle_openflow::QUEUE_ALL };
        match report::queues::descriptions(engine, selector) {
            Ok(queues) => {
                self.reply(xid, Message::QueueConfigReply(QueueConfig { port: number, queues }));
            }
            Err(code) => self.refuse(xid, &Message::QueueConfigRequest(number), code),
        }
    }

    /// Has what the present message has done outlive this process; `adds` is false where it could have added a flow
    /// and has not.
    fn keep(&mut self, engine: &mut Engine, adds: bool) {
        if let Some(wire) = self.wire.take().and_then(|wire| self.connection.wire(wire)) {
            engine.keep_change(wire, adds);
        }
    }

    /// What was asked before has been done; what it made happen is told before the answer.
    fn answer_barrier(&mut self, engine: &mut Engine, xid: Xid) {
        self.hear_waiting(engine);
        self.reply(xid, Message::BarrierReply);
    }

    /// This session is not in its place while it obeys: hears what waits, and leaves it for the others.
    fn hear_waiting(&mut self, engine: &mut Engine) {
        for notice in engine.wires.sessions.take_notices() {
            self.hear(&notice);
            engine.wires.sessions.iter_mut().for_each(|(_, session)| {
                session.hear(&notice);
            });
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

    fn report(&mut self, engine: &mut Engine, xid: Xid, request: MultipartRequest) {
        if let MultipartRequest::FlowMonitors(monitors) = request {
            return self.monitor_flows(engine, xid, monitors);
        }
        match report(engine, &request, self.version()) {
            Ok(reply) => self.reply(xid, Message::MultipartReply { more: false, reply }),
            Err(code) => self.refuse(xid, &Message::MultipartRequest { more: false, request }, code),
        }
    }

    /// Queues a message that nothing asked for; false where the peer does not keep up.
    fn notify(&mut self, message: &Message) -> bool {
        self.connection.outgoing_len() < MOST_UNREAD && self.connection.notify(message).is_ok()
    }
}

/// What a secondary controller may not do (OpenFlow 1.3.5 section 6.3.6).
fn changes_state(message: &Message) -> bool {
    matches!(
        message,
        Message::FlowMod(_)
            | Message::GroupMod(_)
            | Message::MeterMod(_)
            | Message::PortMod(_)
            | Message::TableMod(_)
            | Message::TlvTableMod(_)
            | Message::PacketOut(_)
            | Message::Resume(_)
            | Message::BundleControl(_)
            | Message::BundleAdd(_)
    )
}

/// The actions of OpenFlow 1.0, all of them (`ofp_action_type`).
const ACTIONS_V10: u32 = 0x0fff;

fn features(engine: &Engine) -> Features {
    Features {
        datapath_id: engine.datapath_id,
        buffers: 0,
        tables: TABLES,
        auxiliary_id: 0,
        capabilities: Features::STATISTICS
            | Features::GROUP_STATISTICS
            | Features::QUEUE_STATISTICS
            | Features::BUNDLES
            | Features::FLOW_MONITORING,
        actions: ACTIONS_V10,
        ports: report::all_ports(engine),
    }
}
