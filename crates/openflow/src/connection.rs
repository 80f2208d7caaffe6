//! One OpenFlow connection, either side of it, without a socket.
//!
//! It cuts the stream into messages, greets, answers echo requests, and refuses what is malformed.
//! It never waits and knows no time: when to ask for an echo, and when to give up, its owner decides.

use std::collections::VecDeque;

use crate::error::{EmitError, ErrorCode, ErrorReport, OfError};
use crate::header::{HEADER_LEN, Header};
use crate::hello::Hello;
use crate::message::kind::{ERROR, HELLO};
use crate::message::{Message, Xid};
use crate::multipart::MultipartRequest;
use crate::version::{Dialect, Version, Versions};

/// Bytes of one request in several messages that are kept until it is whole.
const MOST_GATHERED: usize = 1 << 20;

/// Something that happened.
#[allow(clippy::large_enum_variant)] // almost every event is the large one
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Both sides greeted each other; messages may be sent.
    Negotiated {
        /// The highest that both sides speak.
        version: Version,
    },
    /// A message came.
    MessageReceived {
        /// Its transaction id, which a reply must bear.
        xid: Xid,
        /// The message.
        message: Message,
        /// How it came, where it changes tables and the owner [wants that](Connection::keep_changes); it can be had
        /// by [`Connection::wire`].
        wire: Option<WireRange>,
    },
    /// Something malformed or unsupported came; the error that answers it waits in the outgoing bytes.
    MessageRefused {
        /// What was wrong.
        error: OfError,
    },
    /// The connection is over; the socket is to be closed once the outgoing bytes are sent.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}

/// Where a connection keeps a message as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireRange {
    dialect: Dialect,
    start: usize,
    end: usize,
}

/// A message as it came: what [`Message::parse_as`] makes it again from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire<'a> {
    /// The form that it has.
    pub dialect: Dialect,
    /// All of it.
    pub bytes: &'a [u8],
}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The other side speaks no version that is allowed here.
    NoCommonVersion,
    /// The first message was not a hello.
    NotGreeted,
    /// The other side refused our hello.
    HelloRefused(ErrorReport),
    /// A length below 8: what follows cannot be cut into messages.
    BadLength,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Greeting,
    Open,
    Closed,
}

/// A connection.  Its owner hands bytes over with `receive` and sends what `outgoing` gives.
#[derive(Debug)]
pub struct Connection {
    state: State,
    versions: Versions,
    /// The dialect of what comes: what this side, as a switch, was asked for.
    received: Dialect,
    /// The dialect of what goes: what this side, as a controller, asked for, or what a switch was asked for.
    sent: Dialect,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    events: VecDeque<Event>,
    last_xid: Xid,
    /// A request that comes in several messages, as far as it came, and how many bytes that is.
    gathered: Option<(Xid, MultipartRequest, usize)>,
    keeps_changes: bool,
    kept: Vec<u8>,
}

impl Default for Connection {
    fn default() -> Self {
        Connection::new()
    }
}

impl Connection {
    /// A new connection of any version, with its hello waiting in the outgoing bytes.
    pub fn new() -> Connection {
        Connection::with_versions(Versions::ALL)
    }

    /// As [`new`](Connection::new), speaking only these versions.  With none of them no one can be greeted.
    pub fn with_versions(versions: Versions) -> Connection {
        let dialect = Dialect::from(versions.highest().unwrap_or(Version::V13));
        let mut connection = Connection {
            state: State::Greeting,
            versions,
            received: dialect,
            sent: dialect,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            events: VecDeque::new(),
            last_xid: 0,
            gathered: None,
            keeps_changes: false,
            kept: Vec::new(),
        };
        let _ = connection.send(&Message::Hello(Hello::offering(versions)));
        connection
    }

    /// The version agreed upon; none before both sides have greeted each other.
    pub fn version(&self) -> Option<Version> {
        (self.state == State::Open).then_some(self.sent.version)
    }

    /// The form that messages to the other side have.
    pub fn dialect(&self) -> Dialect {
        self.sent
    }

    /// True once both sides have greeted each other and until the connection is over.
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// True once the connection is over.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether messages that change tables, or wait in a bundle to do so, come with their bytes from now on.  Those of
    /// events before are forgotten.
    pub fn keep_changes(&mut self, keeps: bool) {
        self.keeps_changes = keeps;
        self.kept.clear();
    }

    /// A message as it came; nothing once it has been forgotten.
    pub fn wire(&self, range: WireRange) -> Option<Wire<'_>> {
        let bytes = self.kept.get(range.start..range.end)?;
        Some(Wire { dialect: range.dialect, bytes })
    }

    /// Takes bytes from the other side, in any cut, and gives what happened, in order.
    ///
    /// Events that the caller does not take come first the next time.
    pub fn receive(&mut self, bytes: &[u8]) -> impl Iterator<Item = Event> + '_ {
        if self.state != State::Closed {
            self.incoming.extend_from_slice(bytes);
            self.cut_messages();
        }
        std::iter::from_fn(|| self.events.pop_front())
    }

    /// Queues a request under a new transaction id (never 0), which is returned.
    pub fn send(&mut self, message: &Message) -> Result<Xid, EmitError> {
        self.last_xid = self.last_xid.checked_add(1).unwrap_or(1);
        self.reply(self.last_xid, message)?;
        Ok(self.last_xid)
    }

    /// Queues a message that nothing asked for, such as a packet-in.
    ///
    /// It goes under transaction id 0, so that the other side cannot take it for a reply.
    pub fn notify(&mut self, message: &Message) -> Result<(), EmitError> {
        self.reply(0, message)
    }

    /// Queues a message under the transaction id of a request.
    pub fn reply(&mut self, xid: Xid, message: &Message) -> Result<(), EmitError> {
        if self.state == State::Closed {
            return Ok(());
        }
        message.emit(self.sent, xid, &mut self.outgoing)?;
        self.sent = changed(self.sent, message);
        self.received.nicira_flows = self.sent.nicira_flows;
        Ok(())
    }

    /// Queues the error that answers a request.  `request` is emitted anew to quote its start.
    pub fn refuse(&mut self, xid: Xid, request: &Message, code: ErrorCode) -> Result<(), EmitError> {
        let mut data = Vec::new();
        request.emit(self.received, xid, &mut data)?;
        data.truncate(crate::error::QUOTED_LEN);
        self.reply(xid, &Message::Error(ErrorReport { code, data }))
    }

    /// The start of a message whose rest has not come yet.
    pub fn unfinished(&self) -> &[u8] {
        &self.incoming
    }

    /// Takes the bytes that wait to be sent.
    pub fn outgoing(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outgoing)
    }

    /// How many bytes wait to be sent.  An owner that cannot send stops reading when these grow large.
    pub fn outgoing_len(&self) -> usize {
        self.outgoing.len()
    }

    fn cut_messages(&mut self) {
        let mut incoming = std::mem::take(&mut self.incoming);
        let mut cut = 0;
        while let Some((header, length)) = self.next_length(&incoming[cut..]) {
            let Some(message) = incoming.get(cut..cut + length) else { break };
            self.receive_message(header, message);
            cut += length;
        }
        if self.state != State::Closed {
            incoming.drain(..cut);
            self.incoming = incoming;
        }
    }

    /// The header of the next message, if it is there and can be trusted.
    fn next_length(&mut self, rest: &[u8]) -> Option<(Header, usize)> {
        let header = Header::parse(rest).ok().filter(|_| self.state != State::Closed)?;
        let length = usize::from(header.length);
        if length < HEADER_LEN {
            self.refuse_bytes(ErrorCode::BadRequestLength, &rest[..HEADER_LEN]);
            self.close(CloseReason::BadLength);
            return None;
        }
        Some((header, length))
    }

    fn receive_message(&mut self, header: Header, bytes: &[u8]) {
        match self.state {
            State::Greeting => self.receive_greeting(header, bytes),
            State::Open => self.receive_open(bytes),
            State::Closed => {}
        }
    }

    fn receive_greeting(&mut self, header: Header, bytes: &[u8]) {
        match (header.kind, Message::parse(bytes)) {
            (HELLO, Ok((_, Message::Hello(hello)))) => self.negotiate(header, &hello),
            (HELLO, Err(error)) => self.refuse_hello(error.xid),
            (ERROR, Ok((_, Message::Error(report)))) => self.close(CloseReason::HelloRefused(report)),
            _ => {
                self.refuse_bytes(ErrorCode::BadType, bytes);
                self.close(CloseReason::NotGreeted);
            }
        }
    }

    fn negotiate(&mut self, header: Header, hello: &Hello) {
        let Some(version) = hello.negotiate(header.version, self.versions) else {
            return self.refuse_hello(header.xid);
        };
        self.state = State::Open;
        (self.sent, self.received) = (version.into(), version.into());
        self.events.push_back(Event::Negotiated { version });
    }

    /// The data of this error is text for people (OpenFlow 1.3.5 section 7.5.4.1).
    fn refuse_hello(&mut self, xid: Xid) {
        let spoken = Version::ALL.into_iter().filter(|version| self.versions.contains(*version));
        let spoken: Vec<String> = spoken.map(|version| version.to_string()).collect();
        let data = format!("only OpenFlow {} is spoken here", spoken.join(", ")).into_bytes();
        let report = ErrorReport { code: ErrorCode::Incompatible, data };
        let _ = self.reply(xid, &Message::Error(report));
        self.close(CloseReason::NoCommonVersion);
    }

    fn receive_open(&mut self, bytes: &[u8]) {
        match Message::parse_as(self.received, bytes) {
            Ok((xid, Message::EchoRequest(data))) => {
                let _ = self.reply(xid, &Message::EchoReply(data));
            }
            Ok((_, Message::Hello(_))) => {}
            Ok((xid, Message::MultipartRequest { more, request })) => {
                self.gather(xid, more, request, bytes);
            }
            Ok((xid, message)) => {
                let wire = self.wire_of(&message, bytes);
                self.received = changed(self.received, &message);
                self.sent.nicira_flows = self.received.nicira_flows;
                self.events.push_back(Event::MessageReceived { xid, message, wire });
            }
            Err(error) => self.report(error, bytes),
        }
    }

    /// Joins a request's messages; those of another request, between them, end it.
    fn gather(&mut self, xid: Xid, more: bool, request: MultipartRequest, bytes: &[u8]) {
        let (request, size) = match self.gathered.take() {
            Some((known, mut whole, size)) if known == xid => {
                let size = size + bytes.len();
                if size > MOST_GATHERED || !whole.extend(request) {
                    return self.refuse_bytes(ErrorCode::MultipartOverflow, bytes);
                }
                (whole, size)
            }
            _ => (request, bytes.len()),
        };
        if more {
            self.gathered = Some((xid, request, size));
            return;
        }
        let message = Message::MultipartRequest { more: false, request };
        self.events.push_back(Event::MessageReceived { xid, message, wire: None });
    }

    fn wire_of(&mut self, message: &Message, bytes: &[u8]) -> Option<WireRange> {
        if !self.keeps_changes || !changes_tables(message) {
            return None;
        }
        let start = self.kept.len();
        self.kept.extend_from_slice(bytes);
        Some(WireRange { dialect: self.received, start, end: self.kept.len() })
    }

    fn refuse_bytes(&mut self, code: ErrorCode, bytes: &[u8]) {
        self.report(OfError::new(code, bytes), bytes);
    }

    /// A malformed error message is not answered, lest two sides answer each other for ever.
    fn report(&mut self, error: OfError, bytes: &[u8]) {
        if bytes.get(1) != Some(&ERROR) {
            let _ = self.reply(error.xid, &error.reply());
        }
        self.events.push_back(Event::MessageRefused { error });
    }

    fn close(&mut self, reason: CloseReason) {
        self.state = State::Closed;
        self.incoming = Vec::new();
        self.events.push_back(Event::Closed { reason });
    }
}

fn changes_tables(message: &Message) -> bool {
    matches!(
        message,
        Message::FlowMod(_)
            | Message::GroupMod(_)
            | Message::MeterMod(_)
            | Message::TableMod(_)
            | Message::TlvTableMod(_)
            | Message::SetConfig(_)
            | Message::BundleAdd(_)
    )
}

/// The dialect after a message that changes it.
fn changed(mut dialect: Dialect, message: &Message) -> Dialect {
    match message {
        Message::SetFlowModTableId(set) => dialect.flow_mod_table_id = *set,
        Message::SetNiciraFlows(set) => dialect.nicira_flows = *set,
        _ => {}
    }
    dialect
}
