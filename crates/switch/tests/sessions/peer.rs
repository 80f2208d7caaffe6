//! A controller in memory.

use tulle_openflow::{Connection, Event, Message, Version, Versions, Xid};
use tulle_switch::{SessionKind, SessionOptions, Switch, SwitchSession};

pub fn switch() -> Switch {
    Switch::start("sessions", 0x42, 1).expect("a switch")
}

/// A controller with its session.
pub struct Peer {
    session: SwitchSession,
    connection: Connection,
}

impl Peer {
    pub fn of(switch: &Switch, version: Version, kind: SessionKind) -> Peer {
        let options = SessionOptions { kind, ..SessionOptions::default() };
        let session = switch.open_session(options).expect("a session");
        let mut peer = Peer { session, connection: Connection::with_versions(Versions::only(version)) };
        peer.heard();
        peer
    }

    pub fn controller(switch: &Switch, version: Version) -> Peer {
        Peer::of(switch, version, SessionKind::Controller)
    }

    /// Sends, and gives what comes back, other than greetings, until nothing more does.
    pub fn ask(&mut self, message: &Message) -> Vec<Message> {
        self.send(message);
        self.heard()
    }

    pub fn send(&mut self, message: &Message) -> Xid {
        self.connection.send(message).expect("a wire form")
    }

    /// What has come since the last call.
    pub fn heard(&mut self) -> Vec<Message> {
        let mut heard = Vec::new();
        loop {
            self.session.receive(&self.connection.outgoing());
            let bytes = self.session.outgoing();
            if bytes.is_empty() {
                return heard;
            }
            heard.extend(self.connection.receive(&bytes).filter_map(|event| match event {
                Event::MessageReceived { message, .. } => Some(message),
                _ => None,
            }));
        }
    }
}
