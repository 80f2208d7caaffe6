//! Each action with a packet that shows what it does.

use crate::frames::{self, Checksum};
use crate::recorder::{Effect, Recorder, add, counts, from_port, send, send_with, switch};
use tulle_datapath::{DropReason, FragmentHandling, PacketInReason, PortConfig};
use tulle_flow::{Action, Field, Flow, Sample, SampleDirection};
use tulle_wire::vnet::Offload;

fn udp() -> Vec<u8> {
    frames::ipv4(64, &frames::udp(7, 9, b"payload"), Checksum::Full)
}

fn ports(flows: &[&str]) -> Vec<u32> {
    send(&mut switch(flows), &udp(), 1).ports()
}

fn with_actions(actions: Vec<Action>) -> tulle_datapath::Datapath {
    let mut datapath = switch(&[]);
    let flow = Flow { actions, ..Flow::default() };
    datapath.flow_mod(&tulle_datapath::FlowMod { flow, ..Default::default() }, 0).expect("a flow");
    datapath
}

#[test]
fn a_clone_leaves_no_trace_behind_it() {
    let flow = "actions=clone(set_field:5->reg0,mod_nw_tos:8,push_vlan:0x8100,output:2),resubmit(,1)";
    let mut datapath = switch(&[flow, "table=1,reg0=0,ip,nw_tos=0,vlan_tci=0/0x1fff actions=output:3"]);
    let effects = send(&mut datapath, &udp(), 1);
    assert_eq!(effects.ports(), [2, 3]);
    assert_eq!(effects.frames()[0].len(), udp().len() + 4);
    assert_eq!(effects.frames()[1], udp());
    assert_eq!(ports(&["actions=clone(exit),output:2"]), [2]);
}

#[test]
fn exit_ends_all_levels() {
    assert_eq!(
        ports(&["table=0 actions=output:2,resubmit(,1),output:4", "table=1 actions=output:3,exit,output:4"]),
        [2, 3]
    );
}

#[test]
fn the_stack_gives_back_what_it_was_given_last() {
    let flows = [
        "table=0 actions=push:NXM_OF_UDP_SRC[],push:NXM_OF_UDP_DST[],pop:NXM_OF_UDP_SRC[],pop:NXM_OF_UDP_DST[],resubmit(,1)",
        "table=1,udp,udp_src=9,udp_dst=7 actions=pop:NXM_NX_REG0[],output:2",
    ];
    let effects = send(&mut switch(&flows), &udp(), 1);
    assert_eq!(frames::checksum_fault(effects.frames()[0], Checksum::Full, 6), None);
    assert_eq!(effects.frames()[0][34..38], [0, 9, 0, 7]);
}

#[test]
fn a_stack_that_grows_without_end_ends_the_packet() {
    let push = "push:NXM_NX_REG0[],".repeat(1100);
    let effects = send(&mut switch(&[&format!("actions={push}output:2")]), &udp(), 1);
    assert_eq!((effects.ports(), effects.reasons()), (vec![], vec![DropReason::StackOverflow]));
}

#[test]
fn a_truncated_output_is_cut_and_the_next_one_is_whole() {
    let effects = send(&mut switch(&["actions=output(port=2,max_len=20),output:3"]), &udp(), 1);
    assert_eq!(effects.frames(), [&udp()[..20], &udp()[..]]);
    let last = send(&mut switch(&["actions=output(port=2,max_len=9999)"]), &udp(), 1);
    assert_eq!(last.frames(), [udp()]);
}

#[test]
fn queues_hold_until_popped_and_enqueue_is_for_one_output() {
    let flow = "actions=set_queue:5,output:2,enqueue:3:7,output:4,pop_queue,output:2";
    let effects = send(&mut switch(&[flow]), &udp(), 1);
    let queues = effects.0.iter().map(|effect| match effect {
        Effect::Output { port, queue, .. } => (*port, *queue),
        other => panic!("{other:?}"),
    });
    let queues: Vec<_> = queues.into_iter().collect();
    assert_eq!(queues, [(2, Some(5)), (3, Some(7)), (4, Some(5)), (2, None)]);
}

#[test]
fn longer_packets_go_another_way() {
    let flows = [
        "table=0 actions=check_pkt_larger(60)->NXM_NX_REG0[0],resubmit(,1)",
        "table=1,reg0=1/1 actions=output:3",
        "table=1,reg0=0/1 actions=output:2",
    ];
    let mut datapath = switch(&flows);
    let frame = |payload: &[u8]| frames::ipv4(64, &frames::udp(7, 9, payload), Checksum::Full);
    for _ in 0..2 {
        assert_eq!(send(&mut datapath, &frame(&[0; 18]), 1).ports(), [2]);
        assert_eq!(send(&mut datapath, &frame(&[0; 19]), 1).ports(), [3]);
    }
    // One verdict for all lengths, and one for what comes after each of them.
    assert_eq!(datapath.cache_stats().entries, 3);
}

#[test]
fn samples_are_a_part_of_the_packets_and_go_on_themselves() {
    let sample = |probability| Sample {
        probability,
        collector_set: 1,
        observation_domain: 2,
        observation_point: 3,
        sampling_port: tulle_flow::port::NONE,
        direction: SampleDirection::Default,
    };
    let sampled = |probability: u16| {
        let mut datapath =
            with_actions(vec![Action::Sample(Box::new(sample(probability))), Action::Output(2)]);
        let is_sample = |effect: &Effect| matches!(effect, Effect::Sampled { frame, .. } if *frame == udp());
        let all = (0..1000).map(|_| send(&mut datapath, &udp(), 1));
        all.map(|effects: Recorder| {
            assert_eq!(effects.ports(), [2]);
            effects.0.iter().filter(|effect| is_sample(effect)).count()
        })
        .sum::<usize>()
    };
    assert_eq!(sampled(65535), 1000);
    assert!((150..350).contains(&sampled(16384)), "{}", sampled(16384));
}

#[test]
fn a_used_up_ttl_is_told_and_ends_only_its_own_list() {
    let dead = frames::ipv4(1, &frames::udp(7, 9, b"x"), Checksum::Full);
    let flows = ["table=0 actions=resubmit(,1),output:3", "table=1,cookie=0x8 actions=dec_ttl(1,2),output:2"];
    let effects = send(&mut switch(&flows), &dead, 1);
    assert_eq!((effects.ports(), effects.reasons()), (vec![3], vec![DropReason::TtlExpired]));
    let told: Vec<_> =
        effects.packet_ins().iter().map(|info| (info.controller, info.reason, info.cookie)).collect();
    assert_eq!(told, [(1, PacketInReason::InvalidTtl, 8), (2, PacketInReason::InvalidTtl, 8)]);
    let mut datapath = switch(&["actions=mod_nw_ttl:9,dec_ttl,output:2"]);
    assert_eq!(send(&mut datapath, &dead, 1).frames()[0][22], 8);
}

#[test]
fn the_controller_is_told_who_why_and_what_was_asked_for() {
    let flow = "actions=controller(max_len=64,id=7,reason=invalid_ttl,userdata=01.02.ff)";
    let effects = send(&mut switch(&[flow]), &udp(), 1);
    let info = effects.packet_ins()[0];
    assert_eq!((info.max_len, info.controller, info.reason), (64, 7, PacketInReason::InvalidTtl));
    assert_eq!((&info.userdata[..], info.pause.is_none()), (&[1, 2, 255][..], true));
}

#[test]
fn links_are_chosen_by_what_is_hashed_and_nothing_else() {
    let flows = [
        "table=0 actions=multipath(symmetric_l4,1024,hrw,2,0,NXM_NX_REG0[0..7]),resubmit(,1)",
        "table=1,reg0=0 actions=output:2",
        "table=1,reg0=1 actions=output:3",
    ];
    let mut datapath = switch(&flows);
    let tcp = |src, dst| frames::ipv4(64, &frames::tcp(src, dst, b"x"), Checksum::Full);
    let mut seen = std::collections::BTreeMap::new();
    for port in 1..200 {
        let there = send(&mut datapath, &tcp(port, 80), 1).ports();
        assert_eq!(there, send(&mut datapath, &tcp(port, 80), 1).ports());
        *seen.entry(there[0]).or_insert(0) += 1;
    }
    assert!(seen.len() == 2 && seen.values().all(|n| *n > 60), "{seen:?}");
}

#[test]
fn a_bundle_sends_by_a_live_member() {
    let flows = ["actions=bundle(eth_src,0,active_backup,ofport,members:4,2,3)"];
    let mut datapath = switch(&flows);
    assert_eq!(send(&mut datapath, &udp(), 1).ports(), [4]);
    datapath.set_port_live(4, false);
    assert_eq!(send(&mut datapath, &udp(), 1).ports(), [2]);
    datapath.set_port_config(2, PortConfig { down: true, ..PortConfig::default() });
    assert_eq!(send(&mut datapath, &udp(), 1).ports(), [3]);
    datapath.set_port_live(3, false);
    assert_eq!(send(&mut datapath, &udp(), 1).reasons(), [DropReason::NoLiveMember]);
    datapath.set_port_live(4, true);
    assert_eq!(send(&mut datapath, &udp(), 1).ports(), [4]);
    let load =
        "table=0 actions=bundle_load(eth_src,0,hrw,ofport,NXM_NX_REG0[],members:2,3),output:NXM_NX_REG0[]";
    assert!(matches!(ports(&[load])[..], [2 | 3]));
}

#[test]
fn ports_do_what_their_configuration_allows() {
    let only = |config: PortConfig, port, flow: &str| {
        let mut datapath = switch(&[flow]);
        datapath.set_port_config(port, config);
        let effects = send(&mut datapath, &udp(), 1);
        (effects.ports(), effects.reasons())
    };
    let default = PortConfig::default();
    let flood = only(PortConfig { no_flood: true, ..default }, 3, "actions=FLOOD");
    assert_eq!(flood, (vec![2, 4], vec![]));
    assert_eq!(only(PortConfig { no_flood: true, ..default }, 3, "actions=ALL").0, [2, 3, 4]);
    let forward = only(PortConfig { no_forward: true, ..default }, 3, "actions=output:3");
    assert_eq!(forward, (vec![], vec![DropReason::PortNoForward]));
    assert_eq!(only(PortConfig { down: true, ..default }, 3, "actions=output:3").1, [DropReason::PortDown]);
    assert_eq!(
        only(PortConfig { no_receive: true, ..default }, 1, "actions=output:3").1,
        [DropReason::PortNoReceive]
    );
    let miss = only(PortConfig { no_packet_in: true, ..default }, 1, "priority=0 actions=CONTROLLER");
    assert_eq!(miss.1, [DropReason::PortNoPacketIn]);
}

#[test]
fn fragments_are_handled_as_the_switch_is_told() {
    let mut fragment = udp();
    fragment[20] = 0x20;
    let flows = ["priority=9,udp,udp_dst=9 actions=output:2", "priority=1,udp,udp_dst=0 actions=output:3"];
    let mut datapath = switch(&flows);
    let mut handled = |handling, frame: &[u8]| {
        datapath.set_fragment_handling(handling);
        let effects = send(&mut datapath, frame, 1);
        (effects.ports(), effects.reasons())
    };
    assert_eq!(handled(FragmentHandling::Match, &fragment).0, [2]);
    assert_eq!(handled(FragmentHandling::Normal, &fragment).0, [3]);
    assert_eq!(handled(FragmentHandling::Normal, &udp()).0, [2]);
    assert_eq!(handled(FragmentHandling::Drop, &fragment).1, [DropReason::FragmentDropped]);
    assert_eq!(handled(FragmentHandling::Drop, &udp()).0, [2]);
}

#[test]
fn notes_and_clauses_do_nothing() {
    assert_eq!(ports(&["actions=note:01.02.03,output:2"]), [2]);
}

#[test]
fn a_reserved_port_in_sixteen_bits_is_the_same_in_thirty_two() {
    let mut datapath = switch(&[]);
    datapath.add_port(tulle_flow::port::LOCAL);
    add(&mut datapath, "actions=load:0xfffe->NXM_NX_REG0[0..15],output:NXM_NX_REG0[0..15]", 0);
    assert_eq!(send(&mut datapath, &udp(), 1).ports(), [tulle_flow::port::LOCAL]);
    assert_eq!(ports(&["actions=resubmit(65528,1)", "table=1,in_port=1 actions=output:2"]), [2]);
}

#[test]
fn every_pass_of_a_packet_is_counted_at_its_flows() {
    let mut datapath = switch(&[
        "table=0 actions=check_pkt_larger(9)->NXM_NX_REG0[0],resubmit(,1)",
        "table=1 actions=output:2",
    ]);
    for _ in 0..5 {
        send(&mut datapath, &udp(), 1);
    }
    assert_eq!(counts(&mut datapath), [(5, 5 * udp().len() as u64); 2]);
}

#[test]
fn passes_are_bounded() {
    let mut datapath = switch(&["actions=check_pkt_larger(9)->NXM_NX_REG0[0],resubmit(,0)"]);
    let effects = send_with(&mut datapath, &udp(), &Offload::default(), &from_port(1), 0);
    assert_eq!(effects.reasons(), [DropReason::TooManyPasses]);
    assert_eq!(effects.ports(), []);
    assert!(datapath.trace(&udp(), &Offload::default(), &from_port(1)).expect("a frame").passes.len() <= 64);
}

#[test]
fn metadata_and_registers_of_all_widths_are_written() {
    let flows = [
        "table=0 actions=write_metadata:0x12/0xff,set_field:0x1111222233334444->xreg1,set_field:0x5/0xf->reg9,resubmit(,1)",
        "table=1,metadata=0x12,reg2=0x11112222,reg3=0x33334444,reg9=5 actions=output:2",
    ];
    assert_eq!(ports(&flows), [2]);
    assert_eq!(Field::XReg1.bits(), 64);
}
