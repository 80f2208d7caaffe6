//! What holds for every message of every version, and for every sequence of bytes.

mod common;

use common::{any_flow_stats, any_message, any_version, emitted};
use proptest::collection::vec;
use proptest::prelude::*;
use tulle_openflow::*;

/// Bytes with the header of some message and a true length, and then anything.
fn any_framed() -> impl Strategy<Value = Vec<u8>> {
    (any_version(), 0..36_u8, vec(any::<u8>(), 0..200)).prop_map(|(version, kind, body)| {
        let mut bytes = vec![version.wire(), kind, 0, (8 + body.len()) as u8, 0, 0, 0, 1];
        bytes.extend(body);
        bytes
    })
}

/// A message and its bytes in a version that has it.
fn any_emitted() -> impl Strategy<Value = (Version, Message, Vec<u8>)> {
    (any_version(), any_message()).prop_map(|(version, message)| {
        let mut bytes = Vec::new();
        let version = match message.emit(version, 1, &mut bytes) {
            Ok(()) => version,
            Err(_) => Version::V15,
        };
        if bytes.is_empty() && message.emit(version, 1, &mut bytes).is_err() {
            return (version, Message::BarrierRequest, emitted(&Message::BarrierRequest, version, 1));
        }
        (version, message, bytes)
    })
}

/// A valid message with some bytes changed; the header is left as it is.
fn any_mutated() -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 1..6);
    (any_emitted(), changes).prop_map(|((_, _, mut bytes), changes)| {
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

/// What parses must, once it has been emitted, come back the same for ever.
fn check_reemission(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok((xid, message)) = Message::parse(bytes) else { return Ok(()) };
    let Some(version) = Version::from_wire(bytes[0]) else { return Ok(()) };
    let mut again = Vec::new();
    if message.emit(version, xid, &mut again).is_ok() {
        let back = Message::parse(&again);
        prop_assert!(back.is_ok(), "{:02x?} was {:?}, became {:02x?}: {:?}", bytes, message, again, back);
        prop_assert_eq!(emitted(&back.unwrap().1, version, xid), again, "{:?}", message);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn what_a_version_can_say_comes_back_from_the_wire_to_be_said_again(
        (version, message, bytes) in any_emitted(),
    ) {
        prop_assert_eq!(usize::from(Header::parse(&bytes).unwrap().length), bytes.len());
        let back = Message::parse(&bytes);
        prop_assert!(back.is_ok(), "{} {:?} {:?} {:02x?}", version, message, back, bytes);
        prop_assert_eq!(emitted(&back.unwrap().1, version, 1), bytes, "{:?}", message);
    }

    #[test]
    fn the_newest_version_loses_nothing(message in any_message()) {
        let mut bytes = Vec::new();
        if message.emit(Version::V15, 1, &mut bytes).is_err() || loses(&message) {
            return Ok(());
        }
        prop_assert_eq!(Message::parse(&bytes), Ok((1, message)), "{:02x?}", bytes);
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
    fn a_message_cut_short_is_refused((_, _, bytes) in any_emitted(), cut in any::<prop::sample::Index>()) {
        prop_assert!(Message::parse(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn a_connection_fed_byte_by_byte_sees_the_same_as_at_once(
        messages in vec(any_emitted(), 0..4),
        noise in vec(any::<u8>(), 0..20),
    ) {
        let mut stream = Connection::new().outgoing();
        messages.iter().for_each(|(_, _, bytes)| stream.extend(bytes));
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

/// True of what OpenFlow 1.5 says in another way, or leaves out.
fn loses(message: &Message) -> bool {
    let text = format!("{message:?}");
    let other_ways = ["Enqueue", "SetVlanVid", "SetVlanPcp", "IpTos"];
    match message {
        // Only OpenFlow 1.0 has this error.
        Message::Error(report) => report.code == ErrorCode::UnsupportedActionList,
        Message::FeaturesReply(features) => features.actions != 0 || !features.ports.is_empty(),
        Message::MultipartReply { reply: MultipartReply::Tables(tables), .. } => !tables.is_empty(),
        _ => other_ways.iter().any(|way| text.contains(way)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(8) })]

    #[test]
    fn a_reply_of_any_size_comes_back_from_its_parts(stats in vec(any_flow_stats(), 900..1000)) {
        let reply = Message::MultipartReply { more: false, reply: MultipartReply::Flows(stats.clone()) };
        let mut bytes = Vec::new();
        prop_assume!(reply.emit(Version::V15, 9, &mut bytes).is_ok());
        let hello = Connection::new().outgoing();
        let (events, _) = events_of(&[&hello, &bytes]);
        let (mut count, mut mores) = (0, Vec::new());
        for event in events {
            if let Event::MessageReceived { xid: 9, message: Message::MultipartReply { more, reply }, .. } = event {
                let MultipartReply::Flows(flows) = reply else { panic!("not flows: {reply:?}") };
                count += flows.len();
                mores.push(more);
            }
        }
        prop_assert_eq!(count, stats.len());
        prop_assert!(mores.len() > 1 && mores.iter().rev().skip(1).all(|more| *more), "{:?}", mores);
        prop_assert_eq!(mores.last(), Some(&false));
    }
}
