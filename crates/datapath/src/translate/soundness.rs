//! A verdict holds for every packet that agrees in the bits of its mask.

use super::FragmentHandling;
use super::translate;
use crate::bridge::{BridgeConfig, Bundle, Mirror, VlanMode};
use crate::continuation::Continuations;
use crate::datapath::State;
use crate::extract::extract;
use crate::flow_mod::FlowMod;
use crate::groups::{Bucket, Group, GroupKind, GroupMod};
use crate::metadata::Metadata;
use crate::options::OptionMapping;
use crate::tables::Tables;
use proptest::prelude::*;
use tulle_flow::{
    Action, Ct, CtZone, Field, Flow, HashFields, Key, Learn, LearnSource, LearnSpec, Match, Multipath,
    MultipathAlgorithm, OptionValue, SubField, port,
};

/// Fields of all layers; some share a place in the key, some can be set, some have long prerequisites.
const FIELDS: [Field; 24] = [
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
    Field::VlanVid,
    Field::InnerVlanTci,
    Field::MplsTtl,
    Field::PbbIsid,
    Field::Ipv6Exthdr,
    Field::CtMark,
    Field::IpFrag,
    Field::TunPresent,
    Field::TunSpace0,
    Field::TunSpace1,
];

fn field() -> impl Strategy<Value = Field> {
    prop::sample::select(&FIELDS[..])
}

fn writable() -> impl Strategy<Value = Field> {
    field().prop_filter("read-only", |field| field.is_writable())
}

/// Part of a field, 1 to 4 bits.
fn sub_field() -> impl Strategy<Value = SubField> {
    let field = prop_oneof![4 => field(), 1 => prop::sample::select(&Field::TUN_METADATA[..5])];
    (field, 0..4_u32).prop_map(|(field, offset)| SubField::new(field, offset, 4).expect("8 bits at least"))
}

fn target() -> impl Strategy<Value = SubField> {
    sub_field().prop_filter("read-only", |part| part.field.is_writable())
}

/// All of an option, and more than it has.
fn long_move(from: usize, to: usize) -> Action {
    let bits = |index: usize| SubField::new(Field::TUN_METADATA[index], 3, 200).expect("992 bits");
    Action::Move { source: bits(from), target: bits(to) }
}

/// The first four fields stand for options; the fifth for none.
fn options(state: &mut State) {
    let mapping = |(index, length)| OptionMapping { class: 0x102, kind: index, length, index };
    let mappings: Vec<_> = [(0, 4), (1, 8), (2, 0), (3, 20)].map(mapping).into();
    state.options.add(&mappings).expect("room");
}

fn simple() -> impl Strategy<Value = Action> {
    prop_oneof![
        (0..4_u32).prop_map(Action::Output),
        Just(Action::Output(port::IN_PORT)),
        sub_field().prop_map(Action::OutputField),
        Just(Action::Controller { max_len: 9 }),
        (writable(), 0..16_u128, 1..16_u128).prop_map(|(field, value, mask)| Action::Set {
            field,
            value: value & mask,
            mask
        }),
        (0..5_u8, 0..100_u32, any::<u128>()).prop_map(|(index, offset, value)| {
            Action::SetOption(Box::new(OptionValue::of_bits(index, offset, 100, value)))
        }),
        (0..5_usize, 0..5_usize).prop_map(|(from, to)| long_move(from, to)),
        (sub_field(), target()).prop_map(|(source, target)| Action::Move { source, target }),
        sub_field().prop_map(Action::Push),
        target().prop_map(Action::Pop),
        Just(Action::DecTtl),
        Just(Action::DecMplsTtl),
        Just(Action::CopyTtlOut),
        Just(Action::CopyTtlIn),
        Just(Action::PushVlan(0x8100)),
        Just(Action::PopVlan),
        Just(Action::SetVlanVid(5)),
        Just(Action::PushMpls(0x8847)),
        prop::sample::select(vec![0x8847, 0x0800]).prop_map(Action::PopMpls),
        Just(Action::PushPbb(0x88e7)),
        Just(Action::PopPbb),
        (prop::option::of(0..4_u16), 0..3_u8)
            .prop_map(|(port, table)| Action::Resubmit { port, table: Some(table) }),
        (0..3_u8).prop_map(|table| Action::ResubmitTracked { port: None, table: Some(table) }),
    ]
}

/// Actions with much to say, as people write them.
const WORDY: [&str; 8] = [
    "sample(probability=9,collector_set_id=1,obs_domain_id=0,obs_point_id=0)",
    "bundle(eth_src,1,hrw,ofport,members:1,2,3)",
    "bundle(symmetric_l4,0,active_backup,ofport,members:9,2)",
    "bundle_load(symmetric_l4,0,hrw,ofport,NXM_NX_REG0[],members:1,2,3)",
    "controller(pause,userdata=01)",
    "ct(commit,zone=1,nat(src=10.0.0.1-10.0.0.9:1-9),exec(move:NXM_NX_REG0[]->NXM_NX_CT_MARK[]))",
    "ct(table=1,nat)",
    "ct(commit,nat(dst=10.0.0.1),table=2)",
];

fn wordy() -> impl Strategy<Value = Action> {
    prop::sample::select(&WORDY[..]).prop_map(|text| {
        let flow: Flow = format!("actions={text}").parse().expect("an action");
        flow.actions[0].clone()
    })
}

fn deciding() -> impl Strategy<Value = Action> {
    use HashFields::{EthSrc, IpDst, SymmetricL3L4Udp, SymmetricL4};
    let fields = prop::sample::select(vec![EthSrc, IpDst, SymmetricL3L4Udp, SymmetricL4]);
    let bit = SubField::new(Field::Reg0, 0, 1).expect("a bit");
    prop_oneof![
        4 => Just(Action::Output(port::NORMAL)),
        4 => wordy(),
        3 => (1..5_u32).prop_map(Action::Group),
        1 => Just(Action::CheckPacketLarger { length: 100, target: bit }),
        1 => Just(Action::FinTimeout { idle: 1, hard: 2 }),
        1 => Just(Action::CtClear),
        1 => Just(Action::Exit),
        2 => (any::<bool>(), prop::option::of(0..3_u8), sub_field()).prop_map(|(commit, table, source)| {
            Action::Ct(Box::new(Ct { commit, table, zone: CtZone::Field(source), ..Ct::default() }))
        }),
        2 => (fields, target()).prop_map(|(fields, target)| Action::Multipath(Box::new(Multipath {
            fields,
            basis: 1,
            algorithm: MultipathAlgorithm::Hrw,
            max_link: 3,
            argument: 0,
            target,
        }))),
        2 => (sub_field(), sub_field()).prop_map(|(source, target)| {
            let matches = LearnSpec::Match { source: LearnSource::Field(source), target };
            Action::Learn(Box::new(learn(vec![matches, LearnSpec::Output(source)])))
        }),
    ]
}

fn learn(specs: Vec<LearnSpec>) -> Learn {
    Learn {
        idle_timeout: 0,
        hard_timeout: 0,
        priority: 1,
        cookie: 0,
        table: 2,
        send_flow_removed: false,
        delete_learned: false,
        limit: 0,
        result: None,
        fin_idle_timeout: 1,
        fin_hard_timeout: 0,
        specs: specs.into(),
    }
}

fn action() -> impl Strategy<Value = Action> {
    let inner = || prop::collection::vec(prop_oneof![4 => simple(), 1 => deciding()], 0..3);
    prop_oneof![
        6 => simple(),
        3 => deciding(),
        1 => inner().prop_map(|actions| Action::Clone(actions.into())),
        1 => inner().prop_map(|actions| Action::WriteActions(actions.into())),
    ]
}

/// Groups of all kinds, some of which are executed by others.
fn groups(state: &mut State, buckets: &[Vec<Action>]) {
    let kinds = [GroupKind::All, GroupKind::Select, GroupKind::FastFailover, GroupKind::Indirect];
    for (i, kind) in kinds.into_iter().enumerate() {
        let of_kind = buckets.iter().cycle().skip(i).take(if kind == GroupKind::Indirect { 1 } else { 3 });
        let bucket = |(id, actions): (usize, &Vec<Action>)| Bucket {
            id: id as u32,
            weight: 1,
            watch_port: Some(id as u32),
            watch_group: None,
            // A group may execute only those that are there already.
            actions: actions
                .iter()
                .filter(|action| !matches!(action, Action::Group(id) if *id > i as u32))
                .cloned()
                .collect(),
        };
        let buckets = of_kind.enumerate().map(bucket).collect();
        let group = Group { id: i as u32 + 1, kind, buckets, ..Group::default() };
        // One that would execute itself, through a clone, is refused and then is not there.
        let _ = state.groups.apply(&GroupMod::Add(group), 0);
    }
}

/// Ports of several modes, a mirror, and some addresses that are known.
fn bridge(state: &mut State) {
    let bundle =
        |member, vlan_mode, tag| Bundle { members: vec![member], vlan_mode, tag, ..Bundle::default() };
    let mirror = Mirror {
        select_sources: vec![0],
        select_vlans: vec![0, 5],
        output_port: Some(3),
        ..Mirror::default()
    };
    let config = BridgeConfig {
        bundles: vec![bundle(0, VlanMode::Access, 5), bundle(1, VlanMode::NativeUntagged, 5)],
        mirrors: vec![mirror],
        ..BridgeConfig::default()
    };
    state.bridge.configure(config, &state.ports);
    for mac in 0..8 {
        state.macs.put_static(5 * (mac as u16 % 2), mac, mac as u32 % 4);
    }
}

fn matching() -> impl Strategy<Value = Match> {
    let ethertype = prop::sample::select(vec![
        None,
        Some(0x0800),
        Some(0x0806),
        Some(0x86dd),
        Some(0x8847),
        Some(0x88e7),
    ]);
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
    let kinds = vec![
        (0x0800, 6),
        (0x0800, 17),
        (0x0806, 0),
        (0x86dd, 6),
        (0x86dd, 58),
        (0x8847, 0),
        (0x88e7, 0),
        (0x1234, 0),
    ];
    let values = prop::collection::vec(0..16_u128, FIELDS.len());
    (prop::sample::select(kinds), values, 133..138_u128, 0..3_u128).prop_map(
        |((ethertype, proto), values, icmp_type, tags)| {
            let mut key = extract(&[0; 14], &Metadata::default()).expect("an Ethernet header").0;
            FIELDS.iter().zip(values).for_each(|(field, value)| key.set(*field, value));
            key.set(Field::EthType, ethertype);
            key.set(Field::IpProto, proto);
            for (i, field) in [Field::VlanTci, Field::InnerVlanTci].into_iter().enumerate() {
                let present = if tags > i as u128 { 0x1000 } else { 0 };
                key.set(field, (key.field(field) & !0x1000) | present);
            }
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
        buckets in prop::collection::vec(prop::collection::vec(action(), 0..3), 1..4),
        handling in 0..3_usize,
        packets in prop::collection::vec(packet(), 1..6),
        noise in any::<[u64; tulle_flow::KEY_WORDS]>(),
    ) {
        let mut state = State::new(Tables::new(1, 100));
        let mut continuations = Continuations::default();
        (0..4).for_each(|port| { state.ports.insert(port); });
        state.fragments = [FragmentHandling::Normal, FragmentHandling::Drop, FragmentHandling::Match][handling];
        groups(&mut state, &buckets);
        bridge(&mut state);
        options(&mut state);
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
