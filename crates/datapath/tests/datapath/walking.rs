//! The way through the tables: outputs, resubmits, responders, losses.

use crate::frames::{self, Checksum};
use crate::recorder::{Effect, Recorder, counts, from_port, send, send_with, switch};
use tulle_datapath::{
    Drop, DropReason, Effects, Egress, Metadata, PacketIn, PacketInReason, TunnelKey, extract,
};
use tulle_flow::{Action, Field};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

fn ping(ttl: u8) -> Vec<u8> {
    frames::ipv4(ttl, &frames::icmpv4(8, 0, b"ping"), Checksum::Full)
}

#[test]
fn an_output_to_the_ingress_port_needs_the_word_in_port() {
    assert_eq!(
        send(&mut switch(&["actions=output:1"]), &ping(9), 1).reasons(),
        [DropReason::OutputToIngress]
    );
    assert_eq!(send(&mut switch(&["actions=IN_PORT"]), &ping(9), 1).ports(), [1]);
    assert_eq!(send(&mut switch(&["actions=set_field:0->in_port,output:1"]), &ping(9), 1).ports(), [1]);
}

#[test]
fn a_flood_goes_to_all_other_ports() {
    for all in ["FLOOD", "ALL"] {
        assert_eq!(send(&mut switch(&[&format!("actions={all}")]), &ping(9), 2).ports(), [1, 3, 4]);
    }
    let mut lonely = switch(&["actions=FLOOD"]);
    (2..=4).for_each(|port| lonely.remove_port(port));
    assert_eq!(send(&mut lonely, &ping(9), 1).reasons(), [DropReason::NoOtherPort]);
}

#[test]
fn losses_have_reasons() {
    let reason = |flow: &str| send(&mut switch(&[flow]), &ping(1), 1).reasons();
    assert_eq!(reason("udp actions=output:2"), [DropReason::NoMatch]);
    assert_eq!(reason("actions=drop"), [DropReason::DroppedByFlow]);
    assert_eq!(reason("actions=set_field:1->reg0"), [DropReason::NoOutput]);
    assert_eq!(reason("actions=output:77"), [DropReason::UnknownPort]);
    assert_eq!(reason("actions=TABLE"), [DropReason::UnsupportedPort]);
    assert_eq!(reason("actions=output:reg3"), [DropReason::UnknownPort]);
    assert_eq!(reason("actions=dec_ttl,output:2"), [DropReason::TtlExpired]);
    assert_eq!(reason("actions=resubmit(,9)"), [DropReason::NoMatch]);
}

#[test]
fn a_loss_names_the_table_and_the_cookie_of_the_flow() {
    let mut datapath = switch(&["actions=resubmit(,7)", "cookie=0x55,table=7 actions=drop"]);
    let effects = send(&mut datapath, &ping(9), 3);
    let Effect::Dropped { drop, in_port, bytes } = &effects.0[0] else { panic!("{effects:?}") };
    assert_eq!((drop.table, drop.cookie, *in_port, *bytes), (Some(7), Some(0x55), 3, ping(9).len()));
}

#[test]
fn endless_resubmits_end_with_a_reason_and_send_nothing() {
    let deep = send(&mut switch(&["actions=output:2,resubmit(,0)"]), &ping(9), 1);
    assert_eq!((deep.ports(), deep.reasons()), (vec![], vec![DropReason::ResubmitTooDeep]));
    let wide =
        "actions=resubmit(,1),resubmit(,1),resubmit(,1),resubmit(,1),resubmit(,1),resubmit(,1),resubmit(,1)";
    let flows: Vec<_> =
        (0..20).map(|i| format!("table={i} {}", wide.replace(",1)", &format!(",{})", i + 1)))).collect();
    let many = send(&mut switch(&flows.iter().map(String::as_str).collect::<Vec<_>>()), &ping(9), 1);
    assert_eq!(many.reasons(), [DropReason::TooManySteps]);
    let outputs = format!("actions={}resubmit(,1)", "output:2,".repeat(5000));
    assert_eq!(send(&mut switch(&[&outputs]), &ping(9), 1).reasons(), [DropReason::TooManySteps]);
}

#[test]
fn a_resubmit_as_from_another_port_gives_the_port_back() {
    let mut datapath = switch(&[
        "table=0 actions=resubmit(3,1),resubmit(,2)",
        "table=1,in_port=3 actions=output:4",
        "table=2,in_port=1 actions=output:2",
    ]);
    assert_eq!(send(&mut datapath, &ping(9), 1).ports(), [4, 2]);
}

#[test]
fn goto_goes_on_in_a_later_table() {
    let mut datapath = switch(&["table=0 actions=output:2,goto_table:5", "table=5 actions=output:3"]);
    assert_eq!(send(&mut datapath, &ping(9), 1).ports(), [2, 3]);
    assert_eq!(counts(&mut datapath), [(1, ping(9).len() as u64); 2]);
}

#[test]
fn each_output_gets_the_packet_as_it_is_at_that_moment() {
    let mut datapath =
        switch(&["ip actions=output:2,dec_ttl,output:3,set_field:9->nw_tos,CONTROLLER,output:4"]);
    let effects = send(&mut datapath, &ping(9), 1);
    let seen: Vec<_> = effects.frames().iter().map(|frame| (frame[22], frame[15])).collect();
    assert_eq!(seen, [(9, 0), (8, 0), (8, 9)]);
    let to_controller = effects.0.iter().find_map(|effect| match effect {
        Effect::PacketIn { frame, info } => Some((frame[15], info.reason, info.max_len)),
        _ => None,
    });
    assert_eq!(to_controller, Some((9, PacketInReason::Action, 0xffff)));
    for frame in effects.frames() {
        assert_eq!(frames::checksum_fault(frame, Checksum::Full, 2), None);
    }
}

/// Keeps only whether an output got the packet's own buffer.
#[derive(Default)]
struct Owners(Vec<bool>);

impl Effects for Owners {
    fn output(&mut self, _: &Egress, _: &mut FrameBuf, _: &Offload, last: bool) {
        self.0.push(last);
    }

    fn packet_in(&mut self, _: &[u8], _: &Offload, _: &PacketIn) {}

    fn dropped(&mut self, _: Drop, _: u32, _: usize) {}
}

#[test]
fn the_last_output_gets_the_original_unless_the_packet_is_needed_after_it() {
    let owners = |actions: &str| {
        let (mut datapath, mut owners) = (switch(&[&format!("actions={actions}")]), Owners::default());
        let mut frame = FrameBuf::copied(&ping(9));
        datapath.process(&mut frame, &Offload::default(), &from_port(1), 0, &mut owners);
        owners.0
    };
    assert_eq!(owners("output:2,output:3,output:99"), [false, true]);
    assert_eq!(owners("output:2,CONTROLLER"), [false]);
}

#[test]
fn the_controller_learns_the_metadata_and_whether_nothing_matched() {
    let mut datapath = switch(&["table=0,priority=0,cookie=7 actions=CONTROLLER:64"]);
    crate::recorder::add(
        &mut datapath,
        "table=0,in_port=2 actions=set_field:5->metadata,set_field:6->reg15,resubmit(,3)",
        0,
    );
    crate::recorder::add(&mut datapath, "table=3,priority=0,ip,cookie=8 actions=CONTROLLER:128", 0);
    let mut packet_in = |in_port| match send(&mut datapath, &ping(9), in_port).0.remove(0) {
        Effect::PacketIn { info, .. } => info,
        other => panic!("{other:?}"),
    };
    let missed = packet_in(1);
    assert_eq!(
        (missed.reason, missed.table, missed.cookie, missed.max_len),
        (PacketInReason::NoMatch, 0, 7, 64)
    );
    let acted = packet_in(2);
    assert_eq!((acted.reason, acted.table, acted.cookie, acted.max_len), (PacketInReason::Action, 3, 8, 128));
    let metadata =
        [Field::InPort, Field::Metadata, Field::Reg15, Field::IpDst].map(|field| acted.key.field(field));
    assert_eq!(metadata, [2, 5, 6, 0]);
}

#[test]
fn tunnel_outputs_carry_the_tunnel_key_of_that_moment() {
    let mut datapath = switch(&[
        "in_port=1 actions=set_field:0x11->tun_id,output:2,set_field:0x22->tun_id,set_field:172.31.0.9->tun_dst,output:3",
        "in_port=2 actions=output:4",
    ]);
    let tunnel = |effect: &Effect| match effect {
        Effect::Output { tunnel, .. } => tunnel.map(|tunnel| (tunnel.id, tunnel.dst.octets())),
        _ => None,
    };
    let effects = send(&mut datapath, &ping(9), 1);
    let keys: Vec<_> = effects.0.iter().map(tunnel).collect();
    assert_eq!(keys, [Some((0x11, [0; 4])), Some((0x22, [172, 31, 0, 9]))]);
    let key =
        TunnelKey { id: 0x33, src: [1, 1, 1, 1].into(), dst: [2, 2, 2, 2].into(), ..TunnelKey::default() };
    let metadata = Metadata { in_port: 2, tunnel: Some(key) };
    let effects = send_with(&mut datapath, &ping(9), &Offload::default(), &metadata, 0);
    assert_eq!(tunnel(&effects.0[0]), Some((0x33, [2, 2, 2, 2])));
}

#[test]
fn an_arp_request_becomes_its_answer() {
    let mut datapath = switch(&["arp,arp_op=1,arp_tpa=10.0.1.12 actions=move:dl_src->dl_dst,\
        set_field:02:00:00:00:00:0b->dl_src,set_field:2->arp_op,move:arp_sha->arp_tha,\
        set_field:02:00:00:00:00:0b->arp_sha,move:arp_spa->arp_tpa,set_field:10.0.1.12->arp_spa,IN_PORT"]);
    let effects = send(&mut datapath, &frames::arp_request(frames::IP_B), 1);
    assert_eq!(effects.ports(), [1]);
    let mut expected = [&frames::MAC_A[..], &frames::MAC_B, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2]].concat();
    expected.extend([&frames::MAC_B[..], &frames::IP_B, &frames::MAC_A, &frames::IP_A].concat());
    assert_eq!(effects.frames()[0], expected);
}

#[test]
fn a_neighbour_solicitation_becomes_its_advertisement() {
    let mut datapath = switch(&["icmp6,icmpv6_type=135,nd_target=fd00:1::12 actions=move:dl_src->dl_dst,\
        set_field:02:00:00:00:00:0b->dl_src,move:ipv6_src->ipv6_dst,set_field:fd00:1::12->ipv6_src,\
        set_field:136->icmpv6_type,set_field:2->nd_options_type,set_field:0x60000000->nd_reserved,\
        set_field:02:00:00:00:00:0b->nd_tll,IN_PORT"]);
    let solicitation = frames::neighbour(135, frames::IP6_B, frames::MAC_A);
    let effects = send(&mut datapath, &frames::ipv6(255, &solicitation, Checksum::Full), 1);
    let frame = effects.frames()[0];
    assert_eq!(frames::checksum_fault(frame, Checksum::Full, 2), None, "{frame:02x?}");
    let key = extract(frame, &from_port(1)).expect("a whole frame").0;
    let expected = [
        (Field::EthDst, 0x0200_0000_000a),
        (Field::Ipv6Src, u128::from_be_bytes(frames::IP6_B)),
        (Field::Ipv6Dst, u128::from_be_bytes(frames::IP6_A)),
        (Field::Icmpv6Type, 136),
        (Field::NdTarget, u128::from_be_bytes(frames::IP6_B)),
        (Field::NdReserved, 0x6000_0000),
        (Field::NdOptionsType, 2),
        (Field::NdTll, 0x0200_0000_000b),
        (Field::NdSll, 0),
    ];
    for (field, value) in expected {
        assert_eq!(key.field(field), value, "{}", field.name());
    }
}

#[test]
fn a_set_of_a_field_that_the_packet_lacks_changes_nothing() {
    let mut datapath =
        switch(&["actions=set_field:9->tcp_src,set_field:1.1.1.1->arp_spa,set_field:5->ipv6_label,output:2"]);
    assert_eq!(send(&mut datapath, &ping(9), 1).frames(), [ping(9)]);
}

#[test]
fn a_packet_out_does_its_actions_and_may_walk_the_tables() {
    let mut datapath = switch(&["in_port=1 actions=output:3", "table=4,in_port=1 actions=output:4"]);
    let mut run = |text: &str| {
        let flow: tulle_flow::Flow = format!("actions={text}").parse().expect("actions");
        let mut recorder = Recorder::default();
        let mut frame = FrameBuf::copied(&ping(9));
        datapath.packet_out(&flow.actions, &mut frame, &Offload::default(), &from_port(1), 0, &mut recorder);
        recorder
    };
    assert_eq!(run("output:2,resubmit(,4)").ports(), [2, 4]);
    assert_eq!(run("drop").reasons(), [DropReason::DroppedByFlow]);
    let mut recorder = Recorder::default();
    let to_tables = [Action::Output(0xffff_fff9)];
    datapath.packet_out(
        &to_tables,
        &mut FrameBuf::copied(&ping(9)),
        &Offload::default(),
        &from_port(1),
        0,
        &mut recorder,
    );
    assert_eq!(recorder.ports(), [3]);
    assert_eq!(counts(&mut datapath), [(1, ping(9).len() as u64); 2]);
}
