//! The switch's side of one OpenFlow connection: what each message does.
//!
//! A plain state machine on the engine's thread: bytes in, changes to the engine, bytes out.
//! A message is done with before the next is looked at, so a barrier needs nothing but its answer.

mod asynchronous;
mod changes;
mod roles;

use std::collections::VecDeque;

use tulle_flow::{Field, Match};
use tulle_openflow::{
    Config, Connection, ErrorCode, Event, Features, Message, MultipartRequest, PacketIn, PacketOut, Role, Xid,
};

use crate::engine::Engine;
use crate::notice::PacketNotice;
use crate::report::report;
use crate::sessions::SessionInfo;
use asynchronous::Wishes;

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
    wishes: Wishes,
    miss_send_len: u16,
    /// Messages that wait until the replies before them have been taken.
    waiting: VecDeque<Event>,
    heard_ns: u64,
    probed_ns: u64,
    closed: Option<String>,
}

impl Session {
    pub(crate) fn new(id: u64, options: SessionOptions) -> Session {
        let miss_send_len = match options.kind {
            SessionKind::Controller => 128,
            SessionKind::Service => 0,
        };
        Session {
            id,
            options,
            connection: Connection::new(),
            role: Role::Equal,
            wishes: Wishes::default(),
            miss_send_len,
            waiting: VecDeque::new(),
            heard_ns: tulle_io::clock::monotonic_ns(),
            probed_ns: 0,
            closed: None,
        }
    }

    /// Takes what came from the peer and does it, but for what waits until replies have been taken.
    pub(crate) fn receive(&mut self, engine: &mut Engine, bytes: &[u8]) {
        self.heard_ns = tulle_io::clock::monotonic_ns();
        self.waiting.extend(self.connection.receive(bytes));
        self.work(engine);
    }

    /// A short request may have a long reply: no more of them than fit are answered at a time.
    fn work(&mut self, engine: &mut Engine) {
        while self.connection.outgoing_len() < MOST_OUTGOING {
            let Some(event) = self.waiting.pop_front() else { break };
            match event {
                Event::MessageReceived { xid, message } => self.obey(engine, xid, message),
                Event::Closed { reason } => self.closed = Some(format!("{reason:?}")),
                Event::Negotiated { .. } | Event::MessageRefused { .. } => {}
            }
        }
    }

    /// What is to be sent now.  To be called until it gives nothing, before more is received.
    pub(crate) fn outgoing(&mut self, engine: &mut Engine) -> Vec<u8> {
        self.work(engine);
        self.connection.outgoing()
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
            version: self.connection.is_open().then_some(tulle_openflow::VERSION),
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

    fn obey(&mut self, engine: &mut Engine, xid: Xid, message: Message) {
        match message {
            Message::FeaturesRequest => {
                self.reply(xid, Message::FeaturesReply(features(engine.datapath_id)));
            }
            Message::ConfigRequest => {
                let config = Config { flags: 0, miss_send_len: self.miss_send_len };
                self.reply(xid, Message::ConfigReply(config));
            }
            Message::SetConfig(config) => self.miss_send_len = config.miss_send_len,
            Message::BarrierRequest => self.answer_barrier(engine, xid),
            Message::RoleRequest(request) => self.take_role(engine, xid, request),
            Message::FlowMod(change) => self.change_flows(engine, xid, change),
            Message::PacketOut(packet) => self.send_packet(engine, xid, packet),
            Message::MultipartRequest(request) => self.report(engine, xid, &request),
            Message::UseStandardPacketIn | Message::EchoReply(_) | Message::Error(_) => {}
            other => self.refuse(xid, &other, ErrorCode::BadType),
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

    fn send_packet(&mut self, engine: &mut Engine, xid: Xid, packet: PacketOut) {
        if self.role == Role::Slave {
            return self.refuse(xid, &Message::PacketOut(packet), ErrorCode::RoleForbids);
        }
        if packet.buffer.is_some() {
            return self.refuse(xid, &Message::PacketOut(packet), ErrorCode::BufferUnknown);
        }
        engine.send_packet(packet.in_port, &packet.actions, &packet.data);
    }

    fn report(&mut self, engine: &mut Engine, xid: Xid, request: &MultipartRequest) {
        let reply = report(engine, request);
        self.reply(xid, Message::MultipartReply { more: false, reply });
    }

    /// Queues a message that nothing asked for; false where the peer does not keep up.
    fn notify(&mut self, message: &Message) -> bool {
        self.connection.outgoing_len() < MOST_UNREAD && self.connection.notify(message).is_ok()
    }
}

fn features(datapath_id: u64) -> Features {
    Features { datapath_id, buffers: 0, tables: TABLES, auxiliary_id: 0, capabilities: Features::STATISTICS }
}

fn packet_in(packet: &PacketNotice) -> PacketIn {
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
        reason: asynchronous::reason(packet.reason),
        table: packet.table,
        cookie: packet.cookie,
        metadata,
        data: packet.frame.clone(),
    }
}
