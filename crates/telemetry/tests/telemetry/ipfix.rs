//! IPFIX: exact totals, templates, domains, bounds.

use std::net::Ipv4Addr;

use crate::frames::{CLOCK, SECOND, packet, tagged, udp};
use crate::readers::{IpfixReader, IpfixRecord, number};
use tulle_telemetry::{Direction, Ipfix, IpfixConfig, Observation, TunnelInfo};

const AT: Observation = Observation { domain: 5, point: 6, direction: Direction::Ingress, out_ifindex: 0 };

fn gathering(active_timeout_s: u64, max_flows: u32) -> IpfixConfig {
    let active_timeout_ns = active_timeout_s * SECOND;
    IpfixConfig { active_timeout_ns, max_flows, virtual_observer: String::new() }
}

#[derive(Default)]
struct Collector {
    reader: IpfixReader,
    records: Vec<IpfixRecord>,
}

impl Collector {
    fn take(&mut self, message: &[u8]) {
        assert!(message.len() <= 1400);
        self.records.extend(self.reader.read(message));
    }

    fn sum(&self, element: u16) -> u64 {
        self.records.iter().map(|record| number(record, element)).sum()
    }
}

#[test]
fn a_flow_is_told_after_its_time_with_exact_counts() {
    let (mut exporter, mut collector) = (Ipfix::new(&gathering(60, 100), CLOCK, 1), Collector::default());
    for (second, payload) in [(6, 72), (7, 72), (8, 172)] {
        let frame = tagged(udp([10, 0, 0, 1], 1000, payload), 2 << 13 | 9);
        exporter.packet(&packet(&frame, second * SECOND), None, &AT, &mut |_| panic!("gathered"));
    }
    exporter.tick(66 * SECOND - 1, &mut |_| panic!("too early"));
    exporter.tick(66 * SECOND, &mut |message| collector.take(message));
    let [record] = &collector.records[..] else { panic!("{:?}", collector.records) };
    let told = [138, 61, 10, 14, 256, 240, 58, 244, 60, 192, 4, 5, 195].map(|id| number(record, id));
    assert_eq!(told, [6, 0, 33, 0, 0x800, 18, 9, 2, 4, 64, 17, 0x28, 0x0a]);
    let addresses = [8, 12, 7, 11].map(|id| number(record, id));
    assert_eq!(addresses, [0x0a00_0001, 0x0a00_0009, 1000, 80]);
    let counts = [2, 1, 352, 198, 25, 26, 136].map(|id| number(record, id));
    assert_eq!(counts, [3, 400, 454, 100 * 100 * 2 + 200 * 200, 100, 200, 2]);
    assert_eq!([152, 153].map(|id| number(record, id)), [1_000_000_001_000, 1_000_000_003_000]);
}

#[test]
fn without_a_cache_every_packet_is_a_record() {
    for config in [gathering(0, 100), gathering(60, 0)] {
        let (mut exporter, mut collector) = (Ipfix::new(&config, CLOCK, 1), Collector::default());
        let frame = udp([10, 0, 0, 1], 1000, 72);
        for _ in 0..100 {
            exporter.packet(&packet(&frame, 6 * SECOND), None, &AT, &mut |message| collector.take(message));
        }
        exporter.tick(7 * SECOND, &mut |message| collector.take(message));
        assert_eq!((collector.records.len(), collector.sum(2), collector.sum(1)), (100, 100, 10_000));
        assert_eq!(collector.reader.templates_seen, 1);
    }
}

#[test]
fn a_full_cache_tells_of_its_oldest_flows_and_loses_no_packet() {
    let (mut exporter, mut collector) = (Ipfix::new(&gathering(600, 50), CLOCK, 1), Collector::default());
    for port in 0..1000 {
        let frame = udp([10, 0, 0, 1], port, 72);
        exporter.packet(&packet(&frame, 6 * SECOND), None, &AT, &mut |message| collector.take(message));
        assert!(exporter.counts().current_flows <= 50);
    }
    assert_eq!((number(&collector.records[0], 7), number(&collector.records[0], 136)), (0, 5));
    exporter.finish(7 * SECOND, &mut |message| collector.take(message));
    assert_eq!((collector.records.len(), collector.sum(2)), (1000, 1000));
    let counts = exporter.counts();
    assert_eq!(
        (counts.total_flows, counts.evicted, counts.packets, counts.ipv4_packets),
        (1000, 950, 1000, 1000)
    );
}

#[test]
fn templates_come_before_their_records_and_again_every_ten_minutes() {
    let (mut exporter, mut collector) = (Ipfix::new(&gathering(0, 0), CLOCK, 1), Collector::default());
    let (plain, tagged) = (udp([10, 0, 0, 1], 1, 0), tagged(udp([10, 0, 0, 1], 1, 0), 5));
    let mut tell = |frame: &[u8], second: u64| {
        exporter.packet(&packet(frame, second * SECOND), None, &AT, &mut |message| collector.take(message));
        exporter.tick(second * SECOND, &mut |message| collector.take(message));
        collector.reader.templates_seen
    };
    let seen = [(&plain, 6), (&plain, 7), (&tagged, 8), (&plain, 605), (&plain, 606), (&tagged, 607)];
    assert_eq!(seen.map(|(frame, second)| tell(frame, second)), [1, 1, 2, 2, 3, 3]);
}

#[test]
fn domains_have_templates_and_sequence_numbers_of_their_own() {
    let (mut exporter, mut collector) = (Ipfix::new(&gathering(0, 0), CLOCK, 1), Collector::default());
    let frame = udp([10, 0, 0, 1], 1, 0);
    for domain in [1, 2, 1, 1, 2] {
        let at = Observation { domain, ..AT };
        exporter.packet(&packet(&frame, 6 * SECOND), None, &at, &mut |message| collector.take(message));
    }
    exporter.tick(6 * SECOND, &mut |message| collector.take(message));
    assert_eq!((collector.records.len(), collector.reader.templates_seen), (5, 2));
}

#[test]
fn tunnels_and_the_virtual_observer_are_told_with_enterprise_elements() {
    let config = IpfixConfig { virtual_observer: "rack 7".to_owned(), ..gathering(0, 0) };
    let (mut exporter, mut collector) = (Ipfix::new(&config, CLOCK, 1), Collector::default());
    let (src, dst) = (Ipv4Addr::new(172, 31, 0, 1), Ipv4Addr::new(172, 31, 0, 2));
    let vxlan = TunnelInfo { src, dst, protocol: 17, port: 4789, id: 5001, kind: 1 };
    let stt = TunnelInfo { id: 1 << 60, kind: 4, ..vxlan };
    for tunnel in [vxlan, stt] {
        let frame = udp([10, 0, 0, 1], 1, 0);
        exporter
            .packet(&packet(&frame, 6 * SECOND), Some(tunnel), &AT, &mut |message| collector.take(message));
    }
    exporter.tick(6 * SECOND, &mut |message| collector.take(message));
    let element = |record: usize, id: u16| number(&collector.records[record], 0x8000 | id);
    assert_eq!([891, 893, 894, 895, 897].map(|id| element(0, id)), [1, 0xac1f_0001, 0xac1f_0002, 17, 4789]);
    assert_eq!((element(0, 892), element(1, 892)), (5001, 1 << 60));
    assert_eq!(collector.records[0][&(0x8000 | 892)].len(), 3);
    assert_eq!(collector.records[1][&(0x8000 | 898)], b"rack 7");
}
