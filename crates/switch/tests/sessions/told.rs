//! What sessions are told: roles, flows that go, flows that others change.

use crate::peer::{Peer, switch};
use tulle_flow::Flow;
use tulle_flow::Match;
use tulle_openflow::{
    ErrorCode, FlowMod, FlowModCommand, FlowMonitor, FlowUpdate, FlowUpdateEvent, Message, MultipartReply,
    MultipartRequest, Role, RoleState, RoleStatusReason, TABLE_ALL, Version, flow_mod_flags,
    flow_monitor_flags,
};
use tulle_switch::SessionKind;

fn role(role: Role, generation: u64) -> Message {
    Message::RoleRequest(RoleState { role, generation: Some(generation) })
}

fn add(text: &str) -> Message {
    let mut change = FlowMod::add(text.parse::<Flow>().expect("a flow"));
    change.flags |= flow_mod_flags::SEND_FLOW_REMOVED;
    Message::FlowMod(change)
}

fn delete_all() -> Message {
    Message::FlowMod(FlowMod::delete(TABLE_ALL, Match::ANY))
}

fn refusal(answer: &[Message]) -> ErrorCode {
    match answer {
        [Message::Error(report)] => report.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_second_master_demotes_the_first_and_tells_it() {
    let switch = switch();
    let (mut first, mut second) =
        (Peer::controller(&switch, Version::V14), Peer::controller(&switch, Version::V14));
    first.ask(&role(Role::Master, 1));
    assert_eq!(second.ask(&role(Role::Master, 2)).len(), 1);
    match &first.heard()[..] {
        [Message::RoleStatus(status)] => {
            assert_eq!((status.role, status.reason), (Role::Slave, RoleStatusReason::MasterRequest));
            assert_eq!(status.generation, 2);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(refusal(&first.ask(&add("actions=drop"))), ErrorCode::RoleForbids);
    assert_eq!(second.ask(&add("actions=drop")), []);
}

#[test]
fn a_late_request_of_an_old_election_is_refused() {
    let switch = switch();
    let mut peer = Peer::controller(&switch, Version::V13);
    peer.ask(&role(Role::Master, 5));
    assert_eq!(refusal(&peer.ask(&role(Role::Slave, 4))), ErrorCode::StaleRole);
    assert_eq!(peer.ask(&role(Role::NoChange, 0)).len(), 1);
}

#[test]
fn controllers_hear_of_flows_that_go_and_tools_do_not() {
    let switch = switch();
    let mut controller = Peer::controller(&switch, Version::V13);
    let mut tool = Peer::of(&switch, Version::V13, SessionKind::Service);
    tool.send(&add("priority=3,actions=drop"));
    assert_eq!(tool.ask(&delete_all()), []);
    match &controller.heard()[..] {
        [Message::FlowRemoved(removed)] => assert_eq!(removed.priority, 3),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_monitor_is_told_what_there_is_and_what_others_change() {
    let switch = switch();
    let (mut watcher, mut other) =
        (Peer::controller(&switch, Version::V14), Peer::controller(&switch, Version::V14));
    other.ask(&add("priority=1,actions=drop"));
    let flags = flow_monitor_flags::INITIAL | flow_monitor_flags::ADD | flow_monitor_flags::REMOVED;
    let monitor = FlowMonitor {
        monitor: 1,
        command: Default::default(),
        flags,
        out_port: None,
        out_group: None,
        table: TABLE_ALL,
        matching: Match::ANY,
    };
    let request = MultipartRequest::FlowMonitors(vec![monitor]);
    let initial = watcher.ask(&Message::MultipartRequest { more: false, request });
    assert_eq!(events(&initial), [(FlowUpdateEvent::Initial, 1)]);
    other.ask(&add("priority=2,actions=drop"));
    assert_eq!(events(&watcher.heard()), [(FlowUpdateEvent::Added, 2)]);
    let own = watcher.ask(&add("priority=3,actions=drop"));
    assert!(events(&own).is_empty(), "only in short: {own:?}");
    assert_eq!(own.len(), 1);
    other.ask(&Message::FlowMod(FlowMod::new(
        FlowModCommand::DeleteStrict,
        "priority=2,actions=drop".parse().expect("a flow"),
    )));
    let heard: Vec<Message> =
        watcher.heard().into_iter().filter(|message| !matches!(message, Message::FlowRemoved(_))).collect();
    assert_eq!(events(&heard), [(FlowUpdateEvent::Removed, 2)]);
}

/// What was told in full: what happened, and to the flow of which priority.
fn events(messages: &[Message]) -> Vec<(FlowUpdateEvent, u16)> {
    let updates = messages.iter().flat_map(|message| match message {
        Message::MultipartReply { reply: MultipartReply::FlowUpdates(updates), .. } => updates.clone(),
        other => panic!("{other:?}"),
    });
    let full = updates.filter_map(|update| match update {
        FlowUpdate::Full(full) => Some((full.event, full.flow.priority)),
        _ => None,
    });
    full.collect()
}
