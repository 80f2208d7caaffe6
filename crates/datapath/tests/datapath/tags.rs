//! VLAN tags and MPLS labels: put on, taken off, seen by later tables.

use crate::frames::{self, Checksum};
use crate::recorder::{send, send_with, switch};
use proptest::prelude::*;
use tulle_datapath::{DropReason, extract};
use tulle_flow::Field;
use tulle_wire::vnet::{GsoKind, Offload};

fn plain() -> Vec<u8> {
    frames::ipv4(64, &frames::udp(7, 9, b"payload"), Checksum::Full)
}

/// The frame with four bytes put in behind the addresses.
pub fn tagged(frame: &[u8], tpid: u16, tci: u16) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame.splice(12..12, [tpid.to_be_bytes(), tci.to_be_bytes()].concat());
    frame
}

fn labelled(frame: &[u8], labels: &[u32]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[12..14].copy_from_slice(&[0x88, 0x47]);
    let bytes: Vec<u8> = labels.iter().flat_map(|label| label.to_be_bytes()).collect();
    frame.splice(14..14, bytes);
    frame
}

fn sent(flows: &[&str], frame: &[u8]) -> Vec<u8> {
    let effects = send(&mut switch(flows), frame, 1);
    assert_eq!(effects.ports(), [2], "{effects:?}");
    effects.frames()[0].to_vec()
}

#[test]
fn a_tag_is_pushed_and_popped() {
    let frame = plain();
    let with =
        sent(&["actions=push_vlan:0x8100,set_field:0x1064->vlan_vid,set_field:3->vlan_pcp,output:2"], &frame);
    assert_eq!(with, tagged(&frame, 0x8100, 0x6064));
    assert_eq!(sent(&["vlan_tci=0x1000/0x1000 actions=pop_vlan,output:2"], &with), frame);
    assert_eq!(sent(&["actions=mod_vlan_vid:5,output:2"], &with), tagged(&frame, 0x8100, 0x6005));
    assert_eq!(sent(&["actions=mod_vlan_pcp:1,output:2"], &frame), tagged(&frame, 0x8100, 0x2000));
    assert_eq!(sent(&["actions=set_field:0x1005->vlan_vid,output:2"], &frame), frame);
    assert_eq!(sent(&["actions=pop_vlan,output:2"], &frame), frame);
}

#[test]
fn a_second_tag_copies_the_first_and_later_tables_see_it() {
    let frame = tagged(&plain(), 0x8100, 0x2064);
    let twice = tagged(&frame, 0x88a8, 0x2064);
    let flows = [
        "table=0,dl_vlan=100 actions=push_vlan:0x88a8,resubmit(,1)",
        "table=1,dl_vlan=100,ip,nw_ttl=64 actions=output:2",
    ];
    assert_eq!(sent(&flows, &frame), twice);
    let back = [
        "table=0,dl_vlan=100 actions=pop_vlan,resubmit(,1)",
        "table=1,dl_vlan=100 actions=pop_vlan,resubmit(,2)",
        "table=2,vlan_tci=0/0x1fff,udp actions=output:2",
    ];
    assert_eq!(sent(&back, &twice), plain());
}

#[test]
fn three_tags_go_on_and_come_off_again() {
    let frame = plain();
    let push =
        "push_vlan:0x8100,mod_vlan_vid:1,push_vlan:0x8100,mod_vlan_vid:2,push_vlan:0x88a8,mod_vlan_vid:3";
    let thrice = tagged(&tagged(&tagged(&frame, 0x8100, 1), 0x8100, 2), 0x88a8, 3);
    assert_eq!(sent(&[&format!("actions={push},output:2")], &frame), thrice);
    assert_eq!(
        sent(&[&format!("actions={push},pop_vlan,pop_vlan,mod_vlan_vid:7,output:2")], &frame),
        tagged(&frame, 0x8100, 7)
    );
    assert_eq!(
        sent(&[&format!("actions={push},pop_vlan,pop_vlan,pop_vlan,pop_vlan,output:2")], &frame),
        frame
    );
}

#[test]
fn behind_two_tags_the_headers_are_seen_and_changed() {
    let frame = tagged(&tagged(&plain(), 0x8100, 5), 0x88a8, 6);
    let (key, layout) = extract(&frame, &crate::recorder::from_port(1)).expect("a whole frame");
    let fields = [Field::VlanTpid, Field::VlanTci, Field::InnerVlanTpid, Field::InnerVlanTci, Field::UdpDst];
    assert_eq!(fields.map(|field| key.field(field)), [0x88a8, 0x1006, 0x8100, 0x1005, 9]);
    assert_eq!((layout.payload, layout.l4), (22, 42));
    let changed = sent(&["udp actions=set_field:11->udp_dst,dec_ttl,pop_vlan,pop_vlan,output:2"], &frame);
    assert_eq!(frames::checksum_fault(&changed, Checksum::Full, 6), None);
    assert_eq!((changed[22], &changed[36..38]), (63, &[0, 11][..]));
}

#[test]
fn writing_no_tag_takes_the_tag_off() {
    let frame = tagged(&plain(), 0x8100, 5);
    assert_eq!(sent(&["actions=load:0->NXM_OF_VLAN_TCI[],output:2"], &frame), plain());
    assert_eq!(
        sent(&["actions=load:0x1007->NXM_OF_VLAN_TCI[],output:2"], &plain()),
        tagged(&plain(), 0x8100, 7)
    );
}

#[test]
fn each_output_has_the_tags_of_its_moment() {
    let frame = plain();
    let mut datapath = switch(&["actions=output:2,push_vlan:0x8100,output:3,pop_vlan,output:4"]);
    let effects = send(&mut datapath, &frame, 1);
    assert_eq!(effects.frames(), [&frame[..], &tagged(&frame, 0x8100, 0), &frame]);
}

#[test]
fn a_tag_moves_what_is_left_undone_on_the_frame() {
    let frame = frames::ipv4(64, &frames::tcp(1, 2, b"x"), Checksum::Partial);
    let offload = Offload {
        needs_csum: true,
        csum_start: 34,
        csum_offset: 16,
        gso: GsoKind::TcpV4,
        gso_size: 1400,
        hdr_len: 54,
        ..Offload::default()
    };
    let mut datapath = switch(&["actions=push_vlan:0x8100,output:2,pop_vlan,output:3"]);
    let effects = send_with(&mut datapath, &frame, &offload, &crate::recorder::from_port(1), 0);
    let starts =
        effects.offloads().iter().map(|offload| (offload.csum_start, offload.hdr_len)).collect::<Vec<_>>();
    assert_eq!(starts, [(38, 58), (34, 54)]);
}

#[test]
fn labels_are_pushed_with_what_the_packet_has() {
    let frame = plain();
    let one = labelled(&frame, &[0x140]);
    assert_eq!(sent(&["actions=push_mpls:0x8847,output:2"], &frame), one);
    let named = labelled(&frame, &[16 << 12 | 5 << 9 | 0x120]);
    let set = "set_field:16->mpls_label,set_field:5->mpls_tc,set_mpls_ttl:32";
    assert_eq!(sent(&[&format!("actions=push_mpls:0x8847,{set},output:2")], &frame), named);
    let two = labelled(&frame, &[17 << 12 | 0x40, 0x140]);
    assert_eq!(sent(&["mpls actions=push_mpls:0x8847,set_mpls_label:17,output:2"], &one), two);
    assert_eq!(sent(&["mpls,mpls_bos=0 actions=pop_mpls:0x8847,output:2"], &two), one);
    assert_eq!(sent(&["mpls actions=pop_mpls:0x0800,output:2"], &one), frame);
}

#[test]
fn labels_stand_behind_tags() {
    let frame = tagged(&plain(), 0x8100, 5);
    assert_eq!(
        sent(&["actions=push_mpls:0x8847,output:2"], &frame),
        tagged(&labelled(&plain(), &[0x140]), 0x8100, 5)
    );
}

#[test]
fn what_was_under_the_last_label_is_read_before_it_is_looked_at() {
    let frame = labelled(&plain(), &[9 << 12 | 0x140]);
    let flows = [
        "table=0,mpls actions=pop_mpls:0x0800,resubmit(,1),set_field:2->reg1,resubmit(,2)",
        "table=1,ip actions=dec_ttl,set_field:0x08->ip_dscp",
        "table=1,priority=40000,udp,udp_dst=9 actions=set_field:5->reg0,dec_ttl",
        "table=2,reg0=5,reg1=2,ip,nw_ttl=63 actions=output:2",
    ];
    let mut expected = plain();
    expected[22] = 63;
    let changed = sent(&flows, &frame);
    assert_eq!((&changed[..22], changed[22], &changed[26..]), (&expected[..22], 63, &expected[26..]));
    assert_eq!(frames::checksum_fault(&changed, Checksum::Full, 6), None);
}

#[test]
fn a_walk_goes_on_with_the_registers_the_stack_and_the_ingress_port_it_had() {
    let frame = labelled(&plain(), &[9 << 12 | 0x140]);
    let flows = [
        "table=0 actions=set_field:7->reg3,push:NXM_NX_REG3[],resubmit(3,1),resubmit(,4)",
        "table=1,in_port=3 actions=pop_mpls:0x0800,dec_ttl,pop:NXM_NX_REG5[],resubmit(,2)",
        "table=2,in_port=3,reg5=7,reg3=7 actions=set_field:1->reg6",
        "table=4,in_port=1,reg6=1,ip,nw_ttl=63 actions=output:2",
    ];
    sent(&flows, &frame);
}

#[test]
fn label_stacks_of_three_are_seen_and_deeper_ones_read_again() {
    let labels: Vec<u32> = (1..=5).map(|i| i << 12 | 0x40 | if i == 5 { 0x100 } else { 0 }).collect();
    let frame = labelled(&plain(), &labels);
    let pop = "pop_mpls:0x8847";
    let flows = [
        format!("table=0,mpls,mpls_label=1 actions={pop},{pop},{pop},resubmit(,1)"),
        format!("table=1,mpls,mpls_label=4,mpls_bos=0 actions={pop},resubmit(,2)"),
        "table=2,mpls,mpls_label=5,mpls_bos=1 actions=pop_mpls:0x0800,resubmit(,3)".to_owned(),
        "table=3,udp actions=output:2".to_owned(),
    ];
    assert_eq!(sent(&flows.each_ref().map(String::as_str), &frame), plain());
}

#[test]
fn a_label_over_something_else_than_told_is_dropped_with_its_reason() {
    let frame = labelled(&frames::ethernet(0, b"no ip at all, whatever the flow says......"), &[0x140]);
    let mut datapath =
        switch(&["table=0,mpls actions=pop_mpls:0x0800,resubmit(,1)", "table=1 actions=output:2"]);
    assert_eq!(send(&mut datapath, &frame, 1).reasons(), [DropReason::Ipv4BadHeader]);
    assert_eq!(send(&mut datapath, &frame[..16], 1).reasons(), [DropReason::MplsTruncated]);
}

#[test]
fn times_to_live_are_decremented_set_and_copied() {
    let one = labelled(&plain(), &[9 << 12 | 0x105]);
    let ttl = |frame: &[u8]| (frame[17], frame[26]);
    assert_eq!(ttl(&sent(&["actions=dec_mpls_ttl,output:2"], &one)), (4, 64));
    assert_eq!(ttl(&sent(&["actions=copy_ttl_out,output:2"], &one)), (64, 64));
    let inward = sent(&["actions=copy_ttl_in,output:2"], &one);
    assert_eq!(ttl(&inward), (5, 5));
    assert_eq!(frames::slow_sum(&inward[18..38]), 0xffff);
    let two = labelled(&plain(), &[9 << 12 | 0x05, 8 << 12 | 0x107]);
    assert_eq!(sent(&["actions=copy_ttl_out,output:2"], &two)[17], 7);
    assert_eq!(sent(&["actions=copy_ttl_in,output:2"], &two)[21], 5);
    let popped = sent(&["actions=copy_ttl_in,pop_mpls:0x8847,dec_mpls_ttl,output:2"], &two);
    assert_eq!(popped[17], 4);
    let used_up = labelled(&plain(), &[9 << 12 | 0x101]);
    let effects = send(&mut switch(&["actions=dec_mpls_ttl,output:2"]), &used_up, 1);
    assert_eq!(effects.reasons(), [DropReason::TtlExpired]);
}

#[test]
fn a_frame_with_a_length_and_a_snap_header_has_its_type() {
    let ip = plain()[14..].to_vec();
    let length = (ip.len() + 8) as u16;
    let frame = frames::ethernet(length, &[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..], &ip].concat());
    let changed = sent(&["udp,udp_dst=9 actions=dec_ttl,output:2"], &frame);
    assert_eq!(changed[30], 63);
    assert_eq!(frames::slow_sum(&changed[22..42]), 0xffff);
    let bare = frames::ethernet(length, &ip);
    assert_eq!(sent(&["dl_type=0x5ff actions=output:2"], &bare), bare);
}

#[test]
fn sctp_ports_are_set_and_the_checksum_follows() {
    let sctp = frames::sctp(7, 9, b"chunks of some length");
    let frame = frames::ipv4(64, &sctp, Checksum::Absent);
    let changed =
        sent(&["sctp,sctp_dst=9 actions=set_field:1000->sctp_src,set_field:2000->sctp_dst,output:2"], &frame);
    let expected = frames::ipv4(64, &frames::sctp(1000, 2000, b"chunks of some length"), Checksum::Absent);
    assert_eq!(changed, expected);
}

proptest! {
    /// Tags and labels on and off leave the packet as it was, and each stage is what a list of headers says.
    #[test]
    fn headers_go_on_and_off_like_a_list(vids in prop::collection::vec(0..4096_u16, 0..4), labels in prop::collection::vec(0..0x100000_u32, 0..4)) {
        let frame = plain();
        let mut actions: Vec<String> = labels.iter().map(|label| format!("push_mpls:0x8847,set_mpls_label:{label}")).collect();
        actions.extend(vids.iter().map(|vid| format!("push_vlan:0x8100,mod_vlan_vid:{vid}")));
        let stack: Vec<u32> = labels.iter().enumerate().rev()
            .map(|(i, label)| label << 12 | if i == 0 { 0x100 } else { 0 } | 0x40).collect();
        let mut expected = if labels.is_empty() { frame.clone() } else { labelled(&frame, &stack) };
        for vid in &vids {
            expected = tagged(&expected, 0x8100, *vid);
        }
        actions.push("output:2".to_owned());
        actions.extend(vids.iter().map(|_| "pop_vlan".to_owned()));
        actions.extend((0..labels.len()).rev().map(|i| format!("pop_mpls:{:#x}", if i == 0 { 0x800 } else { 0x8847 })));
        actions.push("output:3".to_owned());
        let effects = send(&mut switch(&[&format!("actions={}", actions.join(","))]), &frame, 1);
        prop_assert_eq!(effects.frames(), [&expected[..], &frame]);
    }
}
