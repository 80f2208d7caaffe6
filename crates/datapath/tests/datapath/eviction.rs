//! Which flow goes when a table is full, against the words of the manual.

use crate::recorder::{flow_mod, send, switch};
use proptest::prelude::*;
use tulle_datapath::{Command, FlowFilter, FlowMod, FlowModError, RemovalReason, TablePolicy};
use tulle_flow::{Field, Flow, SubField};

const LIMIT: usize = 6;

fn policy(limit: usize, groups: &[Field]) -> TablePolicy {
    let groups = groups.iter().map(|field| SubField::whole(*field)).collect();
    TablePolicy { flow_limit: Some(limit), evicts: true, groups }
}

fn flow() -> impl Strategy<Value = Flow> {
    // No two flows expire at the same time.
    (1..3_u32, 0..6_u32, 0..3_u16, 0..100_u16, any::<bool>()).prop_map(
        |(port, host, importance, timeout, idle)| {
            let matching = format!("in_port={port},ip,nw_src=10.0.0.{host}");
            let text = format!("priority={timeout},{matching} actions=drop");
            let mut flow: Flow = text.parse().expect("a flow");
            flow.importance = importance;
            if idle {
                flow.idle_timeout = timeout
            } else {
                flow.hard_timeout = timeout
            }
            flow
        },
    )
}

fn port(flow: &Flow) -> Option<u128> {
    flow.matching.exact(Field::InPort)
}

/// The flow that the manual's four steps choose.
fn victim(flows: &[(u64, Flow)], is_grouped: bool) -> Option<usize> {
    let may_go = |flow: &Flow| flow.idle_timeout + flow.hard_timeout > 0;
    let size = |flow: &Flow| {
        let same = flows.iter().filter(|(_, other)| !is_grouped || port(other) == port(flow));
        same.filter(|(_, other)| may_go(other)).count()
    };
    let expires =
        |created: u64, flow: &Flow| created + u64::from(flow.idle_timeout + flow.hard_timeout) * 1_000;
    let rank = |i: &usize| {
        let (created, flow) = &flows[*i];
        (std::cmp::Reverse(size(flow)), flow.importance, expires(*created, flow))
    };
    (0..flows.len()).filter(|i| may_go(&flows[*i].1)).min_by_key(rank)
}

fn sorted(flows: impl Iterator<Item = Flow>) -> Vec<String> {
    let mut texts: Vec<_> = flows.map(|flow| flow.to_string()).collect();
    texts.sort();
    texts
}

proptest! {
    #[test]
    fn the_flow_goes_that_the_manual_says(
        flows in prop::collection::vec(flow(), 1..40),
        is_grouped in any::<bool>(),
    ) {
        let mut datapath = switch(&[]);
        let groups: &[Field] = if is_grouped { &[Field::InPort] } else { &[] };
        datapath.set_table_policy(0, policy(LIMIT, groups), 0);
        let mut model: Vec<(u64, Flow)> = Vec::new();
        for (i, flow) in flows.into_iter().enumerate() {
            // Milliseconds apart, so that seconds decide and ties are rare but the same in both.
            let now = i as u64;
            let change = FlowMod { flow: flow.clone(), notify_removal: true, ..FlowMod::default() };
            let outcome = datapath.flow_mod(&change, now * 1_000_000);
            let place = |other: &Flow| (other.matching, other.priority) == (flow.matching, flow.priority);
            if let Some(same) = model.iter().position(|(_, other)| place(other)) {
                model[same] = (now, flow);
                prop_assert_eq!(outcome.expect("replaced").len(), 0);
            } else if model.len() < LIMIT {
                model.push((now, flow));
                prop_assert_eq!(outcome.expect("room").len(), 0);
            } else if let Some(victim) = victim(&model, is_grouped) {
                let (_, gone) = model.remove(victim);
                model.push((now, flow));
                let evicted = outcome.expect("room was made");
                prop_assert_eq!(evicted[0].reason, RemovalReason::Eviction);
                prop_assert_eq!(evicted[0].stats().flow.to_string(), gone.to_string());
            } else {
                prop_assert_eq!(outcome, Err(FlowModError::TableFull { limit: LIMIT }));
            }
            let listed = datapath.flows(&FlowFilter::default(), 0).into_iter().map(|stats| stats.flow);
            prop_assert_eq!(sorted(listed), sorted(model.iter().map(|(_, flow)| flow.clone())));
        }
    }
}

#[test]
fn a_table_made_smaller_gives_up_what_expires_and_keeps_what_does_not() {
    let mut datapath = switch(&[
        "in_port=1 actions=drop",
        "in_port=2,hard_timeout=9 actions=drop",
        "in_port=3,idle_timeout=3 actions=drop",
        "table=1,in_port=3,idle_timeout=3 actions=drop",
    ]);
    datapath.watch_flows(true);
    datapath.set_table_policy(0, policy(0, &[]), 0);
    let gone: Vec<_> = datapath.take_flow_events().iter().map(|event| event.change).collect();
    assert_eq!(gone, [tulle_datapath::FlowChange::Removed(RemovalReason::Eviction); 2]);
    assert_eq!(datapath.flow_count(), 2);
    let another = datapath.flow_mod(&flow_mod(Command::Add, "in_port=4,hard_timeout=1 actions=drop"), 0);
    assert_eq!(another, Err(FlowModError::TableFull { limit: 0 }));
}

#[test]
fn a_table_that_does_not_evict_refuses_one_flow_too_many() {
    let mut datapath = switch(&["in_port=1,hard_timeout=5 actions=drop"]);
    datapath.set_table_policy(0, TablePolicy { flow_limit: Some(1), ..TablePolicy::default() }, 0);
    let another = datapath.flow_mod(&flow_mod(Command::Add, "in_port=4 actions=drop"), 0);
    assert_eq!(another, Err(FlowModError::TableFull { limit: 1 }));
    datapath.flow_mod(&flow_mod(Command::Add, "table=1,in_port=4 actions=drop"), 0).expect("another table");
    datapath.set_table_policy(0, TablePolicy::default(), 0);
    datapath.flow_mod(&flow_mod(Command::Add, "in_port=4 actions=drop"), 0).expect("no limit any more");
}

#[test]
fn a_learned_flow_that_takes_anothers_place_takes_none_of_its_packets() {
    let mut datapath = switch(&[
        "priority=1 actions=learn(table=1,hard_timeout=60,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),resubmit(,1),resubmit(,2)",
        "table=2 actions=output:3",
        "table=1,priority=1 actions=drop",
    ]);
    datapath.set_table_policy(1, policy(2, &[]), 0);
    let mut sent = 0;
    for round in 0..20_u8 {
        for mac in 0..3 {
            let mut frame = vec![0; 60];
            (frame[5], frame[11], frame[12]) = (1 + (mac + round) % 3, 1 + mac, 0x88);
            send(&mut datapath, &frame, 1);
            sent += 1;
        }
    }
    let flows = datapath.flows(&FlowFilter::default(), 0);
    let of = |table: u8| flows.iter().filter(move |stats| stats.flow.table == table);
    assert_eq!((of(0).next().expect("a flow").packets, of(2).next().expect("a flow").packets), (sent, sent));
    assert!(of(1).map(|stats| stats.packets).sum::<u64>() <= sent);
}
