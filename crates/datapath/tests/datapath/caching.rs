//! What is remembered, for how long, and what changes and floods do to it.

use crate::frames::{self, Checksum};
use crate::recorder::{add, counts, flow_mod, from_port, send, send_with, switch};
use tulle_datapath::{Command, Datapath};
use tulle_wire::vnet::Offload;

fn udp(src: u16, dst: u16) -> Vec<u8> {
    frames::ipv4(64, &frames::udp(src, dst, b""), Checksum::Full)
}

fn misses(datapath: &Datapath) -> u64 {
    datapath.cache_stats().misses
}

#[test]
fn an_added_flow_concerns_those_who_looked_its_table_up() {
    let mut datapath = switch(&["in_port=1 actions=resubmit(,1)", "in_port=2 actions=output:3"]);
    add(&mut datapath, "table=1 actions=output:4", 0);
    (1..3).for_each(|port| drop(send(&mut datapath, &udp(1, 2), port)));
    assert_eq!(misses(&datapath), 2);
    add(&mut datapath, "table=1,priority=0,arp actions=drop", 0);
    add(&mut datapath, "table=2 actions=drop", 0);
    (1..3).for_each(|port| drop(send(&mut datapath, &udp(1, 2), port)));
    assert_eq!(misses(&datapath), 3);
    assert_eq!(counts(&mut datapath).iter().map(|count| count.0).collect::<Vec<_>>(), [2, 2, 2, 0, 0]);
}

#[test]
fn a_removed_or_modified_flow_concerns_those_who_matched_it() {
    let mut datapath =
        switch(&["in_port=1 actions=output:3", "in_port=2 actions=output:3", "arp actions=drop"]);
    (1..3).for_each(|port| drop(send(&mut datapath, &udp(1, 2), port)));
    for (command, text, expected) in [
        (Command::Delete, "arp actions=drop", 2),
        (Command::Modify, "in_port=1 actions=output:4", 3),
        (Command::Delete, "in_port=2 actions=drop", 4),
    ] {
        datapath.flow_mod(&flow_mod(command, text), 0).expect("done");
        (1..3).for_each(|port| drop(send(&mut datapath, &udp(1, 2), port)));
        assert_eq!(misses(&datapath), expected, "{text}");
    }
    assert_eq!(counts(&mut datapath).iter().map(|count| count.0).collect::<Vec<_>>(), [4]);
}

#[test]
fn changes_while_no_packet_comes_cost_one_look() {
    let mut datapath = switch(&["actions=output:3"]);
    send(&mut datapath, &udp(1, 2), 1);
    for priority in 1..1000 {
        add(&mut datapath, &format!("priority={priority},arp,arp_op={} actions=drop", priority % 7), 0);
    }
    assert_eq!(datapath.cache_stats().entries, 1);
    send(&mut datapath, &udp(1, 2), 1);
    send(&mut datapath, &udp(1, 2), 1);
    assert_eq!((misses(&datapath), datapath.cache_stats().hits), (2, 1));
}

/// Flows that make a verdict of its own for each source port.
fn per_port_flows(datapath: &mut Datapath) {
    (1..5).for_each(|port| datapath.add_port(port));
    add(datapath, "priority=1,udp actions=output:3", 0);
    // No prefix: it takes all these bits to see that a packet is not meant.
    add(datapath, "priority=2,udp,udp_src=0x7ffe/0x7fff actions=output:4", 0);
}

#[test]
fn packets_that_come_once_push_out_nothing_that_is_used() {
    let mut datapath = Datapath::with_limits(1, 1000, 100);
    per_port_flows(&mut datapath);
    let mut all = 0;
    for round in 0..200_u16 {
        for port in 0..10 {
            send(&mut datapath, &udp(port, 7), 2);
        }
        let before = misses(&datapath);
        (0..30).for_each(|i| drop(send(&mut datapath, &udp(1000 + round * 30 + i, 7), 1)));
        all += misses(&datapath) - before;
        assert!(datapath.cache_stats().entries <= 100);
    }
    let of_the_users = misses(&datapath) - all;
    assert!(all >= 6000 && of_the_users <= 20, "{all} misses of strangers, {of_the_users} of users");
    assert_eq!(counts(&mut datapath).iter().map(|count| count.0).sum::<u64>(), 200 * 40);
}

#[test]
fn one_ports_masks_take_none_from_another() {
    let mut datapath = switch(&["priority=0 actions=output:3"]);
    for length in 1..32 {
        for (field, priority) in [("nw_src", 100), ("nw_dst", 200)] {
            let flow = format!(
                "priority={},ip,{field}={}.0.0.0/{length} actions=drop",
                priority + length,
                128 >> (length % 8)
            );
            add(&mut datapath, &flow, 0);
        }
    }
    send(&mut datapath, &udp(1, 2), 2);
    let (masks, before) = (datapath.cache_stats().masks, misses(&datapath));
    for i in 0..2000_u32 {
        let mut frame = udp(1, 2);
        frame[26..30].copy_from_slice(&(1 << (i % 32)).to_be_bytes_of(i));
        frame[30..34].copy_from_slice(&(1 << (i / 32 % 32)).to_be_bytes_of(i));
        send(&mut datapath, &frame, 1);
        assert!(datapath.cache_stats().masks <= masks + 65);
    }
    let flood = misses(&datapath) - before;
    send(&mut datapath, &udp(1, 2), 2);
    assert_eq!(misses(&datapath) - before, flood);
}

/// Bits below the first one filled from a number, so that each packet is another.
trait Scattered {
    fn to_be_bytes_of(self, number: u32) -> [u8; 4];
}

impl Scattered for u32 {
    fn to_be_bytes_of(self, number: u32) -> [u8; 4] {
        (self | (number.wrapping_mul(0x9e37_79b1) & (self - 1))).to_be_bytes()
    }
}

#[test]
fn a_sweep_forgets_all_that_is_idle_in_the_end() {
    let mut datapath = Datapath::with_limits(1, 1000, 10_000);
    per_port_flows(&mut datapath);
    (0..5000).for_each(|port| drop(send(&mut datapath, &udp(port, 9), 1)));
    let many = datapath.cache_stats().entries;
    assert!(many > 10, "{many}");
    for port in 0..3 {
        send_with(&mut datapath, &udp(port, 9), &Offload::default(), &from_port(1), 11_000_000_000);
    }
    for _ in 0..20 {
        datapath.expire(12_000_000_000);
    }
    assert!(datapath.cache_stats().entries <= 3, "{:?}", datapath.cache_stats());
    assert_eq!(counts(&mut datapath).iter().map(|count| count.0).sum::<u64>(), 5003);
}
