//! Connections: the tracker in the walk.

use crate::frames::{self, Checksum};
use crate::recorder::{add, counts, from_port, send, send_with, switch};
use tulle_datapath::conntrack::state;
use tulle_datapath::{Datapath, DropReason, extract};
use tulle_flow::Field;
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

fn udp(from_a: bool, sport: u16, dport: u16) -> Vec<u8> {
    let mut frame = frames::ipv4(64, &frames::udp(sport, dport, b"payload"), Checksum::Absent);
    if !from_a {
        let (a, b) = (frame[26..30].to_vec(), frame[30..34].to_vec());
        frame[26..30].copy_from_slice(&b);
        frame[30..34].copy_from_slice(&a);
    }
    frame
}

/// Port 1 may open connections to port 2, port 2 only answer.
fn firewall() -> Datapath {
    switch(&[
        "table=0,priority=9,ip,ct_state=-trk actions=ct(table=1)",
        "table=1,priority=9,ip,in_port=1,ct_state=+trk+new actions=ct(commit),output:2",
        "table=1,priority=9,ip,in_port=1,ct_state=+trk+est actions=output:2",
        "table=1,priority=9,ip,in_port=2,ct_state=+trk+est actions=output:1",
        "table=1,priority=1 actions=drop",
    ])
}

#[test]
fn a_stateful_firewall_lets_answers_in_and_nothing_else() {
    let mut datapath = firewall();
    assert_eq!(send(&mut datapath, &udp(false, 9, 7), 2).reasons(), [DropReason::DroppedByFlow]);
    assert_eq!(send(&mut datapath, &udp(true, 7, 9), 1).ports(), [2]);
    for _ in 0..3 {
        assert_eq!(send(&mut datapath, &udp(false, 9, 7), 2).ports(), [1]);
        assert_eq!(send(&mut datapath, &udp(true, 7, 9), 1).ports(), [2]);
    }
    assert_eq!(send(&mut datapath, &udp(false, 9, 8), 2).reasons(), [DropReason::DroppedByFlow]);
    assert_eq!(datapath.connections().expect("a tracker").len(), 1);
    let packets: Vec<u64> = counts(&mut datapath).iter().map(|(packets, _)| *packets).collect();
    assert_eq!(packets, [9, 1, 3, 3, 2]);
}

#[test]
fn many_connections_share_the_verdicts_of_the_firewall() {
    let mut datapath = firewall();
    for port in 1000..1200 {
        assert_eq!(send(&mut datapath, &udp(true, port, 9), 1).ports(), [2]);
        assert_eq!(send(&mut datapath, &udp(false, 9, port), 2).ports(), [1]);
    }
    assert_eq!(datapath.connections().expect("a tracker").len(), 200);
    let stats = datapath.cache_stats();
    assert!(stats.entries <= 6 && stats.misses <= 6 && stats.continuations <= 2, "{stats:?}");
}

#[test]
fn marks_labels_and_zones_come_back_with_the_connection() {
    let mut datapath = switch(&[
        "table=0,ip,in_port=1 actions=load:5->NXM_NX_REG0[0..15],ct(commit,zone=NXM_NX_REG0[0..15],exec(load:0x77->NXM_NX_CT_MARK[],move:NXM_OF_ETH_SRC[]->NXM_NX_CT_LABEL[0..47])),output:2",
        "table=0,ip,in_port=2 actions=ct(table=1,zone=5)",
        "table=1,ip,ct_zone=5,ct_mark=0x77,ct_label=0x02000000000a,ct_nw_src=10.0.1.11,ct_nw_proto=17,ct_tp_dst=9 actions=output:1",
    ]);
    assert_eq!(send(&mut datapath, &udp(true, 7, 9), 1).ports(), [2]);
    assert_eq!(send(&mut datapath, &udp(false, 9, 7), 2).ports(), [1]);
}

#[test]
fn a_walk_goes_on_beside_its_tracked_copy_without_what_is_known() {
    let mut datapath = switch(&[
        "table=0,ip actions=load:3->NXM_NX_REG3[],ct(table=1),resubmit(,2)",
        "table=1,ip,ct_state=+trk,reg3=3 actions=output:2",
        "table=2,ip,ct_state=-trk,reg3=3 actions=mod_nw_tos:8,output:3",
    ]);
    let effects = send(&mut datapath, &udp(true, 7, 9), 1);
    assert_eq!(effects.ports(), [3, 2]);
    assert_eq!(effects.frames().iter().map(|frame| frame[15]).collect::<Vec<_>>(), [8, 0]);
    let cleared = "table=1,priority=40000,ip,ct_state=+trk actions=ct_clear,resubmit(,2)";
    add(&mut datapath, cleared, 0);
    assert_eq!(send(&mut datapath, &udp(true, 7, 9), 1).ports(), [3, 3]);
}

#[test]
fn addresses_are_translated_there_and_back() {
    let mut datapath = switch(&[
        "table=0,ip,in_port=1 actions=ct(commit,table=1,nat(src=192.0.2.1:5000-5000))",
        "table=0,ip,in_port=2 actions=ct(table=1,nat)",
        "table=1,ip,in_port=1,nw_src=192.0.2.1 actions=output:2",
        "table=1,ip,in_port=2,ct_state=+est+trk,nw_dst=10.0.1.11 actions=output:1",
    ]);
    let there = send(&mut datapath, &udp(true, 7, 9), 1);
    assert_eq!(there.ports(), [2], "{there:?}");
    let frame = there.frames()[0];
    assert_eq!((&frame[26..30], &frame[34..36]), (&[192, 0, 2, 1][..], &5000_u16.to_be_bytes()[..]));
    assert_eq!(frames::slow_sum(&frame[14..34]), 0xffff);
    let mut answer = udp(false, 9, 5000);
    answer[30..34].copy_from_slice(&[192, 0, 2, 1]);
    answer[24..26].fill(0);
    let sum = !frames::slow_sum(&answer[14..34]);
    answer[24..26].copy_from_slice(&sum.to_be_bytes());
    let back = send(&mut datapath, &answer, 2);
    assert_eq!(back.ports(), [1], "{back:?} {:?}", datapath.cache_lines());
    let frame = back.frames()[0];
    assert_eq!((&frame[30..34], &frame[36..38]), (&frames::IP_A[..], &7_u16.to_be_bytes()[..]));
}

#[test]
fn what_is_not_ip_is_invalid() {
    let mut datapath = switch(&["table=0 actions=ct(table=1)", "table=1,ct_state=+trk+inv actions=output:2"]);
    assert_eq!(send(&mut datapath, &frames::arp_request(frames::IP_B), 1).ports(), [2]);
}

#[test]
fn a_resubmit_may_look_up_with_the_connections_own_addresses() {
    let mut datapath = switch(&[
        "table=0,ip,in_port=1 actions=ct(commit,nat(src=192.0.2.1)),output:2",
        "table=0,ip,in_port=2 actions=ct(table=1)",
        "table=1 actions=resubmit(,2,ct)",
        "table=2,udp,nw_src=10.0.1.11,nw_dst=10.0.1.12,udp_src=7,udp_dst=9 actions=resubmit(,3)",
        "table=3,udp,nw_src=10.0.1.12,udp_src=9 actions=output:1",
    ]);
    assert_eq!(send(&mut datapath, &udp(true, 7, 9), 1).ports(), [2]);
    let mut answer = udp(false, 9, 7);
    answer[30..34].copy_from_slice(&[192, 0, 2, 1]);
    answer[24..26].fill(0);
    let sum = !frames::slow_sum(&answer[14..34]);
    answer[24..26].copy_from_slice(&sum.to_be_bytes());
    let back = send(&mut datapath, &answer, 2);
    assert_eq!(back.ports(), [1], "{back:?} {:?}", datapath.cache_lines());
}

#[test]
fn fragments_wait_for_each_other_and_go_on_together() {
    let whole = frames::ipv4(64, &frames::udp(7, 9, &[5; 64]), Checksum::Full);
    let piece = |range: std::ops::Range<usize>, more: bool| {
        let mut frame = whole[..34].to_vec();
        frame.extend(&whole[34 + range.start..34 + range.end]);
        let total = (20 + range.len()) as u16;
        frame[16..18].copy_from_slice(&total.to_be_bytes());
        let offset = (range.start / 8) as u16 | if more { 0x2000 } else { 0 };
        frame[20..22].copy_from_slice(&offset.to_be_bytes());
        frame[24..26].fill(0);
        let sum = !frames::slow_sum(&frame[14..34]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
        frame
    };
    let (first, last) = (piece(0..40, true), piece(40..72, false));
    let mut datapath = firewall();
    let mut effects = crate::recorder::Recorder::default();
    let (offload, metadata) = (Offload::default(), from_port(1));
    datapath.process(&mut FrameBuf::copied(&last), &offload, &metadata, 0, &mut effects);
    assert_eq!(effects.0.len(), 0, "{effects:?}");
    datapath.process(&mut FrameBuf::copied(&first), &offload, &metadata, 0, &mut effects);
    // The pieces are tracked once more when they are committed.
    assert_eq!(effects.ports(), [2, 2], "{effects:?}");
    let mut sent = effects.frames();
    sent.sort_unstable();
    let mut expected = [&first[..], &last[..]];
    expected.sort_unstable();
    assert_eq!(sent, expected);

    datapath.process(&mut FrameBuf::copied(&last), &offload, &metadata, 0, &mut effects);
    datapath.expire(100_000_000_000);
    assert_eq!(datapath.drops().total(DropReason::CtFragmentTimeout), 1);
}

#[test]
fn a_trace_goes_on_behind_the_tracker_as_it_is_told() {
    let datapath = firewall();
    let frame = udp(true, 7, 9);
    let traced = |states: &[u32]| {
        datapath.trace_tracked(&frame, &Offload::default(), &from_port(1), states).expect("a frame")
    };
    let new = traced(&[]);
    assert_eq!(new.operations, ["ct(zone=0)", "recirc(0x1)", "ct(commit,zone=0)", "output:2"]);
    assert_eq!(new.passes[1].ct_state, state::TRK | state::NEW);
    let established = traced(&[state::TRK | state::EST]);
    assert_eq!(established.operations, ["ct(zone=0)", "recirc(0x1)", "output:2"]);
    assert_eq!(established.steps.iter().map(|step| step.table).collect::<Vec<_>>(), [0, 1]);
    assert!(established.passes[1].megaflow.contains("+est"), "{}", established.passes[1].megaflow);
}

#[test]
fn a_paused_packet_goes_on_when_the_controller_lets_it() {
    let mut datapath = switch(&[
        "table=0,cookie=0x5 actions=load:7->NXM_NX_REG0[],push:NXM_NX_REG0[],controller(pause,userdata=01),pop:NXM_NX_REG1[],mod_nw_tos:8,resubmit(,1),output:3",
        "table=1,reg1=7,reg5=9,ip actions=output:2",
    ]);
    let effects = send(&mut datapath, &udp(true, 7, 9), 1);
    assert_eq!((effects.ports(), effects.reasons()), (vec![], vec![]));
    let info = effects.packet_ins()[0].clone();
    let frozen = info.pause.as_ref().expect("a continuation").frozen().clone();
    let mut metadata = info.key;
    metadata.set(Field::Reg5, 9);
    let mut recorder = crate::recorder::Recorder::default();
    let mut frame = FrameBuf::copied(&udp(true, 70, 9));
    datapath.resume(&frozen, &metadata, &mut frame, &Offload::default(), 0, &mut recorder);
    assert_eq!(recorder.ports(), [2, 3]);
    let key = extract(recorder.frames()[0], &from_port(1)).expect("a frame").0;
    assert_eq!((key.field(Field::UdpSrc), key.field(Field::IpTos)), (70, 8));
}

#[test]
fn a_tracked_packet_without_room_ends_with_the_trackers_reason() {
    let mut datapath = switch(&["ip actions=ct(commit,nat(src=192.0.2.1:5000-5000)),output:2"]);
    assert_eq!(send(&mut datapath, &udp(true, 7, 9), 1).ports(), [2]);
    let effects = send_with(&mut datapath, &udp(true, 8, 9), &Offload::default(), &from_port(1), 0);
    assert_eq!(effects.reasons(), [DropReason::CtNatExhausted]);
}
