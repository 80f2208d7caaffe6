//! Bundles happen whole or not at all.

use crate::peer::{Peer, switch};
use tulle_flow::Flow;
use tulle_openflow::{
    Bucket, BundleAdd, BundleControl, BundleControlKind, ErrorCode, FlowMod, Group, GroupCommand, GroupMod,
    Message, MultipartReply, MultipartRequest, Version, bucket_id, bundle_flags, flow_mod_flags, group_id,
};

const FLAGS: u16 = bundle_flags::ATOMIC | bundle_flags::ORDERED;

fn control(kind: BundleControlKind) -> Message {
    Message::BundleControl(BundleControl { bundle: 7, kind, flags: FLAGS })
}

fn added(message: Message) -> Message {
    Message::BundleAdd(BundleAdd { bundle: 7, flags: FLAGS, message: Box::new(message) })
}

fn flow(text: &str) -> Message {
    Message::FlowMod(FlowMod::add(text.parse::<Flow>().expect("a flow")))
}

fn group(number: u32) -> Message {
    let buckets = vec![Bucket { actions: vec![tulle_flow::Action::Output(1)], ..Bucket::default() }];
    let group = Group { group: number, buckets, ..Group::default() };
    Message::GroupMod(GroupMod { command: GroupCommand::Add, group, bucket: bucket_id::ALL })
}

fn flow_count(peer: &mut Peer) -> usize {
    let request = MultipartRequest::Flows(Default::default());
    match &peer.ask(&Message::MultipartRequest { more: false, request })[..] {
        [Message::MultipartReply { reply: MultipartReply::Flows(flows), .. }] => flows.len(),
        other => panic!("{other:?}"),
    }
}

fn group_count(peer: &mut Peer) -> usize {
    let request = MultipartRequest::GroupDescriptions(group_id::ALL);
    match &peer.ask(&Message::MultipartRequest { more: false, request })[..] {
        [Message::MultipartReply { reply: MultipartReply::GroupDescriptions(groups), .. }] => groups.len(),
        other => panic!("{other:?}"),
    }
}

fn commit(peer: &mut Peer, changes: Vec<Message>) -> Vec<Message> {
    assert_eq!(peer.ask(&control(BundleControlKind::OpenRequest)), [control(BundleControlKind::OpenReply)]);
    for change in changes {
        assert_eq!(peer.ask(&added(change)), []);
    }
    peer.ask(&control(BundleControlKind::CommitRequest))
}

#[test]
fn nothing_of_a_bundle_is_there_before_its_commit_and_all_of_it_after() {
    let switch = switch();
    let mut peer = Peer::controller(&switch, Version::V14);
    assert_eq!(peer.ask(&control(BundleControlKind::OpenRequest)), [control(BundleControlKind::OpenReply)]);
    peer.ask(&added(group(3)));
    peer.ask(&added(flow("priority=1,ip,actions=group:3")));
    assert_eq!((flow_count(&mut peer), group_count(&mut peer)), (0, 0));
    assert_eq!(
        peer.ask(&control(BundleControlKind::CommitRequest)),
        [control(BundleControlKind::CommitReply)]
    );
    assert_eq!((flow_count(&mut peer), group_count(&mut peer)), (1, 1));
}

#[test]
fn one_bad_message_undoes_a_whole_bundle() {
    let switch = switch();
    let mut peer = Peer::controller(&switch, Version::V14);
    peer.send(&flow("priority=9,arp,actions=drop"));
    let bad = flow("priority=2,ip,actions=group:99");
    let answer = commit(&mut peer, vec![group(3), flow("priority=1,ip,actions=group:3"), bad]);
    let codes: Vec<ErrorCode> = answer
        .iter()
        .map(|message| match message {
            Message::Error(report) => report.code,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(codes, [ErrorCode::BadOutGroup, ErrorCode::BundleMessageFailed]);
    assert_eq!((flow_count(&mut peer), group_count(&mut peer)), (1, 0));
}

#[test]
fn a_bundle_that_is_undone_tells_of_no_flow_that_went_with_a_group() {
    let switch = switch();
    let mut peer = Peer::controller(&switch, Version::V14);
    peer.send(&group(3));
    let mut change = FlowMod::add("priority=1,ip,actions=group:3".parse::<Flow>().expect("a flow"));
    change.flags |= flow_mod_flags::SEND_FLOW_REMOVED;
    assert_eq!(peer.ask(&Message::FlowMod(change)), []);
    let gone = Group { group: 3, ..Group::default() };
    let delete =
        Message::GroupMod(GroupMod { command: GroupCommand::Delete, group: gone, bucket: bucket_id::ALL });
    let answer = commit(&mut peer, vec![delete, flow("priority=2,ip,actions=group:99")]);
    assert!(answer.iter().all(|message| matches!(message, Message::Error(_))), "{answer:?}");
    assert_eq!((flow_count(&mut peer), group_count(&mut peer)), (1, 1));
}

#[test]
fn a_discarded_bundle_leaves_nothing_and_its_number_is_free() {
    let switch = switch();
    let mut peer = Peer::controller(&switch, Version::V13);
    peer.ask(&control(BundleControlKind::OpenRequest));
    peer.ask(&added(flow("actions=drop")));
    assert_eq!(
        peer.ask(&control(BundleControlKind::DiscardRequest)),
        [control(BundleControlKind::DiscardReply)]
    );
    assert_eq!(flow_count(&mut peer), 0);
    assert_eq!(commit(&mut peer, vec![flow("actions=drop")]), [control(BundleControlKind::CommitReply)]);
    assert_eq!(flow_count(&mut peer), 1);
}

#[test]
fn what_is_added_to_a_closed_bundle_is_refused() {
    let switch = switch();
    let mut peer = Peer::controller(&switch, Version::V14);
    peer.ask(&control(BundleControlKind::OpenRequest));
    assert_eq!(peer.ask(&control(BundleControlKind::CloseRequest)), [control(BundleControlKind::CloseReply)]);
    match &peer.ask(&added(flow("actions=drop")))[..] {
        [Message::Error(report)] => assert_eq!(report.code, ErrorCode::BundleClosed),
        other => panic!("{other:?}"),
    }
}
