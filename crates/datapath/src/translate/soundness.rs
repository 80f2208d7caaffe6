//! A verdict holds for every packet that agrees in the bits of its mask.

use super::translate;
use crate::continuation::Continuations;
use crate::datapath::State;
use crate::extract::extract;
use crate::flow_mod::FlowMod;
use crate::metadata::Metadata;
use crate::tables::Tables;
use proptest::prelude::*;
use tulle_flow::{Action, Field, Flow, Key, Match, SubField};

/// Fields of all layers; some share a place in the key, some can be set, some have long prerequisites.
const FIELDS: [Field; 14] = [
    Field::InPort,
    Field::TunId,
    Field::Metadata,
    Field::Reg0,
    Field::EthDst,
    Field::EthSrc,
    Field::IpSrc,
    Field::ArpSpa,
    Field::IpTtl,
    Field::TcpSrc,
    Field::UdpDst,
    Field::Icmpv6Type,
    Field::NdTarget,
    Field::NdTll,
];

fn field() -> impl Strategy<Value = Field> {
    prop::sample::select(&FIELDS[..])
}

/// Part of a field, 1 to 4 bits.
fn sub_field() -> impl Strategy<Value = SubField> {
    (field(), 0..4_u32).prop_map(|(field, offset)| SubField::new(field, offset, 4).expect("8 bits at least"))
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        (0..4_u32).prop_map(Action::Output),
        Just(Action::Output(tulle_flow::port::IN_PORT)),
        sub_field().prop_map(Action::OutputField),
        Just(Action::Controller { max_len: 9 }),
        (field(), 0..16_u128, 1..16_u128).prop_map(|(field, value, mask)| Action::Set {
            field,
            value: value & mask,
            mask
        }),
        (sub_field(), sub_field()).prop_map(|(source, target)| Action::Move { source, target }),
        Just(Action::DecTtl),
        (prop::option::of(0..4_u16), 0..3_u8)
            .prop_map(|(port, table)| Action::Resubmit { port, table: Some(table) }),
    ]
}

fn matching() -> impl Strategy<Value = Match> {
    let ethertype = prop::sample::select(vec![None, Some(0x0800), Some(0x0806), Some(0x86dd)]);
    let parts = prop::collection::vec((field(), 0..16_u128, 1..16_u128), 0..3);
    (ethertype, parts).prop_map(|(ethertype, parts)| {
        let mut matching = Match::ANY;
        parts.into_iter().for_each(|(field, value, mask)| matching.require(field, value, mask));
        if let Some(ethertype) = ethertype {
            matching.require(Field::EthType, ethertype, 0xffff);
        }
        matching
    })
}

fn flow() -> impl Strategy<Value = Flow> {
    let actions = prop::collection::vec(action(), 0..5);
    (0..3_u8, 0..3_u16, matching(), actions).prop_map(|(table, priority, matching, actions)| Flow {
        table,
        priority,
        matching,
        actions,
        ..Flow::default()
    })
}

fn packet() -> impl Strategy<Value = Key> {
    let kinds = vec![(0x0800, 6), (0x0800, 17), (0x0806, 0), (0x86dd, 6), (0x86dd, 58), (0x1234, 0)];
    let values = prop::collection::vec(0..16_u128, FIELDS.len());
    (prop::sample::select(kinds), values, 133..138_u128).prop_map(
        |((ethertype, proto), values, icmp_type)| {
            let mut key = extract(&[0; 14], &Metadata::default()).expect("an Ethernet header").0;
            FIELDS.iter().zip(values).for_each(|(field, value)| key.set(*field, value));
            key.set(Field::EthType, ethertype);
            key.set(Field::IpProto, proto);
            if proto == 58 {
                key.set(Field::Icmpv6Type, icmp_type);
            }
            key
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn bits_outside_the_mask_change_no_verdict(
        flows in prop::collection::vec(flow(), 1..20),
        packets in prop::collection::vec(packet(), 1..6),
        noise in any::<[u64; tulle_flow::KEY_WORDS]>(),
    ) {
        let mut state = State::new(Tables::new(1, 100));
        let mut continuations = Continuations::default();
        (0..4).for_each(|port| { state.ports.insert(port); });
        for flow in flows {
            state.tables.apply(&FlowMod { flow, ..FlowMod::default() }, 0).expect("room");
        }
        for packet in &packets {
            let made = translate(&mut state.plane(&mut continuations), packet, None, &mut ());
            let mask = made.mask;
            let others = packets.iter().map(|other| other.words).chain([noise, noise.map(|word| word & 0xf000f)]);
            for other in others {
                let mut near = *packet;
                for (i, word) in near.words.iter_mut().enumerate() {
                    *word = (*word & mask.words[i]) | (other[i] & !mask.words[i]);
                }
                let again = translate(&mut state.plane(&mut continuations), &near, None, &mut ());
                prop_assert_eq!(&again, &made, "\npacket {:?}\nnear   {:?}", packet, near);
            }
        }
    }
}
