//! What flows and packets of new connections cost: `cargo run --release -p tulle-datapath --example cost`.
//!
//! Prints the resident memory of a flow, all indexes included, as many small networks have them (four tables with a
//! mask each, seven priorities, many values); and the processor time of a packet that no remembered verdict covers,
//! through 20 tables.  Processor time says more than the clock where other work runs on the machine.

#![allow(missing_docs)]

use std::fs::read_to_string;
use std::hint::black_box;

use tulle_datapath::{Datapath, Drop, Effects, Egress, FlowMod, Metadata, PacketIn};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

const MISSES: u32 = 300_000;
const TABLES: u8 = 20;

struct Nowhere;

impl Effects for Nowhere {
    fn output(&mut self, _: &Egress, frame: &mut FrameBuf, _: &Offload, _: bool) {
        black_box(frame);
    }

    fn packet_in(&mut self, _: &[u8], _: &Offload, _: &PacketIn) {}

    fn dropped(&mut self, _: Drop, _: u32, _: usize) {}
}

fn resident_bytes() -> usize {
    let pages = read_to_string("/proc/self/statm").ok();
    pages.and_then(|text| text.split(' ').nth(1)?.parse().ok()).map_or(0, |pages: usize| pages * 4096)
}

fn processor_ns() -> u64 {
    let used = read_to_string("/proc/self/schedstat").ok();
    used.and_then(|text| text.split(' ').next()?.parse().ok()).unwrap_or(0)
}

/// A flow of one of many small networks.
fn flow(number: u32) -> String {
    let (network, host) = (number / 100, number % 100);
    let address = format!("10.{}.{}.{host}", network >> 8 & 255, network & 255);
    let [_, high, middle, low] = number.to_be_bytes();
    let (table, rest) = match number % 4 {
        0 => (
            10,
            format!(
                "metadata={network},dl_dst=02:00:00:{high:02x}:{middle:02x}:{low:02x} \
                 actions=set_field:5->reg15,resubmit(,30)"
            ),
        ),
        1 => (21, format!("ip,metadata={network},nw_dst={address} actions=dec_ttl,resubmit(,12)")),
        2 => (
            11,
            format!("tcp,metadata={network},nw_src={address},tp_dst={} actions=resubmit(,12)", host + 1000),
        ),
        _ => (30, format!("metadata={network},reg15={number} actions=set_field:{number}->tun_id,output:2")),
    };
    format!("table={table},priority={},{rest}", 10 + number % 7)
}

fn add(datapath: &mut Datapath, text: &str) {
    let flow = text.parse().expect("a flow");
    datapath.flow_mod(&FlowMod { flow, ..FlowMod::default() }, 0).expect("room");
}

fn flows(count: u32) -> Datapath {
    let before = resident_bytes();
    let mut datapath = Datapath::new(1);
    (0..count).for_each(|number| add(&mut datapath, &flow(number)));
    let bytes = resident_bytes().saturating_sub(before);
    println!("{count} flows: {} bytes each", bytes / count as usize);
    datapath
}

/// Each table looks at another field in turn, and leads to the next.
fn pipeline() -> Datapath {
    let mut datapath = Datapath::new(1);
    [1, 2].into_iter().for_each(|port| datapath.add_port(port));
    for table in 0..TABLES {
        let on = if table + 1 == TABLES { "output:2".into() } else { format!("resubmit(,{})", table + 1) };
        let load = format!("set_field:{table}->reg{}", table % 4);
        add(&mut datapath, &format!("table={table},priority=1 actions={load},{on}"));
        if table == 0 {
            let copy = "move:NXM_OF_IP_SRC[]->NXM_NX_REG8[],move:NXM_OF_UDP_SRC[]->NXM_NX_REG9[0..15]";
            add(&mut datapath, &format!("priority=2,udp actions={copy},{load},{on}"));
        }
        for other in 0..20 {
            let fields = match table % 4 {
                0 => format!("in_port={}", 100 + other),
                1 => format!("dl_dst=02:00:00:00:01:{other:02x}"),
                2 => format!("ip,nw_src=172.16.{other}.0/24"),
                _ => format!("udp,udp_src={other},udp_dst={}", other + 1),
            };
            add(&mut datapath, &format!("table={table},priority=9,{fields} actions=drop"));
        }
    }
    datapath
}

fn misses() {
    let mut bytes = vec![2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa, 8, 0];
    bytes.extend([0x45, 0, 0, 50, 0, 7, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 0, 10, 9, 1, 12]);
    bytes.extend([0, 0, 0x13, 0x88, 0, 30, 0, 0]);
    bytes.resize(64, 0);
    let (mut datapath, mut frame) = (pipeline(), FrameBuf::new());
    let metadata = Metadata { in_port: 1, tunnel: None };
    let begun = processor_ns();
    for number in 0..MISSES {
        bytes[28..30].copy_from_slice(&((number >> 16) as u16).to_be_bytes());
        bytes[34..36].copy_from_slice(&(number as u16).to_be_bytes());
        frame.fill(&bytes);
        let now = u64::from(number) * 1000;
        datapath.process(&mut frame, &Offload::default(), &metadata, now, &mut Nowhere);
    }
    let (used, misses) = (processor_ns() - begun, datapath.cache_stats().misses);
    println!("{misses} misses: {} ns each", used / misses.max(1));
}

fn main() {
    // Memory that has been given back would be used again, and not be seen to be used.
    let _kept = [100_000, 1_000_000].map(flows);
    misses();
}
