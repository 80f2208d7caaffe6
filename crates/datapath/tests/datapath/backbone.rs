//! Provider backbone headers (IEEE 802.1ah), and the extension headers of IPv6.

use crate::frames::{self, Checksum};
use crate::recorder::{from_port, send, send_with, switch};
use crate::tags::tagged;
use proptest::prelude::*;
use tulle_datapath::{DropReason, extract};
use tulle_flow::Field;
use tulle_wire::vnet::Offload;

fn plain() -> Vec<u8> {
    frames::ipv4(64, &frames::udp(7, 9, b"payload"), Checksum::Full)
}

/// The frame behind its own addresses and a service tag.
pub fn with_backbone(frame: &[u8], tag: u32) -> Vec<u8> {
    [&frame[..12], &[0x88, 0xe7], &tag.to_be_bytes(), frame].concat()
}

fn sent(flows: &[&str], frame: &[u8]) -> Vec<u8> {
    let effects = send(&mut switch(flows), frame, 1);
    assert_eq!(effects.ports(), [2], "{effects:?}");
    effects.frames()[0].to_vec()
}

#[test]
fn a_backbone_header_goes_around_the_frame_and_off_again() {
    let frame = plain();
    let wrapped = with_backbone(&frame, 0);
    assert_eq!(sent(&["ip actions=push_pbb:0x88e7,output:2"], &frame), wrapped);
    assert_eq!(sent(&["dl_type=0x88e7 actions=pop_pbb,output:2"], &wrapped), frame);
    let twice = with_backbone(&wrapped, 0);
    assert_eq!(sent(&["actions=push_pbb:0x88e7,push_pbb:0x88e7,output:2"], &frame), twice);
    assert_eq!(sent(&["actions=pop_pbb,pop_pbb,pop_pbb,output:2"], &twice), frame);
}

#[test]
fn the_new_tag_has_the_service_and_the_priority_of_what_is_beneath() {
    let tagged_frame = tagged(&plain(), 0x8100, 0x6064);
    let push = "actions=push_pbb:0x88e7,output:2";
    assert_eq!(sent(&[push], &tagged_frame), with_backbone(&tagged_frame, 0x6000_0000));
    let wrapped = with_backbone(&plain(), 0x0123_4567);
    assert_eq!(sent(&[push], &wrapped), with_backbone(&wrapped, 0x23_4567));
}

#[test]
fn the_service_is_matched_and_set_and_the_addresses_are_the_backbones() {
    let wrapped = with_backbone(&plain(), 0x6800_0064);
    let changed = sent(
        &[
            "dl_type=0x88e7,pbb_isid=0x60/0xf0,pbb_uca=1 actions=set_field:203->pbb_isid,set_field:0->pbb_uca,\
          set_field:02:00:00:00:00:99->dl_dst,push_vlan:0x88a8,mod_vlan_vid:10,output:2",
        ],
        &wrapped,
    );
    let mut expected = with_backbone(&plain(), 0x6000_00cb);
    expected[5] = 0x99;
    assert_eq!(changed, tagged(&expected, 0x88a8, 10));
    let (key, layout) = extract(&changed, &from_port(1)).expect("a whole frame");
    let fields = [Field::EthType, Field::PbbIsid, Field::PbbUca, Field::VlanTci, Field::IpSrc];
    assert_eq!(fields.map(|field| key.field(field)), [0x88e7, 203, 0, 0x100a, 0]);
    assert_eq!((layout.payload, layout.l3, layout.l4), (18, 0, 0));
}

#[test]
fn the_customers_headers_are_seen_once_the_backbones_are_gone() {
    let inner = tagged(&tagged(&plain(), 0x8100, 0x6064), 0x88a8, 10);
    let mut wrapped = tagged(&with_backbone(&inner, 100), 0x88a8, 7);
    wrapped[5] = 0x77;
    let flows = [
        "table=0,dl_dst=02:00:00:00:00:77,dl_vlan=7 actions=pop_vlan,pop_pbb,set_field:5->reg0,resubmit(,1)",
        "table=1,reg0=5,dl_dst=02:00:00:00:00:0b,dl_vlan=10,udp,udp_dst=9 actions=pop_vlan,dec_ttl,output:2",
    ];
    let changed = sent(&flows, &wrapped);
    assert_eq!(&changed[..18], &tagged(&plain(), 0x8100, 0x6064)[..18]);
    assert_eq!(frames::slow_sum(&changed[18..38]), 0xffff);
    assert_eq!(changed[26], 63);
}

#[test]
fn backbone_vlan_tags_stay_when_the_header_behind_them_goes() {
    for tags in [&[7][..], &[8, 7]] {
        let around = |frame: Vec<u8>| tags.iter().fold(frame, |frame, tag| tagged(&frame, 0x88a8, *tag));
        let mut wrapped = around(with_backbone(&plain(), 100));
        wrapped[5] = 0x77;
        assert_eq!(sent(&["actions=pop_pbb,output:2"], &wrapped), around(plain()));
    }
}

#[test]
fn tags_that_went_inside_are_not_the_outer_ones() {
    let frame = tagged(&plain(), 0x8100, 5);
    let flows = [
        "table=0,dl_vlan=5 actions=push_vlan:0x8100,push_vlan:0x8100,push_pbb:0x88e7,pop_vlan,resubmit(,1)",
        "table=1,vlan_tci=0/0x1fff,dl_type=0x88e7 actions=push_vlan:0x88a8,mod_vlan_vid:9,output:2",
    ];
    let thrice = tagged(&tagged(&frame, 0x8100, 5), 0x8100, 5);
    assert_eq!(sent(&flows, &frame), tagged(&with_backbone(&thrice, 0), 0x88a8, 9));
}

#[test]
fn an_action_set_takes_the_header_off_before_it_puts_others_on() {
    let wrapped = with_backbone(&plain(), 100);
    let set =
        "actions=write_actions(output:2,push_vlan:0x8100,push_pbb:0x88e7,pop_pbb,set_field:9->pbb_isid)";
    assert_eq!(sent(&[set], &wrapped), tagged(&with_backbone(&plain(), 9), 0x8100, 0));
    assert_eq!(sent(&["actions=write_actions(output:2,pop_pbb)"], &wrapped), plain());
}

#[test]
fn a_header_moves_what_is_left_undone_on_the_frame() {
    let frame = frames::ipv4(64, &frames::tcp(1, 2, b"x"), Checksum::Partial);
    let offload = Offload { needs_csum: true, csum_start: 34, csum_offset: 16, ..Offload::default() };
    let mut datapath = switch(&["actions=push_pbb:0x88e7,output:2,pop_pbb,output:3"]);
    let effects = send_with(&mut datapath, &frame, &offload, &from_port(1), 0);
    let starts: Vec<_> = effects.offloads().iter().map(|offload| offload.csum_start).collect();
    assert_eq!((effects.ports(), starts), (vec![2, 3], vec![52, 34]));
}

#[test]
fn a_header_that_is_cut_off_is_dropped_with_its_reason() {
    let frame = with_backbone(&plain(), 100);
    let mut datapath = switch(&["actions=output:2"]);
    assert_eq!(send(&mut datapath, &frame[..31], 1).reasons(), [DropReason::PbbTruncated]);
    assert_eq!(send(&mut datapath, &frame[..32], 1).ports(), [2]);
}

#[test]
fn extension_headers_are_matched() {
    let plain = frames::ipv6(64, &frames::udp(7, 9, b"payload"), Checksum::Full);
    let extended = frames::with_extensions(&plain, &[0, 60]);
    let mut datapath = switch(&[
        "table=0,priority=9,ipv6,ipv6_exthdr=0x48 actions=output:2",
        "table=0,priority=8,ipv6,ipv6_exthdr=0/0x1ff actions=output:3",
        "table=0,priority=7,ipv6,ipv6_exthdr=0x100/0x100 actions=output:4",
    ]);
    assert_eq!(send(&mut datapath, &extended, 1).ports(), [2]);
    assert_eq!(send(&mut datapath, &plain, 1).ports(), [3]);
    assert_eq!(send(&mut datapath, &frames::with_extensions(&plain, &[60, 0]), 1).ports(), [4]);
}

proptest! {
    /// Headers on and off leave the frame as it was, and each stage is what a list of headers says.
    #[test]
    fn headers_go_on_and_off_like_a_list(
        headers in prop::collection::vec(prop_oneof![
            (1..4096_u16).prop_map(Err),
            (0..1_u32 << 24).prop_map(Ok),
        ], 0..6),
    ) {
        let (mut actions, mut expected) = (Vec::new(), plain());
        // A key holds two tags: of a customer's frame that is read again no more are known.
        let mut headers = headers;
        let mut tags = 0;
        headers.retain(|header| {
            tags = if header.is_err() { tags + 1 } else { 0 };
            tags <= 2
        });
        for header in &headers {
            match header {
                Ok(service) => {
                    let pcp = if expected[12..14] == [0x81, 0] { u32::from(expected[14] >> 5) } else { 0 };
                    expected = with_backbone(&expected, pcp << 29 | service);
                    actions.push(format!("push_pbb:0x88e7,set_field:{service}->pbb_isid"));
                }
                Err(vid) => {
                    expected = tagged(&expected, 0x8100, 0x6000 | vid);
                    actions.push(format!("push_vlan:0x8100,mod_vlan_vid:{vid},mod_vlan_pcp:3"));
                }
            }
        }
        actions.push("output:2".to_owned());
        for header in headers.iter().rev() {
            actions.push(if header.is_ok() { "pop_pbb" } else { "pop_vlan" }.to_owned());
        }
        actions.push("output:3".to_owned());
        let effects = send(&mut switch(&[&format!("actions={}", actions.join(","))]), &plain(), 1);
        prop_assert_eq!(effects.frames(), [&expected[..], &plain()]);
    }
}
