//! What a connection makes of what the other side says.

mod common;

use common::{emitted, hex};
use tulle_openflow::*;

fn open_connection() -> Connection {
    let mut connection = Connection::new();
    let hello = connection.outgoing();
    let events: Vec<_> = connection.receive(&hello).collect();
    assert_eq!(events, [Event::Negotiated { version: VERSION }]);
    connection
}

fn received(connection: &mut Connection, bytes: &str) -> Vec<Event> {
    connection.receive(&hex(bytes)).collect()
}

fn sent(connection: &mut Connection) -> (Xid, Message) {
    let bytes = connection.outgoing();
    Message::parse(&bytes).unwrap_or_else(|error| panic!("{bytes:02x?}: {error}"))
}

#[test]
fn both_sides_greet_and_talk() {
    let (mut switch, mut controller) = (Connection::new(), Connection::new());
    let (greeting, answer) = (switch.outgoing(), controller.outgoing());
    assert_eq!(greeting, hex("0400001000000001 0001000800000010"));
    assert_eq!(controller.receive(&greeting).collect::<Vec<_>>(), [Event::Negotiated { version: 4 }]);
    assert_eq!(switch.receive(&answer).collect::<Vec<_>>(), [Event::Negotiated { version: 4 }]);
    let xid = controller.send(&Message::BarrierRequest).unwrap();
    let events: Vec<_> = switch.receive(&controller.outgoing()).collect();
    assert_eq!(events, [Event::MessageReceived { xid, message: Message::BarrierRequest }]);
    switch.reply(xid, &Message::BarrierReply).unwrap();
    let events: Vec<_> = controller.receive(&switch.outgoing()).collect();
    assert_eq!(events, [Event::MessageReceived { xid, message: Message::BarrierReply }]);
    assert!(switch.is_open() && controller.is_open());
}

#[test]
fn versions_are_negotiated_by_bitmap_or_header() {
    let accepted = [
        "0400000800000001",
        "0600000800000001",
        "0600001000000001 0001000800000076",
        "0100001000000001 0001000800000010",
        "0600001800000001 0009000500000000 0001000800000010",
    ];
    for hello in accepted {
        let events = received(&mut Connection::new(), hello);
        assert_eq!(events, [Event::Negotiated { version: 4 }], "{hello}");
    }
    for hello in ["0100000800000001", "0300000800000001", "0600001000000001 0001000800000042"] {
        let mut connection = Connection::new();
        connection.outgoing();
        let events = received(&mut connection, hello);
        assert_eq!(events, [Event::Closed { reason: CloseReason::NoCommonVersion }], "{hello}");
        let (xid, message) = sent(&mut connection);
        let Message::Error(report) = message else { panic!("{hello}: {message:?}") };
        assert_eq!((xid, report.code), (1, ErrorCode::Incompatible), "{hello}");
        assert!(connection.is_closed());
    }
}

#[test]
fn who_does_not_greet_is_sent_away() {
    let mut connection = Connection::new();
    connection.outgoing();
    let events = received(&mut connection, "0405000800000002 0405000800000003");
    assert_eq!(events.last(), Some(&Event::Closed { reason: CloseReason::NotGreeted }), "{events:?}");
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(received(&mut connection, "0405000800000004"), []);
}

#[test]
fn a_refused_hello_ends_the_connection() {
    let events = received(&mut Connection::new(), "0401000c00000001 00000000");
    let report = ErrorReport { code: ErrorCode::Incompatible, data: Vec::new() };
    assert_eq!(events, [Event::Closed { reason: CloseReason::HelloRefused(report) }]);
}

#[test]
fn an_echo_request_is_answered_at_once() {
    let mut connection = open_connection();
    assert_eq!(received(&mut connection, "0402000b00000009 010203"), []);
    assert_eq!(sent(&mut connection), (9, Message::EchoReply(vec![1, 2, 3])));
}

#[test]
fn a_malformed_message_is_refused_and_the_next_one_is_understood() {
    let mut connection = open_connection();
    let events = received(&mut connection, "0463000800000007 0414000800000008");
    let [Event::MessageRefused { error }, Event::MessageReceived { xid: 8, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((error.xid, error.code), (7, ErrorCode::BadType));
    assert_eq!(sent(&mut connection), (7, error.reply()));
}

#[test]
fn a_malformed_error_is_not_answered() {
    let mut connection = open_connection();
    let events = received(&mut connection, "0401000900000007 00");
    assert!(matches!(events[..], [Event::MessageRefused { .. }]), "{events:?}");
    assert_eq!(connection.outgoing_len(), 0);
}

#[test]
fn an_impossible_length_ends_the_connection() {
    let mut connection = open_connection();
    let events = received(&mut connection, "0405000700000007 0414000800000008");
    let [Event::MessageRefused { error }, Event::Closed { reason: CloseReason::BadLength }] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(error.code, ErrorCode::BadRequestLength);
    assert_eq!(sent(&mut connection), (7, error.reply()));
    connection.send(&Message::BarrierRequest).unwrap();
    assert_eq!(connection.outgoing_len(), 0, "nothing is sent after the end");
}

#[test]
fn what_nothing_asked_for_bears_no_transaction_id_of_a_request() {
    let mut connection = open_connection();
    let status = PortStatus { reason: PortStatusReason::Added, port: Port::default() };
    connection.notify(&Message::PortStatus(status.clone())).unwrap();
    assert_eq!(sent(&mut connection), (0, Message::PortStatus(status)));
    let xids = [0; 3].map(|_| connection.send(&Message::BarrierRequest).unwrap());
    assert!(!xids.contains(&0) && xids[0] != xids[1] && xids[1] != xids[2], "{xids:?}");
}

#[test]
fn refusing_a_request_quotes_its_start() {
    let mut connection = open_connection();
    let request = Message::EchoReply(vec![5; 100]);
    connection.refuse(3, &request, ErrorCode::TableFull).unwrap();
    let data = emitted(&request, 3)[..64].to_vec();
    let report = ErrorReport { code: ErrorCode::TableFull, data };
    assert_eq!(sent(&mut connection), (3, Message::Error(report)));
}
