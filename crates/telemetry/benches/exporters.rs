//! What a packet costs while somebody listens: in NetFlow's table, in IPFIX's, as a sample of sFlow, and where it is
//! none.

#![allow(missing_docs)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{Criterion, criterion_group, criterion_main};
use tulle_telemetry::{
    Clock, Direction, Headers, Ipfix, IpfixConfig, Netflow, NetflowConfig, Observation, Outputs, Packet,
    Sflow, SflowConfig,
};

const FLOWS: u16 = 10_000;
const SECOND: u64 = 1_000_000_000;

fn frame(port: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0];
    frame.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(port.to_be_bytes());
    frame.resize(60, 0);
    frame
}

fn packet(frame: &[u8], now_ns: u64) -> Packet<'_> {
    let headers = Headers::parse(frame).expect("an Ethernet header");
    Packet { frame, headers, in_port: 1, in_ifindex: 1, tunnel: None, now_ns }
}

fn benches(criterion: &mut Criterion) {
    let frames: Vec<Vec<u8>> = (0..FLOWS).map(frame).collect();
    let mut all = frames.iter().cycle();
    let mut next = move || all.next().expect("it never ends");
    let clock = Clock::default();
    let config =
        NetflowConfig { active_timeout_ns: None, engine_type: 0, engine_id: 0, add_id_to_interface: false };
    let mut netflow = Netflow::new(config, clock, 1);
    criterion.bench_function("netflow/packet of one of 10,000 flows", |bench| {
        bench.iter(|| netflow.packet(&packet(black_box(next()), SECOND), Outputs::default(), &mut |_| {}));
    });
    let virtual_observer = String::new();
    let config = IpfixConfig { active_timeout_ns: SECOND, max_flows: u32::from(FLOWS), virtual_observer };
    let mut ipfix = Ipfix::new(&config, clock, 1);
    let at = Observation { domain: 1, point: 1, direction: Direction::Ingress, out_ifindex: 0 };
    criterion.bench_function("ipfix/packet of one of 10,000 flows", |bench| {
        bench.iter(|| ipfix.packet(&packet(black_box(next()), SECOND), None, &at, &mut |_| {}));
    });
    let agent = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let config = SflowConfig { agent, sub_agent: 0, sampling: 400, header_len: 128, polling_ns: None };
    let mut sflow = Sflow::new(config, clock, 1);
    criterion
        .bench_function("sflow/packet that is no sample", |bench| bench.iter(|| black_box(sflow.takes())));
    criterion.bench_function("sflow/sample", |bench| {
        bench.iter(|| {
            sflow.sample(&packet(black_box(next()), SECOND), &mut |_| {});
            sflow.complete(Outputs::default());
        });
    });
}

criterion_group!(exporters, benches);
criterion_main!(exporters);
