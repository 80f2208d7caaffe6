//! Packets and frames: what is refused, what goes there and back, and frames that tshark has read.

use std::net::Ipv4Addr;

use proptest::prelude::*;
use tulle_bfd::{
    ControlPacket, Diagnostic, Discard, Encapsulation, FRAME_LEN, PACKET_LEN, Session, Settings, State,
    payload,
};

#[path = "../../../tests/vectors/reader.rs"]
#[allow(dead_code)]
mod reader;

fn sample() -> ControlPacket {
    ControlPacket {
        state: State::Up,
        multiplier: 3,
        my_discriminator: 0x1234_5678,
        your_discriminator: 0x9abc_def0,
        desired_min_tx_us: 100_000,
        required_min_rx_us: 1_000_000,
        ..ControlPacket::default()
    }
}

fn with(at: usize, value: u8) -> Result<ControlPacket, Discard> {
    let mut bytes = sample().emit();
    bytes[at] = value;
    ControlPacket::parse(&bytes)
}

#[test]
fn packets_that_section_6_8_6_forbids_are_refused_for_its_reasons() {
    let bytes = sample().emit();
    assert_eq!(ControlPacket::parse(&bytes), Ok(sample()));
    assert_eq!(ControlPacket::parse(&bytes[..23]), Err(Discard::Short));
    assert_eq!(with(0, 0), Err(Discard::Version));
    assert_eq!(with(0, 2 << 5), Err(Discard::Version));
    assert_eq!(with(1, 0xc1), Err(Discard::Multipoint));
    assert_eq!(with(2, 0), Err(Discard::Multiplier));
    assert_eq!(with(3, 23), Err(Discard::Length));
    assert_eq!(with(3, 25), Err(Discard::Length));
    assert_eq!(with(1, 0xc4), Err(Discard::Length), "authentication needs two bytes more");
    let no_sender = ControlPacket { my_discriminator: 0, ..sample() };
    assert_eq!(ControlPacket::parse(&no_sender.emit()), Err(Discard::MyDiscriminator));
    for (state, expected) in [
        (State::Up, Some(Discard::NoSession)),
        (State::Init, Some(Discard::NoSession)),
        (State::Down, None),
        (State::AdminDown, None),
    ] {
        let packet = ControlPacket { state, your_discriminator: 0, ..sample() };
        assert_eq!(ControlPacket::parse(&packet.emit()).err(), expected, "{state:?}");
    }
}

#[test]
fn an_authenticated_packet_is_refused_and_bytes_behind_a_plain_one_do_not_matter() {
    let mut bytes = [sample().emit().as_slice(), &[1; 4]].concat();
    assert_eq!(ControlPacket::parse(&bytes), Ok(sample()));
    (bytes[1], bytes[3]) = (0xc4, 28);
    assert_eq!(ControlPacket::parse(&bytes), Err(Discard::Authenticated));
}

#[test]
fn a_packet_for_another_session_is_refused() {
    let mut session = Session::new(Settings::default(), 7, 1, 0);
    let packet = ControlPacket { your_discriminator: 8, ..sample() };
    assert_eq!(session.receive(&packet.emit(), 0), Err(Discard::OtherSession));
    let packet = ControlPacket { state: State::Down, your_discriminator: 7, ..sample() };
    assert_eq!(session.receive(&packet.emit(), 0), Ok(None));
    assert_eq!(session.state(), State::Init);
}

#[test]
fn frames_are_those_that_tshark_has_read() {
    let plain = Encapsulation { source_mac: [2, 0, 0, 0, 0, 1], ..Encapsulation::default() };
    let other = Encapsulation {
        destination_mac: [2, 0, 0, 0, 0, 9],
        source: Ipv4Addr::new(10, 1, 2, 3),
        destination: Ipv4Addr::new(10, 1, 2, 4),
        ..plain
    };
    let starting = ControlPacket {
        state: State::Down,
        diagnostic: Diagnostic::EXPIRED,
        your_discriminator: 0,
        desired_min_tx_us: 1_000_000,
        ..sample()
    };
    let polling = ControlPacket { poll: true, multiplier: 5, ..sample() };
    let answering =
        ControlPacket { is_final: true, diagnostic: Diagnostic::CONCATENATED_PATH_DOWN, ..sample() };
    let made = [(plain, starting), (plain, polling), (other, answering)];
    let vectors = reader::vectors("bfd.txt");
    assert_eq!(vectors.len(), made.len());
    for ((headers, packet), vector) in made.into_iter().zip(vectors) {
        let frame = headers.emit(&packet);
        assert_eq!(frame.to_vec(), vector.bytes("frame"), "{}: {packet:?}", vector.text("name"));
        assert!(headers.recognizes(&frame));
        assert_eq!(ControlPacket::parse(payload(&frame).unwrap()), Ok(packet));
    }
}

#[test]
fn a_frame_that_crossed_a_router_or_was_damaged_has_no_packet() {
    let good = Encapsulation::default().emit(&sample());
    assert!(payload(&good).is_some());
    let mut routed = good;
    (routed[22], routed[24]) = (254, routed[24] + 1);
    assert!(payload(&routed).is_none());
    for at in 14..FRAME_LEN {
        let mut damaged = good;
        damaged[at] ^= 0x10;
        assert!(payload(&damaged).is_none(), "byte {at}");
    }
    for len in 0..FRAME_LEN {
        assert!(payload(&good[..len]).is_none(), "{len} bytes");
    }
}

#[test]
fn only_frames_to_the_accepted_address_are_recognized() {
    let headers = Encapsulation::default();
    let frame = headers.emit(&sample());
    let choosy = Encapsulation { accepted_mac: Some(headers.destination_mac), ..headers };
    assert!(choosy.recognizes(&frame));
    let other = Encapsulation { accepted_mac: Some([2; 6]), ..headers };
    assert!(!other.recognizes(&frame));
    let mut later = frame;
    later[21] = 1;
    assert!(!headers.recognizes(&later), "a later fragment has no ports");
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let changed = (0..PACKET_LEN, any::<u8>()).prop_map(|(at, value)| {
        let mut bytes = sample().emit().to_vec();
        bytes[at] = value;
        bytes
    });
    prop_oneof![prop::collection::vec(any::<u8>(), 0..80), changed]
}

proptest! {
    #[test]
    fn whatever_is_accepted_is_emitted_as_it_came(bytes in bytes()) {
        if let Ok(packet) = ControlPacket::parse(&bytes) {
            prop_assert_eq!(ControlPacket::parse(&packet.emit()), Ok(packet));
        }
    }

    #[test]
    fn no_frame_makes_anything_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = Encapsulation::default().recognizes(&bytes);
        let _ = payload(&bytes);
        let mut changed = Encapsulation::default().emit(&sample());
        for (to, from) in changed.iter_mut().zip(&bytes) {
            *to ^= from & 3;
        }
        let _ = Encapsulation::default().recognizes(&changed);
        let _ = payload(&changed);
    }

    #[test]
    fn no_packets_at_any_time_make_a_session_panic(
        steps in prop::collection::vec((bytes(), 0u64..10_000_000_000, any::<u64>()), 1..50),
    ) {
        let settings = Settings { forwarding_if_rx: true, decay_min_rx_ms: 5000, ..Settings::default() };
        let (mut session, mut now_ns) = (Session::new(settings, 0x9abc_def0, 3, 0), 0);
        for (bytes, later_ns, received) in steps {
            now_ns += later_ns;
            let _ = session.receive(&bytes, now_ns);
            let _ = session.tick(received, now_ns);
            prop_assert!(session.deadline_ns() > now_ns, "a deadline that has passed would never let anybody sleep");
        }
    }
}
