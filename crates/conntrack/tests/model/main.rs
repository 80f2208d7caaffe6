//! The tracker against an obvious list of connections: packets, commits, translation, time.

#[path = "../common/mod.rs"]
mod common;
mod twin;

use common::*;
use proptest::prelude::*;
use tulle_conntrack::{Config, Conntrack, Endpoints, Masked, Nat, NatRange, Packet, Request};
use tulle_wire::FrameBuf;
use twin::{Names, Twin};

const HOSTS: [&str; 4] = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "192.0.2.1"];
const ZONE_LIMIT: u32 = 6;

#[derive(Clone, Debug)]
enum Step {
    /// A new frame, and the actions that it meets one after the other.
    Send(Frame, Vec<Request>),
    /// An answer to what the connection sends, which the index picks.
    Answer(prop::sample::Index, Vec<Request>),
    Wait(u64),
    FlushZone(u16),
}

fn frame() -> impl Strategy<Value = Frame> {
    let body = prop_oneof![
        4 => (1000..1003_u16, 53..55_u16).prop_map(|ports| Body::Udp { ports, payload: b"x".to_vec() }),
        2 => (any::<bool>(), 1..3_u16).prop_map(|(request, id)| Body::Echo { request, id }),
        1 => Just(Body::Other { protocol: 47 }),
    ];
    let hosts = (0..4_usize, 1..4_usize).prop_map(|(a, step)| (ip(HOSTS[a]), ip(HOSTS[(a + step) % 4])));
    (hosts, body).prop_map(|((source, destination), body)| Frame { source, destination, body })
}

fn nat() -> impl Strategy<Value = Nat> {
    let ports =
        prop_oneof![Just(None), (1000..1004_u16, 0..3_u16).prop_map(|(low, more)| Some((low, low + more)))];
    let range =
        (0..4_usize, ports).prop_map(|(host, ports)| NatRange { ports, ..NatRange::to(ip(HOSTS[host])) });
    prop_oneof![
        2 => Just(Nat::None),
        3 => Just(Nat::Existing),
        2 => range.clone().prop_map(Nat::Source),
        2 => range.prop_map(Nat::Destination),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let mark = (any::<u32>(), prop_oneof![Just(0), any::<u32>()]);
    (0..2_u16, any::<bool>(), prop::bool::weighted(0.2), nat(), mark).prop_map(
        |(zone, commit, force, nat, (value, mask))| Request {
            zone,
            commit,
            force,
            nat,
            mark: Masked { value, mask },
            ..Request::default()
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let requests = || prop::collection::vec(request(), 1..4);
    let step = prop_oneof![
        10 => (frame(), requests()).prop_map(|(frame, requests)| Step::Send(frame, requests)),
        10 => (any::<prop::sample::Index>(), requests()).prop_map(|(index, requests)| Step::Answer(index, requests)),
        2 => (1..50_u64).prop_map(Step::Wait),
        1 => (0..2_u16).prop_map(Step::FlushZone),
    ];
    prop::collection::vec(step, 1..60)
}

fn names_of(bytes: &[u8]) -> Names {
    assert_sound(bytes);
    let network = &bytes[ETHERNET..];
    let half = |at: usize| u16::from_be_bytes([network[20 + at], network[20 + at + 1]]);
    let address = |at: usize| <[u8; 4]>::try_from(&network[at..at + 4]).expect("4 bytes").into();
    let protocol = network[9];
    let (ports, asks) = match protocol {
        17 => ((half(0), half(2)), None),
        1 => ((half(4), half(4)), Some(network[20] == 8)),
        _ => ((0, 0), None),
    };
    Names { protocol, source: (address(12), ports.0), destination: (address(16), ports.1), asks }
}

fn endpoints(names: &Names) -> Endpoints {
    let ping = names.asks.is_some();
    let kind = if names.asks == Some(true) { 8 } else { 0 };
    Endpoints {
        source: names.source.0,
        destination: names.destination.0,
        protocol: names.protocol,
        source_port: if ping { kind } else { names.source.1 },
        destination_port: if ping { 0 } else { names.destination.1 },
        icmp_id: if ping { names.source.1 } else { 0 },
    }
}

/// The frame that an honest receiver of such packets would answer with.
fn answer(names: Names) -> Frame {
    let to = names.reversed();
    let body = match (to.protocol, to.asks) {
        (17, _) => Body::Udp { ports: (to.source.1, to.destination.1), payload: b"y".to_vec() },
        (1, Some(asks)) => Body::Echo { request: asks, id: to.source.1 },
        (protocol, _) => Body::Other { protocol },
    };
    Frame { source: to.source.0, destination: to.destination.0, body }
}

struct Both {
    tracker: Conntrack,
    twin: Twin,
    now: u64,
}

impl Both {
    fn new(zone_limit: u32) -> Self {
        let config = Config { zone_limit: Some(zone_limit), ..Config::default() };
        let twin = Twin { zone_limit: zone_limit as usize, ..Twin::default() };
        Self { tracker: Conntrack::new(config, 0xfeed), twin, now: 5 * SECOND }
    }

    fn send(&mut self, frame: &Frame, requests: &[Request]) {
        let mut buffer = FrameBuf::copied(&frame.bytes());
        let mut earlier = (0, 0);
        for request in requests {
            let before = names_of(buffer.bytes());
            let packet = Packet { state: earlier.0, zone: earlier.1, ..untracked(buffer.bytes()) };
            let outcome = self.tracker.track(&mut buffer, &packet, request, self.now);
            let after = names_of(buffer.bytes());
            let chosen = outcome.map(|_| self.target(&outcome, request, after));
            let expected = self.twin.track(before, earlier, request, self.now, chosen);
            match (&outcome, &expected) {
                (Ok(is), Ok(should)) => {
                    assert_eq!(words(is.state), words(should.state), "{before:?} {request:?}");
                    assert_eq!((is.mark, is.zone), (should.mark, request.zone));
                    assert_eq!(is.original, should.original.as_ref().map(endpoints));
                    assert_eq!((after, is.rewritten), (should.names, should.names != before));
                    earlier = (is.state, is.zone);
                }
                (is, should) => {
                    assert_eq!(is.err(), should.as_ref().err().copied(), "{before:?} {request:?}");
                    assert_eq!(after, before, "a frame to be dropped is not touched");
                    return;
                }
            }
        }
        self.compare();
    }

    /// What a connection that has just been made translates to; of others, what the packet has become.
    fn target(
        &self,
        outcome: &Result<tulle_conntrack::Outcome, tulle_conntrack::DropReason>,
        request: &Request,
        after: Names,
    ) -> Names {
        let original = outcome.as_ref().ok().and_then(|outcome| outcome.original);
        let entry = self
            .tracker
            .entries(self.now)
            .find(|entry| entry.zone == request.zone && Some(entry.original) == original);
        let Some(reply) = entry.map(|entry| entry.reply) else { return after };
        let asks = (reply.protocol == 1).then_some(reply.source_port == 8);
        let port = |port| if asks.is_some() { reply.icmp_id } else { port };
        let reply = Names {
            protocol: reply.protocol,
            source: (reply.source, port(reply.source_port)),
            destination: (reply.destination, port(reply.destination_port)),
            asks,
        };
        reply.reversed()
    }

    fn compare(&mut self) {
        self.twin.forget_expired(self.now);
        let mut is: Vec<_> = self
            .tracker
            .entries(self.now)
            .map(|it| format!("{} {:?} {:?}", it.zone, it.original, it.reply))
            .collect();
        let mut should: Vec<_> = (self.twin.known.iter())
            .map(|it| format!("{} {:?} {:?}", it.zone, endpoints(&it.original), endpoints(&it.reply)))
            .collect();
        is.sort();
        should.sort();
        assert_eq!(is, should);
    }
}

proptest! {
    #[test]
    fn says_and_does_what_a_list_of_connections_would(steps in steps(), limited in any::<bool>()) {
        let mut both = Both::new(if limited { ZONE_LIMIT } else { u32::MAX });
        for step in steps {
            match step {
                Step::Send(frame, requests) => both.send(&frame, &requests),
                Step::Answer(index, requests) if !both.twin.known.is_empty() => {
                    let known = index.get(&both.twin.known);
                    let frame = answer(known.reply.reversed());
                    both.send(&frame, &requests);
                }
                Step::Answer(..) => {}
                Step::Wait(seconds) => {
                    both.now += seconds * SECOND;
                    // Limits also count what has expired and not been looked at since; not the twin's.
                    if limited {
                        both.tracker.flush_matching(both.now, |entry| entry.timeout_s == 0);
                    }
                }
                Step::FlushZone(zone) => {
                    both.twin.forget_expired(both.now);
                    both.tracker.flush_zone(zone);
                    both.twin.known.retain(|it| it.zone != zone);
                }
            }
        }
    }

    #[test]
    fn what_leaves_translated_comes_back_as_it_was(frame in frame(), nat in nat(), more in nat()) {
        let mut frame = frame;
        if let Body::Echo { request, .. } = &mut frame.body {
            *request = true;
        }
        let mut tracker = tracker();
        let mut buffer = FrameBuf::copied(&frame.bytes());
        let mut earlier = (0, 0);
        for nat in [nat, more] {
            let packet = Packet { state: earlier.0, zone: earlier.1, ..untracked(buffer.bytes()) };
            let outcome = tracker.track(&mut buffer, &packet, &with_nat(nat), 0);
            // A refusal: no translation of a packet to itself tells its reply from it.
            let Ok(outcome) = outcome else { return Ok(()) };
            earlier = (outcome.state, outcome.zone);
        }
        let translated = names_of(buffer.bytes());
        let back = answer(translated);
        let existing = Request { nat: Nat::Existing, ..looking() };
        let (outcome, bytes) = pass(&mut tracker, &back, &existing, 0);
        prop_assert_eq!(words(outcome.state & 0x3f), "est|rpl|trk");
        prop_assert_eq!(names_of(&bytes), Names::of(&frame).reversed());
        let (_, again) = pass(&mut tracker, &frame, &existing, 0);
        prop_assert_eq!(names_of(&again), translated);
    }
}
