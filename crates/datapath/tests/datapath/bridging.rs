//! NORMAL: learning, VLANs, bonds, mirrors.

use crate::frames::{self, Checksum};
use crate::recorder::{from_port, send, send_with, switch};
use crate::tags::tagged;
use tulle_datapath::{
    BondMode, BridgeConfig, Bundle, Datapath, DropReason, FdbEntry, FlowFilter, Metadata, Mirror, PortConfig,
    VlanMode,
};
use tulle_wire::vnet::Offload;

const S: u64 = 1_000_000_000;

fn from_to(src: u8, dst: u8) -> Vec<u8> {
    let mut frame = frames::ipv4(64, &frames::udp(7, 9, b"payload"), Checksum::Full);
    frame[..12].copy_from_slice(&[2, 0, 0, 0, 0, dst, 2, 0, 0, 0, 0, src]);
    frame
}

fn normal() -> Datapath {
    switch(&["actions=NORMAL"])
}

fn port(name: &str, member: u32, vlan_mode: VlanMode, tag: u16) -> Bundle {
    Bundle {
        name: name.into(),
        members: vec![member],
        live: vec![member],
        vlan_mode,
        tag,
        ..Bundle::default()
    }
}

fn bridge(bundles: Vec<Bundle>) -> Datapath {
    let mut datapath = normal();
    datapath.configure(BridgeConfig { bundles, ..BridgeConfig::default() });
    datapath
}

fn ports_at(datapath: &mut Datapath, frame: &[u8], in_port: u32, now: u64) -> Vec<u32> {
    let metadata: Metadata = from_port(in_port);
    send_with(datapath, frame, &Offload::default(), &metadata, now).ports()
}

#[test]
fn unknown_addresses_are_flooded_and_known_ones_are_not() {
    let mut datapath = normal();
    assert_eq!(send(&mut datapath, &from_to(1, 2), 1).ports(), [2, 3, 4]);
    assert_eq!(send(&mut datapath, &from_to(2, 1), 2).ports(), [1]);
    for _ in 0..3 {
        assert_eq!(send(&mut datapath, &from_to(1, 2), 1).ports(), [2]);
    }
    assert_eq!(send(&mut datapath, &from_to(3, 2), 2).reasons(), [DropReason::NormalSamePort]);
    let known: Vec<_> = datapath.fdb(0).iter().map(|entry| (entry.mac & 0xff, entry.port)).collect();
    assert_eq!(known, [(1, 1), (2, 2), (3, 2)]);
    assert_eq!(datapath.fdb_stats().learned, 3);
}

#[test]
fn an_address_moves_with_its_packets() {
    let mut datapath = normal();
    send(&mut datapath, &from_to(1, 2), 1);
    assert_eq!(send(&mut datapath, &from_to(2, 1), 2).ports(), [1]);
    send(&mut datapath, &from_to(1, 2), 3);
    assert_eq!(send(&mut datapath, &from_to(2, 1), 2).ports(), [3]);
    assert_eq!(datapath.fdb_stats().moved, 1);
    datapath.remove_port(3);
    assert_eq!(send(&mut datapath, &from_to(2, 1), 2).ports(), [1, 4]);
}

#[test]
fn addresses_stay_while_cached_packets_come_and_go_after_their_time() {
    let mut datapath = normal();
    for second in 0..400 {
        ports_at(&mut datapath, &from_to(1, 2), 1, second * S);
        datapath.expire(second * S);
    }
    assert_eq!(ports_at(&mut datapath, &from_to(2, 1), 2, 400 * S), [1]);
    datapath.expire(698 * S);
    assert_eq!(ports_at(&mut datapath, &from_to(3, 1), 3, 698 * S), [1]);
    datapath.expire(700 * S);
    assert_eq!(ports_at(&mut datapath, &from_to(3, 1), 3, 700 * S), [1, 2, 4]);
    assert_eq!(datapath.fdb_stats().expired, 2);
}

#[test]
fn who_floods_the_table_with_addresses_loses_his_own() {
    let mut datapath = normal();
    datapath.configure(BridgeConfig { mac_limit: 10, ..BridgeConfig::default() });
    send(&mut datapath, &from_to(1, 2), 1);
    for src in 10..200 {
        send(&mut datapath, &from_to(src, 2), 4);
    }
    let known = datapath.fdb(0);
    assert_eq!((known.len(), datapath.fdb_stats().evicted), (10, 181));
    assert!(known.iter().any(|entry| entry.port == 1), "{known:?}");
}

#[test]
fn told_addresses_stay_where_they_are() {
    let mut datapath = normal();
    datapath.add_fdb(0, 0x0200_0000_0001, 4);
    send(&mut datapath, &from_to(1, 2), 1);
    assert_eq!(send(&mut datapath, &from_to(2, 1), 2).ports(), [4]);
    datapath.flush_fdb();
    let told = FdbEntry { vlan: 0, mac: 0x0200_0000_0001, port: 4, age_s: 0, is_static: true };
    assert_eq!(datapath.fdb(5 * S), [told]);
    assert!(datapath.remove_fdb(0, 0x0200_0000_0001));
    assert_eq!(send(&mut datapath, &from_to(2, 1), 2).ports(), [1, 3, 4]);
}

#[test]
fn frames_for_bridges_are_forwarded_only_when_told_so() {
    let mut frame = from_to(1, 2);
    frame[..6].copy_from_slice(&[1, 0x80, 0xc2, 0, 0, 3]);
    let mut datapath = normal();
    assert_eq!(send(&mut datapath, &frame, 1).reasons(), [DropReason::NormalReserved]);
    datapath.configure(BridgeConfig { forward_bpdu: true, ..BridgeConfig::default() });
    assert_eq!(send(&mut datapath, &frame, 1).ports(), [2, 3, 4]);
}

#[test]
fn access_and_trunk_ports_put_tags_on_and_take_them_off() {
    let trunk = Bundle { trunks: vec![10, 20], ..port("trunk", 3, VlanMode::Trunk, 0) };
    let mut datapath = bridge(vec![
        port("a", 1, VlanMode::Access, 10),
        port("b", 2, VlanMode::Access, 20),
        trunk,
        port("c", 4, VlanMode::Access, 10),
    ]);
    let frame = from_to(1, 2);
    let effects = send(&mut datapath, &frame, 1);
    assert_eq!(effects.ports(), [3, 4]);
    assert_eq!(effects.frames(), [&tagged(&frame, 0x8100, 10)[..], &frame]);
    let tagged_in = send(&mut datapath, &tagged(&from_to(2, 1), 0x8100, 0x600a), 3);
    assert_eq!((tagged_in.ports(), tagged_in.frames()), (vec![1], vec![&from_to(2, 1)[..]]));
    assert_eq!(send(&mut datapath, &tagged(&frame, 0x8100, 30), 3).reasons(), [DropReason::NormalVlan]);
    assert_eq!(send(&mut datapath, &tagged(&frame, 0x8100, 10), 1).reasons(), [DropReason::NormalVlan]);
    assert_eq!(send(&mut datapath, &from_to(5, 1), 2).ports(), [3]);
    let vlans: Vec<_> =
        datapath.fdb(0).iter().map(|entry| (entry.vlan, entry.mac & 0xff, entry.port)).collect();
    assert_eq!(vlans, [(10, 1, 1), (10, 2, 3), (20, 5, 2)]);
}

#[test]
fn native_vlans_leave_with_and_without_a_tag() {
    let mut datapath = bridge(vec![
        port("a", 1, VlanMode::Access, 10),
        port("untagged", 2, VlanMode::NativeUntagged, 10),
        port("tagged", 3, VlanMode::NativeTagged, 10),
        port("other", 4, VlanMode::NativeUntagged, 11),
    ]);
    let frame = from_to(1, 2);
    let with = tagged(&frame, 0x8100, 10);
    let effects = send(&mut datapath, &frame, 1);
    assert_eq!(effects.ports(), [2, 3, 4]);
    assert_eq!(effects.frames(), [&frame[..], &with, &with]);
    let effects = send(&mut datapath, &from_to(9, 2), 2);
    assert_eq!(effects.ports(), [1, 3, 4]);
}

#[test]
fn a_tunnel_port_puts_its_tag_around_the_customers() {
    let mut datapath =
        bridge(vec![port("q", 1, VlanMode::Dot1qTunnel, 100), port("trunk", 2, VlanMode::Trunk, 0)]);
    datapath.remove_port(3);
    datapath.remove_port(4);
    let customer = tagged(&from_to(1, 2), 0x8100, 7);
    let effects = send(&mut datapath, &customer, 1);
    assert_eq!(effects.frames(), [tagged(&customer, 0x88a8, 100)]);
    let back = tagged(&tagged(&from_to(2, 1), 0x8100, 7), 0x88a8, 100);
    assert_eq!(send(&mut datapath, &back, 2).frames(), [tagged(&from_to(2, 1), 0x8100, 7)]);
}

#[test]
fn protected_ports_and_those_without_flood_are_left_out() {
    let protected = |name, member| Bundle { protected: true, ..port(name, member, VlanMode::Trunk, 0) };
    let mut datapath = bridge(vec![protected("a", 1), protected("b", 2)]);
    assert_eq!(send(&mut datapath, &from_to(1, 2), 1).ports(), [3, 4]);
    datapath.set_port_config(4, PortConfig { no_flood: true, ..PortConfig::default() });
    assert_eq!(send(&mut datapath, &from_to(1, 2), 1).ports(), [3]);
}

#[test]
fn vlans_that_are_flooded_learn_nothing() {
    let mut datapath = normal();
    datapath.configure(BridgeConfig { flood_vlans: vec![0], ..BridgeConfig::default() });
    send(&mut datapath, &from_to(1, 2), 1);
    assert_eq!(send(&mut datapath, &from_to(2, 1), 2).ports(), [1, 3, 4]);
    assert_eq!(datapath.fdb(0), []);
}

fn bond(bond: BondMode, live: &[u32]) -> Bundle {
    Bundle { name: "bond".into(), members: vec![2, 3], live: live.to_vec(), bond, ..Bundle::default() }
}

#[test]
fn an_active_backup_bond_uses_one_member_at_a_time() {
    let mut datapath = bridge(vec![bond(BondMode::ActiveBackup, &[2, 3])]);
    assert_eq!(send(&mut datapath, &from_to(1, 9), 1).ports(), [2, 4]);
    assert_eq!(send(&mut datapath, &from_to(9, 1), 3).reasons(), [DropReason::NormalBond]);
    assert_eq!(send(&mut datapath, &from_to(9, 1), 2).ports(), [1]);
    let bundles = vec![bond(BondMode::ActiveBackup, &[3])];
    datapath.configure(BridgeConfig { bundles, ..BridgeConfig::default() });
    assert_eq!(send(&mut datapath, &from_to(1, 9), 1).ports(), [3]);
    let bundles = vec![bond(BondMode::ActiveBackup, &[])];
    datapath.configure(BridgeConfig { bundles, ..BridgeConfig::default() });
    assert_eq!(send(&mut datapath, &from_to(1, 9), 1).reasons(), [DropReason::NoLiveMember]);
}

#[test]
fn a_balanced_bond_spreads_addresses_and_takes_nothing_back() {
    let mut datapath = bridge(vec![bond(BondMode::BalanceSlb, &[2, 3])]);
    let members: Vec<u32> =
        (10..110).map(|src| send(&mut datapath, &from_to(src, 9), 1).ports()[0]).collect();
    let by_second = members.iter().filter(|member| **member == 3).count();
    assert!((25..75).contains(&by_second), "{by_second}");
    // The switch's own frame, come back over the bond.
    assert_eq!(send(&mut datapath, &from_to(10, 200), 3).reasons(), [DropReason::NormalBond]);
    let mut to_all = from_to(222, 0);
    to_all[..6].fill(0xff);
    assert_eq!(send(&mut datapath, &to_all, 3).reasons(), [DropReason::NormalBond]);
    assert_eq!(send(&mut datapath, &to_all, 2).ports(), [1, 4]);
}

#[test]
fn a_gratuitous_arp_that_comes_back_over_a_bond_moves_nothing() {
    let mut datapath = bridge(vec![bond(BondMode::BalanceSlb, &[2, 3])]);
    let announcement = frames::arp_request(frames::IP_A);
    ports_at(&mut datapath, &announcement, 1, 0);
    ports_at(&mut datapath, &announcement, 2, S);
    assert_eq!(datapath.fdb(S)[0].port, 1);
    ports_at(&mut datapath, &announcement, 2, 7 * S);
    assert_eq!(datapath.fdb(7 * S)[0].port, 2);
}

fn mirrored(mirror: Mirror, flow: &str) -> Datapath {
    let mut datapath = switch(&[flow]);
    datapath.configure(BridgeConfig { mirrors: vec![mirror], ..BridgeConfig::default() });
    datapath
}

#[test]
fn mirrors_copy_what_they_select_as_it_was_then() {
    let of_source =
        Mirror { name: "m".into(), select_sources: vec![1], output_port: Some(4), ..Mirror::default() };
    let mut datapath = mirrored(of_source, "actions=mod_nw_tos:8,output:2,output:3");
    let effects = send(&mut datapath, &from_to(1, 2), 1);
    assert_eq!(effects.ports(), [4, 2, 3]);
    assert_eq!(effects.frames()[0], from_to(1, 2));
    assert_eq!(send(&mut datapath, &from_to(1, 2), 3).ports(), [2]);
    assert_eq!(datapath.mirror_stats()[0].1.packets, 1);

    let of_target = Mirror {
        name: "m".into(),
        select_destinations: vec![2],
        output_port: Some(4),
        snap_len: 20,
        ..Mirror::default()
    };
    let mut datapath = mirrored(of_target, "actions=mod_nw_tos:8,output:3,output:2");
    let effects = send(&mut datapath, &from_to(1, 2), 1);
    assert_eq!(effects.ports(), [3, 4, 2]);
    assert_eq!((effects.frames()[1].len(), effects.frames()[1][15]), (20, 8));
}

#[test]
fn a_mirror_of_all_copies_each_packet_once_and_its_port_takes_part_in_nothing_else() {
    let all = Mirror { name: "m".into(), select_all: true, output_port: Some(4), ..Mirror::default() };
    let mut datapath = mirrored(all, "actions=NORMAL");
    assert_eq!(send(&mut datapath, &from_to(1, 2), 1).ports(), [4, 2, 3]);
    assert_eq!(send(&mut datapath, &from_to(4, 2), 4).reasons(), [DropReason::NormalMirrorPort]);
}

#[test]
fn a_mirror_selects_vlans_and_may_have_one_of_its_own() {
    let of_vlan = Mirror {
        name: "m".into(),
        select_all: true,
        select_vlans: vec![10],
        output_port: Some(4),
        ..Mirror::default()
    };
    let mut datapath = mirrored(of_vlan, "actions=output:2");
    assert_eq!(send(&mut datapath, &from_to(1, 2), 1).ports(), [2]);
    assert_eq!(send(&mut datapath, &tagged(&from_to(1, 2), 0x8100, 10), 1).ports(), [4, 2]);

    let to_vlan = Mirror { name: "m".into(), select_all: true, output_vlan: Some(99), ..Mirror::default() };
    let mut datapath = switch(&["actions=output:2"]);
    let bundles = vec![
        port("a", 2, VlanMode::Access, 10),
        port("b", 3, VlanMode::Access, 99),
        port("c", 4, VlanMode::Trunk, 0),
    ];
    datapath.configure(BridgeConfig { bundles, mirrors: vec![to_vlan], ..BridgeConfig::default() });
    let effects = send(&mut datapath, &from_to(1, 2), 1);
    assert_eq!(effects.ports(), [3, 4, 2]);
    assert_eq!(effects.frames(), [&from_to(1, 2)[..], &tagged(&from_to(1, 2), 0x8100, 99), &from_to(1, 2)]);
}

#[test]
fn known_destinations_share_verdicts_and_counters_are_exact() {
    let mut datapath = normal();
    send(&mut datapath, &from_to(1, 2), 1);
    send(&mut datapath, &from_to(2, 1), 2);
    let before = datapath.cache_stats();
    for _ in 0..100 {
        send(&mut datapath, &from_to(1, 2), 1);
    }
    assert!(datapath.cache_stats().misses - before.misses <= 1);
    assert_eq!(datapath.flows(&FlowFilter::default(), 0)[0].packets, 102);
}
