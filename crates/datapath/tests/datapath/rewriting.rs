//! Header changes against checksums summed up anew.

use crate::frames::{self, Checksum, Transport};
use crate::recorder::{from_port, send_with};
use proptest::prelude::*;
use tulle_datapath::{Command, Datapath, FlowMod, extract};
use tulle_flow::{Action, Field, Flow, Key};
use tulle_wire::vnet::Offload;

/// A frame of each kind that has a transport checksum, with the fields that may be set in it.
fn transports() -> Vec<(bool, Transport, Vec<Field>)> {
    let payload = b"odd bytes";
    let target = frames::IP6_B;
    vec![
        (true, frames::tcp(1000, 80, payload), vec![Field::TcpSrc, Field::TcpDst]),
        (false, frames::tcp(1000, 80, payload), vec![Field::TcpSrc, Field::TcpDst]),
        (true, frames::udp(1000, 53, payload), vec![Field::UdpSrc, Field::UdpDst]),
        (false, frames::udp(1000, 53, payload), vec![Field::UdpSrc, Field::UdpDst]),
        (true, frames::icmpv4(8, 0, payload), vec![Field::IcmpType, Field::IcmpCode]),
        (false, frames::icmpv6(128, 0, payload), vec![Field::Icmpv6Type, Field::Icmpv6Code]),
        (
            false,
            frames::neighbour(135, target, frames::MAC_A),
            vec![Field::NdTarget, Field::NdReserved, Field::NdSll],
        ),
        (false, frames::neighbour(136, target, frames::MAC_A), vec![Field::NdTarget, Field::NdTll]),
        (false, frames::neighbour(136, target, frames::MAC_A), vec![Field::NdOptionsType]),
    ]
}

const COMMON: [Field; 4] = [Field::EthDst, Field::EthSrc, Field::IpTos, Field::IpTtl];

#[derive(Clone, Debug)]
struct Case {
    ipv4: bool,
    transport: Transport,
    checksum: Checksum,
    sets: Vec<(Field, u128, u128)>,
}

fn case() -> impl Strategy<Value = Case> {
    let checksum = prop_oneof![Just(Checksum::Full), Just(Checksum::Partial), Just(Checksum::Absent)];
    let set = (any::<prop::sample::Index>(), any::<u128>(), prop_oneof![Just(u128::MAX), any::<u128>()]);
    let sets = prop::collection::vec(set, 1..5);
    (0..transports().len(), checksum, sets).prop_map(|(kind, checksum, sets)| {
        let (ipv4, transport, own) = transports().swap_remove(kind);
        let mut fields = [&COMMON[..], &own].concat();
        fields.extend(if ipv4 { [Field::IpSrc, Field::IpDst] } else { [Field::Ipv6Src, Field::Ipv6Dst] });
        let sets = sets.into_iter().map(|(index, value, mask)| {
            let field = fields[index.index(fields.len())];
            // ICMP types and codes have 16 bits in the key and 8 in the packet.
            let is_byte =
                matches!(field, Field::IcmpType | Field::IcmpCode | Field::Icmpv6Type | Field::Icmpv6Code);
            let mask = mask & if is_byte { 0xff } else { field.ones() };
            (field, value & mask, mask)
        });
        let sets = sets.filter(|(_, _, mask)| *mask != 0).collect();
        let checksum = match (checksum, transport.proto) {
            (Checksum::Absent, proto) if proto != 17 => Checksum::Full,
            (Checksum::Partial, 1 | 58) => Checksum::Full,
            (other, _) => other,
        };
        Case { ipv4, transport, checksum, sets }
    })
}

impl Case {
    fn frame(&self) -> Vec<u8> {
        let build = if self.ipv4 { frames::ipv4 } else { frames::ipv6 };
        build(64, &self.transport, self.checksum)
    }

    fn offload(&self) -> Offload {
        Offload {
            needs_csum: self.checksum == Checksum::Partial,
            csum_start: if self.ipv4 { 34 } else { 54 },
            csum_offset: self.transport.checksum_at as u16,
            ..Offload::default()
        }
    }

    fn actions(&self) -> Vec<Action> {
        let set = |(field, value, mask): &(Field, u128, u128)| Action::Set {
            field: *field,
            value: *value,
            mask: *mask,
        };
        self.sets.iter().map(set).chain([Action::Output(2)]).collect()
    }
}

fn key_of(frame: &[u8]) -> Key {
    extract(frame, &from_port(1)).unwrap_or_else(|reason| panic!("{}: {frame:02x?}", reason.name())).0
}

proptest! {
    #[test]
    fn changed_headers_have_the_checksums_of_headers_built_so(case in case()) {
        let mut datapath = Datapath::new(5);
        datapath.add_port(2);
        let flow = Flow { actions: case.actions(), ..Flow::default() };
        datapath.flow_mod(&FlowMod { command: Command::Add, flow, ..FlowMod::default() }, 0).expect("a flow");
        let frame = case.frame();
        let sent = send_with(&mut datapath, &frame, &case.offload(), &from_port(1), 0);
        let sent = sent.frames()[0];
        let fault = frames::checksum_fault(sent, case.checksum, case.transport.checksum_at);
        prop_assert_eq!(fault, None, "before {:02x?}\nafter  {:02x?}", frame, sent);
        prop_assert_eq!(sent.len(), frame.len());

        let mut expected = key_of(&frame);
        for (field, value, mask) in &case.sets {
            expected.set(*field, (expected.field(*field) & !mask) | value);
        }
        let actual = key_of(sent);
        for (field, ..) in &case.sets {
            prop_assert_eq!(actual.field(*field), expected.field(*field), "{}", field.name());
        }
        let changes_kind = |(field, _, _): &(Field, u128, u128)| {
            matches!(field, Field::NdOptionsType | Field::Icmpv6Type | Field::Icmpv6Code)
        };
        if !case.sets.iter().any(changes_kind) {
            prop_assert_eq!(actual, expected);
        }
    }
}

#[test]
fn an_absent_udp_checksum_stays_absent_and_a_zero_sum_is_sent_as_ones() {
    let mut datapath = crate::recorder::switch(&["udp actions=set_field:0->udp_src,output:2"]);
    let absent = frames::ipv4(64, &frames::udp(7, 9, b"x"), Checksum::Absent);
    let sent = crate::recorder::send(&mut datapath, &absent, 1);
    assert_eq!(sent.frames()[0][40..42], [0, 0]);

    // Found so that the sum with source port 0 is all ones: the complement would be zero.
    let zeroed = frames::ipv4(64, &frames::udp(0, 9, &[0, 0]), Checksum::Full);
    let filler = u16::from_be_bytes([zeroed[40], zeroed[41]]);
    let frame = frames::ipv4(64, &frames::udp(7, 9, &filler.to_be_bytes()), Checksum::Full);
    let sent = crate::recorder::send(&mut datapath, &frame, 1);
    assert_eq!(sent.frames()[0][40..42], [0xff, 0xff], "{:02x?}", sent.frames()[0]);
}

#[test]
fn later_fragments_get_new_addresses_but_their_payload_is_left_alone() {
    let mut datapath =
        crate::recorder::switch(&["udp actions=set_field:1.2.3.4->ip_dst,set_field:99->udp_src,output:2"]);
    let mut frame = frames::ipv4(64, &frames::udp(7, 9, b"payload"), Checksum::Full);
    frame[20..22].copy_from_slice(&[0, 5]);
    let sum = {
        frame[24..26].fill(0);
        !frames::slow_sum(&frame[14..34])
    };
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    let sent = crate::recorder::send(&mut datapath, &frame, 1);
    let sent = sent.frames()[0];
    assert_eq!(sent[30..34], [1, 2, 3, 4]);
    assert_eq!(frames::slow_sum(&sent[14..34]), 0xffff);
    assert_eq!(sent[34..], frame[34..]);
}

#[test]
fn an_ipv6_routing_header_keeps_the_checksum_over_the_final_destination() {
    let mut datapath = crate::recorder::switch(&["ipv6 actions=set_field:fd00::99->ipv6_dst,output:2"]);
    let plain = frames::ipv6(64, &frames::udp(7, 9, b"payload"), Checksum::Full);
    let mut frame = plain.clone();
    frame[20] = 43;
    frame[18..20].copy_from_slice(&((plain.len() - 54 + 24) as u16).to_be_bytes());
    let mut routing = vec![17, 2, 4, 1, 0, 0, 0, 0];
    routing.extend(frames::IP6_B);
    frame.splice(54..54, routing);
    let sent = crate::recorder::send(&mut datapath, &frame, 1);
    assert_eq!(sent.frames()[0][53], 0x99);
    assert_eq!(sent.frames()[0][54..], frame[54..]);
}
