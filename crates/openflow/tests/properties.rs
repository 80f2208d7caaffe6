//! What holds for every message, and for every sequence of bytes.

mod common;

use common::{any_flow_stats, any_message, emitted};
use proptest::collection::vec;
use proptest::prelude::*;
use tulle_openflow::{Connection, Event, Header, Message, MultipartReply};

/// Bytes with the header of some message of version 4 and a true length, and then anything.
fn any_framed() -> impl Strategy<Value = Vec<u8>> {
    (0..30_u8, vec(any::<u8>(), 0..200)).prop_map(|(kind, body)| {
        let mut bytes = vec![4, kind, 0, (8 + body.len()) as u8, 0, 0, 0, 1];
        bytes.extend(body);
        bytes
    })
}

/// A valid message with some bytes changed; the header is left as it is.
fn any_mutated() -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 1..6);
    (any_message(), changes).prop_map(|(message, changes)| {
        let mut bytes = emitted(&message, 1);
        for (index, byte) in changes {
            if bytes.len() > 8 {
                let at = 8 + index.index(bytes.len() - 8);
                bytes[at] = byte;
            }
        }
        bytes
    })
}

fn events_of(chunks: &[&[u8]]) -> (Vec<Event>, Vec<u8>) {
    let mut connection = Connection::new();
    let mut events = Vec::new();
    for chunk in chunks {
        events.extend(connection.receive(chunk));
    }
    (events, connection.outgoing())
}

/// What parses must also be emitted, and mean the same once more.
fn check_reemission(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok((xid, message)) = Message::parse(bytes) else { return Ok(()) };
    let mut again = Vec::new();
    if message.emit(xid, &mut again).is_ok() {
        prop_assert_eq!(Message::parse(&again), Ok((xid, message)), "{:02x?} became {:02x?}", bytes, again);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn every_message_comes_back_from_the_wire_as_it_was(message in any_message(), xid in any::<u32>()) {
        let bytes = emitted(&message, xid);
        prop_assert_eq!(usize::from(Header::parse(&bytes).unwrap().length), bytes.len());
        prop_assert_eq!(Message::parse(&bytes), Ok((xid, message)), "{:02x?}", bytes);
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error_that_quotes_them(bytes in any_framed()) {
        if let Err(error) = Message::parse(&bytes) {
            prop_assert_eq!(error.xid, 1);
            prop_assert_eq!(&error.offending[..], &bytes[..bytes.len().min(64)]);
        }
        check_reemission(&bytes)?;
    }

    #[test]
    fn a_damaged_message_is_a_message_or_an_error(bytes in any_mutated()) {
        check_reemission(&bytes)?;
    }

    #[test]
    fn a_message_cut_short_is_refused(message in any_message(), cut in any::<prop::sample::Index>()) {
        let bytes = emitted(&message, 1);
        prop_assert!(Message::parse(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn a_connection_fed_byte_by_byte_sees_the_same_as_at_once(
        messages in vec(any_message(), 0..4),
        noise in vec(any::<u8>(), 0..20),
    ) {
        let mut stream = Connection::new().outgoing();
        messages.iter().for_each(|message| stream.extend(emitted(message, 7)));
        stream.extend(noise);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(events_of(&bytes), events_of(&[&stream]));
    }

    #[test]
    fn a_connection_survives_any_bytes(chunks in vec(vec(any::<u8>(), 0..40), 0..8), greeted in any::<bool>()) {
        let hello = Connection::new().outgoing();
        let mut pieces: Vec<&[u8]> = if greeted { vec![&hello] } else { vec![] };
        pieces.extend(chunks.iter().map(Vec::as_slice));
        let (events, _) = events_of(&pieces);
        let closings = events.iter().filter(|event| matches!(event, Event::Closed { .. })).count();
        prop_assert!(closings <= 1, "{:?}", events);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(8) })]

    #[test]
    fn a_reply_of_any_size_comes_back_from_its_parts(stats in vec(any_flow_stats(), 900..1000)) {
        let reply = MultipartReply::Flows(stats.clone());
        let bytes = emitted(&Message::MultipartReply { more: false, reply }, 9);
        let hello = Connection::new().outgoing();
        let (events, _) = events_of(&[&hello, &bytes]);
        let (mut back, mut mores) = (Vec::new(), Vec::new());
        for event in events {
            if let Event::MessageReceived { xid: 9, message: Message::MultipartReply { more, reply } } = event {
                let MultipartReply::Flows(flows) = reply else { panic!("not flows: {reply:?}") };
                back.extend(flows);
                mores.push(more);
            }
        }
        prop_assert_eq!(back, stats);
        prop_assert!(mores.len() > 1 && mores.iter().rev().skip(1).all(|more| *more), "{:?}", mores);
        prop_assert_eq!(mores.last(), Some(&false));
    }
}
