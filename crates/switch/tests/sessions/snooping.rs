//! What those hear who listen to the switch and its controllers.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use tulle_openflow::{Config, Connection, Event, Message, PacketOut, Version, Versions};
use tulle_switch::{SessionKind, SessionOptions, Switch};

use crate::peer::{Peer, switch};

const PATIENCE: Duration = Duration::from_secs(60);

struct Listener {
    stream: UnixStream,
    connection: Connection,
}

impl Listener {
    fn of(switch: &Switch) -> Listener {
        let (mine, theirs) = UnixStream::pair().expect("sockets");
        switch.snoop(theirs.as_raw_fd()).expect("a listener");
        mine.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Listener { stream: mine, connection: Connection::new() }
    }

    /// The next messages, once there are any.
    fn heard(&mut self) -> Vec<Message> {
        let mut bytes = [0; 65536];
        let length = self.stream.read(&mut bytes).expect("bytes");
        assert_ne!(length, 0, "the switch has hung up");
        let events = self.connection.receive(&bytes[..length]);
        events
            .filter_map(|event| match event {
                Event::MessageReceived { message, .. } => Some(message),
                _ => None,
            })
            .collect()
    }

    fn hears(&mut self, wanted: usize) -> Vec<Message> {
        let mut heard = Vec::new();
        while heard.len() < wanted {
            heard.extend(self.heard());
        }
        heard
    }
}

/// A message that is told from others by its number, and that nothing is answered to.
fn numbered(number: u16) -> Message {
    Message::SetConfig(Config { flags: 0, miss_send_len: number })
}

#[test]
fn a_listener_hears_both_sides_in_the_version_of_the_controllers() {
    let switch = switch();
    let mut controller = Peer::controller(&switch, Version::V15);
    let mut listener = Listener::of(&switch);
    controller.ask(&Message::BarrierRequest);
    assert_eq!(listener.hears(2), [Message::BarrierRequest, Message::BarrierReply]);
    assert_eq!(listener.connection.version(), Some(Version::V15));
}

#[test]
fn what_tools_say_is_not_heard() {
    let switch = switch();
    let mut listener = Listener::of(&switch);
    Peer::of(&switch, Version::V13, SessionKind::Service).ask(&numbered(1));
    Peer::controller(&switch, Version::V13).ask(&numbered(2));
    assert_eq!(listener.hears(1), [numbered(2)]);
}

#[test]
fn messages_are_whole_though_they_come_in_pieces_and_the_listener_in_between() {
    let switch = switch();
    let mut session = switch.open_session(SessionOptions::default()).expect("a session");
    let mut controller = Connection::with_versions(Versions::only(Version::V13));
    session.receive(&controller.outgoing());
    assert_eq!(controller.receive(&session.outgoing()).count(), 1, "the greeting");
    (0..3).for_each(|number| {
        controller.send(&numbered(number)).expect("a wire form");
    });
    let bytes = controller.outgoing();
    session.receive(&bytes[..5]);
    let mut listener = Listener::of(&switch);
    for piece in bytes[5..].chunks(7) {
        session.receive(piece);
    }
    assert_eq!(listener.hears(3), [numbered(0), numbered(1), numbered(2)]);
}

#[test]
fn a_listener_that_does_not_read_misses_messages_and_costs_the_controller_nothing() {
    let switch = switch();
    let mut controller = Peer::controller(&switch, Version::V13);
    let mut listener = Listener::of(&switch);
    let long = Message::PacketOut(PacketOut { data: vec![1; 60_000], ..PacketOut::default() });
    for _ in 0..200 {
        controller.send(&long);
        assert_eq!(controller.ask(&Message::BarrierRequest).len(), 1, "the controller is answered");
    }
    listener.stream.set_nonblocking(true).expect("non-blocking");
    let (mut heard, end) = (0, Instant::now() + PATIENCE);
    while !is_drained(&mut listener, &mut heard) || heard == 0 {
        assert!(Instant::now() < end, "{heard} messages");
    }
    assert!((10..500).contains(&heard), "{heard} of 600 messages");
    listener.stream.set_nonblocking(false).expect("blocking");
    controller.ask(&numbered(9));
    assert_eq!(listener.hears(1), [numbered(9)]);
}

/// Reads what there is; true once nothing has come for a while.
fn is_drained(listener: &mut Listener, heard: &mut usize) -> bool {
    let mut bytes = vec![0; 1 << 20];
    let quiet = Instant::now() + Duration::from_millis(300);
    while Instant::now() < quiet {
        match listener.stream.read(&mut bytes) {
            Ok(length) => {
                *heard += listener.connection.receive(&bytes[..length]).count();
                return false;
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    true
}

#[test]
fn what_a_listener_says_is_ignored() {
    let switch = switch();
    let mut controller = Peer::controller(&switch, Version::V13);
    let mut listener = Listener::of(&switch);
    listener.stream.write_all(&[0; 5000]).expect("room");
    controller.ask(&numbered(3));
    assert_eq!(listener.hears(1), [numbered(3)]);
    drop(listener);
    assert_eq!(controller.ask(&Message::BarrierRequest), [Message::BarrierReply]);
}
