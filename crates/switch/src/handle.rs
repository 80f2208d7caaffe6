//! The handle of a session whose bytes another thread moves.

use crate::job::Desk;

/// One connection of a controller to the switch, over a carrier of the owner's (TLS, tests).
#[derive(Debug)]
pub struct SwitchSession {
    desk: Desk,
    id: u64,
    closed: bool,
}

impl SwitchSession {
    pub(crate) fn new(desk: Desk, id: u64) -> SwitchSession {
        SwitchSession { desk, id, closed: false }
    }

    /// Its number, as events and lists have it.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Takes what came from the controller and does it, but for what waits until replies have been taken.
    pub fn receive(&mut self, bytes: &[u8]) {
        let (id, bytes) = (self.id, bytes.to_vec());
        let open = self.desk.call(move |engine| engine.receive_session(id, &bytes));
        self.closed |= open.is_err();
    }

    /// What is to be sent now: replies, and notices that were queued meanwhile.  To be called until it gives
    /// nothing, before more is received.
    pub fn outgoing(&mut self) -> Vec<u8> {
        let id = self.id;
        let (bytes, closed) =
            self.desk.call(move |engine| engine.outgoing_session(id)).unwrap_or((Vec::new(), true));
        self.closed |= closed;
        bytes
    }

    /// Asks the peer for a sign of life.
    pub fn probe(&mut self) {
        let id = self.id;
        let _ = self.desk.call(move |engine| engine.ask_session(id));
    }

    /// True once both sides have greeted each other.
    pub fn is_open(&self) -> bool {
        let id = self.id;
        self.desk.call(move |engine| engine.wires.sessions.is_open(id)).unwrap_or(false)
    }

    /// True when the connection is over: the socket is to be closed once `outgoing` is sent.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Ends the session; nothing reaches it any more.
    pub fn close(&mut self) {
        let id = self.id;
        let _ = self.desk.call(move |engine| engine.close_session(id));
        self.closed = true;
    }
}

impl Drop for SwitchSession {
    /// A session that nobody closed must not go on gathering notices.
    fn drop(&mut self) {
        self.close();
    }
}
