//! Counters and timeouts.

use crate::frames::{self, Checksum};
use crate::recorder::{add, counts, flow_mod, from_port, send, send_with, switch};
use tulle_datapath::{COUNTED_PLACES, Command, DropReason, FlowFilter, FlowMod, FlowModError, RemovalReason};
use tulle_wire::vnet::Offload;

const SECOND: u64 = 1_000_000_000;

fn frame(len: usize) -> Vec<u8> {
    frames::ipv4(64, &frames::udp(1, 2, &vec![0; len]), Checksum::Full)
}

#[test]
fn counters_are_exact_whoever_asks_and_whenever() {
    let mut datapath =
        switch(&["priority=5,in_port=1 actions=resubmit(,1),resubmit(,1)", "table=1 actions=output:2"]);
    let mut bytes = 0;
    for (i, len) in [0, 100, 1000, 7].into_iter().enumerate() {
        bytes += send(&mut datapath, &frame(len), 1).frames()[0].len() as u64;
        let n = i as u64 + 1;
        assert_eq!(counts(&mut datapath), [(n, bytes), (2 * n, 2 * bytes)]);
    }
    add(&mut datapath, "table=9 actions=drop", 0);
    assert_eq!(counts(&mut datapath), [(4, bytes), (8, 2 * bytes), (0, 0)]);
    let tables = datapath.table_stats();
    let row = |table: usize| (tables[table].active, tables[table].lookups, tables[table].matched);
    assert_eq!((row(0), row(1), row(9)), ((1, 4, 4), (1, 8, 8), (1, 0, 0)));
}

#[test]
fn misses_are_lookups_without_a_match() {
    let mut datapath = switch(&["in_port=1 actions=output:2"]);
    for port in [1, 2, 2] {
        send(&mut datapath, &frame(1), port);
    }
    let table = datapath.table_stats()[0];
    assert_eq!((table.lookups, table.matched), (3, 1));
}

#[test]
fn counters_start_anew_only_where_the_controller_says_so() {
    let mut datapath = switch(&["actions=output:2"]);
    send(&mut datapath, &frame(1), 1);
    datapath.flow_mod(&flow_mod(Command::Modify, "actions=output:3"), 0).expect("modified");
    assert_eq!(send(&mut datapath, &frame(1), 1).ports(), [3]);
    assert_eq!(counts(&mut datapath)[0].0, 2);
    let reset = FlowMod { reset_counts: true, ..flow_mod(Command::ModifyStrict, "actions=output:4") };
    datapath.flow_mod(&reset, 0).expect("modified");
    assert_eq!(counts(&mut datapath), [(0, 0)]);
    send(&mut datapath, &frame(1), 1);
    add(&mut datapath, "actions=output:2", 0);
    assert_eq!(counts(&mut datapath)[0].0, 1);
    let reset = FlowMod { reset_counts: true, ..flow_mod(Command::Add, "actions=output:2") };
    datapath.flow_mod(&reset, 0).expect("replaced");
    assert_eq!(counts(&mut datapath), [(0, 0)]);
}

#[test]
fn a_hard_timeout_ends_a_flow_in_use_and_an_idle_timeout_does_not() {
    let mut datapath = switch(&[]);
    let flows = ["in_port=1,hard_timeout=5 actions=output:2", "in_port=2,idle_timeout=3 actions=output:3"];
    for text in flows {
        let change = FlowMod { notify_removal: true, ..flow_mod(Command::Add, text) };
        datapath.flow_mod(&change, 0).expect("a flow");
    }
    for second in 0..10 {
        for port in [1, 2] {
            send_with(&mut datapath, &frame(1), &Offload::default(), &from_port(port), second * SECOND);
        }
        let removed = datapath.expire(second * SECOND);
        let reasons: Vec<_> = removed.iter().map(|removed| (removed.reason, removed.notify)).collect();
        let expected = if second == 5 { vec![(RemovalReason::HardTimeout, true)] } else { vec![] };
        assert_eq!(reasons, expected, "second {second}");
        if let [removed] = &removed[..] {
            let stats = removed.stats();
            assert_eq!((stats.packets, stats.duration_ns), (6, 5 * SECOND));
        }
    }
    assert_eq!(datapath.expire(12 * SECOND - 1), []);
    let removed = datapath.expire(12 * SECOND);
    assert_eq!((removed[0].reason, removed[0].stats().packets), (RemovalReason::IdleTimeout, 10));
    assert_eq!((removed[0].stats().idle_ns, datapath.flow_count()), (3 * SECOND, 0));
    assert_eq!(send(&mut datapath, &frame(1), 2).reasons(), [DropReason::NoMatch]);
}

#[test]
fn idle_verdicts_are_forgotten_and_their_packets_stay_counted() {
    let mut datapath = switch(&["udp,udp_src=1 actions=output:2", "priority=1 actions=output:3"]);
    send(&mut datapath, &frame(1), 1);
    let other = frames::ipv4(64, &frames::udp(9, 2, b""), Checksum::Full);
    send_with(&mut datapath, &other, &Offload::default(), &from_port(1), 9 * SECOND);
    assert_eq!(datapath.cache_stats().entries, 2);
    for second in [11, 12] {
        datapath.expire(second * SECOND);
        assert_eq!(datapath.cache_stats().entries, 1, "second {second}");
    }
    let again = send_with(&mut datapath, &other, &Offload::default(), &from_port(1), 12 * SECOND);
    assert_eq!((again.ports(), datapath.cache_stats().hits), (vec![3], 1));
    datapath.expire(22 * SECOND);
    assert_eq!(datapath.cache_stats().entries, 0);
    assert_eq!(counts(&mut datapath).iter().map(|count| count.0).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn tables_have_a_limit() {
    let mut datapath = tulle_datapath::Datapath::with_limits(1, 2, 10);
    add(&mut datapath, "in_port=1 actions=drop", 0);
    add(&mut datapath, "in_port=2 actions=drop", 0);
    let third = datapath.flow_mod(&flow_mod(Command::Add, "in_port=3 actions=drop"), 0);
    assert_eq!(third, Err(FlowModError::TableFull { limit: 2 }));
    add(&mut datapath, "in_port=2 actions=output:1", 0);
    assert_eq!(datapath.flow_count(), 2);
}

#[test]
fn flow_mods_that_make_no_sense_change_nothing() {
    let mut datapath = switch(&["priority=5,ip actions=output:2"]);
    let mut refused = |change: &FlowMod| datapath.flow_mod(change, 0).expect_err("refused");
    let overlap =
        FlowMod { check_overlap: true, ..flow_mod(Command::Add, "priority=5,in_port=1 actions=drop") };
    assert_eq!(refused(&overlap), FlowModError::Overlap);
    assert_eq!(refused(&flow_mod(Command::Add, "table=255 actions=drop")), FlowModError::BadTable(255));
    let back = refused(&flow_mod(Command::Add, "table=3 actions=goto_table:3"));
    assert_eq!(back, FlowModError::BackwardGoto(3));
    let read_only = refused(&flow_mod(Command::Modify, "actions=set_field:6->nw_proto,output:1"));
    assert_eq!(read_only, FlowModError::ReadOnlyField(tulle_flow::Field::IpProto));
    let flows = datapath.flows(&FlowFilter::default(), 0);
    assert_eq!(
        flows.iter().map(|flow| flow.flow.to_string()).collect::<Vec<_>>(),
        ["table=0,priority=5,ip actions=output:2"]
    );
}

#[test]
fn drops_are_counted_by_port_reason_and_table() {
    let mut datapath = switch(&[
        "table=0,in_port=1 actions=resubmit(,7)",
        "table=7,tcp actions=drop",
        "table=0,in_port=2,tcp actions=drop",
    ]);
    let tcp = frames::ipv4(64, &frames::tcp(1, 2, &[]), Checksum::Full);
    for port in [1, 1, 2] {
        send(&mut datapath, &tcp, port);
    }
    send(&mut datapath, &frames::arp_request([10, 0, 0, 1]), 1);
    send(&mut datapath, &[0; 4], 2);
    let counts = datapath.drops().by_place().into_iter();
    let rows: Vec<_> = counts.map(|one| (one.port, one.reason, one.table, one.packets)).collect();
    assert_eq!(
        rows,
        [
            (1, DropReason::NoMatch, Some(7), 1),
            (1, DropReason::DroppedByFlow, Some(7), 2),
            (2, DropReason::FrameTooShort, None, 1),
            (2, DropReason::DroppedByFlow, Some(0), 1),
        ]
    );
    assert_eq!(datapath.drops().of_port(1, DropReason::DroppedByFlow), 2);
}

#[test]
fn drop_counters_of_places_are_bounded_and_the_totals_are_not() {
    let mut datapath = switch(&[]);
    let ports = COUNTED_PLACES as u32 + 10;
    for port in 0..ports {
        send(&mut datapath, &[0; 4], port);
    }
    assert_eq!(datapath.drops().total(DropReason::FrameTooShort), u64::from(ports));
    assert_eq!(datapath.drops().by_place().len(), COUNTED_PLACES);
}
