//! Bytes from outside: whatever they are, they end in an effect.

use crate::frames::{self, Checksum};
use crate::recorder::{from_port, send, send_with, switch};
use proptest::prelude::*;
use tulle_datapath::{Datapath, DropReason, extract};
use tulle_flow::Field;
use tulle_wire::vnet::{GsoKind, Offload};

/// Writes every field there is, of whatever kind the packet seems to be.
fn restless_switch() -> Datapath {
    let set = "set_field:02:00:00:00:00:01->dl_dst,dec_ttl";
    let ip = format!("{set},set_field:1.2.3.4->ip_src,set_field:3->nw_tos");
    let ip6 =
        format!("{set},set_field:fd00::1->ipv6_src,set_field:fd00::2->ipv6_dst,set_field:5->ipv6_label");
    let nd = "set_field:136->icmpv6_type,set_field:2->nd_options_type,set_field:fd00::3->nd_target,\
              set_field:02:00:00:00:00:02->nd_tll,set_field:0x60000000->nd_reserved";
    let arp = "set_field:2->arp_op,move:arp_sha->arp_tha,set_field:02:00:00:00:00:02->arp_sha";
    let flows = [
        format!("table=0,priority=9,tcp actions={ip},set_field:1->tcp_src,set_field:2->tcp_dst,output:2"),
        format!("table=0,priority=9,udp actions={ip},set_field:1->udp_src,set_field:2->udp_dst,output:2"),
        format!("table=0,priority=9,icmp actions={ip},set_field:0->icmp_type,output:2"),
        format!("table=0,priority=9,tcp6 actions={ip6},set_field:1->tcp_src,output:2"),
        format!("table=0,priority=9,udp6 actions={ip6},set_field:1->udp_src,output:2"),
        format!("table=0,priority=9,icmp6,icmpv6_type=135 actions={ip6},{nd},output:2"),
        format!("table=0,priority=8,icmp6 actions={ip6},set_field:1->icmpv6_type,output:2"),
        format!("table=0,priority=9,arp actions={arp},output:2"),
        format!("table=0,priority=1,ip actions={ip},output:2"),
        format!("table=0,priority=1,ipv6 actions={ip6},output:2"),
        "table=0,priority=0 actions=CONTROLLER:65535,output:ALL".to_owned(),
    ];
    switch(&flows.each_ref().map(String::as_str))
}

fn sample_frames() -> Vec<Vec<u8>> {
    vec![
        frames::arp_request(frames::IP_B),
        frames::ipv4(64, &frames::tcp(1, 2, b"abc"), Checksum::Full),
        frames::ipv4(2, &frames::udp(1, 2, b"abc"), Checksum::Full),
        frames::ipv4(64, &frames::icmpv4(8, 0, b"abc"), Checksum::Full),
        frames::ipv6(64, &frames::tcp(1, 2, b"abc"), Checksum::Full),
        frames::ipv6(64, &frames::neighbour(135, frames::IP6_B, frames::MAC_A), Checksum::Full),
    ]
}

fn offload() -> impl Strategy<Value = Offload> {
    (any::<bool>(), 0..80_u16, 0..40_u16).prop_map(|(needs_csum, csum_start, csum_offset)| Offload {
        needs_csum,
        csum_start,
        csum_offset,
        ..Offload::default()
    })
}

proptest! {
    #[test]
    fn any_bytes_end_in_an_effect(bytes in prop::collection::vec(any::<u8>(), 0..200), offload in offload()) {
        send_with(&mut restless_switch(), &bytes, &offload, &from_port(1), 0);
    }

    #[test]
    fn any_bytes_behind_an_ip_header_end_in_an_effect(
        ipv4 in any::<bool>(),
        proto in prop::sample::select(vec![0_u8, 1, 6, 17, 43, 44, 51, 58, 60]),
        bytes in prop::collection::vec(any::<u8>(), 0..100),
        offload in offload(),
    ) {
        let transport = frames::Transport { proto, bytes, checksum_at: 0 };
        let build = if ipv4 { frames::ipv4 } else { frames::ipv6 };
        let transport = frames::Transport { bytes: [&[0, 0][..], &transport.bytes].concat(), ..transport };
        let frame = build(64, &transport, Checksum::Absent);
        send_with(&mut restless_switch(), &frame, &offload, &from_port(1), 0);
    }

    #[test]
    fn damaged_frames_end_in_an_effect(
        sample in 0..6_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
        offload in offload(),
    ) {
        let mut frame = sample_frames().swap_remove(sample);
        for (index, byte) in damage {
            let at = index.index(frame.len());
            frame[at] = byte;
        }
        if is_cut {
            frame.truncate(cut.index(frame.len()));
        }
        send_with(&mut restless_switch(), &frame, &offload, &from_port(1), 0);
    }
}

fn reason(frame: &[u8]) -> DropReason {
    let mut datapath = restless_switch();
    let reasons = send(&mut datapath, frame, 1).reasons();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert_eq!(datapath.drops().total(reasons[0]), 1);
    assert_eq!(datapath.drops().of_port(1, reasons[0]), 1);
    reasons[0]
}

fn changed(frame: &[u8], at: usize, byte: u8) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[at] = byte;
    frame
}

#[test]
fn each_fault_of_a_header_has_its_own_reason() {
    let v4 = frames::ipv4(64, &frames::tcp(1, 2, b""), Checksum::Full);
    let v6 = frames::ipv6(64, &frames::tcp(1, 2, b""), Checksum::Full);
    assert_eq!(reason(&[]), DropReason::FrameTooShort);
    assert_eq!(reason(&v4[..13]), DropReason::FrameTooShort);
    assert_eq!(reason(&[&v4[..12], &[0x81, 0, 0]].concat()), DropReason::VlanTruncated);
    assert_eq!(reason(&frames::ethernet(0x88e7, &[0; 17])), DropReason::PbbTruncated);
    assert_eq!(reason(&v4[..33]), DropReason::Ipv4Truncated);
    assert_eq!(reason(&changed(&v4, 14, 0x44)), DropReason::Ipv4BadHeader);
    assert_eq!(reason(&changed(&v4, 14, 0x65)), DropReason::Ipv4BadHeader);
    assert_eq!(reason(&changed(&v4, 17, 41)), DropReason::Ipv4BadLength);
    assert_eq!(reason(&changed(&v4, 17, 19)), DropReason::Ipv4BadLength);
    assert_eq!(reason(&v6[..53]), DropReason::Ipv6Truncated);
    assert_eq!(reason(&changed(&v6, 14, 0x50)), DropReason::Ipv6BadHeader);
    assert_eq!(reason(&changed(&v6, 19, 21)), DropReason::Ipv6BadLength);
    let many = frames::Transport { proto: 60, bytes: [60, 0, 0, 0, 0, 0, 0, 0].repeat(20), checksum_at: 2 };
    assert_eq!(reason(&frames::ipv6(64, &many, Checksum::Absent)), DropReason::Ipv6TooManyExtensions);
}

#[test]
fn an_offload_that_does_not_fit_the_frame_is_refused() {
    let frame = frames::ipv4(64, &frames::tcp(1, 2, b""), Checksum::Full);
    let beyond = Offload { needs_csum: true, csum_start: 50, csum_offset: 16, ..Offload::default() };
    let no_size = Offload { gso: GsoKind::TcpV4, gso_size: 0, ..Offload::default() };
    for offload in [beyond, no_size] {
        let effects = send_with(&mut restless_switch(), &frame, &offload, &from_port(1), 0);
        assert_eq!(effects.reasons(), [DropReason::BadOffload], "{offload:?}");
    }
}

#[test]
fn keys_hold_what_the_headers_say() {
    let mut frame = frames::ipv4(63, &frames::tcp(1000, 80, b"abc"), Checksum::Full);
    frame.splice(12..12, [0x81, 0, 0x20, 0x05]);
    let (key, layout) = extract(&frame, &from_port(3)).expect("a whole frame");
    let expected = [
        (Field::InPort, 3),
        (Field::EthDst, 0x0200_0000_000b),
        (Field::EthSrc, 0x0200_0000_000a),
        (Field::EthType, 0x0800),
        (Field::VlanTci, 0x3005),
        (Field::IpSrc, 0x0a00_010b),
        (Field::IpDst, 0x0a00_010c),
        (Field::IpProto, 6),
        (Field::IpTtl, 63),
        (Field::IpFrag, 0),
        (Field::TcpSrc, 1000),
        (Field::TcpDst, 80),
        (Field::TcpFlags, 0x18),
    ];
    for (field, value) in expected {
        assert_eq!(key.field(field), value, "{}", field.name());
    }
    assert_eq!((layout.l3, layout.l4, layout.end), (18, 38, frame.len()));
}

#[test]
fn a_first_fragment_too_short_for_tcp_still_shows_its_ports() {
    let whole = frames::ipv4(64, &frames::tcp(1000, 22, b""), Checksum::Full);
    let mut tiny = whole[..34 + 8].to_vec();
    tiny[16..18].copy_from_slice(&28_u16.to_be_bytes());
    tiny[20..22].copy_from_slice(&[0x20, 0]);
    let (key, layout) = extract(&tiny, &from_port(1)).expect("a whole frame");
    assert_eq!((key.field(Field::TcpSrc), key.field(Field::TcpDst)), (1000, 22));
    assert_eq!((key.field(Field::TcpFlags), layout.l4), (0, 0));
}

#[test]
fn fragments_are_marked_and_later_ones_have_no_ports() {
    let whole = frames::ipv4(64, &frames::udp(7, 9, b"payload"), Checksum::Full);
    let fields = |flags: [u8; 2]| {
        let mut frame = whole.clone();
        frame[20..22].copy_from_slice(&flags);
        let key = extract(&frame, &from_port(1)).expect("a whole frame").0;
        (key.field(Field::IpFrag), key.field(Field::UdpDst))
    };
    assert_eq!(fields([0x40, 0]), (0, 9));
    assert_eq!(fields([0x20, 0]), (1, 9));
    assert_eq!(fields([0x20, 5]), (3, 0));
    assert_eq!(fields([0, 5]), (3, 0));
}

#[test]
fn ipv6_extension_headers_are_walked_to_the_ports() {
    let plain = frames::ipv6(64, &frames::udp(7, 9, b"payload"), Checksum::Full);
    let mut frame = plain.clone();
    frame[20] = 0;
    let chain = [60, 0, 1, 4, 0, 0, 0, 0, 44, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 1, 0, 0, 0, 1];
    frame[18..20].copy_from_slice(&((plain.len() - 54 + chain.len()) as u16).to_be_bytes());
    frame.splice(54..54, chain);
    let (key, layout) = extract(&frame, &from_port(1)).expect("a whole frame");
    assert_eq!((key.field(Field::IpProto), key.field(Field::IpFrag)), (17, 1));
    assert_eq!((key.field(Field::UdpDst), layout.l4), (9, 78));
    frame[54 + 18..54 + 20].copy_from_slice(&[0, 8]);
    let (key, layout) = extract(&frame, &from_port(1)).expect("a whole frame");
    assert_eq!((key.field(Field::IpFrag), key.field(Field::UdpDst), layout.l4), (3, 0, 0));
}

#[test]
fn neighbour_discovery_with_a_malformed_option_has_no_fields() {
    let mut frame = frames::ipv6(64, &frames::neighbour(135, frames::IP6_B, frames::MAC_A), Checksum::Full);
    let key = extract(&frame, &from_port(1)).expect("a whole frame").0;
    assert_eq!(key.field(Field::NdTarget), u128::from_be_bytes(frames::IP6_B));
    assert_eq!(key.field(Field::NdSll), 0x0200_0000_000a);
    assert_eq!(key.field(Field::NdOptionsType), 1);
    frame[79] = 0;
    let key = extract(&frame, &from_port(1)).expect("a whole frame").0;
    assert_eq!((key.field(Field::NdTarget), key.field(Field::NdSll)), (0, 0));
    assert_eq!(key.field(Field::Icmpv6Type), 135);
}

/// Sends whatever comes through every kind of action that changes, tracks or copies it.
fn everything_switch() -> Datapath {
    let change = "push_vlan:0x8100,mod_vlan_vid:5,push_mpls:0x8847,set_mpls_label:9,push_pbb:0x88e7,set_field:7->pbb_isid,push_vlan:0x88a8,pop_vlan,pop_pbb,copy_ttl_out,copy_ttl_in,\
                  dec_mpls_ttl,pop_mpls:0x0800,dec_ttl,mod_nw_tos:8,pop_vlan";
    let learn = "learn(table=7,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])";
    let flows = [
        format!(
            "table=0 actions={learn},clone({change},output:2),ct(commit,table=1,nat(src=192.0.2.1-192.0.2.9)),NORMAL"
        ),
        format!("table=1 actions=check_pkt_larger(60)->NXM_NX_REG0[0],{change},resubmit(,2)"),
        "table=2,reg0=1 actions=write_actions(pop_vlan,pop_mpls:0x86dd,dec_ttl,output:3),goto_table:3"
            .to_owned(),
        "table=2,reg0=0 actions=multipath(symmetric_l4,1,hrw,2,0,NXM_NX_REG1[0]),output(port=3,max_len=20)"
            .to_owned(),
        "table=3 actions=ct(zone=3,table=4),set_field:1->sctp_src,set_field:2->tcp_src,set_field:3->arp_op"
            .to_owned(),
        "table=4 actions=resubmit(,5,ct),pop_mpls:0x8847,pop_mpls:0x8847,pop_mpls:0x8847,resubmit(,5)"
            .to_owned(),
        "table=5 actions=pop_pbb,set_field:9->pbb_isid,set_field:1->pbb_uca,FLOOD,CONTROLLER".to_owned(),
    ];
    switch(&flows.each_ref().map(String::as_str))
}

proptest! {
    /// Nothing panics, and no packet vanishes but for fragments that wait.
    #[test]
    fn any_bytes_survive_everything(
        packets in prop::collection::vec((
            prop::sample::select(vec![0x8100_u16, 0x88a8, 0x8847, 0x88e7, 0x0800, 0x86dd, 0x0806, 0x20, 0x1234]),
            prop::collection::vec(any::<u8>(), 0..120),
            0..6_usize,
            prop::option::of(any::<prop::sample::Index>()),
            offload(),
        ), 1..6),
    ) {
        let mut datapath = everything_switch();
        for (ethertype, bytes, sample, damage, offload) in packets {
            let mut sampled = sample_frames().swap_remove(sample);
            if let Some(index) = damage {
                let at = index.index(sampled.len());
                sampled[at] ^= bytes.first().copied().unwrap_or(1);
            }
            for frame in [frames::ethernet(ethertype, &bytes), crate::tags::tagged(&sampled, ethertype, 7), sampled] {
                let mut recorder = crate::recorder::Recorder::default();
                let mut buffer = tulle_wire::FrameBuf::copied(&frame);
                datapath.process(&mut buffer, &offload, &from_port(1), 0, &mut recorder);
                prop_assert!(!recorder.0.is_empty());
                let _ = datapath.trace(&frame, &offload, &from_port(1));
            }
        }
        datapath.expire(1_000_000_000_000);
    }
}
