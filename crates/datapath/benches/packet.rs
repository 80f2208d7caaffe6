//! A packet of 64 bytes whose verdict is remembered: parsed, looked up, put into a tunnel, taken out of it at
//! the far end, parsed, looked up and delivered.  Both ends run on the same core; no device is involved.

#![allow(missing_docs)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{Criterion, criterion_group, criterion_main};
use tulle_datapath::{Command, Datapath, Drop, Effects, Egress, FlowMod, Metadata, PacketIn, TunnelKey};
use tulle_encap::{
    Encap, Endpoints, Passage, Popped, Pushed, Stt, Template, TunnelOptions, Vxlan, stt, vxlan,
};
use tulle_wire::vnet::Offload;
use tulle_wire::{FrameBuf, flow_hash};

const LOCAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const REMOTE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const PORT: u32 = 1;
const TUNNEL: u32 = 2;
const STREAMS: [u16; 2] = [1, 10_000];

const SENDING: [&str; 5] = [
    "table=0,in_port=1 actions=set_field:7->metadata,set_field:3->reg14,resubmit(,10)",
    "table=10,priority=0 actions=resubmit(,12)",
    "table=10,priority=9,tcp,metadata=7,tcp_dst=22 actions=drop",
    "table=12,metadata=7,dl_dst=02:00:00:00:00:0b actions=set_field:4->reg15,resubmit(,30)",
    "table=30,metadata=7,reg15=4 actions=set_field:0x700->tun_id,output:2",
];
const RECEIVING: [&str; 3] = [
    "table=0,in_port=2,tun_id=0x700 actions=set_field:7->metadata,resubmit(,12)",
    "table=12,metadata=7,dl_dst=02:00:00:00:00:0b actions=set_field:4->reg15,resubmit(,41)",
    "table=41,metadata=7,reg15=4 actions=output:1",
];

/// Takes what a datapath sends: keeps the frame that goes into the tunnel in `outer`, or counts a delivery.
#[derive(Default)]
struct Near {
    sent: bool,
    context: u64,
    outer: FrameBuf,
}

impl Effects for Near {
    #[inline]
    fn output(&mut self, to: &Egress, frame: &mut FrameBuf, _: &Offload, _: bool) {
        self.sent = true;
        self.context = to.tunnel.as_ref().map_or(0, |key| key.id);
        std::mem::swap(&mut self.outer, frame);
    }

    fn packet_in(&mut self, _: &[u8], _: &Offload, _: &PacketIn) {}

    fn dropped(&mut self, drop: Drop, _: u32, _: usize) {
        panic!("{drop:?}");
    }
}

#[derive(Default)]
struct Far {
    delivered: u64,
}

impl Effects for Far {
    #[inline]
    fn output(&mut self, to: &Egress, frame: &mut FrameBuf, _: &Offload, _: bool) {
        self.delivered += u64::from(to.port == PORT);
        black_box(frame);
    }

    fn packet_in(&mut self, _: &[u8], _: &Offload, _: &PacketIn) {}

    fn dropped(&mut self, drop: Drop, _: u32, _: usize) {
        panic!("{drop:?}");
    }
}

/// A TCP packet of 64 bytes.
fn frame(stream: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa, 8, 0];
    frame.extend([0x45, 0, 0, 50, 0, 7, 0x40, 0, 64, 6, 0, 0, 10, 0, 1, 11, 10, 0, 1, 12]);
    frame.extend(stream.to_be_bytes());
    frame.extend([0, 80, 0, 0, 0, 9, 0, 0, 0, 7, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    frame.resize(64, 0);
    frame
}

fn datapath(flows: &[&str]) -> Datapath {
    let mut datapath = Datapath::new(1);
    [PORT, TUNNEL].into_iter().for_each(|port| datapath.add_port(port));
    for text in flows {
        let flow = text.parse().expect("a flow");
        datapath.flow_mod(&FlowMod { command: Command::Add, flow, ..FlowMod::default() }, 0).expect("room");
    }
    datapath
}

/// Two switches and what joins them.
struct Pair<E> {
    near: Datapath,
    far: Datapath,
    encap: E,
    template: Template,
    frame_id: u32,
    now: u64,
    scratch: FrameBuf,
    sent: Near,
    received: Far,
}

impl<E: Encap> Pair<E> {
    fn new(encap: E, port: u16) -> Self {
        let ends =
            Endpoints { local: LOCAL.into(), remote: REMOTE.into(), local_mac: [2; 6], remote_mac: [4; 6] };
        Pair {
            near: datapath(&SENDING),
            far: datapath(&RECEIVING),
            template: encap.template(&ends, &TunnelOptions::new(1500, port)).expect("one family"),
            encap,
            frame_id: 0,
            now: 0,
            scratch: FrameBuf::new(),
            sent: Near::default(),
            received: Far::default(),
        }
    }

    /// One packet from port to port.
    fn carry(&mut self, buffer: &mut FrameBuf) {
        self.now += 1000;
        let metadata = Metadata { in_port: PORT, tunnel: None };
        self.near.process(buffer, &Offload::default(), &metadata, self.now, &mut self.sent);
        let outer = self.push();
        let Pair { far, encap, sent, received, now, .. } = self;
        encap.pop(&mut sent.outer, &outer, *now, &mut |popped, inner| {
            let Popped { context, source, destination, offload, .. } = popped.expect("a whole frame");
            let (IpAddr::V4(src), IpAddr::V4(dst)) = (source, destination) else { panic!("IPv4") };
            let tunnel = Some(TunnelKey { id: context, src, dst, ..TunnelKey::default() });
            far.process(inner, &offload, &Metadata { in_port: TUNNEL, tunnel }, *now, received);
        });
    }

    fn push(&mut self) -> Offload {
        let Pair { encap, template, frame_id, scratch, sent, .. } = self;
        let entropy = flow_hash(sent.outer.bytes());
        let passage = Passage::new(sent.context, entropy, frame_id);
        let whole = encap.push(template, passage, &mut sent.outer, &Offload::default(), scratch, &mut |_| {});
        match whole {
            Ok(Pushed::Whole(offload)) => offload,
            other => panic!("{other:?}"),
        }
    }
}

fn tunnels(criterion: &mut Criterion) {
    measure(criterion, "stt", || Pair::new(Stt::default(), stt::PORT));
    measure(criterion, "vxlan", || Pair::new(Vxlan::new(vxlan::PORT, true), vxlan::PORT));
}

fn measure<E: Encap>(criterion: &mut Criterion, name: &str, pair: impl Fn() -> Pair<E>) {
    let mut group = criterion.benchmark_group("packet");
    for streams in STREAMS {
        let frames: Vec<Vec<u8>> = (0..streams).map(frame).collect();
        let (mut pair, mut buffer, mut next) = (pair(), FrameBuf::copied(&frames[0]), 0);
        pair.carry(&mut buffer);
        assert!(pair.received.delivered == 1 && pair.sent.sent);
        group.bench_function(format!("{name}_{streams}"), |bencher| {
            bencher.iter(|| {
                next = (next + 1) % frames.len();
                buffer.fill(&frames[next]);
                pair.carry(&mut buffer);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, tunnels);
criterion_main!(benches);
