//! Whatever bytes come: every exporter writes datagrams that can be read, and counts every packet.

use std::net::{IpAddr, Ipv4Addr};

use crate::frames::{CLOCK, SECOND, tagged, udp};
use crate::readers::{self, IpfixReader, number};
use proptest::prelude::*;
use tulle_telemetry::{
    Direction, Headers, Ipfix, IpfixConfig, Netflow, NetflowConfig, Observation, Outputs, Packet, Sflow,
    SflowConfig,
};

/// Bytes of all kinds: random ones, and frames with some bytes changed or cut off.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let ipv6 = |mut frame: Vec<u8>| {
        frame[12..14].copy_from_slice(&[0x86, 0xdd]);
        frame[14] = 0x60;
        frame
    };
    let base = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..120),
        (any::<[u8; 4]>(), any::<u16>(), 0_usize..80).prop_map(|(src, port, length)| udp(src, port, length)),
        (any::<[u8; 4]>(), any::<u16>(), 0_usize..80)
            .prop_map(|(src, port, length)| tagged(tagged(udp(src, port, length), port), port)),
        (any::<[u8; 4]>(), any::<u16>(), 30_usize..80)
            .prop_map(move |(src, port, length)| ipv6(udp(src, port, length))),
    ];
    let changes = proptest::collection::vec((0_usize..120, any::<u8>()), 0..6);
    (base, changes, 0_usize..200).prop_map(|(mut frame, changes, length)| {
        for (at, byte) in changes {
            if let Some(slot) = frame.get_mut(at) {
                *slot = byte;
            }
        }
        frame.truncate(length);
        frame
    })
}

proptest! {
    #[test]
    fn datagrams_can_be_read_and_totals_are_those_of_the_packets(
        frames in proptest::collection::vec(frame(), 1..60),
        cache in 0_u32..8,
        header_len in 0_usize..2000,
    ) {
        let agent = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let config = SflowConfig { agent, sub_agent: 0, sampling: 1, header_len, polling_ns: None };
        let mut sflow = Sflow::new(config, CLOCK, 1);
        let (active_timeout_ns, virtual_observer) = (SECOND, String::new());
        let mut ipfix =
            Ipfix::new(&IpfixConfig { active_timeout_ns, max_flows: cache, virtual_observer }, CLOCK, 1);
        let (engine_type, engine_id, add_id_to_interface) = (0, 0, false);
        let config = NetflowConfig { active_timeout_ns: Some(SECOND), engine_type, engine_id, add_id_to_interface };
        let mut netflow = Netflow::new(config, CLOCK, 1);

        let (mut samples, mut reader, mut ipfix_packets) = (0, IpfixReader::default(), 0);
        let (mut records, mut netflow_packets) = (0, 0);
        let mut read_sflow = |datagram: &[u8]| samples += readers::sflow(datagram).len();
        let mut read_ipfix = |message: &[u8]| {
            let found = reader.read(message);
            ipfix_packets += found.iter().map(|record| number(record, 2)).sum::<u64>();
        };
        let mut read_netflow = |datagram: &[u8]| {
            let found = readers::netflow(datagram, records);
            records += found.len() as u32;
            netflow_packets += found.iter().map(|record| u64::from(record.packets)).sum::<u64>();
        };
        let (mut all, mut ipv4) = (0, 0);
        for (number, frame) in frames.iter().enumerate() {
            let now_ns = 6 * SECOND + number as u64 * SECOND / 8;
            let Some(headers) = Headers::parse(frame) else { continue };
            let packet = Packet { frame, headers, in_port: 1, in_ifindex: 1, tunnel: None, now_ns };
            all += 1;
            ipv4 += u64::from(headers.ip.is_some_and(|ip| matches!(ip.src, tulle_telemetry::Address::V4(_))));
            prop_assert!(sflow.takes());
            sflow.sample(&packet, &mut read_sflow);
            sflow.complete(Outputs::default());
            let at = Observation { domain: 1, point: 1, direction: Direction::Ingress, out_ifindex: 0 };
            ipfix.packet(&packet, None, &at, &mut read_ipfix);
            netflow.packet(&packet, Outputs::default(), &mut read_netflow);
            ipfix.tick(now_ns, &mut read_ipfix);
            netflow.tick(now_ns, &mut read_netflow);
        }
        sflow.flush(99 * SECOND, &mut read_sflow);
        ipfix.finish(99 * SECOND, &mut read_ipfix);
        netflow.finish(99 * SECOND, &mut read_netflow);
        prop_assert_eq!((samples, ipfix_packets, netflow_packets), (all as usize, all, ipv4));
    }
}
