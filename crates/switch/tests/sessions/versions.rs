//! The same switch in every version.

use crate::peer::{Peer, switch};
use tulle_flow::{Action, Flow, port};
use tulle_openflow::{
    Bucket, ErrorCode, FlowMod, FlowModCommand, Group, GroupCommand, GroupMod, Message, MultipartReply,
    MultipartRequest, PacketInReason, PacketOut, TABLE_ALL, Version, bucket_id, group_id,
};

#[test]
fn features_bear_the_datapath_id_in_every_version() {
    let switch = switch();
    for version in Version::ALL {
        match &Peer::controller(&switch, version).ask(&Message::FeaturesRequest)[..] {
            [Message::FeaturesReply(features)] => assert_eq!(features.datapath_id, 0x42, "{version:?}"),
            other => panic!("{version:?}: {other:?}"),
        }
    }
}

#[test]
fn a_modification_of_openflow_1_0_adds_where_there_is_nothing_and_one_of_1_3_does_not() {
    for (version, flows) in [(Version::V10, 1), (Version::V13, 0)] {
        let switch = switch();
        let mut peer = Peer::controller(&switch, version);
        let mut flow: Flow = "priority=5,actions=drop".parse().expect("a flow");
        flow.table = if version == Version::V10 { TABLE_ALL } else { 0 };
        assert_eq!(
            peer.ask(&Message::FlowMod(FlowMod::new(FlowModCommand::Modify, flow))),
            [],
            "{version:?}"
        );
        let request = MultipartRequest::Flows(Default::default());
        match &peer.ask(&Message::MultipartRequest { more: false, request })[..] {
            [Message::MultipartReply { reply: MultipartReply::Flows(found), .. }] => {
                assert_eq!(found.len(), flows, "{version:?}");
            }
            other => panic!("{version:?}: {other:?}"),
        }
    }
}

/// A packet-out that starts over in the tables, where nothing matches.
fn missing_packet() -> Message {
    let mut data = vec![2; 12];
    data.resize(60, 0x90);
    Message::PacketOut(PacketOut {
        in_port: port::CONTROLLER,
        actions: vec![Action::Output(port::TABLE)],
        data,
        ..PacketOut::default()
    })
}

#[test]
fn a_table_miss_goes_to_a_controller_of_openflow_1_0_and_to_no_other() {
    let switch = switch();
    let mut new = Peer::controller(&switch, Version::V13);
    assert_eq!(new.ask(&missing_packet()), []);
    let mut old = Peer::controller(&switch, Version::V10);
    match &old.ask(&missing_packet())[..] {
        [Message::PacketIn(packet)] => assert_eq!(packet.reason, PacketInReason::NoMatch),
        other => panic!("{other:?}"),
    }
    assert_eq!(new.heard(), []);
}

#[test]
fn nicira_s_modification_finds_flows_by_one_cookie_and_gives_them_another() {
    let switch = switch();
    let mut peer = Peer::controller(&switch, Version::V10);
    for cookie in [5, 6] {
        let flow: Flow = format!("cookie={cookie},priority={cookie},actions=drop").parse().expect("a flow");
        peer.ask(&Message::FlowMod(FlowMod::add(flow)));
    }
    let flow: Flow = "cookie=5,actions=output:1".parse().expect("a flow");
    let modify = FlowMod::new(FlowModCommand::Modify, Flow { table: TABLE_ALL, ..flow });
    let kept = FlowMod { cookie_mask: u64::MAX, ..modify };
    let changed = FlowMod { new_cookie: Some(9), ..kept.clone() };
    for (change, cookies) in [(kept, [5, 6]), (changed, [9, 6])] {
        assert_eq!(peer.ask(&Message::FlowMod(change)), []);
        let request = MultipartRequest::Flows(Default::default());
        match &peer.ask(&Message::MultipartRequest { more: false, request })[..] {
            [Message::MultipartReply { reply: MultipartReply::Flows(found), .. }] => {
                let mut found: Vec<_> = found.iter().map(|stats| &stats.flow).collect();
                found.sort_by_key(|flow| flow.priority);
                assert_eq!(found.iter().map(|flow| flow.cookie).collect::<Vec<_>>(), cookies);
                assert_eq!(found[0].actions, [Action::Output(1)]);
                assert_eq!(found[1].actions, []);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A request of this many buckets, each with one action.
fn buckets(command: GroupCommand, first: u32, count: u32) -> Message {
    let bucket = |id| Bucket { id, weight: 0, actions: vec![Action::Output(1)], ..Bucket::default() };
    let buckets = (first..first + count).map(bucket).collect();
    let group = Group { group: 1, buckets, ..Group::default() };
    let place = if command == GroupCommand::InsertBucket { bucket_id::LAST } else { bucket_id::ALL };
    Message::GroupMod(GroupMod { command, group, bucket: place })
}

fn described_buckets(peer: &mut Peer) -> usize {
    let request = MultipartRequest::GroupDescriptions(group_id::ALL);
    match &peer.ask(&Message::MultipartRequest { more: false, request })[..] {
        [Message::MultipartReply { reply: MultipartReply::GroupDescriptions(groups), .. }] => {
            groups[0].buckets.len()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_group_that_no_message_could_describe_is_refused() {
    let switch = switch();
    let (mut old, mut new) =
        (Peer::controller(&switch, Version::V13), Peer::controller(&switch, Version::V15));
    match &new.ask(&buckets(GroupCommand::Add, 0, 2500))[..] {
        [Message::Error(report)] => assert_eq!(report.code, ErrorCode::OutOfBuckets),
        other => panic!("{other:?}"),
    }
    assert_eq!(new.ask(&buckets(GroupCommand::Add, 0, 1000)), []);
    let refused = (1000..4000).find_map(|at| {
        let answer = new.ask(&buckets(GroupCommand::InsertBucket, at, 1));
        (!answer.is_empty()).then_some((at as usize, answer))
    });
    let (count, answer) = refused.expect("a group cannot grow for ever");
    assert!(matches!(&answer[..], [Message::Error(report)] if report.code == ErrorCode::OutOfBuckets));
    assert_eq!((described_buckets(&mut new), described_buckets(&mut old)), (count, count));
}
