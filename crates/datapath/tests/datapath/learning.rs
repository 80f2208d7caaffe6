//! Flows that packets make.

use crate::frames::{self, Checksum};
use crate::recorder::{add, flow_mod, from_port, send, send_with, switch};
use tulle_datapath::{Command, Datapath, FlowFilter, RemovalReason};
use tulle_wire::vnet::Offload;

const S: u64 = 1_000_000_000;

fn tcp(src: u16, flags: u8) -> Vec<u8> {
    let mut transport = frames::tcp(src, 80, b"x");
    transport.bytes[13] = flags;
    frames::ipv4(64, &transport, Checksum::Full)
}

fn learned(datapath: &mut Datapath, table: u8, now: u64) -> Vec<String> {
    let filter = FlowFilter { table: Some(table), ..FlowFilter::default() };
    datapath.flows(&filter, now).iter().map(|stats| stats.flow.to_string()).collect()
}

fn at(datapath: &mut Datapath, frame: &[u8], in_port: u32, now: u64) -> Vec<u32> {
    send_with(datapath, frame, &Offload::default(), &from_port(in_port), now).ports()
}

const LEARN_MACS: &str = "table=0 actions=learn(table=1,priority=5,hard_timeout=60,cookie=0x7,\
    NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0x3->NXM_NX_REG1[0..3],output:NXM_OF_IN_PORT[]),resubmit(,1)";

#[test]
fn a_packet_makes_a_flow_for_the_way_back() {
    let mut datapath = switch(&[LEARN_MACS, "table=1,priority=0 actions=FLOOD"]);
    assert_eq!(send(&mut datapath, &tcp(1, 2), 1).ports(), [2, 3, 4]);
    let text = learned(&mut datapath, 1, 0);
    assert_eq!(
        text[0],
        "cookie=0x7, table=1, priority=5, hard_timeout=60, dl_dst=02:00:00:00:00:0a actions=set_field:0x3/0xf->reg1,output:1"
            .replace("cookie=0x7, table=1, priority=5, hard_timeout=60, ", &text[0][..text[0].find("dl_dst").expect("a match")])
    );
    assert!(text[0].contains("output:1") && text[0].contains("hard_timeout=60"), "{text:?}");
    let mut back = tcp(80, 2);
    back[..6].copy_from_slice(&frames::MAC_A);
    back[6..12].copy_from_slice(&frames::MAC_B);
    assert_eq!(send(&mut datapath, &back, 2).ports(), [1]);
    assert_eq!(send(&mut datapath, &tcp(1, 2), 1).ports(), [2]);
    // The host moves, and the flow with it.
    send(&mut datapath, &tcp(1, 2), 3);
    assert_eq!(send(&mut datapath, &back, 2).ports(), [3]);
    send(&mut datapath, &tcp(1, 2), 1);
    assert_eq!(send(&mut datapath, &back, 2).ports(), [1]);
    datapath.flows(&FlowFilter::default(), 0);
    assert_eq!(send(&mut datapath, &back, 2).ports(), [1]);
}

#[test]
fn the_packet_itself_is_treated_as_the_learned_flow_says() {
    let flow = "table=0 actions=learn(table=1,NXM_OF_TCP_SRC[]=NXM_OF_TCP_SRC[],eth_type=0x800,nw_proto=6,\
        output:NXM_NX_REG0[0..15]),resubmit(,1)";
    let mut datapath = switch(&[&flow.replace("actions=", "actions=load:2->NXM_NX_REG0[],")]);
    assert_eq!(send(&mut datapath, &tcp(5, 2), 1).ports(), [2]);
}

#[test]
fn learned_flows_live_while_packets_teach_them() {
    let flow = "table=0 actions=learn(table=1,idle_timeout=5,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),output:2";
    let mut datapath = switch(&[flow]);
    for second in 0..20 {
        at(&mut datapath, &tcp(1, 2), 1, second * S);
        datapath.expire(second * S);
        assert_eq!(learned(&mut datapath, 1, second * S).len(), 1, "second {second}");
    }
    datapath.expire(23 * S);
    assert_eq!(learned(&mut datapath, 1, 23 * S).len(), 1);
    datapath.expire(25 * S);
    assert_eq!(learned(&mut datapath, 1, 25 * S).len(), 0);
    at(&mut datapath, &tcp(1, 2), 1, 26 * S);
    assert_eq!(learned(&mut datapath, 1, 26 * S).len(), 1, "taught again by a remembered verdict");
}

#[test]
fn a_limit_holds_and_says_so() {
    let flow = "table=0 actions=learn(table=1,limit=3,cookie=0x9,eth_type=0x800,nw_proto=6,NXM_OF_TCP_SRC[]=NXM_OF_TCP_SRC[],\
        output:NXM_OF_IN_PORT[],result_dst=NXM_NX_REG0[0]),resubmit(,2)";
    let mut datapath = switch(&[flow, "table=2,reg0=1 actions=output:2", "table=2,reg0=0 actions=output:3"]);
    let ports: Vec<_> = (1..6).map(|src| send(&mut datapath, &tcp(src, 2), 1).ports()[0]).collect();
    assert_eq!(ports, [2, 2, 2, 3, 3]);
    assert_eq!(send(&mut datapath, &tcp(1, 2), 1).ports(), [2]);
    assert_eq!(learned(&mut datapath, 1, 0).len(), 3);
}

#[test]
fn what_a_flow_has_learned_goes_with_it_when_asked_for() {
    let flow = "table=0,cookie=0x1 actions=learn(table=1,delete_learned,cookie=0x9,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])";
    let mut datapath = switch(&[flow]);
    send(&mut datapath, &tcp(1, 2), 1);
    add(&mut datapath, "table=1,cookie=0x8,priority=1 actions=drop", 0);
    assert_eq!(learned(&mut datapath, 1, 0).len(), 2);
    datapath.flow_mod(&flow_mod(Command::DeleteStrict, "table=0 actions=drop"), 0).expect("gone");
    assert_eq!(learned(&mut datapath, 1, 0).len(), 1);
}

#[test]
fn fin_shortens_timeouts_and_other_packets_do_not() {
    let mut datapath = switch(&[]);
    let mut change = flow_mod(
        Command::Add,
        "tcp,idle_timeout=60,hard_timeout=0 actions=fin_timeout(idle_timeout=2,hard_timeout=5),output:2",
    );
    change.notify_removal = true;
    datapath.flow_mod(&change, 0).expect("a flow");
    at(&mut datapath, &tcp(1, 0x10), 1, 0);
    assert!(datapath.expire(10 * S).is_empty());
    at(&mut datapath, &tcp(1, 0x11), 1, 20 * S);
    let stats = &datapath.flows(&FlowFilter::default(), 20 * S)[0];
    assert_eq!((stats.flow.idle_timeout, stats.flow.hard_timeout), (2, 5));
    let removed = datapath.expire(23 * S);
    assert_eq!(removed.len(), 1);
    assert!(matches!(removed[0].reason, RemovalReason::HardTimeout | RemovalReason::IdleTimeout));
}

#[test]
fn learned_flows_end_soon_with_their_connection() {
    let flow = "table=0,tcp actions=learn(table=1,idle_timeout=60,fin_idle_timeout=3,eth_type=0x800,nw_proto=6,\
        NXM_OF_TCP_DST[]=NXM_OF_TCP_SRC[],output:NXM_OF_IN_PORT[]),output:2";
    let mut datapath = switch(&[flow]);
    at(&mut datapath, &tcp(9, 0x10), 1, 0);
    assert!(learned(&mut datapath, 1, 0)[0].contains("idle_timeout=60"));
    at(&mut datapath, &tcp(9, 0x11), 1, S);
    assert!(learned(&mut datapath, 1, S)[0].contains("idle_timeout=3"));
}
