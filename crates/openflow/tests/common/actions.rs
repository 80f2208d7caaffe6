use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tulle_flow::*;
use tulle_openflow::check_actions;

use super::any_port_number;
use super::matching::{any_field, any_option, masked, wire_bits};

/// Consecutive bits of a field that the wire has, at most so many.
fn any_bits(most: u32) -> impl Strategy<Value = SubField> {
    let one_name = any_field().prop_filter("one name", |field| *field != Field::IpTos);
    let field = prop_oneof![9 => one_name, 1 => prop::sample::select(&Field::TUN_METADATA[..])];
    (field, any::<[u32; 2]>()).prop_map(move |(field, [bits, at])| {
        let bits = 1 + bits % wire_bits(field).min(most);
        SubField::new(field, at % (wire_bits(field) - bits + 1), bits).unwrap()
    })
}

/// Bits of a register.
fn any_target(bits: u32) -> impl Strategy<Value = SubField> {
    let register = prop::sample::select(vec![Field::Reg0, Field::Reg7, Field::Reg15, Field::XReg3]);
    (register, 0..=32 - bits).prop_map(move |(field, at)| SubField::new(field, at, bits).unwrap())
}

fn any_move() -> impl Strategy<Value = Action> {
    (any_bits(128), any_bits(128)).prop_map(|(mut source, mut target)| {
        let bits = source.bits.min(target.bits);
        (source.bits, target.bits) = (bits, bits);
        Action::Move { source, target }
    })
}

fn any_set() -> impl Strategy<Value = Action> {
    (any_field(), any::<u128>(), any::<u128>(), any::<bool>()).prop_map(|(field, value, mask, exact)| {
        let (value, mask) = masked(field, value, mask, exact);
        // What sets a VLAN id says that there is a tag.
        let tag = if field == Field::VlanVid { 0x1000 } else { 0 };
        Action::Set { field, value: (value | tag) & (mask | tag), mask: mask | tag }
    })
}

fn any_set_option() -> impl Strategy<Value = Action> {
    any_option(100).prop_map(|option| Action::SetOption(Box::new(option)))
}

fn any_to_controller() -> impl Strategy<Value = Action> {
    (any::<[u16; 2]>(), 0..6_u8, vec(any::<u8>(), 0..9), any::<bool>(), option::of(1..9_u32)).prop_map(
        |([max_len, controller], reason, userdata, pause, meter)| {
            let userdata = userdata.into();
            let to = ToController { max_len, controller, reason, userdata, pause, meter };
            Action::ControllerWith(Box::new(to))
        },
    )
}

fn any_hash() -> impl Strategy<Value = HashFields> {
    prop::sample::select(vec![
        HashFields::EthSrc,
        HashFields::SymmetricL4,
        HashFields::SymmetricL3L4,
        HashFields::SymmetricL3L4Udp,
        HashFields::SymmetricL3,
        HashFields::IpSrc,
        HashFields::IpDst,
    ])
}

fn any_choice() -> impl Strategy<Value = Action> {
    let algorithm = prop::sample::select(vec![MultipathAlgorithm::ModuloN, MultipathAlgorithm::IterHash]);
    let choice = prop::sample::select(vec![BundleAlgorithm::ActiveBackup, BundleAlgorithm::Hrw]);
    let members = vec(prop_oneof![any_port_number(), Just(port::NONE)], 0..5);
    let multipath = (any_hash(), any::<u16>(), algorithm, 0..16_u16, any::<u32>(), any_target(4)).prop_map(
        |(fields, basis, algorithm, max_link, argument, target)| {
            let multipath = Multipath { fields, basis, algorithm, max_link, argument, target };
            Action::Multipath(Box::new(multipath))
        },
    );
    let bundle = (any_hash(), any::<u16>(), choice, members, option::of(any_target(16))).prop_map(
        |(fields, basis, algorithm, members, target)| {
            let members = members.into();
            Action::Bundle(Box::new(Bundle { fields, basis, algorithm, members, target }))
        },
    );
    prop_oneof![multipath, bundle]
}

fn any_sample() -> impl Strategy<Value = Action> {
    let direction = prop::sample::select(vec![
        SampleDirection::Default,
        SampleDirection::Ingress,
        SampleDirection::Egress,
    ]);
    let sampled = prop_oneof![Just(port::NONE), any_port_number()];
    (1..u16::MAX, any::<[u32; 3]>(), sampled, direction).prop_map(
        |(probability, n, sampling_port, direction)| {
            let [collector_set, observation_domain, observation_point] = n;
            Action::Sample(Box::new(Sample {
                probability,
                collector_set,
                observation_domain,
                observation_point,
                sampling_port,
                direction,
            }))
        },
    )
}

fn any_range() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    let v4 = (1..1000_u32, 0..1000_u32)
        .prop_map(|(first, more)| (Ipv4Addr::from(first).into(), Ipv4Addr::from(first + more).into()));
    let v6 = (1..1000_u128, 0..1000_u128)
        .prop_map(|(first, more)| (Ipv6Addr::from(first).into(), Ipv6Addr::from(first + more).into()));
    prop_oneof![v4, v6]
}

fn any_nat() -> impl Strategy<Value = Nat> {
    let ports = option::of((1..9_u16, 0..9_u16).prop_map(|(first, more)| (first, first + more)));
    let kind = prop::sample::select(vec![NatKind::Existing, NatKind::Source, NatKind::Destination]);
    (kind, option::of(any_range()), ports, any::<bool>(), 0..3_u8).prop_map(
        |(kind, addresses, ports, persistent, choice)| {
            if kind == NatKind::Existing {
                let (addresses, ports) = (None, None);
                return Nat { kind, addresses, ports, persistent: false, hash: false, random: false };
            }
            let ports = ports.filter(|_| addresses.is_some());
            Nat { kind, addresses, ports, persistent, hash: choice == 1, random: choice == 2 }
        },
    )
}

fn any_ct() -> impl Strategy<Value = Action> {
    let zone = prop_oneof![any::<u16>().prop_map(CtZone::Fixed), any_target(16).prop_map(CtZone::Field)];
    let exec = vec(
        prop_oneof![
            any::<u32>().prop_map(|value| Action::Set {
                field: Field::CtMark,
                value: value.into(),
                mask: Field::CtMark.ones()
            }),
            any_target(8).prop_map(|source| Action::Move {
                source,
                target: SubField::new(Field::CtLabel, 3, 8).unwrap()
            }),
        ],
        0..3,
    );
    let flags = any::<[bool; 2]>();
    (flags, zone, option::of(0..255_u8), option::of(any_nat()), any::<u16>(), exec).prop_map(
        |([commit, force], zone, table, nat, alg, exec)| {
            let exec = exec.into();
            Action::Ct(Box::new(Ct { commit, force, zone, table, nat, alg, exec }))
        },
    )
}

fn any_spec() -> impl Strategy<Value = LearnSpec> {
    let source = || {
        prop_oneof![
            any::<u8>().prop_map(|value| LearnSource::Value(value.into())),
            any_target(8).prop_map(LearnSource::Field),
        ]
    };
    prop_oneof![
        (source(), any_target(8)).prop_map(|(source, target)| LearnSpec::Match { source, target }),
        (source(), any_target(8)).prop_map(|(source, target)| LearnSpec::Load { source, target }),
        any_target(16).prop_map(LearnSpec::Output),
    ]
}

fn any_learn() -> impl Strategy<Value = Action> {
    let numbers = (any::<[u16; 5]>(), any::<u64>(), 0..255_u8, any::<[bool; 2]>(), 0..3_u32);
    (numbers, option::of(any_target(1)), vec(any_spec(), 0..4)).prop_map(
        |((n, cookie, table, [send_flow_removed, delete_learned], limit), result, specs)| {
            Action::Learn(Box::new(Learn {
                idle_timeout: n[0],
                hard_timeout: n[1],
                priority: n[2],
                cookie,
                table,
                send_flow_removed,
                delete_learned,
                limit,
                result,
                fin_idle_timeout: n[3],
                fin_hard_timeout: n[4],
                specs: specs.into(),
            }))
        },
    )
}

fn any_plain() -> impl Strategy<Value = Action> {
    prop::sample::select(vec![
        Action::PopQueue,
        Action::PopVlan,
        Action::DecMplsTtl,
        Action::CopyTtlIn,
        Action::CopyTtlOut,
        Action::DecTtl,
        Action::CtClear,
        Action::Exit,
        Action::PushVlan(0x8100),
        Action::PushVlan(0x88a8),
        Action::PushMpls(0x8847),
        Action::PopMpls(0x0800),
        Action::PushPbb(0x88e7),
        Action::PopPbb,
        Action::SetVlanPcp(3),
        Action::SetVlanVid(77),
        Action::Enqueue { port: 3, queue: 4 },
        Action::OutputTruncated { port: 5, max_len: 100 },
        Action::FinTimeout { idle: 3, hard: 4 },
        Action::DecTtlTelling(vec![1, 2, 3].into()),
        Action::Note(vec![1; 14].into()),
        Action::Meter(5),
    ])
}

fn any_numbered() -> impl Strategy<Value = Action> {
    let port = || option::of(0..0xff00_u16);
    prop_oneof![
        any_port_number().prop_map(Action::Output),
        any::<u16>().prop_map(|max_len| Action::Controller { max_len }),
        any::<u32>().prop_map(Action::SetQueue),
        any::<u8>().prop_map(Action::SetMplsTtl),
        any::<u8>().prop_map(Action::SetTtl),
        (0..0xffff_ff00_u32).prop_map(Action::Group),
        (port(), option::of(0..255_u8)).prop_map(|(port, table)| Action::Resubmit { port, table }),
        (port(), option::of(0..255_u8)).prop_map(|(port, table)| Action::ResubmitTracked { port, table }),
        (any::<u16>(), any_target(1))
            .prop_map(|(length, target)| Action::CheckPacketLarger { length, target }),
    ]
}

pub fn any_action() -> impl Strategy<Value = Action> {
    let leaf = prop_oneof![
        any_plain(),
        any_numbered(),
        any_set(),
        any_set_option(),
        any_move(),
        any_bits(64).prop_map(Action::OutputField),
        any_bits(128).prop_map(Action::Push),
        any_bits(128).prop_map(Action::Pop),
        any_to_controller(),
        any_choice(),
        any_sample(),
        any_ct(),
        any_learn(),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| vec(inner, 0..3).prop_map(|actions| Action::Clone(actions.into())))
}

/// Those of the actions that may follow one another in a flow of this match.
pub fn consistent(candidates: Vec<Action>, matching: Option<&Match>) -> Vec<Action> {
    let mut actions = Vec::new();
    for action in candidates {
        actions.push(action);
        if check_actions(&actions, matching).is_err() {
            actions.pop();
        }
    }
    actions
}
