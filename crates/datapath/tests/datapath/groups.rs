//! Groups, meters and the action set.

use crate::frames::{self, Checksum};
use crate::recorder::{add, send, send_with, switch};
use tulle_datapath::{
    ALL_GROUPS, Band, BandKind, Bucket, BucketChoice, BucketPlace, Datapath, DropReason, FlowFilter, Group,
    GroupKind, GroupMod, GroupModError, Meter, MeterMod, MeterModError, PacketInReason, Selection, Traffic,
};
use tulle_flow::{Field, Flow};
use tulle_wire::vnet::Offload;

fn udp(src: u16) -> Vec<u8> {
    frames::ipv4(64, &frames::udp(src, 9, b"payload"), Checksum::Full)
}

fn arp(sender: u8, target: u8) -> Vec<u8> {
    let mut frame = frames::arp_request([10, 0, 0, target]);
    frame[28..32].copy_from_slice(&[10, 0, 0, sender]);
    frame
}

fn bucket(id: u32, weight: u16, actions: &str) -> Bucket {
    let flow: Flow =
        format!("actions={actions}").parse().unwrap_or_else(|error| panic!("{actions}: {error}"));
    Bucket { id, weight, watch_port: None, watch_group: None, actions: flow.actions }
}

fn watching(port: u32, id: u32, actions: &str) -> Bucket {
    Bucket { watch_port: Some(port), ..bucket(id, 0, actions) }
}

fn group(id: u32, kind: GroupKind, buckets: Vec<Bucket>) -> Group {
    Group { id, kind, buckets, ..Group::default() }
}

fn with_group(group: Group) -> Datapath {
    let (mut datapath, flow) = (switch(&[]), format!("actions=group:{}", group.id));
    datapath.group_mod(&GroupMod::Add(group), 0).expect("a group");
    add(&mut datapath, &flow, 0);
    datapath
}

fn refused(datapath: &mut Datapath, change: GroupMod) -> GroupModError {
    let before = datapath.group_stats(0);
    let error = datapath.group_mod(&change, 0).expect_err("a refusal");
    assert_eq!(datapath.group_stats(0), before);
    error
}

#[test]
fn all_buckets_get_the_packet_as_it_came_to_the_group() {
    let buckets = vec![
        bucket(1, 0, "mod_nw_tos:8,output:2"),
        bucket(2, 0, "output:3"),
        bucket(3, 0, "output:4,push_vlan:0x8100"),
    ];
    let mut datapath = with_group(group(5, GroupKind::All, buckets));
    add(&mut datapath, "actions=set_field:3->nw_ttl,group:5,resubmit(,1)", 0);
    add(&mut datapath, "table=1,ip,nw_tos=0,vlan_tci=0/0x1fff actions=output:2", 0);
    let effects = send(&mut datapath, &udp(7), 1);
    assert_eq!(effects.ports(), [2, 3, 4, 2]);
    let seen: Vec<_> = effects.frames().iter().map(|frame| (frame.len() - udp(7).len(), frame[15])).collect();
    assert_eq!(seen[..2], [(0, 8), (0, 0)]);
    // In a bucket, as in an action set, the tag is pushed before the output.
    assert_eq!(seen[2].0, 4);
    assert_eq!(seen[3], (0, 0));
}

#[test]
fn bucket_and_group_counters_are_exact() {
    let buckets = vec![bucket(1, 3, "output:2"), bucket(2, 1, "output:3")];
    let mut datapath = with_group(group(5, GroupKind::Select, buckets));
    let mut expected = [Traffic::default(); 2];
    for src in 0..400 {
        for _ in 0..2 {
            let port = send(&mut datapath, &udp(src), 1).ports()[0];
            let traffic = &mut expected[port as usize - 2];
            traffic.packets += 1;
            traffic.bytes += udp(src).len() as u64;
        }
    }
    let stats = datapath.group_stats(9);
    assert_eq!(stats[0].buckets, expected);
    let total = 800 * udp(0).len() as u64;
    assert_eq!((stats[0].traffic, stats[0].references), (Traffic { packets: 800, bytes: total }, 1));
    assert!((540..660).contains(&expected[0].packets), "{expected:?}");
}

#[test]
fn a_select_group_hashes_what_it_is_told_and_keeps_other_flows_where_they_are() {
    let buckets = (1..=3).map(|i| bucket(i, 1, &format!("output:{}", i + 1))).collect();
    let selection = Selection::Fields(vec![(Field::UdpSrc, 0xffff)]);
    let mut datapath = with_group(Group { selection, ..group(5, GroupKind::Select, buckets) });
    let chosen = |datapath: &mut Datapath| -> Vec<u32> {
        (0..100).map(|src| send(datapath, &udp(src), 1).ports()[0]).collect()
    };
    let before = chosen(&mut datapath);
    let mut other = udp(5);
    other[29] = 77;
    assert_eq!(send(&mut datapath, &other, 1).ports()[0], before[5]);
    datapath
        .group_mod(&GroupMod::RemoveBuckets { group: 5, choice: BucketChoice::One(2) }, 0)
        .expect("there");
    let after = chosen(&mut datapath);
    assert!(before.iter().zip(&after).all(|(before, after)| *before == 3 || before == after));
    assert!(!after.contains(&3));
}

#[test]
fn a_select_group_spreads_arp_by_who_speaks_and_sends_the_answer_after_the_question() {
    let buckets = (1..=2).map(|i| bucket(i, 1, &format!("output:{}", i + 1))).collect();
    let mut datapath = with_group(group(5, GroupKind::Select, buckets));
    let mut chosen = |spa: u8, tpa: u8| send(&mut datapath, &arp(spa, tpa), 1).ports()[0];
    let questions: Vec<u32> = (0..100).map(|spa| chosen(spa, 200)).collect();
    let answers: Vec<u32> = (0..100).map(|spa| chosen(200, spa)).collect();
    assert_eq!(questions, answers);
    for port in [2, 3] {
        assert!(questions.iter().filter(|chosen| **chosen == port).count() > 20, "{questions:?}");
    }
}

#[test]
fn fast_failover_takes_the_first_live_bucket() {
    let buckets = vec![watching(2, 1, "output:2"), watching(3, 2, "output:3")];
    let mut datapath = with_group(group(5, GroupKind::FastFailover, buckets));
    assert_eq!(send(&mut datapath, &udp(7), 1).ports(), [2]);
    datapath.set_port_live(2, false);
    assert_eq!(send(&mut datapath, &udp(7), 1).ports(), [3]);
    datapath.remove_port(3);
    assert_eq!(send(&mut datapath, &udp(7), 1).reasons(), [DropReason::NoLiveBucket]);
    datapath.set_port_live(2, true);
    assert_eq!(send(&mut datapath, &udp(7), 1).ports(), [2]);
}

#[test]
fn a_bucket_that_watches_a_group_lives_as_long_as_that_does() {
    let mut datapath = with_group(group(6, GroupKind::FastFailover, vec![watching(2, 1, "output:2")]));
    let outer = vec![Bucket { watch_group: Some(6), ..bucket(1, 0, "group:6") }, watching(3, 2, "output:3")];
    datapath.group_mod(&GroupMod::Add(group(5, GroupKind::FastFailover, outer)), 0).expect("a group");
    add(&mut datapath, "actions=group:5", 0);
    assert_eq!(send(&mut datapath, &udp(7), 1).ports(), [2]);
    datapath.set_port_live(2, false);
    assert_eq!(send(&mut datapath, &udp(7), 1).ports(), [3]);
}

#[test]
fn changes_that_make_no_sense_are_refused_as_openflow_says() {
    let mut datapath = with_group(group(5, GroupKind::All, vec![bucket(1, 0, "output:2")]));
    let all = |id, actions: &str| group(id, GroupKind::All, vec![bucket(1, 0, actions)]);
    datapath.group_mod(&GroupMod::Add(all(6, "group:5")), 0).expect("a chain");
    let cases = [
        (GroupMod::Add(all(5, "output:2")), GroupModError::GroupExists(5)),
        (GroupMod::Modify(all(9, "output:2")), GroupModError::UnknownGroup(9)),
        (GroupMod::Add(all(0xffff_ff01, "output:2")), GroupModError::InvalidGroup(0xffff_ff01)),
        (GroupMod::Modify(all(5, "group:6")), GroupModError::Loop(5)),
        (GroupMod::Modify(all(5, "group:5")), GroupModError::Loop(5)),
        (GroupMod::Add(all(9, "group:77")), GroupModError::BadOutGroup(77)),
        (GroupMod::Delete(5), GroupModError::ChainedGroup(5)),
        (GroupMod::Add(group(9, GroupKind::Indirect, vec![])), GroupModError::InvalidGroup(9)),
        (
            GroupMod::Add(group(9, GroupKind::FastFailover, vec![bucket(1, 0, "output:2")])),
            GroupModError::BadWatch(1),
        ),
        (
            GroupMod::Add(group(9, GroupKind::All, vec![bucket(1, 0, "output:2"), bucket(1, 0, "output:3")])),
            GroupModError::BucketExists(1),
        ),
        (GroupMod::RemoveBuckets { group: 5, choice: BucketChoice::One(9) }, GroupModError::UnknownBucket(9)),
        (
            GroupMod::InsertBuckets { group: 5, place: BucketPlace::After(9), buckets: vec![] },
            GroupModError::UnknownBucket(9),
        ),
    ];
    for (change, error) in cases {
        assert_eq!(refused(&mut datapath, change), error);
    }
}

#[test]
fn buckets_are_inserted_and_removed_in_place_and_keep_their_counters() {
    let mut datapath = with_group(group(5, GroupKind::All, vec![bucket(1, 0, "output:2")]));
    send(&mut datapath, &udp(7), 1);
    let insert = |place, id, port: u32| GroupMod::InsertBuckets {
        group: 5,
        place,
        buckets: vec![bucket(id, 0, &format!("output:{port}"))],
    };
    datapath.group_mod(&insert(BucketPlace::First, 2, 3), 0).expect("room");
    datapath.group_mod(&insert(BucketPlace::After(2), 3, 4), 0).expect("room");
    assert_eq!(send(&mut datapath, &udp(7), 1).ports(), [3, 4, 2]);
    let packets: Vec<_> = datapath.group_stats(0)[0].buckets.iter().map(|traffic| traffic.packets).collect();
    assert_eq!(packets, [1, 1, 2]);
    datapath.group_mod(&GroupMod::RemoveBuckets { group: 5, choice: BucketChoice::First }, 0).expect("there");
    datapath.group_mod(&GroupMod::RemoveBuckets { group: 5, choice: BucketChoice::Last }, 0).expect("there");
    assert_eq!(send(&mut datapath, &udp(7), 1).ports(), [4]);
}

#[test]
fn a_group_takes_the_flows_that_use_it_with_it() {
    let mut datapath = with_group(group(5, GroupKind::All, vec![bucket(1, 0, "output:2")]));
    add(&mut datapath, "table=3 actions=write_actions(group:5)", 0);
    add(&mut datapath, "table=4 actions=output:2", 0);
    datapath.group_mod(&GroupMod::Delete(77), 0).expect("nothing to do");
    datapath.group_mod(&GroupMod::Delete(ALL_GROUPS), 0).expect("all go");
    let tables: Vec<_> =
        datapath.flows(&FlowFilter::default(), 0).iter().map(|flow| flow.flow.table).collect();
    assert_eq!(tables, [4]);
}

#[test]
fn what_a_group_does_changes_with_it() {
    let mut datapath = with_group(group(5, GroupKind::Indirect, vec![bucket(1, 0, "output:2")]));
    assert_eq!(send(&mut datapath, &udp(7), 1).ports(), [2]);
    let to_controller = group(5, GroupKind::Indirect, vec![bucket(1, 0, "CONTROLLER")]);
    datapath.group_mod(&GroupMod::AddOrModify(to_controller), 0).expect("a group");
    assert_eq!(send(&mut datapath, &udp(7), 1).packet_ins()[0].reason, PacketInReason::Group);
}

#[test]
fn the_action_set_is_executed_at_the_end_in_its_own_order() {
    let mut datapath = switch(&[
        "table=0 actions=write_actions(output:2,push_vlan:0x8100,set_field:0x1007->vlan_vid),goto_table:1",
        "table=1,actset_output=2 actions=write_actions(output:3,dec_ttl),goto_table:2",
        "table=2,actset_output=3 actions=output:4",
    ]);
    let effects = send(&mut datapath, &udp(7), 1);
    assert_eq!(effects.ports(), [4, 3]);
    assert_eq!(effects.frames()[0], udp(7));
    let tagged = effects.frames()[1];
    assert_eq!((&tagged[12..16], tagged[26]), (&[0x81, 0, 0, 7][..], 63));
    let cleared = ["table=0 actions=write_actions(output:2),goto_table:1", "table=1 actions=clear_actions"];
    assert_eq!(send(&mut switch(&cleared), &udp(7), 1).reasons(), [DropReason::NoOutput]);
    let told = send(&mut switch(&["actions=write_actions(CONTROLLER)"]), &udp(7), 1);
    assert_eq!(told.packet_ins()[0].reason, PacketInReason::ActionSet);
}

#[test]
fn a_group_overrules_the_output_of_an_action_set() {
    let mut datapath = with_group(group(5, GroupKind::Indirect, vec![bucket(1, 0, "output:2")]));
    add(&mut datapath, "actions=write_actions(output:3,group:5)", 0);
    assert_eq!(send(&mut datapath, &udp(7), 1).ports(), [2]);
}

fn meter(id: u32, is_packets: bool, bands: &[(BandKind, u32, u32)]) -> Meter {
    let bands = bands.iter().map(|(kind, rate, burst)| Band { kind: *kind, rate: *rate, burst: *burst });
    Meter { id, is_packets, bands: bands.collect(), ..Meter::default() }
}

const MS: u64 = 1_000_000;

fn send_at(datapath: &mut Datapath, frame: &[u8], now: u64) -> (usize, Vec<DropReason>) {
    let effects = send_with(datapath, frame, &Offload::default(), &crate::recorder::from_port(1), now);
    (effects.ports().len(), effects.reasons())
}

#[test]
fn a_meter_passes_its_rate_and_counts_what_it_drops() {
    let mut datapath = switch(&[]);
    let limit = meter(1, true, &[(BandKind::Drop, 10, 2)]);
    datapath.meter_mod(&MeterMod::Add(limit), 0).expect("a meter");
    add(&mut datapath, "actions=meter:1,output:2", 0);
    // Two at once, then one each 100 ms; offered is one each 10 ms for a second.
    let passed = (0..100).filter(|i| send_at(&mut datapath, &udp(7), i * 10 * MS).0 == 1).count();
    assert_eq!(passed, 2 + 9);
    let stats = &datapath.meter_stats(1000 * MS)[0];
    assert_eq!((stats.traffic.packets, stats.bands[0].packets, stats.flows), (100, 89, 1));
    assert_eq!(datapath.drops().total(DropReason::Metered), 89);
    assert_eq!(send_at(&mut datapath, &udp(7), 9000 * MS).0, 1);
}

#[test]
fn kilobits_are_counted_by_bytes_and_a_meter_ends_all_that_follows() {
    let mut datapath = switch(&[]);
    let frame = frames::ipv4(64, &frames::udp(7, 9, &[0; 100]), Checksum::Full);
    assert_eq!(frame.len() * 8, 1136);
    // Room for one packet of 1136 bits, and for another one a second later.
    let limit = meter(1, false, &[(BandKind::Drop, 1, 2)]);
    datapath.meter_mod(&MeterMod::Add(limit), 0).expect("a meter");
    add(&mut datapath, "actions=output:3,meter:1,output:2,output:4", 0);
    assert_eq!(send_at(&mut datapath, &frame, 0).0, 3);
    assert_eq!(send_at(&mut datapath, &frame, 0), (1, vec![DropReason::Metered]));
    assert_eq!(send_at(&mut datapath, &frame, 1000 * MS).0, 3);
}

#[test]
fn remark_raises_the_drop_precedence_and_the_highest_band_decides() {
    let mut datapath = switch(&[]);
    let bands = [(BandKind::Remark(1), 1, 1), (BandKind::Drop, 3, 3)];
    datapath.meter_mod(&MeterMod::Add(meter(1, true, &bands)), 0).expect("a meter");
    add(&mut datapath, "actions=meter:1,output:2", 0);
    let mut frame = udp(7);
    frame[15] = 10 << 2;
    frame[24..26].fill(0);
    let sum = !frames::slow_sum(&frame[14..34]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    let tos: Vec<_> = (0..4)
        .map(|_| {
            let effects = send(&mut datapath, &frame, 1);
            effects.frames().first().map(|sent| (sent[15] >> 2, frames::slow_sum(&sent[14..34])))
        })
        .collect();
    assert_eq!(tos, [Some((10, 0xffff)), Some((12, 0xffff)), Some((12, 0xffff)), None]);
    let stats = &datapath.meter_stats(0)[0];
    assert_eq!(stats.bands.iter().map(|band| band.packets).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn packets_to_the_controller_have_a_meter_of_their_own() {
    let mut datapath = switch(&["actions=CONTROLLER"]);
    let limit = meter(tulle_datapath::CONTROLLER_METER, true, &[(BandKind::Drop, 1, 1)]);
    datapath.meter_mod(&MeterMod::Add(limit), 0).expect("a meter");
    assert_eq!(send(&mut datapath, &udp(7), 1).packet_ins().len(), 1);
    assert_eq!(send(&mut datapath, &udp(7), 1).reasons(), [DropReason::ControllerMeter]);
}

#[test]
fn meters_that_make_no_sense_are_refused() {
    let mut datapath = switch(&[]);
    let good = meter(1, true, &[(BandKind::Drop, 10, 0)]);
    datapath.meter_mod(&MeterMod::Add(good.clone()), 0).expect("a meter");
    add(&mut datapath, "actions=meter:1,output:2", 0);
    let drop = [(BandKind::Drop, 10, 0)];
    let cases = [
        (MeterMod::Add(good), MeterModError::MeterExists(1)),
        (MeterMod::Add(meter(0, true, &drop)), MeterModError::InvalidMeter(0)),
        (MeterMod::Add(meter(0xffff_0001, true, &drop)), MeterModError::InvalidMeter(0xffff_0001)),
        (MeterMod::Modify(meter(2, true, &drop)), MeterModError::UnknownMeter(2)),
        (MeterMod::Add(meter(2, true, &[(BandKind::Drop, 0, 0)])), MeterModError::BadRate),
        (MeterMod::Add(meter(2, true, &[(BandKind::Remark(9), 1, 0)])), MeterModError::BadBandValue),
        (MeterMod::Add(meter(2, true, &[])), MeterModError::OutOfBands),
    ];
    for (change, error) in cases {
        assert_eq!(datapath.meter_mod(&change, 0), Err(error));
    }
    datapath.meter_mod(&MeterMod::Delete(1), 0).expect("gone");
    assert_eq!((datapath.flow_count(), datapath.meters().iter().count()), (0, 0));
}
