//! Who listens to what passes between the switch and its controllers (`ovs-ofctl snoop`).
//!
//! They are greeted with the version that controllers speak, then get whole messages, both ways.  What one of them
//! does not read in time it misses: messages are left out, and the controllers wait for nobody.

use std::collections::BTreeMap;
use std::os::fd::{OwnedFd, RawFd};

use tulle_openflow::{Hello, Message, Version, Versions};

use crate::engine::Engine;
use crate::error::SwitchError;
use crate::socket::{Socket, Transfer};
use crate::switch::Switch;

/// Each of them costs a copy of everything.
const MOST_SNOOPERS: usize = 16;
/// Bytes that may wait for one that does not read.
const MOST_UNREAD: usize = 1 << 20;

/// Their sockets, by numbers that sessions do not have.
#[derive(Debug)]
pub(crate) struct Snoopers {
    sockets: BTreeMap<u64, Socket>,
    /// What controllers speak, as far as any has come.
    pub version: Version,
}

impl Default for Snoopers {
    fn default() -> Snoopers {
        Snoopers { sockets: BTreeMap::new(), version: Version::V13 }
    }
}

impl Snoopers {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }
}

impl Switch {
    /// Copies what passes between the switch and its controllers to whoever is behind a connected stream socket.
    /// The caller may close its own descriptor.
    pub fn snoop(&self, socket: RawFd) -> Result<(), SwitchError> {
        let socket = tulle_io::descriptor::duplicate(socket)?;
        Ok(self.call(move |engine| engine.add_snooper(socket))??)
    }
}

impl Engine {
    /// Lets somebody listen over a connected stream socket; not where too many do.
    pub(crate) fn add_snooper(&mut self, socket: OwnedFd) -> std::io::Result<()> {
        if self.wires.snoopers.sockets.len() >= MOST_SNOOPERS {
            return Ok(());
        }
        let mut socket = Socket::new(socket)?;
        let id = self.wires.sessions.next_id();
        self.watch_session(id, socket.as_fd())?;
        let mut greeting = Vec::new();
        let version = self.wires.snoopers.version;
        let hello = Message::Hello(Hello::offering(Versions::from_bitmap(1 << version.wire())));
        let _ = hello.emit(version, 0, &mut greeting);
        if socket.send(&greeting) == Transfer::Done {
            self.wires.snoopers.sockets.insert(id, socket);
        } else {
            self.unwatch(socket.as_fd());
        }
        Ok(())
    }

    /// Copies whole messages to all who listen.
    pub(crate) fn copy_to_snoopers(&mut self, messages: &[u8]) {
        let mut sockets = std::mem::take(&mut self.wires.snoopers.sockets);
        sockets.retain(|id, socket| {
            let room = socket.unsent_len() + messages.len() <= MOST_UNREAD;
            let outcome = if room { socket.send(messages) } else { Transfer::Done };
            self.keep_snooper(*id, socket, outcome)
        });
        self.wires.snoopers.sockets = sockets;
    }

    /// A socket is gone, or has room again; false where it is not that of a snooper.  What it says is not heard.
    pub(crate) fn snooper_ready(&mut self, id: u64) -> bool {
        let Some(mut socket) = self.wires.snoopers.sockets.remove(&id) else { return false };
        let outcome = if socket.is_blocked() { socket.send(&[]) } else { socket.receive(|_| ()) };
        if self.keep_snooper(id, &mut socket, outcome) {
            self.wires.snoopers.sockets.insert(id, socket);
        }
        true
    }

    /// Waits for what a socket needs next; false where its peer has gone.
    fn keep_snooper(&mut self, id: u64, socket: &mut Socket, outcome: Transfer) -> bool {
        if outcome == Transfer::Over {
            self.unwatch(socket.as_fd());
            return false;
        }
        if let Some(blocked) = socket.change() {
            self.watch_again(id, socket.as_fd(), !blocked, blocked);
        }
        true
    }
}
