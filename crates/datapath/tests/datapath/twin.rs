//! The same packets and changes through a switch that remembers nothing, one that remembers little, and one that
//! remembers all: they must do and count the same.

use crate::frames::{self, Checksum};
use crate::recorder::{flow_mod, send_with};
use proptest::prelude::*;
use tulle_datapath::{
    Bucket, Command, Datapath, DropCount, DropCounters, FlowFilter, FlowMod, Group, GroupKind, GroupMod,
    Metadata, TunnelKey,
};
use tulle_wire::vnet::Offload;

const MATCHES: [&str; 27] = [
    "",
    "in_port=1",
    "in_port=2,dl_type=0x0800",
    "metadata=1",
    "conj_id=1",
    "metadata=0/1",
    "reg0=2/3",
    "reg0=0x50",
    "tun_id=0x10/0xf0",
    "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00",
    "arp,arp_op=1",
    "ip,nw_dst=10.0.1.0/24",
    "ip,nw_ttl=1",
    "tcp,tcp_dst=80",
    "tcp,tcp_src=0/1",
    "udp",
    "ipv6,ipv6_dst=fd00:1::12",
    "icmp6,icmpv6_type=135",
    "ip,nw_dst=10.0.0.0/8,nw_src=10.0.1.11",
    "vlan_tci=0x1005/0x1fff",
    "mpls,mpls_bos=1",
    "dl_type=0x88e7",
    "dl_type=0x88e7,pbb_isid=0x60/0xf0",
    "ipv6,ipv6_exthdr=0x40/0x40",
    "ip,ct_state=+trk+new",
    "ip,ct_state=+trk+est",
    "ct_state=-trk",
];

const ACTIONS: [&str; 48] = [
    "output:1",
    "output:2",
    "output:3",
    "IN_PORT",
    "FLOOD",
    "output:9",
    "output:reg0[0..3]",
    "CONTROLLER:100",
    "set_field:1->metadata",
    "set_field:0x12->reg0",
    "set_field:3->in_port",
    "move:nw_ttl->reg0[0..7]",
    "move:dl_src->dl_dst",
    "move:reg0[0..15]->tcp_src",
    "move:tun_id[4..7]->reg0[0..3]",
    "move:arp_spa->arp_tpa",
    "set_field:0x77->tun_id",
    "set_field:9.9.9.9->ip_dst",
    "set_field:136->icmpv6_type",
    "set_field:2->arp_op",
    "dec_ttl",
    "resubmit(,1)",
    "resubmit(,2)",
    "resubmit(2,0)",
    "NORMAL",
    "group:1",
    "group:2",
    "group:3",
    "push_vlan:0x8100",
    "pop_vlan",
    "mod_vlan_vid:5",
    "push_mpls:0x8847",
    "pop_mpls:0x0800",
    "push_pbb:0x88e7",
    "pop_pbb",
    "set_field:0x65->pbb_isid",
    "clone(mod_nw_tos:8,output:1)",
    "write_actions(output:2,dec_ttl)",
    "clear_actions",
    "ct(table=1)",
    "ct(commit,zone=1,table=2)",
    "ct(commit)",
    "ct_clear",
    "check_pkt_larger(60)->NXM_NX_REG0[0]",
    "multipath(symmetric_l4,1,hrw,3,0,NXM_NX_REG0[0..1])",
    "learn(table=2,priority=9,idle_timeout=3,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])",
    "fin_timeout(idle_timeout=1)",
    "push:NXM_NX_REG0[],pop:NXM_NX_REG1[]",
];

#[derive(Clone, Debug)]
enum Step {
    Change(Command, String),
    Send { frame: usize, in_port: u32, tunnel: u64 },
    Port { port: u32, is_there: bool },
    Expire,
}

fn flow() -> impl Strategy<Value = String> {
    let some = prop::collection::vec(0..ACTIONS.len(), 0..4)
        .prop_map(|some| some.into_iter().map(|action| ACTIONS[action].to_owned()).collect());
    let clause = (1..3).prop_map(|clause| vec![format!("conjunction(1,{clause}/2)")]);
    let actions = prop_oneof![6 => some, 1 => clause];
    (0..3, 0..3, 0..MATCHES.len(), actions, 0..2, 0..30).prop_map(
        |(table, priority, matching, actions, idle, hard)| {
            let actions: Vec<String> = actions;
            let actions = if actions.is_empty() { "drop".to_owned() } else { actions.join(",") };
            let timeouts =
                format!("idle_timeout={},hard_timeout={}", idle * 2, if hard > 20 { hard } else { 0 });
            format!("table={table},priority={priority},{timeouts},{} actions={actions}", MATCHES[matching])
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let command = prop::sample::select(vec![
        Command::Modify,
        Command::ModifyStrict,
        Command::Delete,
        Command::DeleteStrict,
        Command::Add,
    ]);
    prop_oneof![
        20 => (0..sample_frames().len(), 1..4_u32, 0..3_u64)
            .prop_map(|(frame, in_port, tunnel)| Step::Send { frame, in_port, tunnel: tunnel * 0x10 }),
        2 => (command, flow()).prop_map(|(command, flow)| Step::Change(command, flow)),
        1 => (1..5_u32, any::<bool>()).prop_map(|(port, is_there)| Step::Port { port, is_there }),
        1 => Just(Step::Expire),
    ]
}

fn sample_frames() -> Vec<Vec<u8>> {
    let full = Checksum::Full;
    vec![
        frames::arp_request(frames::IP_B),
        frames::ipv4(64, &frames::tcp(1, 80, b"abc"), full),
        frames::ipv4(64, &frames::tcp(2, 80, b"abcd"), full),
        frames::ipv4(63, &frames::tcp(2, 81, b"abc"), full),
        frames::ipv4(1, &frames::udp(1, 2, b"abc"), full),
        frames::ipv4(64, &frames::icmpv4(8, 0, b"abc"), full),
        frames::ipv6(64, &frames::tcp(1, 80, b"abc"), full),
        frames::ipv6(64, &frames::udp(1, 80, b"abc"), full),
        frames::ipv6(255, &frames::neighbour(135, frames::IP6_B, frames::MAC_A), full),
        frames::ipv6(255, &frames::neighbour(136, frames::IP6_A, frames::MAC_A), full),
        frames::ethernet(0x1234, b"something else"),
        crate::tags::tagged(&frames::ipv4(64, &frames::tcp(1, 80, b"abc"), full), 0x8100, 5),
        crate::backbone::with_backbone(&frames::ipv4(64, &frames::tcp(1, 80, b"abc"), full), 0x64),
        frames::with_extensions(&frames::ipv6(64, &frames::tcp(1, 80, b"abc"), full), &[0, 60]),
        vec![1, 2, 3],
    ]
}

fn groups() -> Vec<Group> {
    let buckets = |texts: &[&str]| -> Vec<Bucket> {
        let actions =
            |text: &&str| format!("actions={text}").parse::<tulle_flow::Flow>().expect("actions").actions;
        let lists = texts.iter().map(actions).enumerate();
        lists
            .map(|(id, actions)| Bucket {
                id: id as u32,
                weight: 1,
                watch_port: Some(id as u32 + 1),
                watch_group: None,
                actions,
            })
            .collect()
    };
    let group = |id, kind, texts: &[&str]| Group { id, kind, buckets: buckets(texts), ..Group::default() };
    vec![
        group(1, GroupKind::All, &["mod_nw_tos:4,output:1", "resubmit(,2)"]),
        group(2, GroupKind::Select, &["output:1", "push_vlan:0x8100,output:2", "output:3"]),
        group(3, GroupKind::FastFailover, &["output:1", "group:2"]),
    ]
}

fn send(datapath: &mut Datapath, frame: &[u8], in_port: u32, tunnel: u64, now: u64) -> String {
    let (src, dst) = ([172, 31, 0, 1].into(), [172, 31, 0, 2].into());
    let key = TunnelKey { id: tunnel, src, dst, ..TunnelKey::default() };
    let metadata = Metadata { in_port, tunnel: (tunnel > 0).then_some(key) };
    format!("{:?}", send_with(datapath, frame, &Offload::default(), &metadata, now).0)
}

fn run(datapath: &mut Datapath, steps: &[Step]) -> Vec<String> {
    let frames = sample_frames();
    let mut log = Vec::new();
    for group in groups() {
        datapath.group_mod(&GroupMod::Add(group), 0).expect("a group");
    }
    datapath.watch_flows(true);
    for (i, step) in steps.iter().enumerate() {
        let now = i as u64 * 100_000_000;
        log.push(match step {
            Step::Change(command, text) => {
                let change = FlowMod { notify_removal: i % 2 == 0, ..flow_mod(*command, text) };
                format!("{:?}", (datapath.flow_mod(&change, now), datapath.take_flow_events()))
            }
            Step::Send { frame, in_port, tunnel } => send(datapath, &frames[*frame], *in_port, *tunnel, now),
            Step::Port { port, is_there: true } => format!("{:?}", datapath.add_port(*port)),
            Step::Port { port, is_there: false } => format!("{:?}", datapath.remove_port(*port)),
            Step::Expire => format!("{:?}", (datapath.expire(now), datapath.take_flow_events())),
        });
    }
    log.push(format!("{:?}", datapath.flows(&FlowFilter::default(), u64::MAX)));
    log.push(format!("{:?}", datapath.table_stats()));
    log.push(format!("{:?}", datapath.group_stats(0)));
    log.push(format!("{:?}", datapath.fdb(0)));
    log.push(format!("{:?}", drops(datapath.drops())));
    log
}

fn drops(counters: &DropCounters) -> (Vec<String>, Vec<DropCount>) {
    let totals = counters.totals().map(|(reason, count)| format!("{}={count}", reason.name())).collect();
    (totals, counters.by_place())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn caches_change_nothing(
        flows in prop::collection::vec(flow(), 3..25),
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let adds = flows.iter().map(|flow| Step::Change(Command::Add, flow.clone()));
        let ports = (1..5).map(|port| Step::Port { port, is_there: true });
        let steps: Vec<_> = ports.chain(adds).chain(steps).collect();
        let expected = run(&mut Datapath::with_limits(1, 1000, 0), &steps);
        for limit in [3, 1000] {
            let actual = run(&mut Datapath::with_limits(2, 1000, limit), &steps);
            for (i, (is, should)) in actual.iter().zip(&expected).enumerate() {
                prop_assert_eq!(is, should, "limit {}, step {} {:?}", limit, i, steps.get(i));
            }
        }
    }
}

#[test]
fn packets_of_one_kind_share_one_verdict() {
    let mut datapath = crate::recorder::switch(&["in_port=1,ip,nw_dst=10.0.0.0/8 actions=output:2"]);
    for port in 1000..1100 {
        let frame = frames::ipv4(64, &frames::tcp(port, 80, b""), Checksum::Full);
        assert_eq!(crate::recorder::send(&mut datapath, &frame, 1).ports(), [2]);
    }
    let stats = datapath.cache_stats();
    assert_eq!((stats.misses, stats.hits, stats.entries, stats.masks), (1, 99, 1, 1));
}

#[test]
fn what_an_action_has_written_tells_no_packets_apart() {
    let mut datapath = crate::recorder::switch(&[
        "table=0,ip actions=set_field:9.9.9.9->ip_dst,resubmit(,1)",
        "table=1,ip,nw_dst=9.9.9.9 actions=output:2",
    ]);
    for byte in 0..10 {
        let mut frame = frames::ipv4(64, &frames::tcp(1, 80, b""), Checksum::Full);
        frame[33] = byte;
        assert_eq!(crate::recorder::send(&mut datapath, &frame, 1).ports(), [2]);
    }
    assert_eq!(datapath.cache_stats().entries, 1, "{:?}", datapath.cache_stats());
}

#[test]
fn more_masks_than_usual_are_still_right() {
    let to_table = |i| format!("table=0,tcp,tcp_src={i}/0x7f actions=resubmit(,{})", i + 1);
    let own_mask = |i| format!("table={},priority=1,tcp,tcp_dst=0/{i:#x} actions=output:2", i + 1);
    let flows: Vec<_> = (1..128).flat_map(|i| [to_table(i), own_mask(i)]).collect();
    let mut cached = crate::recorder::switch(&flows.iter().map(String::as_str).collect::<Vec<_>>());
    let mut plain = Datapath::with_limits(1, 1000, 0);
    (1..=4).for_each(|port| plain.add_port(port));
    flows.iter().for_each(|flow| crate::recorder::add(&mut plain, flow, 0));
    for round in 0..2 {
        for (src, dst) in (0..128).flat_map(|src| (0..128).step_by(5).map(move |dst| (src, dst))) {
            let frame = frames::ipv4(64, &frames::tcp(src, dst, b""), Checksum::Full);
            let (is, should) = (send(&mut cached, &frame, 1, 0, 0), send(&mut plain, &frame, 1, 0, 0));
            assert_eq!(is, should, "round {round}, ports {src} {dst}");
        }
    }
    // A port's masks are bounded: those of least use make place.
    assert_eq!(cached.cache_stats().masks, 64, "{:?}", cached.cache_stats());
}
