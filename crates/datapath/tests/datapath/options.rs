//! Geneve options: bytes in, fields, bytes out; and the map that says which is which.

use crate::frames::{self, Checksum};
use crate::recorder::{Recorder, flow_mod, switch};
use proptest::prelude::*;
use tulle_datapath::{
    Command, Datapath, DropReason, Effects, Egress, FlowFilter, FlowModError, Metadata, OptionMapError,
    OptionMapping, PacketIn, has_critical,
};
use tulle_flow::Field;
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

const MAP: [OptionMapping; 3] = [
    OptionMapping { class: 0x0102, kind: 0x80, length: 4, index: 0 },
    OptionMapping { class: 0x0102, kind: 1, length: 20, index: 1 },
    OptionMapping { class: 0x0103, kind: 0x80, length: 0, index: 63 },
];

/// The option bytes of what is sent.
#[derive(Default)]
struct Sent {
    options: Vec<Vec<u8>>,
    told: Vec<PacketIn>,
    recorder: Recorder,
}

impl Effects for Sent {
    fn output(&mut self, to: &Egress, frame: &mut FrameBuf, offload: &Offload, last: bool) {
        self.options.push(to.options.to_vec());
        self.recorder.output(to, frame, offload, last);
    }

    fn packet_in(&mut self, _: &[u8], _: &Offload, info: &PacketIn) {
        self.told.push(info.clone());
    }

    fn dropped(&mut self, drop: tulle_datapath::Drop, in_port: u32, bytes: usize) {
        self.recorder.dropped(drop, in_port, bytes);
    }
}

fn mapped(flows: &[&str]) -> Datapath {
    let mut datapath = switch(&[]);
    datapath.map_options(&MAP).expect("room");
    for flow in flows {
        datapath.flow_mod(&flow_mod(Command::Add, flow), 0).unwrap_or_else(|error| panic!("{flow}: {error}"));
    }
    datapath
}

fn send(datapath: &mut Datapath, options: &[u8]) -> Sent {
    let mut sent = Sent::default();
    let (mut frame, metadata) = (
        FrameBuf::copied(&frames::ipv4(64, &frames::udp(7, 9, b"payload"), Checksum::Full)),
        Metadata { in_port: 1, tunnel: None },
    );
    datapath.process_with_options(&mut frame, &Offload::default(), &metadata, options, 0, &mut sent);
    sent
}

/// One option of 4 bytes, and one that is not mapped before it.
const FOUR: [u8; 16] = [9, 9, 9, 1, 0, 0, 0, 0, 1, 2, 0x80, 1, 0, 0, 0x12, 0x34];

#[test]
fn a_flow_matches_what_an_option_says_and_whether_it_is_there_at_all() {
    let mut datapath = mapped(&[
        "priority=3,tun_metadata0=0x1234,actions=output:2",
        "priority=2,tun_metadata0,actions=output:3",
        "priority=1,actions=output:4",
    ]);
    for (options, port) in [(&FOUR[..], 2), (&[1, 2, 0x80, 1, 0, 0, 0, 0], 3), (&[], 4), (&FOUR[..], 2)] {
        assert_eq!(send(&mut datapath, options).recorder.ports(), [port], "{options:?}");
    }
    let stats = datapath.flows(&FlowFilter::default(), 0);
    let texts: Vec<String> = stats.iter().map(|stats| stats.flow.matching.to_string()).collect();
    assert_eq!(texts, ["tun_metadata0=0x1234", "tun_metadata0", ""]);
}

#[test]
fn a_field_that_is_written_becomes_an_option_and_one_that_came_goes_on() {
    let long = "set_field:0x0102030405060708090a0b0c0d0e0f1011121314->tun_metadata1";
    let mut datapath = mapped(&[&format!(
        "actions=output:2,{long},move:tun_metadata1[0..7]->tun_metadata0[24..31],output:3,set_field:0->tun_metadata63,output:4"
    )]);
    let sent = send(&mut datapath, &FOUR);
    let first = [1, 2, 0x80, 1, 0x14, 0, 0x12, 0x34];
    let second: Vec<u8> = [1, 2, 1, 5].into_iter().chain(1..=20).collect();
    let third = [1, 3, 0x80, 0];
    assert_eq!(
        sent.options,
        [FOUR[8..].to_vec(), [&first[..], &second].concat(), [&first[..], &second, &third].concat()]
    );
    assert!(has_critical(&sent.options[0]) && has_critical(&third) && !has_critical(&second));
}

#[test]
fn long_values_move_and_pass_through_the_stack() {
    let mut datapath = mapped(&[
        "priority=2,tun_metadata1=0x0a0b0c0d0e/0xffffffffff,actions=move:tun_metadata1[0..159]->tun_metadata1[0..159],\
         push:tun_metadata1[8..39],pop:tun_metadata0[0..31],load:3->tun_metadata1[158..159],output:2",
    ]);
    let option: Vec<u8> = [1, 2, 1, 5].into_iter().chain([0; 15]).chain([10, 11, 12, 13, 14]).collect();
    let sent = send(&mut datapath, &option);
    let changed: Vec<u8> =
        [1, 2, 1, 5, 0xc0].into_iter().chain([0; 14]).chain([10, 11, 12, 13, 14]).collect();
    assert_eq!(sent.options, [[&[1, 2, 0x80, 1, 10, 11, 12, 13][..], &changed].concat()]);
}

#[test]
fn options_that_lie_about_their_length_drop_the_packet_and_unknown_ones_do_not() {
    let mut datapath = mapped(&["actions=output:2"]);
    for wrong in
        [&[1, 2, 0x80][..], &[1, 2, 0x80, 1], &[1, 2, 0x80, 2, 0, 0, 0, 0, 0, 0, 0, 0], &[7, 7, 7, 31]]
    {
        assert_eq!(
            send(&mut datapath, wrong).recorder.reasons(),
            [DropReason::TunnelBadOptions],
            "{wrong:?}"
        );
    }
    assert_eq!(send(&mut datapath, &[7, 7, 0x87, 0xe0]).recorder.ports(), [2]);
}

#[test]
fn the_controller_is_told_the_options_and_a_walk_that_goes_on_keeps_them() {
    let mut datapath = mapped(&[
        "table=0,actions=set_field:7->tun_metadata0,ct(table=1)",
        "table=1,tun_metadata0=7,tun_metadata1,actions=controller",
    ]);
    let option: Vec<u8> = [1, 2, 1, 5].into_iter().chain([5; 20]).collect();
    let sent = send(&mut datapath, &option);
    let told: Vec<(u8, Vec<u8>)> =
        sent.told[0].options.iter().map(|option| (option.index, option.value.to_vec())).collect();
    assert_eq!(told, [(0, vec![0, 0, 0, 7]), (1, vec![5; 20])]);
}

#[test]
fn the_map_is_changed_as_a_whole_or_not_at_all_and_not_under_flows() {
    let mut datapath =
        mapped(&["tun_metadata0=1,actions=drop", "actions=move:tun_metadata1[0..3]->reg0[0..3]"]);
    let wanted = |class, kind, length, index| OptionMapping { class, kind, length, index };
    let refused = [
        (wanted(0x102, 0x80, 4, 9), OptionMapError::OptionMapped(0x102, 0x80)),
        (wanted(5, 5, 4, 0), OptionMapError::FieldMapped(0)),
        (wanted(5, 5, 108, 9), OptionMapError::Full),
        (wanted(5, 5, 3, 9), OptionMapError::BadLength(3)),
        (wanted(5, 5, 4, 64), OptionMapError::BadIndex(64)),
    ];
    for (mapping, error) in refused {
        assert_eq!(datapath.map_options(&[wanted(8, 8, 4, 8), mapping]), Err(error));
        assert_eq!(datapath.option_mappings(), MAP);
    }
    assert_eq!(datapath.unmap_options(&[63, 0]), Err(OptionMapError::InUse(0)));
    assert_eq!(datapath.unmap_options(&[1]), Err(OptionMapError::InUse(1)));
    assert_eq!(datapath.unmap_options(&[63, 5]), Ok(()));
    for flow in ["tun_metadata63,actions=drop", "actions=clone(set_field:1->tun_metadata63)"] {
        let unmapped = FlowModError::UnmappedOption(Field::TunMetadata63);
        assert_eq!(datapath.flow_mod(&flow_mod(Command::Add, flow), 0), Err(unmapped));
    }
    datapath.flow_mod(&flow_mod(Command::Delete, "actions=drop"), 0).expect("a filter");
    assert_eq!(datapath.unmap_options(&[0, 1]), Ok(()));
    assert_eq!(datapath.option_mappings(), []);
}

#[test]
fn what_was_remembered_of_packets_is_forgotten_with_the_map() {
    let mut datapath = mapped(&["priority=1,actions=output:4"]);
    datapath.unmap_options(&[0]).expect("not in use");
    assert_eq!(send(&mut datapath, &FOUR).options, [Vec::<u8>::new()]);
    datapath.map_options(&MAP[..1]).expect("room");
    assert_eq!(send(&mut datapath, &FOUR).options, [FOUR[8..].to_vec()]);
}

proptest! {
    #[test]
    fn arbitrary_option_bytes_are_read_or_refused_and_come_out_as_they_came(
        options in prop::collection::vec(any::<u8>(), 0..253),
        values in prop::collection::vec(any::<u8>(), 24),
    ) {
        let mut datapath = mapped(&["actions=output:2"]);
        let sent = send(&mut datapath, &options);
        prop_assert_eq!(sent.recorder.ports().len() + sent.recorder.reasons().len(), 1);
        let good = [&[1, 2, 0x80, 1][..], &values[..4], &[1, 2, 1, 5], &values[4..]].concat();
        prop_assert_eq!(send(&mut datapath, &good).options, [good]);
    }
}
