//! What a connection makes of what the other side says.

mod common;

use common::{emitted, hex};
use tulle_openflow::*;

fn open_connection() -> Connection {
    open_connection_of(Versions::ALL)
}

fn open_connection_of(versions: Versions) -> Connection {
    let mut connection = Connection::with_versions(versions);
    let hello = connection.outgoing();
    let events: Vec<_> = connection.receive(&hello).collect();
    assert_eq!(events, [Event::Negotiated { version: versions.highest().unwrap() }]);
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
    assert_eq!(greeting, hex("0600001000000001 0001000800000072"));
    assert_eq!(
        controller.receive(&greeting).collect::<Vec<_>>(),
        [Event::Negotiated { version: Version::V15 }]
    );
    assert_eq!(switch.receive(&answer).collect::<Vec<_>>(), [Event::Negotiated { version: Version::V15 }]);
    let xid = controller.send(&Message::BarrierRequest).unwrap();
    let events: Vec<_> = switch.receive(&controller.outgoing()).collect();
    assert_eq!(events, [Event::MessageReceived { xid, message: Message::BarrierRequest, wire: None }]);
    switch.reply(xid, &Message::BarrierReply).unwrap();
    let events: Vec<_> = controller.receive(&switch.outgoing()).collect();
    assert_eq!(events, [Event::MessageReceived { xid, message: Message::BarrierReply, wire: None }]);
    assert!(switch.is_open() && controller.is_open());
}

/// A connection that speaks only some versions, with its hello taken away.
fn connection_of(versions: &[Version]) -> Connection {
    let mut connection = Connection::with_versions(versions.iter().copied().collect());
    connection.outgoing();
    connection
}

#[test]
fn versions_are_negotiated_by_bitmap_or_header() {
    use Version::*;
    let accepted: [(&[Version], &str, Version); 9] = [
        (&[V13], "0400000800000001", V13),
        (&[V13], "0600000800000001", V13),
        (&[V13], "0600001000000001 0001000800000076", V13),
        (&[V13], "0100001000000001 0001000800000010", V13),
        (&[V13], "0600001800000001 0009000500000000 0001000800000010", V13),
        (&Version::ALL, "0100000800000001", V10),
        (&Version::ALL, "0500000800000001", V14),
        (&Version::ALL, "0700000800000001", V15),
        (&[V10, V13], "0600001000000001 000100080000005e", V13),
    ];
    for (ours, hello, version) in accepted {
        let mut connection = connection_of(ours);
        assert_eq!(received(&mut connection, hello), [Event::Negotiated { version }], "{hello}");
        assert_eq!(connection.version(), Some(version));
    }
    let refused: [(&[Version], &str); 4] = [
        (&[V13], "0100000800000001"),
        (&Version::ALL, "0300000800000001"),
        (&[V13, V14], "0600001000000001 0001000800000042"),
        (&[V13, V15], "0500000800000001"),
    ];
    for (ours, hello) in refused {
        let mut connection = connection_of(ours);
        let events = received(&mut connection, hello);
        assert_eq!(events, [Event::Closed { reason: CloseReason::NoCommonVersion }], "{hello}");
        let (xid, message) = sent(&mut connection);
        let Message::Error(report) = message else { panic!("{hello}: {message:?}") };
        assert_eq!((xid, report.code), (1, ErrorCode::Incompatible), "{hello}");
        assert!(connection.is_closed());
    }
}

#[test]
fn a_message_of_another_version_is_refused_after_the_greeting() {
    let mut connection = connection_of(&[Version::V13]);
    received(&mut connection, "0400000800000001");
    let events = received(&mut connection, "0514000800000007");
    let [Event::MessageRefused { error }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(error.code, ErrorCode::BadVersion);
    assert_eq!(sent(&mut connection), (7, error.reply()));
}

#[test]
fn a_table_in_a_flow_mod_of_openflow_1_0_is_agreed_upon() {
    let (mut switch, mut controller) = (connection_of(&[Version::V10]), connection_of(&[Version::V10]));
    received(&mut switch, "0100000800000001");
    received(&mut controller, "0100000800000001");
    let change = FlowMod::delete(7, "tcp".parse().unwrap());
    let refused = controller.send(&Message::FlowMod(change.clone()));
    assert!(matches!(refused, Err(EmitError::NoForm { .. })), "{refused:?}");
    controller.send(&Message::SetFlowModTableId(true)).unwrap();
    controller.send(&Message::FlowMod(change.clone())).unwrap();
    let events: Vec<Event> = switch.receive(&controller.outgoing()).collect();
    let [_, Event::MessageReceived { message: Message::FlowMod(found), .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(found, &change);
}

#[test]
fn flows_go_in_niciras_form_once_a_controller_of_openflow_1_0_asks_for_it() {
    let mut switch = connection_of(&[Version::V10]);
    received(&mut switch, "0100000800000001");
    let removed = FlowRemoved {
        cookie: 1,
        priority: 2,
        reason: RemovedReason::Delete,
        table: 3,
        duration: std::time::Duration::ZERO,
        idle_timeout: 0,
        hard_timeout: 0,
        packets: 0,
        bytes: 0,
        matching: "tcp".parse().unwrap(),
    };
    switch.notify(&Message::FlowRemoved(removed.clone())).unwrap();
    assert_eq!(switch.outgoing()[1], 11, "the standard's");
    received(&mut switch, "0104001400000002 00002320 0000000c 00000002");
    switch.notify(&Message::FlowRemoved(removed.clone())).unwrap();
    let bytes = switch.outgoing();
    assert_eq!(bytes[1], 4, "an experimenter's");
    assert_eq!(Message::parse(&bytes), Ok((0, Message::FlowRemoved(removed))));
}

#[test]
fn a_request_in_several_messages_arrives_as_one() {
    let mut connection = open_connection();
    let tables = [1, 2].map(|table| TableFeatures::complete(Version::V15, table, 9, 100));
    for (more, table) in [(true, &tables[0]), (false, &tables[1])] {
        let request = MultipartRequest::TableFeatures(vec![table.clone()]);
        let bytes = emitted(&Message::MultipartRequest { more, request }, Version::V15, 5);
        let events: Vec<Event> = connection.receive(&bytes).collect();
        let whole = MultipartRequest::TableFeatures(tables.to_vec());
        let message = Message::MultipartRequest { more: false, request: whole };
        let expected =
            if more { vec![] } else { vec![Event::MessageReceived { xid: 5, message, wire: None }] };
        assert_eq!(events, expected);
    }
}

#[test]
fn a_request_that_never_ends_is_refused() {
    let mut connection = open_connection();
    let tables = vec![TableFeatures::complete(Version::V15, 1, 254, 100); 20];
    let request = Message::MultipartRequest { more: true, request: MultipartRequest::TableFeatures(tables) };
    let bytes = emitted(&request, Version::V15, 5);
    let refused = (0..100).any(|_| connection.receive(&bytes).any(|event| matches!(event, Event::MessageRefused { error } if error.code == ErrorCode::MultipartOverflow)));
    assert!(refused);
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
    let mut connection = open_connection_of(Versions::only(Version::V13));
    assert_eq!(received(&mut connection, "0402000b00000009 010203"), []);
    assert_eq!(sent(&mut connection), (9, Message::EchoReply(vec![1, 2, 3])));
}

#[test]
fn a_malformed_message_is_refused_and_the_next_one_is_understood() {
    let mut connection = open_connection_of(Versions::only(Version::V13));
    let events = received(&mut connection, "0463000800000007 0414000800000008");
    let [Event::MessageRefused { error }, Event::MessageReceived { xid: 8, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((error.xid, error.code), (7, ErrorCode::BadType));
    assert_eq!(sent(&mut connection), (7, error.reply()));
}

#[test]
fn a_malformed_error_is_not_answered() {
    let mut connection = open_connection_of(Versions::only(Version::V13));
    let events = received(&mut connection, "0401000900000007 00");
    assert!(matches!(events[..], [Event::MessageRefused { .. }]), "{events:?}");
    assert_eq!(connection.outgoing_len(), 0);
}

#[test]
fn an_impossible_length_ends_the_connection() {
    let mut connection = open_connection_of(Versions::only(Version::V13));
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
    let data = emitted(&request, Version::V15, 3)[..64].to_vec();
    let report = ErrorReport { code: ErrorCode::TableFull, data };
    assert_eq!(sent(&mut connection), (3, Message::Error(report)));
}
