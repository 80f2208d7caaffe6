//! All OpenFlow sessions of a switch: they live on the engine's thread, so nothing of theirs is locked.
//!
//! Bytes come to a session from a socket that the engine reads itself, or from an owner elsewhere (TLS), as jobs.
//! What happens in the switch and concerns controllers is a [`Notice`]; notices wait here until the frame or
//! message that caused them is done with, and are then told to each session that wants them.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tulle_datapath::Continuation;

use crate::engine::Engine;
use crate::notice::Notice;
use crate::outbox::Event;
use crate::session::{Session, SessionOptions};
use crate::socket::{Socket, Transfer};

/// Notices that may wait: more than one batch of frames and one message can cause.
const MOST_NOTICES: usize = 4096;

/// Places at which packets may wait for controllers.
const MOST_PAUSED: usize = 1024;

/// Where a session's bytes come from.
#[derive(Debug)]
enum Carrier {
    /// A socket that the engine serves.
    Socket(Socket),
    /// Another thread, by jobs.
    Owner,
}

#[derive(Debug)]
struct Entry {
    session: Session,
    carrier: Carrier,
}

/// What is known of a session from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its number.
    pub id: u64,
    /// What its owner calls it.
    pub name: String,
    /// Its role: `other`, `primary` or `secondary`.
    pub role: &'static str,
    /// The wire version in use, once it is agreed upon.
    pub version: Option<u8>,
}

/// The sessions by number.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    last: u64,
    entries: BTreeMap<u64, Entry>,
    notices: Vec<Notice>,
    lost_notices: u64,
    /// Packets that wait for a controller to let them go on, the oldest first.
    paused: VecDeque<Arc<Continuation>>,
    /// The greatest generation id that a role request has borne (OpenFlow 1.3.5 section 6.3.6).
    pub generation: Option<u64>,
}

impl Sessions {
    /// Queues a notice; false where too many wait already.
    pub(crate) fn tell(&mut self, notice: Notice) -> bool {
        let room = self.notices.len() < MOST_NOTICES;
        if room {
            self.notices.push(notice);
        } else {
            self.lost_notices += 1;
        }
        room
    }

    /// Where a paused packet goes on, by the number that its controller was told.
    pub(crate) fn paused(&self, id: u32) -> Option<Arc<Continuation>> {
        self.paused.iter().rev().find(|paused| paused.id() == id).cloned()
    }

    /// Remembers where a packet waits; many packets may wait at the same place.
    pub(crate) fn pause(&mut self, place: &Arc<Continuation>) {
        if self.paused(place.id()).is_none() {
            if self.paused.len() >= MOST_PAUSED {
                self.paused.pop_front();
            }
            self.paused.push_back(Arc::clone(place));
        }
    }

    /// True where some controller would get packets.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn has_notices(&self) -> bool {
        !self.notices.is_empty()
    }

    pub(crate) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// The sessions in place: all but one that is being served.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u64, &mut Session)> {
        self.entries.iter_mut().map(|(id, entry)| (*id, &mut entry.session))
    }

    pub(crate) fn infos(&self) -> Vec<SessionInfo> {
        self.entries.iter().map(|(id, entry)| entry.session.info(*id)).collect()
    }

    pub(crate) fn is_open(&self, id: u64) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.session.is_open())
    }

    /// A number that neither a session nor anybody else has or had.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn add(&mut self, id: u64, options: SessionOptions, carrier: Carrier) {
        self.entries.insert(id, Entry { session: Session::new(id, options), carrier });
    }
}

impl Engine {
    /// Opens a session whose bytes another thread moves.
    pub(crate) fn open_session(&mut self, options: SessionOptions) -> u64 {
        let id = self.wires.sessions.next_id();
        self.wires.sessions.add(id, options, Carrier::Owner);
        id
    }

    /// Opens a session over a connected stream socket and greets.
    pub(crate) fn serve_session(&mut self, socket: OwnedFd, options: SessionOptions) -> std::io::Result<u64> {
        let socket = Socket::new(socket)?;
        let id = self.wires.sessions.next_id();
        self.watch_session(id, socket.as_fd())?;
        self.wires.sessions.add(id, options, Carrier::Socket(socket));
        self.flush_session(id);
        Ok(id)
    }

    /// Gives bytes to a session that another thread carries; false once the session is over.
    pub(crate) fn receive_session(&mut self, id: u64, bytes: &[u8]) -> bool {
        let Some(mut entry) = self.wires.sessions.entries.remove(&id) else { return false };
        entry.session.receive(self, bytes);
        let open = !entry.session.is_closed();
        self.wires.sessions.entries.insert(id, entry);
        self.tell_sessions();
        open
    }

    /// Takes what a session has to send, and whether it is over.
    pub(crate) fn outgoing_session(&mut self, id: u64) -> (Vec<u8>, bool) {
        let Some(mut entry) = self.wires.sessions.entries.remove(&id) else { return (Vec::new(), true) };
        let bytes = entry.session.outgoing(self);
        let closed = entry.session.is_closed();
        self.wires.sessions.entries.insert(id, entry);
        (bytes, closed)
    }

    /// Ends a session.
    pub(crate) fn close_session(&mut self, id: u64) {
        if let Some(entry) = self.wires.sessions.entries.remove(&id) {
            if let Carrier::Socket(socket) = &entry.carrier {
                self.unwatch(socket.as_fd());
            }
            self.note_versions(None);
            self.note_monitors(false);
        }
    }

    /// Sends an echo request in a session.
    pub(crate) fn ask_session(&mut self, id: u64) {
        if let Some(entry) = self.wires.sessions.entries.get_mut(&id) {
            entry.session.ask_echo();
        }
    }

    /// A socket has bytes, or room.
    pub(crate) fn session_ready(&mut self, id: u64) {
        if self.snooper_ready(id) {
            return;
        }
        let Some(mut entry) = self.wires.sessions.entries.remove(&id) else { return };
        let outcome = match &mut entry.carrier {
            Carrier::Socket(socket) => exchange(socket, &mut entry.session, self),
            Carrier::Owner => Transfer::Done,
        };
        self.put_back(id, entry, outcome);
        self.tell_sessions();
    }

    /// Writes what a session on a socket has to send.
    pub(crate) fn flush_session(&mut self, id: u64) {
        let Some(mut entry) = self.wires.sessions.entries.remove(&id) else { return };
        let outcome = match &mut entry.carrier {
            Carrier::Socket(socket) => send_waiting(socket, &mut entry.session, self),
            Carrier::Owner => Transfer::Done,
        };
        self.put_back(id, entry, outcome);
    }

    fn put_back(&mut self, id: u64, mut entry: Entry, outcome: Transfer) {
        let Carrier::Socket(socket) = &mut entry.carrier else {
            self.wires.sessions.entries.insert(id, entry);
            return;
        };
        if outcome == Transfer::Over || (entry.session.is_closed() && !socket.is_blocked()) {
            self.unwatch(socket.as_fd());
            self.session_ended(id, entry.session.reason());
            return;
        }
        if let Some(blocked) = socket.change() {
            self.watch_again(id, socket.as_fd(), !blocked, blocked);
        }
        self.wires.sessions.entries.insert(id, entry);
    }

    fn session_ended(&mut self, id: u64, reason: String) {
        self.note_versions(None);
        self.note_monitors(false);
        self.wires.outbox.tell(Event::SessionClosed { session: id, reason });
    }

    /// Tells all sessions what has happened, and sends it.
    pub(crate) fn tell_sessions(&mut self) {
        while self.wires.sessions.has_notices() {
            for notice in self.wires.sessions.take_notices() {
                let told = self.wires.sessions.iter_mut().map(|(_, session)| session.hear(&notice));
                if told.filter(|heard| *heard).count() == 0 && notice.is_packet() {
                    self.wires.losses.count(0, "packet-in-lost");
                }
            }
            self.flush_sessions();
        }
    }

    /// Sends what has been queued for sessions by others than their peers.
    fn flush_sessions(&mut self) {
        let waiting: Vec<(u64, bool)> = self
            .wires
            .sessions
            .entries
            .iter()
            .filter(|(_, entry)| entry.session.has_outgoing())
            .map(|(id, entry)| (*id, matches!(entry.carrier, Carrier::Owner)))
            .collect();
        for (id, owned) in waiting {
            if owned {
                self.wires.outbox.tell(Event::SessionReady);
            } else {
                self.flush_session(id);
            }
        }
    }

    /// Asks silent peers whether they are there, and gives up those that do not answer.
    pub(crate) fn probe_sessions(&mut self, now: u64) {
        let overdue: Vec<u64> = self
            .wires
            .sessions
            .iter_mut()
            .filter_map(|(id, session)| session.probe(now).then_some(id))
            .collect();
        for id in overdue {
            self.close_session(id);
            self.session_ended(id, "no answer to an echo request".to_owned());
        }
        self.flush_sessions();
    }
}

/// Reads once, executes, and writes what can be written.
fn exchange(socket: &mut Socket, session: &mut Session, engine: &mut Engine) -> Transfer {
    if socket.is_blocked() {
        return send_waiting(socket, session, engine);
    }
    let outcome = socket.receive(|bytes| session.receive(engine, bytes));
    if outcome == Transfer::Over {
        return outcome;
    }
    send_waiting(socket, session, engine)
}

/// A long reply makes a session stop obeying until it is sent, so sending goes on while there is more.
fn send_waiting(socket: &mut Socket, session: &mut Session, engine: &mut Engine) -> Transfer {
    loop {
        if socket.is_blocked() && socket.send(&[]) == Transfer::Over {
            return Transfer::Over;
        }
        if socket.is_blocked() {
            return Transfer::Done;
        }
        let bytes = session.outgoing(engine);
        if bytes.is_empty() {
            return Transfer::Done;
        }
        if socket.send(&bytes) == Transfer::Over {
            return Transfer::Over;
        }
    }
}
