//! NetFlow: exact totals, ends of flows, floods.

use crate::frames::{CLOCK, SECOND, packet, tagged, udp};
use crate::readers::{self, NetflowRecord};
use tulle_telemetry::{IDLE_NS, Netflow, NetflowConfig, Outputs};

const CONFIG: NetflowConfig = NetflowConfig {
    active_timeout_ns: Some(60 * SECOND),
    engine_type: 7,
    engine_id: 9,
    add_id_to_interface: false,
};

/// Datagrams as a collector reads them.
#[derive(Default)]
struct Collector {
    records: Vec<NetflowRecord>,
    datagrams: Vec<Vec<u8>>,
}

impl Collector {
    fn take(&mut self, datagram: &[u8]) {
        let sequence = self.records.len() as u32;
        self.records.extend(readers::netflow(datagram, sequence));
        self.datagrams.push(datagram.to_vec());
    }
}

fn to_port(port: u32) -> Outputs {
    let mut outputs = Outputs::default();
    outputs.add(port, 0, 0);
    outputs
}

#[test]
fn a_flow_is_told_once_it_is_idle_with_exact_counts_and_times() {
    let (mut exporter, mut collector) = (Netflow::new(CONFIG, CLOCK, 1), Collector::default());
    let frame = tagged(udp([10, 0, 0, 1], 1000, 72), 5);
    for second in 6..9 {
        exporter.packet(&packet(&frame, second * SECOND), to_port(4), &mut |bytes| collector.take(bytes));
    }
    exporter.tick(8 * SECOND + IDLE_NS - 1, &mut |_| panic!("not idle yet"));
    exporter.tick(8 * SECOND + IDLE_NS, &mut |bytes| collector.take(bytes));
    let [record] = &collector.records[..] else { panic!("{:?}", collector.records) };
    assert_eq!(
        (record.src, record.ports, record.protocol, record.tos),
        ([10, 0, 0, 1], (1000, 80), 17, 0x28)
    );
    assert_eq!((record.packets, record.octets), (3, 300));
    assert_eq!((record.first_ms, record.last_ms), (1000, 3000));
    assert_eq!((record.input, record.output, record.tcp_flags), (3, 4, 0));
    let header = &collector.datagrams[0];
    assert_eq!((readers::u32_at(header, 4), readers::u32_at(header, 8)), (8000, 1_000_000_008));
    assert_eq!(header[20..22], [7, 9]);
}

#[test]
fn a_flow_that_goes_on_is_told_whenever_the_active_timeout_is_over() {
    let (mut exporter, mut collector) = (Netflow::new(CONFIG, CLOCK, 1), Collector::default());
    let frame = udp([10, 0, 0, 1], 1000, 0);
    for second in 5..135 {
        exporter.packet(&packet(&frame, second * SECOND), to_port(4), &mut |bytes| collector.take(bytes));
        exporter.tick(second * SECOND, &mut |bytes| collector.take(bytes));
    }
    exporter.finish(135 * SECOND, &mut |bytes| collector.take(bytes));
    let packets: Vec<u32> = collector.records.iter().map(|record| record.packets).collect();
    assert_eq!(packets, [61, 61, 8]);
}

#[test]
fn another_output_is_another_record_and_special_outputs_have_their_numbers() {
    let (mut exporter, mut collector) = (Netflow::new(CONFIG, CLOCK, 1), Collector::default());
    let frame = udp([10, 0, 0, 1], 1000, 0);
    let mut flood = to_port(1);
    flood.add(2, 0, 0);
    for outputs in [flood, to_port(4), to_port(4), Outputs::default()] {
        exporter.packet(&packet(&frame, 6 * SECOND), outputs, &mut |bytes| collector.take(bytes));
    }
    exporter.finish(7 * SECOND, &mut |bytes| collector.take(bytes));
    let told: Vec<_> = collector.records.iter().map(|record| (record.output, record.packets)).collect();
    assert_eq!(told, [(0xfffe, 1), (4, 2), (0xfffd, 1)]);
}

#[test]
fn the_engine_stands_in_the_high_bits_of_interfaces_where_that_is_asked_for() {
    let config = NetflowConfig { add_id_to_interface: true, engine_id: 0x85, ..CONFIG };
    let (mut exporter, mut collector) = (Netflow::new(config, CLOCK, 1), Collector::default());
    exporter.packet(&packet(&udp([1; 4], 1, 0), 6 * SECOND), to_port(4), &mut |_| {});
    exporter.finish(6 * SECOND, &mut |bytes| collector.take(bytes));
    assert_eq!((collector.records[0].input, collector.records[0].output), (5 << 9 | 3, 5 << 9 | 4));
}

#[test]
fn a_flood_of_new_flows_takes_no_more_memory_and_loses_no_packet_from_the_totals() {
    let (mut exporter, mut collector) = (Netflow::new(CONFIG, CLOCK, 1), Collector::default());
    let flows = 200_000_u32;
    for number in 0..flows {
        let frame = udp(number.to_be_bytes(), 7, 10);
        let now = 6 * SECOND + u64::from(number);
        exporter.packet(&packet(&frame, now), to_port(4), &mut |bytes| collector.take(bytes));
        assert!(exporter.counts().current_flows <= 65_536);
    }
    let first = &collector.records[0];
    assert_eq!(first.src, [0; 4], "the oldest flow goes first");
    assert_eq!(exporter.counts().evicted, u64::from(flows) - 65_536);
    exporter.finish(7 * SECOND, &mut |bytes| collector.take(bytes));
    let sums = collector.records.iter().fold((0, 0), |sum, one| (sum.0 + one.packets, sum.1 + one.octets));
    assert_eq!((sums, collector.records.len()), ((flows, flows * 38), flows as usize));
}

#[test]
fn octets_beyond_32_bits_become_several_records() {
    let (mut exporter, mut collector) = (Netflow::new(CONFIG, CLOCK, 1), Collector::default());
    let frame = udp([10, 0, 0, 1], 1000, 65_000);
    let packets = 150_000_u64;
    for _ in 0..packets {
        exporter.packet(&packet(&frame, 6 * SECOND), to_port(4), &mut |bytes| collector.take(bytes));
    }
    exporter.finish(6 * SECOND, &mut |bytes| collector.take(bytes));
    let octets: u64 = collector.records.iter().map(|record| u64::from(record.octets)).sum();
    assert_eq!((octets, collector.records.len()), (packets * 65_028, 3));
}

#[test]
fn a_packet_that_claims_to_be_longer_than_it_is_counts_as_what_it_is() {
    let (mut exporter, mut collector) = (Netflow::new(CONFIG, CLOCK, 1), Collector::default());
    let mut frame = udp([10, 0, 0, 1], 1000, 10);
    frame[16..18].copy_from_slice(&[0xff, 0xff]);
    exporter.packet(&packet(&frame, 6 * SECOND), to_port(4), &mut |_| {});
    exporter.finish(6 * SECOND, &mut |bytes| collector.take(bytes));
    assert_eq!(collector.records[0].octets, 38);
}

#[test]
fn without_an_active_timeout_a_flow_is_told_when_it_ends_and_what_is_not_ipv4_never() {
    let config = NetflowConfig { active_timeout_ns: None, ..CONFIG };
    let mut exporter = Netflow::new(config, CLOCK, 1);
    let frame = udp([10, 0, 0, 1], 1000, 0);
    let mut arp = frame.clone();
    arp[12..14].copy_from_slice(&[8, 6]);
    for second in 5..5000 {
        exporter.packet(&packet(&frame, second * SECOND), to_port(4), &mut |_| panic!("it goes on"));
        exporter.packet(&packet(&arp, second * SECOND), to_port(4), &mut |_| panic!("no flow"));
        exporter.tick(second * SECOND, &mut |_| panic!("it goes on"));
    }
    assert_eq!(exporter.counts().current_flows, 1);
}
