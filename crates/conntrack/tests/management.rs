//! What an operator sees and changes.

mod common;

use common::*;
use tulle_conntrack::{Alg, Config, Conntrack, DropReason, Masked, Nat, NatRange, Request, Timeout};

const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";

fn lines(tracker: &Conntrack) -> Vec<String> {
    let mut lines: Vec<_> = tracker.entries(0).map(|entry| entry.to_string()).collect();
    lines.sort();
    lines
}

#[test]
fn connections_are_listed_as_dump_conntrack_does() {
    let mut tracker = tracker();
    let request = Request {
        zone: 5,
        commit: true,
        mark: Masked { value: 17, mask: u32::MAX },
        label: Masked { value: 0xabc, mask: u128::MAX },
        alg: Some(Alg::Ftp),
        ..Request::default()
    };
    pass(&mut tracker, &tcp(A, 4000, B, 21, SYN, 1, 0), &request, 0);
    pass(&mut tracker, &tcp(B, 21, A, 4000, SYN | ACK, 1, 2), &Request { zone: 5, ..looking() }, 0);
    pass(&mut tracker, &tcp(A, 4000, B, 21, ACK, 2, 2), &Request { zone: 5, ..looking() }, 0);
    let nat = with_nat(Nat::Source(NatRange::to(ip("192.0.2.1"))));
    pass(&mut tracker, &udp(A, 1000, B, 53), &nat, 0);
    pass(&mut tracker, &echo("fd00::1", "fd00::2", true, 9), &committing(), 0);
    let gre = Frame { source: ip(A), destination: ip(B), body: Body::Other { protocol: 47 } };
    pass(&mut tracker, &gre, &committing(), 0);
    assert_eq!(
        lines(&tracker),
        [
            "47,orig=(src=10.0.0.1,dst=10.0.0.2,sport=0,dport=0),reply=(src=10.0.0.2,dst=10.0.0.1,sport=0,dport=0)",
            "icmpv6,orig=(src=fd00::1,dst=fd00::2,id=9,type=128,code=0),reply=(src=fd00::2,dst=fd00::1,id=9,type=129,code=0)",
            "tcp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=4000,dport=21),reply=(src=10.0.0.2,dst=10.0.0.1,sport=21,dport=4000),zone=5,mark=17,labels=0xabc,protoinfo=(state=ESTABLISHED),helper=ftp",
            "udp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=1000,dport=53),reply=(src=10.0.0.2,dst=192.0.2.1,sport=53,dport=1000)",
        ]
    );
    let timed: Vec<_> = tracker.entries(10 * SECOND).map(|entry| format!("{entry:#}")).collect();
    assert!(timed.iter().any(|line| line.starts_with("udp") && line.ends_with(",timeout=20")), "{timed:?}");
}

#[test]
fn a_zone_or_one_connection_or_all_are_flushed() {
    let mut tracker = tracker();
    let commit = |tracker: &mut Conntrack, zone: u16, frame: &Frame| {
        send(tracker, frame, &Request { zone, ..committing() }, 0).0.expect("room");
    };
    for zone in 1..4 {
        for port in 1..11 {
            commit(&mut tracker, zone, &udp(A, port, B, 53));
        }
    }
    assert_eq!(tracker.zone_counts().collect::<Vec<_>>(), [(1, 10), (2, 10), (3, 10)]);
    assert_eq!(tracker.flush_zone(2), 10);
    assert_eq!(tracker.zone_counts().collect::<Vec<_>>(), [(1, 10), (3, 10)]);
    let entry = tracker.entries(0).find(|entry| entry.zone == 3).expect("one");
    assert!(tracker.flush_tuple(3, &entry.reply, 0));
    assert!(!tracker.flush_tuple(3, &entry.original, 0));
    assert_eq!(tracker.zone_count(3), 9);
    commit(&mut tracker, 7, &echo(A, B, true, 3));
    let ping = tracker.entries(0).find(|entry| entry.zone == 7).expect("one");
    assert!(tracker.flush_tuple(7, &ping.original, 0));
    assert_eq!(
        tracker.flush_matching(0, |entry| entry.original.source_port == 4),
        1 + u32::from(entry.original.source_port != 4) as usize
    );
    tracker.flush();
    assert_eq!((tracker.len(), tracker.zone_counts().count()), (0, 0));
    commit(&mut tracker, 1, &udp(A, 1, B, 53));
    assert_eq!(lines(&tracker).len(), 1);
}

#[test]
fn connections_are_listed_in_turns() {
    let mut tracker = tracker();
    for port in 1..=2500 {
        send(&mut tracker, &udp(A, port, B, 53), &committing(), 0).0.expect("room");
    }
    let (mut seen, mut place) = (std::collections::BTreeSet::new(), 0);
    loop {
        let turn: Vec<_> = tracker.entries_from(place, 0).take(100).collect();
        let Some((last, _)) = turn.last() else { break };
        place = last + 1;
        seen.extend(turn.iter().map(|(_, entry)| entry.original.source_port));
    }
    assert_eq!(seen.len(), 2500);
}

#[test]
fn a_zone_has_no_more_connections_than_its_limit() {
    let mut tracker = tracker();
    tracker.set_default_limit(Some(2));
    tracker.set_zone_limit(9, Some(3));
    let mut commit =
        |zone, port| send(&mut tracker, &udp(A, port, B, 53), &Request { zone, ..committing() }, 0).0;
    for port in 1..=2 {
        commit(1, port).expect("room");
        commit(9, port).expect("room");
    }
    assert_eq!(commit(1, 3), Err(DropReason::ZoneFull));
    commit(1, 1).expect("it is there already");
    commit(9, 3).expect("room");
    assert_eq!(commit(9, 4), Err(DropReason::ZoneFull));
    tracker.set_zone_limit(9, None);
    assert_eq!(tracker.zone_limit(9), Some(2));
    assert_eq!(tracker.zone_limits().count(), 0);
}

#[test]
fn what_has_expired_makes_room_in_a_full_zone() {
    let mut tracker = tracker();
    tracker.set_default_limit(Some(1));
    send(&mut tracker, &udp(A, 1, B, 53), &committing(), 0).0.expect("room");
    let second = udp(A, 2, B, 53);
    assert_eq!(send(&mut tracker, &second, &committing(), 29 * SECOND).0, Err(DropReason::ZoneFull));
    send(&mut tracker, &second, &committing(), 40 * SECOND).0.expect("room");
}

#[test]
fn a_flood_of_half_open_connections_evicts_itself_and_nothing_established() {
    let config = Config { connections: 1000, ..Config::default() };
    let mut tracker = Conntrack::new(config, 5);
    for port in 1..=900 {
        send(&mut tracker, &udp(A, port, B, 53), &committing(), 0).0.expect("room");
        send(&mut tracker, &udp(B, 53, A, port), &looking(), 0).0.expect("known");
    }
    for host in 0..5000 {
        let from = format!("10.9.{}.{}", host / 250, host % 250);
        let (outcome, _) = send(&mut tracker, &tcp(&from, 99, B, 80, SYN, 1, 0), &committing(), 0);
        outcome.expect("room");
    }
    assert_eq!((tracker.len(), tracker.stats().evicted), (1000, 4900));
    for port in 1..=900 {
        assert_eq!(state_of(&mut tracker, &udp(A, port, B, 53), &looking(), 0), "est|trk");
    }
    for port in 901..=1000 {
        send(&mut tracker, &udp(A, port, B, 53), &committing(), 0).0.expect("room");
        send(&mut tracker, &udp(B, 53, A, port), &looking(), 0).0.expect("known");
    }
    let refused = send(&mut tracker, &udp(A, 2000, B, 53), &committing(), 0).0;
    assert_eq!(refused, Err(DropReason::TableFull));
    assert_eq!(
        state_of(&mut tracker, &udp(A, 2000, B, 53), &looking(), 0),
        "new|trk",
        "not committed, no room needed"
    );
}

#[test]
fn a_closed_connection_is_given_up_before_an_open_one() {
    let mut tracker = Conntrack::new(Config { connections: 1, ..Config::default() }, 5);
    send(&mut tracker, &tcp(A, 1, B, 80, SYN, 100, 0), &committing(), 0).0.expect("room");
    send(&mut tracker, &tcp(B, 80, A, 1, SYN | ACK, 200, 101), &looking(), 0).0.expect("known");
    send(&mut tracker, &tcp(A, 1, B, 80, ACK, 101, 201), &looking(), 0).0.expect("known");
    let other = udp(A, 2, B, 53);
    assert_eq!(send(&mut tracker, &other, &committing(), 0).0, Err(DropReason::TableFull));
    send(&mut tracker, &tcp(A, 1, B, 80, RST, 101, 0), &looking(), 0).0.expect("known");
    send(&mut tracker, &other, &committing(), 0).0.expect("room");
}

#[test]
fn timeouts_can_be_set() {
    let mut tracker = tracker();
    let mut timeouts = *tracker.timeouts();
    timeouts.set(Timeout::UdpFirst, 5);
    tracker.set_timeouts(timeouts);
    send(&mut tracker, &udp(A, 1, B, 53), &committing(), 0).0.expect("room");
    assert_eq!(tracker.entries(5 * SECOND - 1).count(), 1);
    assert_eq!(tracker.entries(5 * SECOND).count(), 0);
}

#[test]
fn memory_per_connection_is_what_the_documentation_says() {
    let mut tracker = tracker();
    for host in 0..100 {
        for port in 1..=1000 {
            let from = format!("10.1.0.{host}");
            send(&mut tracker, &udp(&from, port, B, 53), &committing(), 0).0.expect("room");
        }
    }
    let each = tracker.memory() / tracker.len();
    assert!(each <= tulle_conntrack::MEMORY_PER_CONNECTION, "{each} bytes");
}

#[test]
fn what_is_closed_gives_its_memory_back_soon_and_not_after_days() {
    let mut tracker = tracker();
    pass(&mut tracker, &tcp(A, 1, B, 80, SYN, 100, 0), &committing(), 0);
    pass(&mut tracker, &tcp(B, 80, A, 1, SYN | ACK, 200, 101), &looking(), 0);
    pass(&mut tracker, &tcp(A, 1, B, 80, ACK, 101, 201), &looking(), SECOND);
    assert_eq!(tracker.expire(5000 * SECOND, usize::MAX), 0, "established");
    pass(&mut tracker, &tcp(A, 1, B, 80, RST, 101, 0), &looking(), 5000 * SECOND);
    assert_eq!(tracker.expire(5013 * SECOND, usize::MAX), 1);
}

#[test]
fn expiry_looks_at_no_more_than_it_is_allowed() {
    let mut tracker = tracker();
    for port in 1..=1000 {
        pass(&mut tracker, &udp(A, port, B, 53), &committing(), 0);
    }
    assert_eq!(tracker.expire(100 * SECOND, 40), 40 - 28, "28 empty ticks before");
    let turns = (0..).take_while(|_| tracker.expire(100 * SECOND, 100) > 0).count();
    assert_eq!((turns, tracker.len()), (10, 0));
}
