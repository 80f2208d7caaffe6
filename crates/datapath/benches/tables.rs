//! What the tables cost when nothing is remembered: a packet of a new connection through 20 tables that see its
//! ports, so that each needs a verdict of its own; and what adding flows costs.

#![allow(missing_docs)]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tulle_datapath::{Command, Datapath, Drop, Effects, Egress, FlowMod, Metadata, PacketIn};
use tulle_flow::Flow;
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

const TABLES: u8 = 20;
/// Flows that a packet does not match, in each table.
const OTHERS: u16 = 20;
const LOADED: u32 = 10_000;
const METADATA: Metadata = Metadata { in_port: 1, tunnel: None };

#[derive(Default)]
struct Sink {
    sent: u64,
}

impl Effects for Sink {
    #[inline]
    fn output(&mut self, _: &Egress, _: &mut FrameBuf, _: &Offload, _: bool) {
        self.sent += 1;
    }

    fn packet_in(&mut self, _: &[u8], _: &Offload, _: &PacketIn) {}

    fn dropped(&mut self, drop: Drop, _: u32, _: usize) {
        panic!("{drop:?}");
    }
}

/// A UDP packet of 64 bytes of one of 2^32 connections.
fn frame(number: u32) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa, 8, 0];
    frame.extend([0x45, 0, 0, 50, 0, 7, 0x40, 0, 64, 17, 0, 0, 10, 0]);
    frame.extend(((number >> 16) as u16).to_be_bytes());
    frame.extend([10, 9, 1, 12]);
    frame.extend((number as u16).to_be_bytes());
    frame.extend([0x13, 0x88, 0, 30, 0, 0]);
    frame.resize(64, 0);
    frame
}

/// Each table looks at another field in turn, as the tables of a logical network do, and leads to the next.
fn pipeline() -> Vec<String> {
    let mut flows = Vec::new();
    for table in 0..TABLES {
        let last = table + 1 == TABLES;
        let on = if last { "output:2".to_owned() } else { format!("resubmit(,{})", table + 1) };
        let load = format!("set_field:{table}->reg{}", table % 4);
        flows.push(format!("table={table},priority=1 actions={load},{on}"));
        if table == 0 {
            // The way depends on all of address and port: no prefix stands for several connections.
            let copy = "move:NXM_OF_IP_SRC[]->NXM_NX_REG8[],move:NXM_OF_UDP_SRC[]->NXM_NX_REG9[0..15]";
            flows.push(format!("priority=2,udp actions={copy},{load},{on}"));
        }
        for other in 0..OTHERS {
            let fields = match table % 4 {
                0 => format!("in_port={}", 100 + other),
                1 => format!("dl_dst=02:00:00:00:01:{other:02x}"),
                2 => format!("ip,nw_src=172.16.{other}.0/24"),
                _ => format!("udp,udp_src={other},udp_dst={}", other + 1),
            };
            flows.push(format!("table={table},priority=9,{fields} actions=drop"));
        }
    }
    flows
}

fn added(text: &str) -> FlowMod {
    let flow = text.parse::<Flow>().expect("a flow");
    FlowMod { command: Command::Add, flow, ..FlowMod::default() }
}

fn datapath(flows: &[String]) -> Datapath {
    let mut datapath = Datapath::new(1);
    [1, 2].into_iter().for_each(|port| datapath.add_port(port));
    flows.iter().for_each(|text| drop(datapath.flow_mod(&added(text), 0).expect("room")));
    datapath
}

fn misses(criterion: &mut Criterion) {
    let (mut datapath, mut buffer, mut sink) = (datapath(&pipeline()), FrameBuf::new(), Sink::default());
    let (mut number, mut bytes) = (0_u32, frame(0));
    criterion.benchmark_group("tables").bench_function("miss_20_tables", |bencher| {
        bencher.iter(|| {
            number = number.wrapping_add(1);
            bytes[28..30].copy_from_slice(&((number >> 16) as u16).to_be_bytes());
            bytes[34..36].copy_from_slice(&(number as u16).to_be_bytes());
            buffer.fill(&bytes);
            let now = u64::from(number) * 1000;
            datapath.process(&mut buffer, &Offload::default(), &METADATA, now, &mut sink);
        });
    });
    let stats = datapath.cache_stats();
    assert!(stats.hits * 20 < stats.misses, "{stats:?}");
    assert!(sink.sent > 0);
}

fn flow_mods(criterion: &mut Criterion) {
    let texts = (0..LOADED)
        .map(|i| format!("priority={},ip,nw_src=10.{}.{}.1 actions=output:2", i % 7, i >> 8, i & 255));
    let changes: Vec<FlowMod> = texts.map(|text| added(&text)).collect();
    let mut group = criterion.benchmark_group("tables");
    group.sample_size(20);
    group.bench_function("add_10000_flows", |bencher| {
        let add = |mut datapath: Datapath| {
            changes.iter().for_each(|change| drop(datapath.flow_mod(change, 0).expect("room")));
            datapath
        };
        bencher.iter_batched(|| datapath(&pipeline()), add, BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group!(benches, misses, flow_mods);
criterion_main!(benches);
