//! Prints what a packet costs whose verdict is remembered, for some typical ways through the tables.
//!
//! `cargo run --release -p tulle-datapath --example throughput`

use std::hint::black_box;
use std::time::Instant;

use tulle_datapath::{Command, Datapath, Drop, Effects, Egress, FlowMod, Metadata, PacketIn};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

const PACKETS: u32 = 5_000_000;

struct Sink;

impl Effects for Sink {
    fn output(&mut self, _: &Egress, frame: &mut FrameBuf, _: &Offload, _: bool) {
        black_box(frame);
    }

    fn packet_in(&mut self, _: &[u8], _: &Offload, _: &PacketIn) {}

    fn dropped(&mut self, _: Drop, _: u32, _: usize) {}
}

/// A TCP packet of 64 bytes.
fn frame(flow: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa, 8, 0];
    frame.extend([0x45, 0, 0, 50, 0, 7, 0x40, 0, 64, 6, 0, 0, 10, 0, 1, 11, 10, 0, 1, 12]);
    frame.extend(flow.to_be_bytes());
    frame.extend([0, 80, 0, 0, 0, 9, 0, 0, 0, 7, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    frame.resize(64, 0);
    frame
}

fn datapath(flows: &[&str]) -> Datapath {
    let mut datapath = Datapath::new(1);
    (1..=2).for_each(|port| datapath.add_port(port));
    for text in flows {
        let flow = text.parse().expect("a flow");
        datapath.flow_mod(&FlowMod { command: Command::Add, flow, ..FlowMod::default() }, 0).expect("room");
    }
    datapath
}

fn measure(name: &str, flows: &[&str], streams: u16) {
    let mut datapath = datapath(flows);
    let mut buffers: Vec<_> = (0..streams).map(|flow| FrameBuf::copied(&frame(flow))).collect();
    let (offload, metadata) = (Offload::default(), Metadata { in_port: 1, tunnel: None });
    let start = Instant::now();
    for i in 0..PACKETS {
        let buffer = &mut buffers[i as usize % usize::from(streams)];
        datapath.process(buffer, &offload, &metadata, u64::from(i), &mut Sink);
    }
    let ns = start.elapsed().as_nanos() as f64 / f64::from(PACKETS);
    println!("{name:<44}{streams:>6} streams {ns:>8.1} ns/packet   {:?}", datapath.cache_stats());
}

/// Adds flows like those of many small networks: some masks, many values.
fn measure_flow_mods(count: u32) {
    let texts = (0..count).map(|i| {
        let (network, host) = (i / 100, i % 100);
        match i % 3 {
            0 => format!(
                "table=12,priority=9,metadata={network},dl_dst=02:00:00:00:00:{host:02x} actions=output:2"
            ),
            1 => format!("table=21,priority=9,ip,metadata={network},nw_dst=10.0.0.{host} actions=output:2"),
            _ => format!("table=10,priority=9,tcp,metadata={network},tcp_dst={host} actions=drop"),
        }
    });
    let flows: Vec<_> = texts.map(|text| text.parse().expect("a flow")).collect();
    let mut datapath = datapath(&[]);
    let start = Instant::now();
    for flow in flows {
        datapath.flow_mod(&FlowMod { command: Command::Add, flow, ..FlowMod::default() }, 0).expect("room");
    }
    let ns = start.elapsed().as_nanos() as f64 / f64::from(count);
    println!("{count} flows added, {ns:.0} ns each");
}

fn main() {
    measure_flow_mods(100_000);
    let bridge = ["actions=output:2"];
    let tunnel = [
        "table=0,in_port=1 actions=set_field:7->metadata,set_field:3->reg14,resubmit(,10)",
        "table=10,priority=0 actions=resubmit(,12)",
        "table=10,priority=9,tcp,metadata=7,tcp_dst=22 actions=drop",
        "table=12,metadata=7,dl_dst=02:00:00:00:00:0b actions=set_field:4->reg15,resubmit(,30)",
        "table=30,metadata=7,reg15=4 actions=set_field:0x100000400000700->tun_id,output:2",
    ];
    let routed =
        ["ip actions=set_field:02:00:00:00:00:01->dl_src,set_field:02:00:00:00:00:02->dl_dst,output:2"];
    let per_flow = ["priority=9,tcp,tcp_src=0xffff actions=drop", "priority=1 actions=output:2"];
    for streams in [1, 200] {
        measure("bridge, one verdict", &bridge, streams);
        measure("five tables to a tunnel", &tunnel, streams);
        measure("two MACs rewritten", &routed, streams);
        measure("one verdict a stream", &per_flow, streams);
    }
}
