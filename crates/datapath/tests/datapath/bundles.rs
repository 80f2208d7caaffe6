//! Changes that are made all or not at all, and what those hear who watch flows.

use crate::frames::{self, Checksum};
use crate::recorder::{counts, flow_mod, send, switch};
use proptest::prelude::*;
use tulle_datapath::{Command, Datapath, FlowChange, FlowFilter, FlowMod, FlowModError, RemovalReason};

const FLOWS: [&str; 6] = [
    "priority=5,ip actions=output:2",
    "priority=5,ip actions=output:3",
    "priority=5,in_port=1 actions=conjunction(1,1/2)",
    "priority=5,in_port=1,idle_timeout=5 actions=output:4",
    "table=3,hard_timeout=7 actions=drop",
    "cookie=5,ip,nw_dst=10.0.0.0/8 actions=output:1",
];

fn change() -> impl Strategy<Value = FlowMod> {
    use Command::{Add, Delete, DeleteStrict, Modify, ModifyStrict};
    let command = prop::sample::select(vec![Add, Add, Add, Modify, ModifyStrict, Delete, DeleteStrict]);
    (command, 0..FLOWS.len(), any::<bool>()).prop_map(|(command, flow, flag)| FlowMod {
        reset_counts: flag,
        notify_removal: flag,
        adds_if_none: flag,
        ..flow_mod(command, FLOWS[flow])
    })
}

fn seen(datapath: &mut Datapath) -> String {
    let frame = frames::ipv4(64, &frames::udp(1, 2, b""), Checksum::Full);
    let flows = format!("{:?}", datapath.flows(&FlowFilter::default(), 9));
    format!("{flows}\n{:?}", send(datapath, &frame, 1))
}

proptest! {
    #[test]
    fn a_refused_bundle_leaves_no_trace(
        before in prop::collection::vec(change(), 0..12),
        bundle in prop::collection::vec(change(), 0..12),
    ) {
        let build = || {
            let mut datapath = switch(&[]);
            for change in &before {
                datapath.flow_mod(change, 0).expect("no limit is met");
                seen(&mut datapath);
            }
            datapath.watch_flows(true);
            datapath
        };
        let (mut one, mut other) = (build(), build());
        let bad = flow_mod(Command::Add, "table=255 actions=drop");
        let refused: Vec<_> = bundle.iter().cloned().chain([bad]).collect();
        prop_assert_eq!(one.flow_mods(&refused, 5), Err((bundle.len(), FlowModError::BadTable(255))));
        prop_assert_eq!(one.take_flow_events(), []);
        for now in [5, 5_000_000_000, 7_000_000_000] {
            prop_assert_eq!(one.expire(now), other.expire(now));
            prop_assert_eq!(seen(&mut one), seen(&mut other));
        }
    }

    #[test]
    fn a_bundle_does_what_its_changes_do(
        before in prop::collection::vec(change(), 0..12),
        bundle in prop::collection::vec(change(), 0..12),
    ) {
        let (mut one, mut other) = (switch(&[]), switch(&[]));
        for change in &before {
            one.flow_mod(change, 0).expect("no limit is met");
            other.flow_mod(change, 0).expect("no limit is met");
        }
        let at_once = one.flow_mods(&bundle, 1).expect("no limit is met").len();
        let singly = |change| other.flow_mod(change, 1).expect("no limit is met").len();
        prop_assert_eq!(at_once, bundle.iter().map(singly).sum::<usize>());
        prop_assert_eq!(seen(&mut one), seen(&mut other));
    }
}

#[test]
fn who_watches_flows_hears_of_each_change_in_order() {
    let mut datapath = switch(&["in_port=3 actions=drop"]);
    datapath.watch_flows(true);
    let changes = [
        flow_mod(Command::Add, "cookie=1,in_port=1 actions=output:2"),
        flow_mod(Command::Modify, "in_port=1 actions=output:3"),
        FlowMod {
            adds_if_none: true,
            ..flow_mod(Command::ModifyStrict, "in_port=2,hard_timeout=1 actions=drop")
        },
        FlowMod { new_cookie: Some(8), ..flow_mod(Command::Modify, "in_port=2 actions=output:1") },
        flow_mod(Command::Delete, "in_port=1"),
    ];
    changes.iter().for_each(|change| drop(datapath.flow_mod(change, 0).expect("no limit is met")));
    datapath.expire(2_000_000_000);
    let events = datapath.take_flow_events();
    let heard: Vec<_> = events
        .iter()
        .map(|event| (event.change, event.stats.flow.cookie, event.stats.flow.actions.len()))
        .collect();
    let expected = [
        (FlowChange::Added, 1, 1),
        (FlowChange::Modified, 1, 1),
        (FlowChange::Added, 0, 0),
        (FlowChange::Modified, 8, 1),
        (FlowChange::Removed(RemovalReason::Delete), 1, 1),
        (FlowChange::Removed(RemovalReason::HardTimeout), 8, 1),
    ];
    assert_eq!(heard, expected);
    assert_eq!(datapath.take_flow_events(), []);
    datapath.watch_flows(false);
    datapath.flow_mod(&changes[0], 0).expect("room");
    assert_eq!(datapath.take_flow_events(), []);
}

#[test]
fn packets_before_a_refused_bundle_stay_counted() {
    let mut datapath = switch(&["actions=output:2"]);
    let frame = frames::ipv4(64, &frames::udp(1, 2, b""), Checksum::Full);
    send(&mut datapath, &frame, 1);
    let bundle = [flow_mod(Command::Delete, ""), flow_mod(Command::Add, "table=255 actions=drop")];
    datapath.flow_mods(&bundle, 0).expect_err("refused");
    send(&mut datapath, &frame, 1);
    assert_eq!(counts(&mut datapath)[0].0, 2);
}
