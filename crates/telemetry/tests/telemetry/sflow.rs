//! sFlow: what a sample tells, how many there are, counters.

use std::net::{IpAddr, Ipv4Addr};

use crate::frames::{CLOCK, SECOND, packet, tagged, udp};
use crate::readers::{self, Sample, u32_at};
use tulle_telemetry::{Outputs, PortReport, Sflow, SflowConfig, TunnelInfo};

const CONFIG: SflowConfig = SflowConfig {
    agent: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
    sub_agent: 11,
    sampling: 1,
    header_len: 60,
    polling_ns: Some(30 * SECOND),
};

fn sampled(config: SflowConfig, frame: &[u8], tunnel: Option<TunnelInfo>, outputs: Outputs) -> Sample {
    let mut agent = Sflow::new(config, CLOCK, 1);
    let mut samples = Vec::new();
    assert!(agent.takes());
    agent.sample(&tulle_telemetry::Packet { tunnel, ..packet(frame, 6 * SECOND) }, &mut |_| {
        panic!("too early")
    });
    agent.complete(outputs);
    agent.flush(6 * SECOND, &mut |datagram| {
        assert_eq!(datagram[8..12], [192, 0, 2, 7]);
        assert_eq!([12, 16, 20].map(|at| u32_at(datagram, at)), [11, 1, 1000]);
        samples = readers::sflow(datagram);
    });
    samples.pop().expect("a sample")
}

fn record(sample: &Sample, kind: u32) -> &[u8] {
    &sample.records.iter().find(|record| record.0 == kind).expect("a record").1
}

#[test]
fn a_sample_has_the_packets_first_bytes_its_ports_and_its_vlans() {
    let frame = tagged(udp([10, 0, 0, 1], 1000, 100), 3 << 13 | 42);
    let mut outputs = Outputs::default();
    outputs.add(4, 44, 1 << 13 | 43);
    let sample = sampled(CONFIG, &frame, None, outputs);
    assert_eq!([0, 8, 12, 16, 20, 24].map(|at| u32_at(&sample.body, at)), [1, 1, 1, 0, 33, 44]);
    let raw = record(&sample, 1);
    let length = frame.len() as u32 + 4;
    assert_eq!([0, 4, 8, 12].map(|at| u32_at(raw, at)), [1, length, 4, 60]);
    assert_eq!(raw[16..], frame[..60]);
    assert_eq!([0, 4, 8, 12].map(|at| u32_at(record(&sample, 1001), at)), [42, 3, 43, 1]);
}

#[test]
fn headers_are_padded_and_no_longer_than_the_frame() {
    let frame = udp([10, 0, 0, 1], 1000, 7);
    let sample = sampled(SflowConfig { header_len: 100_000, ..CONFIG }, &frame, None, Outputs::default());
    let raw = record(&sample, 1);
    assert_eq!((u32_at(raw, 12) as usize, raw.len()), (frame.len(), 16 + 52));
    assert_eq!(raw[16..16 + frame.len()], frame);
    let long = udp([10, 0, 0, 1], 1000, 60_000);
    let sample = sampled(SflowConfig { header_len: 100_000, ..CONFIG }, &long, None, Outputs::default());
    assert_eq!(u32_at(record(&sample, 1), 12), 1024);
}

#[test]
fn outputs_are_an_interface_or_a_number_of_them_or_a_drop() {
    let frame = udp([10, 0, 0, 1], 1000, 7);
    let mut outputs = Outputs::default();
    assert_eq!(u32_at(&sampled(CONFIG, &frame, None, outputs).body, 24), 0x4000_0100);
    (1..4).for_each(|port| outputs.add(port, port, 0));
    assert_eq!(u32_at(&sampled(CONFIG, &frame, None, outputs).body, 24), 0x8000_0003);
}

#[test]
fn what_came_out_of_a_tunnel_tells_of_it() {
    let frame = udp([10, 0, 0, 1], 1000, 7);
    let (src, dst) = (Ipv4Addr::new(172, 31, 0, 1), Ipv4Addr::new(172, 31, 0, 2));
    let tunnel = TunnelInfo { src, dst, protocol: 17, port: 4789, id: 5001, kind: 1 };
    let sample = sampled(CONFIG, &frame, Some(tunnel), Outputs::default());
    let outer = record(&sample, 1024);
    assert_eq!([4, 20].map(|at| u32_at(outer, at)), [17, 4789]);
    assert_eq!(outer[8..16], [172, 31, 0, 1, 172, 31, 0, 2]);
    assert_eq!(record(&sample, 1030), 5001_u32.to_be_bytes());
}

#[test]
fn the_rate_is_right_and_the_pool_says_of_how_many_packets() {
    let mut agent = Sflow::new(SflowConfig { sampling: 100, ..CONFIG }, CLOCK, 42);
    let frame = udp([10, 0, 0, 1], 1000, 7);
    let mut samples = Vec::new();
    for _ in 0..200_000 {
        if agent.takes() {
            agent.sample(&packet(&frame, 6 * SECOND), &mut |datagram| {
                samples.extend(readers::sflow(datagram))
            });
            agent.complete(Outputs::default());
        }
    }
    agent.flush(6 * SECOND, &mut |datagram| samples.extend(readers::sflow(datagram)));
    // 2000 distances of standard deviation 58: five deviations of the count are 130.
    assert!((1870..2130).contains(&samples.len()), "{} samples", samples.len());
    let sequence: Vec<u32> = samples.iter().map(|sample| u32_at(&sample.body, 0)).collect();
    assert!(sequence.iter().copied().eq(1..=samples.len() as u32));
    let pools: Vec<u32> = samples.iter().map(|sample| u32_at(&sample.body, 12)).collect();
    assert!(pools.is_sorted() && pools[pools.len() - 1] > 199_000 && pools[pools.len() - 1] <= 200_000);
}

#[test]
fn counters_are_due_once_a_period_and_tell_all_of_a_port() {
    let mut agent = Sflow::new(CONFIG, CLOCK, 1);
    assert!(!agent.is_polled(34 * SECOND) && agent.is_polled(35 * SECOND) && !agent.is_polled(36 * SECOND));
    let report = PortReport {
        ifindex: 33,
        number: 3,
        datapath_id: 0x0102,
        name: "eth10",
        speed_bps: 10_000_000_000,
        is_up: true,
        has_link: true,
        rx_packets: 7,
        rx_bytes: 1 << 33,
        rx_dropped: 2,
        tx_packets: 8,
        tx_bytes: 900,
        tx_dropped: 1,
    };
    let mut samples = Vec::new();
    agent.port(&report, 35 * SECOND, &mut |_| panic!("too early"));
    agent.flush(35 * SECOND, &mut |datagram| samples = readers::sflow(datagram));
    let [sample] = &samples[..] else { panic!("{samples:?}") };
    assert_eq!((sample.kind, u32_at(&sample.body, 4)), (2, 33));
    let counters = record(sample, 1);
    assert_eq!([0, 8, 12, 20, 24, 28].map(|at| u32_at(counters, at)), [33, 2, 1_410_065_408, 3, 2, 0]);
    assert_eq!([32, 44, 60, 64, 76].map(|at| u32_at(counters, at)), [7, 2, 900, 8, 1]);
    assert_eq!(record(sample, 1004), [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3]);
    assert_eq!(record(sample, 1005), [&[0, 0, 0, 5][..], b"eth10", &[0; 3]].concat());
}

#[test]
fn without_polling_there_are_no_counters() {
    let mut agent = Sflow::new(SflowConfig { polling_ns: None, ..CONFIG }, CLOCK, 1);
    assert!(!agent.is_polled(u64::MAX));
}
