//! Two sessions over a simulated wire: they come up, go down in time, and agree on intervals.

use std::collections::BinaryHeap;

use proptest::prelude::*;
use tulle_bfd::{ControlPacket, Diagnostic, Session, Settings, State};

const MS: u64 = 1_000_000;
const LATENCY_NS: u64 = 2 * MS;

/// Two ends and what is under way between them: (moment negated, order negated, to, bytes).
struct Wire {
    ends: [Session; 2],
    now_ns: u64,
    under_way: BinaryHeap<(i64, i64, usize, Vec<u8>)>,
    sent: Vec<(u64, usize, ControlPacket)>,
    /// Whether a packet that an end sends is lost, by its order.
    loses: Box<dyn FnMut(usize) -> bool>,
    /// All packets that an end has received, by which it may know that the path is alive.
    received: [u64; 2],
}

impl Wire {
    fn new(settings: [Settings; 2], seed: u64) -> Wire {
        let end = |at: usize| Session::new(settings[at], 0x100 + at as u32, seed + at as u64, 0);
        Wire {
            ends: [end(0), end(1)],
            now_ns: 0,
            under_way: BinaryHeap::new(),
            sent: Vec::new(),
            loses: Box::new(|_| false),
            received: [0; 2],
        }
    }

    fn both(settings: Settings) -> Wire {
        Wire::new([settings; 2], 1)
    }

    fn send(&mut self, from: usize, packet: ControlPacket) {
        let order = self.sent.len();
        self.sent.push((self.now_ns, from, packet));
        if !(self.loses)(order) {
            let at = (self.now_ns + LATENCY_NS) as i64;
            self.under_way.push((-at, -(order as i64), 1 - from, packet.emit().to_vec()));
        }
    }

    /// Goes on until a moment, or until something is so; whether it is.
    fn run_until(&mut self, until_ns: u64, mut is_so: impl FnMut(&Wire) -> bool) -> bool {
        loop {
            if is_so(self) {
                return true;
            }
            let arrival = self.under_way.peek().map_or(u64::MAX, |next| -next.0 as u64);
            let next = self.ends.iter().map(Session::deadline_ns).min().unwrap().min(arrival);
            assert!(next >= self.now_ns, "time goes backwards");
            if next > until_ns {
                self.now_ns = until_ns;
                return is_so(self);
            }
            self.now_ns = next;
            self.step(arrival);
        }
    }

    fn step(&mut self, arrival: u64) {
        if arrival == self.now_ns {
            let (_, _, to, bytes) = self.under_way.pop().unwrap();
            self.received[to] += 1;
            if let Some(answer) = self.ends[to].receive(&bytes, self.now_ns).unwrap() {
                self.send(to, answer);
            }
        }
        for at in 0..2 {
            if let Some(packet) = self.ends[at].tick(self.received[at], self.now_ns) {
                self.send(at, packet);
            }
        }
    }

    fn run(&mut self, time_ns: u64) {
        self.run_until(self.now_ns + time_ns, |_| false);
    }

    fn are(&self, state: State) -> bool {
        self.ends.iter().all(|end| end.state() == state)
    }

    fn come_up(&mut self) {
        let until_ns = self.now_ns + 10_000 * MS;
        assert!(self.run_until(until_ns, |wire| wire.are(State::Up)), "{:?}", self.ends);
        self.run(2000 * MS);
    }

    fn cut(&mut self) {
        self.loses = Box::new(|_| true);
    }
}

fn fast() -> Settings {
    Settings { min_rx_ms: 100, min_tx_ms: 100, ..Settings::default() }
}

#[test]
fn two_sessions_come_up_by_way_of_init_and_forward() {
    let mut wire = Wire::both(Settings::default());
    assert!(wire.are(State::Down) && !wire.ends[0].is_forwarding());
    assert!(wire.run_until(1000 * MS, |wire| wire.ends.iter().any(|end| end.state() == State::Init)));
    wire.come_up();
    for end in &wire.ends {
        let status = end.status();
        assert!(status.is_forwarding && status.flaps == 1, "{status:?}");
        assert_eq!(status.remote.state, State::Up);
        assert_eq!(status.tx_interval_ns, 1000 * MS, "the other end can receive no faster");
    }
}

#[test]
fn a_cut_wire_is_noticed_within_the_detection_time_and_healed_afterwards() {
    let mut wire = Wire::both(fast());
    wire.come_up();
    let cut_ns = wire.now_ns;
    wire.cut();
    // The last packet may have been sent just before, and arrives later.
    assert!(wire.run_until(cut_ns + 300 * MS + LATENCY_NS, |wire| wire.are(State::Down)));
    assert!(wire.now_ns > cut_ns + 2 * 75 * MS, "not before several packets are missing");
    for end in &wire.ends {
        assert_eq!(end.status().local.diagnostic, Diagnostic::EXPIRED);
        assert!(!end.is_forwarding());
    }
    wire.loses = Box::new(|_| false);
    wire.come_up();
    assert_eq!(wire.ends.map(|end| end.status().flaps), [3, 3]);
}

#[test]
fn an_end_that_is_held_down_tells_the_other_at_once() {
    let mut wire = Wire::both(fast());
    wire.come_up();
    wire.ends[1].set_admin_down(true, wire.now_ns);
    let until_ns = wire.now_ns + 10 * MS;
    assert!(wire.run_until(until_ns, |wire| wire.ends[0].state() == State::Down));
    let status = wire.ends[0].status();
    assert_eq!(status.local.diagnostic, Diagnostic::NEIGHBOR_DOWN);
    assert_eq!(status.remote.diagnostic, Diagnostic::ADMIN_DOWN);
    wire.ends[1].set_admin_down(false, wire.now_ns);
    wire.come_up();
}

#[test]
fn as_long_as_they_are_not_up_ends_send_no_more_than_a_packet_a_second() {
    let mut wire = Wire::both(Settings { min_tx_ms: 10, min_rx_ms: 10, ..Settings::default() });
    wire.cut();
    wire.run(60_000 * MS);
    // An interval of a second is shortened by up to a quarter.
    assert!((120..=165).contains(&wire.sent.len()), "{} packets", wire.sent.len());
}

#[test]
fn intervals_are_shortened_by_chance_and_never_made_longer() {
    let mut wire = Wire::both(fast());
    wire.come_up();
    let first = wire.sent.len();
    wire.run(20_000 * MS);
    let moments: Vec<u64> = wire.sent[first..].iter().filter(|one| one.1 == 0).map(|one| one.0).collect();
    let gaps: Vec<u64> = moments.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| (75 * MS..=100 * MS).contains(gap)), "{gaps:?}");
    assert!(gaps.iter().min() < gaps.iter().max());
}

#[test]
fn other_intervals_are_agreed_upon_by_a_poll_without_a_flap() {
    let mut wire = Wire::both(fast());
    wire.come_up();
    for (min_tx_ms, min_rx_ms) in [(1500, 100), (100, 2000), (50, 50), (3000, 3000), (100, 100)] {
        let settings = Settings { min_tx_ms, min_rx_ms, ..fast() };
        wire.ends[0].configure(settings, wire.now_ns);
        assert!(wire.ends[0].status().local.poll);
        wire.run(10_000 * MS);
        let [one, other] = [wire.ends[0].status(), wire.ends[1].status()];
        assert!(!one.local.poll, "the poll has been answered");
        assert_eq!(one.tx_interval_ns, u64::from(min_tx_ms.max(100)) * MS);
        assert_eq!(other.tx_interval_ns, u64::from(min_rx_ms.max(100)) * MS);
        assert_eq!((one.flaps, other.flaps), (1, 1), "{min_tx_ms} {min_rx_ms}");
    }
}

#[test]
fn until_a_poll_is_answered_neither_end_waits_for_packets_that_the_other_does_not_send_yet() {
    let mut wire = Wire::both(fast());
    wire.come_up();
    wire.loses = Box::new(|_| true);
    wire.ends[0].configure(Settings { min_tx_ms: 900, min_rx_ms: 20, ..fast() }, wire.now_ns);
    let status = wire.ends[0].status();
    assert_eq!((status.tx_interval_ns, status.rx_interval_ns), (100 * MS, 100 * MS));
}

#[test]
fn an_answer_ends_a_poll_and_is_itself_no_poll() {
    let mut session = Session::new(fast(), 5, 1, 0);
    let packet = ControlPacket {
        poll: true,
        multiplier: 3,
        my_discriminator: 9,
        required_min_rx_us: 1,
        ..ControlPacket::default()
    };
    let answer = session.receive(&packet.emit(), 0).unwrap().expect("an answer");
    assert!(answer.is_final && !answer.poll);
    assert_eq!((answer.my_discriminator, answer.your_discriminator), (5, 9));
}

#[test]
fn an_end_that_wants_nothing_is_sent_nothing_and_one_that_demands_silence_gets_it_while_up() {
    let from = |state, required_min_rx_us, demand| ControlPacket {
        state,
        demand,
        multiplier: 255,
        my_discriminator: 9,
        your_discriminator: 5,
        required_min_rx_us,
        desired_min_tx_us: 1_000_000,
        ..ControlPacket::default()
    };
    let mut session = Session::new(Settings { min_tx_ms: 1000, ..fast() }, 5, 1, 0);
    session.receive(&from(State::Down, 0, false).emit(), 0).unwrap();
    assert_eq!(session.status().sends_at_ns, None);
    session.receive(&from(State::Init, 1, true).emit(), MS).unwrap();
    assert!(session.tick(0, 2 * MS).is_some(), "the other end is not up yet");
    session.receive(&from(State::Up, 1, true).emit(), 3 * MS).unwrap();
    assert_eq!(session.status().sends_at_ns, None);
    session.receive(&from(State::Up, 1, false).emit(), 4 * MS).unwrap();
    assert!(session.status().sends_at_ns.is_some());
}

#[test]
fn a_path_that_goes_on_to_nowhere_is_told_and_not_used() {
    let mut wire = Wire::both(fast());
    wire.come_up();
    wire.ends[0].configure(Settings { cpath_down: true, ..fast() }, wire.now_ns);
    wire.run(20 * MS);
    assert!(wire.are(State::Up));
    assert_eq!(wire.ends[1].status().remote.diagnostic, Diagnostic::CONCATENATED_PATH_DOWN);
    assert_eq!(wire.ends.each_ref().map(Session::is_forwarding), [true, false]);
    wire.ends[0].configure(fast(), wire.now_ns);
    wire.run(20 * MS);
    assert_eq!(wire.ends.each_ref().map(Session::is_forwarding), [true, true]);
}

#[test]
fn somebody_may_say_that_a_path_works_or_not() {
    let mut wire = Wire::both(fast());
    for (forced, expected) in [(Some(true), true), (Some(false), false), (None, false)] {
        wire.ends[0].force_forwarding(forced, 0);
        assert_eq!(wire.ends[0].is_forwarding(), expected);
    }
}

#[test]
fn other_packets_keep_a_path_alive_where_that_is_asked_for_but_not_for_ever() {
    let mut wire = Wire::new([Settings { forwarding_if_rx: true, ..fast() }, fast()], 1);
    wire.come_up();
    wire.cut();
    for _ in 0..50 {
        wire.received[0] += 1;
        wire.run(100 * MS);
    }
    assert_eq!(wire.ends[0].state(), State::Down);
    assert_eq!(wire.ends.each_ref().map(Session::is_forwarding), [true, false]);
    for _ in 0..60 {
        wire.received[0] += 1;
        wire.run(100 * MS);
    }
    assert!(!wire.ends[0].is_forwarding(), "a hundred intervals without a packet of the session");
}

#[test]
fn a_quiet_path_is_looked_at_less_often_where_that_is_asked_for() {
    let mut wire = Wire::new([Settings { decay_min_rx_ms: 1000, ..fast() }, fast()], 1);
    wire.come_up();
    wire.run(6000 * MS);
    assert_eq!(wire.ends[1].status().tx_interval_ns, 1000 * MS);
    for _ in 0..6000 {
        wire.received[0] += 1;
        wire.run(MS);
    }
    assert_eq!(wire.ends[1].status().tx_interval_ns, 100 * MS);
    assert_eq!(wire.ends.map(|end| end.status().flaps), [1, 1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Up to a quarter of the packets are lost by chance, but never four in a row of one end, which may be a failure.
    #[test]
    fn over_a_lossy_wire_sessions_come_up_and_a_cut_is_noticed_in_time(
        seed in any::<u32>(),
        lost in prop::collection::vec(prop::bool::weighted(0.25), 64..256),
        (tx, rx) in (10u32..2000, 10u32..2000),
        multiplier in 2u8..6,
    ) {
        let settings = Settings { min_tx_ms: tx, min_rx_ms: rx, multiplier, ..Settings::default() };
        let mut wire = Wire::new([settings; 2], u64::from(seed));
        wire.loses = Box::new(move |order| lost[order % lost.len()]);
        prop_assert!(wire.run_until(600_000 * MS, |wire| wire.are(State::Up)));
        wire.loses = Box::new(|_| false);
        wire.come_up();
        let cut_ns = wire.now_ns;
        wire.cut();
        let detection_ns = u64::from(multiplier) * u64::from(tx.max(rx)) * MS;
        prop_assert!(wire.run_until(cut_ns + detection_ns + LATENCY_NS, |wire| wire.are(State::Down)));
        // Both ends were up once and are down now, so what they told is what happened.
        for end in &wire.ends {
            prop_assert_eq!(end.status().local.diagnostic, Diagnostic::EXPIRED);
        }
    }
}
