//! The same switch in every version.

use crate::peer::{Peer, switch};
use tulle_flow::{Action, Flow, port};
use tulle_openflow::{
    FlowMod, FlowModCommand, Message, MultipartReply, MultipartRequest, PacketInReason, PacketOut, TABLE_ALL,
    Version,
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
