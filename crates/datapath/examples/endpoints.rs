//! A switch that knows a whole data centre: `cargo run --release -p tulle-datapath --example endpoints [ENTRIES]`.
//!
//! Each (network, MAC) is two flows, as the agent compiles a port behind a tunnel: the MAC's number in its network, and
//! what the tunnel is to carry.  Each endpoint has two such ports; a flow names its address, since a switch has fewer
//! port numbers than there are endpoints.  Prints one JSON object a size: bytes of an entry, time to load (flows that
//! have been parsed already), and the processor time of a packet to a random MAC, where no verdict is remembered
//! (`lookup`) and where they are (`packet`).

#![allow(missing_docs)]

use std::fs::read_to_string;
use std::hint::black_box;
use std::net::Ipv4Addr;

use tulle_datapath::{Command, Datapath, Drop, Effects, Egress, FlowMod, Metadata, PacketIn, TunnelKey};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

const SIZES: [u32; 2] = [1000, 1_000_000];
const MACS_OF_A_NETWORK: u32 = 100;
const PORTS_OF_AN_ENDPOINT: u32 = 2;
const FLOW_LIMIT: usize = 4_000_000;
const VERDICTS: usize = 200_000;
const PACKETS: u32 = 200_000;
const REPEATS: usize = 5;
const CHUNK: u32 = 10_000;

/// Counts what leaves, and by which endpoint.
#[derive(Default)]
struct Sent {
    frames: u32,
    endpoints: u64,
}

impl Effects for Sent {
    #[inline]
    fn output(&mut self, to: &Egress, frame: &mut FrameBuf, _: &Offload, _: bool) {
        self.frames += 1;
        self.endpoints ^= to.tunnel.as_ref().map_or(0, |key| u64::from(u32::from(key.dst)));
        black_box(frame);
    }

    fn packet_in(&mut self, _: &[u8], _: &Offload, _: &PacketIn) {}

    fn dropped(&mut self, drop: Drop, _: u32, _: usize) {
        panic!("{drop:?}");
    }
}

fn resident_bytes() -> usize {
    let pages = read_to_string("/proc/self/statm").ok();
    pages.and_then(|text| text.split(' ').nth(1)?.parse().ok()).map_or(0, |pages: usize| pages * 4096)
}

fn processor_ns() -> u64 {
    let used = read_to_string("/proc/self/schedstat").ok();
    used.and_then(|text| text.split(' ').next()?.parse().ok()).unwrap_or(0)
}

fn mac(entry: u32) -> [u8; 6] {
    let [a, b, c, d] = entry.to_be_bytes();
    [2, 0, a, b, c, d]
}

fn endpoint(entry: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0000 + entry / PORTS_OF_AN_ENDPOINT)
}

fn network(entry: u32) -> u32 {
    1 + entry / MACS_OF_A_NETWORK
}

/// The two flows of a port behind a tunnel.
fn flows_of(entry: u32) -> [String; 2] {
    let (network, key) = (network(entry), 1 + entry % MACS_OF_A_NETWORK);
    let [a, b, c, d, e, f] = mac(entry);
    let to = format!(
        "set_field:{:#x}->tun_id,set_field:{}->tun_dst",
        u64::from(key) << 24 | u64::from(network),
        endpoint(entry)
    );
    [
        format!(
            "table=12,priority=100,metadata={network},dl_dst={a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x} \
             actions=set_field:{key}->reg15,resubmit(,30)"
        ),
        format!(
            "table=30,priority=100,reg10=0/1,metadata={network},reg15={key} \
             actions={to},move:NXM_NX_REG14[0..15]->NXM_NX_TUN_ID[40..55],output:2"
        ),
    ]
}

fn add(datapath: &mut Datapath, flows: &[FlowMod]) {
    flows.iter().for_each(|flow| drop(datapath.flow_mod(flow, 0).expect("room")));
}

fn parsed(text: &str) -> FlowMod {
    FlowMod { command: Command::Add, flow: text.parse().expect("a flow"), ..FlowMod::default() }
}

/// A switch with all entries, and the nanoseconds that it took to load them.
fn loaded(entries: u32, verdicts: usize) -> (Datapath, u64) {
    let mut datapath = Datapath::with_limits(1, FLOW_LIMIT, verdicts);
    [1, 2].into_iter().for_each(|port| datapath.add_port(port));
    // One port stands for those of all networks.
    let entry = "in_port=1 actions=move:NXM_NX_TUN_ID[0..23]->OXM_OF_METADATA[0..23],set_field:1->reg14,resubmit(,12)";
    add(&mut datapath, &[parsed(entry)]);
    let mut used = 0;
    for first in (0..entries).step_by(CHUNK as usize) {
        let chunk = first..entries.min(first + CHUNK);
        let flows: Vec<FlowMod> = chunk.flat_map(flows_of).map(|text| parsed(&text)).collect();
        let begun = processor_ns();
        add(&mut datapath, &flows);
        used += processor_ns() - begun;
    }
    (datapath, used)
}

/// Scatters a number over 32 bits, the same way in each run.
fn scattered(number: u32) -> u32 {
    let mixed = (number ^ 0x5bd1_e995).wrapping_mul(0x9e37_79b1);
    (mixed ^ (mixed >> 15)).wrapping_mul(0x85eb_ca77) ^ (mixed >> 13)
}

/// Processor time of a packet to a random MAC.
fn packet_ns(datapath: &mut Datapath, entries: u32, seed: u32) -> u64 {
    let mut bytes = vec![0; 64];
    bytes[6..14].copy_from_slice(&[2, 0xff, 0, 0, 0, 1, 8, 0]);
    bytes[14..34].copy_from_slice(&[0x45, 0, 0, 50, 0, 7, 0x40, 0, 64, 17, 0, 0, 10, 0, 1, 11, 10, 0, 1, 12]);
    bytes[38..40].copy_from_slice(&[0, 30]);
    let (mut frame, mut sent, mut expected) = (FrameBuf::new(), Sent::default(), 0);
    let begun = processor_ns();
    for number in 0..PACKETS {
        let entry = ((u64::from(scattered(number ^ seed)) * u64::from(entries)) >> 32) as u32;
        bytes[..6].copy_from_slice(&mac(entry));
        frame.fill(&bytes);
        let tunnel = Some(TunnelKey { id: u64::from(network(entry)), ..TunnelKey::default() });
        let now = u64::from(number) * 1000;
        datapath.process(&mut frame, &Offload::default(), &Metadata { in_port: 1, tunnel }, now, &mut sent);
        expected ^= u64::from(u32::from(endpoint(entry)));
    }
    let used = processor_ns() - begun;
    assert!(sent.frames == PACKETS && sent.endpoints == expected, "packets went elsewhere");
    used / u64::from(PACKETS)
}

fn times(datapath: &mut Datapath, entries: u32) -> Vec<u64> {
    // The first time fills caches.
    packet_ns(datapath, entries, 0);
    (1..=REPEATS).map(|run| packet_ns(datapath, entries, run as u32 * 0x0101_0101)).collect()
}

fn main() {
    let wanted = std::env::args().nth(1).map(|text| vec![text.parse().expect("how many entries")]);
    for entries in wanted.unwrap_or(SIZES.to_vec()) {
        let before = resident_bytes();
        let (mut tables, load_ns) = loaded(entries, 0);
        let bytes = resident_bytes().saturating_sub(before) / entries as usize;
        let lookup = times(&mut tables, entries);
        drop(tables);
        let packet = times(&mut loaded(entries, VERDICTS).0, entries);
        let endpoints = entries / PORTS_OF_AN_ENDPOINT;
        println!(
            "{{\"entries\": {entries}, \"endpoints\": {endpoints}, \"bytes_an_entry\": {bytes}, \
             \"load_ns\": {load_ns}, \"lookup_ns\": {lookup:?}, \"packet_ns\": {packet:?}}}"
        );
    }
}
