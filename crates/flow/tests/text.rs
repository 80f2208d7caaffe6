//! Flows as text: what is parsed comes back the same, and what is wrong is named.

use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tulle_flow::{
    Action, Bundle, BundleAlgorithm, Ct, CtZone, Field, Flow, HashFields, Key, Learn, LearnSource, LearnSpec,
    Match, Multipath, MultipathAlgorithm, Nat, NatKind, OPTION_BYTES, OptionValue, Sample, SampleDirection,
    SubField, TextError, ToController,
};

#[test]
fn a_flow_as_people_write_it_comes_back_in_canonical_form() {
    let cases = [
        ("actions=drop", "table=0,priority=32768 actions=drop"),
        (
            "table=3 priority=7 tcp nw_dst=10.0.1.0/24 tp_dst=80 actions=set_field:5->reg15,resubmit(,4)",
            "table=3,priority=7,tcp,nw_dst=10.0.1.0/24,tcp_dst=80 actions=set_field:0x5->reg15,resubmit(,4)",
        ),
        (
            "cookie=0x1,in_port=3,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=output:4,IN_PORT",
            "cookie=0x1,table=0,priority=32768,in_port=3,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 \
             actions=output:4,IN_PORT",
        ),
        (
            "icmp6,icmpv6_type=135,nd_target=fd00::1,actions=move:ipv6_src->ipv6_dst,set_field:136->icmpv6_type",
            "table=0,priority=32768,icmp6,icmpv6_type=135,nd_target=fd00::1 \
             actions=move:ipv6_src[]->ipv6_dst[],set_field:136->icmpv6_type",
        ),
        (
            "metadata=1,reg10=0/1,actions=move:reg14[0..15]->tun_id[40..55],load:7->reg15[8..15],dec_ttl,controller",
            "table=0,priority=32768,metadata=0x1,reg10=0x0/0x1 actions=move:reg14[0..15]->tun_id[40..55],\
             set_field:0x700/0xff00->reg15,dec_ttl,CONTROLLER:65535",
        ),
        (
            "udp6,tp_src=53,actions=goto_table:9",
            "table=0,priority=32768,udp6,udp_src=53 actions=goto_table:9",
        ),
        (
            "vlan_vid=0x100a/0x1fff,ip,nw_tos=32,nw_ecn=1,nw_frag=first actions=mod_vlan_vid:7,strip_vlan,mod_nw_tos:41",
            "table=0,priority=32768,ip,dl_vlan=10,nw_tos=32,nw_ecn=1,ip_frag=first \
             actions=mod_vlan_vid:7,pop_vlan,set_field:40/252->nw_tos",
        ),
        (
            "ct_state=+trk-new,tcp,tcp_flags=+syn-ack,dl_vlan_pcp=5 actions=ct(commit,zone=NXM_NX_REG0[0..15],\
             nat(src=10.0.0.1-10.0.0.9:1000-2000,random),exec(load:1->NXM_NX_CT_MARK[])),CONTROLLER",
            "table=0,priority=32768,tcp,ct_state=-new+trk,dl_vlan_pcp=5,tcp_flags=+syn-ack \
             actions=ct(commit,zone=reg0[0..15],nat(src=10.0.0.1-10.0.0.9:1000-2000,random),\
             exec(set_field:0x1->ct_mark)),CONTROLLER:65535",
        ),
        (
            "actions=learn(table=10,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],\
             load:NXM_OF_IN_PORT[]->NXM_NX_REG0[],output:NXM_OF_IN_PORT[],priority=5)",
            "table=0,priority=32768 actions=learn(table=10,priority=5,vlan_tci[0..11],dl_dst=dl_src[],\
             load:in_port[]->reg0[],output:in_port[])",
        ),
        (
            "conj_id=3,ip,actions=conjunction(4,1/2),note:00.1f,check_pkt_larger(1500)->reg0[3],resubmit(,5,ct)",
            "table=0,priority=32768,ip,conj_id=3 \
             actions=conjunction(4,1/2),note:00.1f,check_pkt_larger(1500)->reg0[3],resubmit(,5,ct)",
        ),
        (
            "mpls,mpls_label=5,mpls_bos=1 actions=pop_mpls:0x0800,clone(dec_ttl,output:3),group:7,\
             controller(userdata=01.02,pause,meter_id=5)",
            "table=0,priority=32768,mpls,mpls_label=5,mpls_bos=1 actions=pop_mpls:0x0800,clone(dec_ttl,output:3),\
             group:7,controller(reason=action,max_len=65535,id=0,userdata=01.02,pause,meter_id=5)",
        ),
        (
            "tun_metadata1,tun_metadata0=0x00ff,tun_metadata63=0x12345678901234567890123456789012345/0xf,\
             actions=set_field:0x1234/0xffff->tun_metadata0,load:5->tun_metadata7[4..7],set_field:0->tun_metadata2,\
             move:NXM_NX_TUN_METADATA1[0..159]->tun_metadata3[0..159]",
            "table=0,priority=32768,tun_metadata0=0xff,tun_metadata1,tun_metadata63=0x5/0xf \
             actions=set_field:0x1234/0xffff->tun_metadata0,set_field:0x50/0xf0->tun_metadata7,\
             set_field:0->tun_metadata2,move:tun_metadata1[0..159]->tun_metadata3[0..159]",
        ),
        (
            "eth_type=0x88e7,pbb_isid=0x60/0xf0,pbb_uca=1,actions=set_field:203->pbb_isid,pop_pbb,push_pbb:35047",
            "table=0,priority=32768,dl_type=0x88e7,pbb_isid=96/240,pbb_uca=1 \
             actions=set_field:203->pbb_isid,pop_pbb,push_pbb:0x88e7",
        ),
        (
            "ipv6,ipv6_exthdr=64/496,actions=",
            "table=0,priority=32768,ipv6,ipv6_exthdr=0x40/0x1f0 actions=drop",
        ),
        ("ip,nw_proto=47,nw_ttl=1,actions=", "table=0,priority=32768,ip,nw_proto=47,nw_ttl=1 actions=drop"),
    ];
    for (written, canonical) in cases {
        let flow: Flow = written.parse().unwrap_or_else(|error| panic!("{written}: {error}"));
        assert_eq!(flow.to_string(), canonical);
        assert_eq!(canonical.parse::<Flow>().as_ref(), Ok(&flow));
    }
}

#[test]
fn a_field_without_its_prerequisite_is_refused() {
    assert_eq!("nw_dst=10.0.0.1".parse::<Match>(), Err(TextError::MissingPrerequisite("nw_dst")));
    assert!("ip,tp_dst=80".parse::<Match>().is_err());
    assert!("tcp,tp_dst=80".parse::<Match>().is_ok());
}

#[test]
fn what_is_wrong_is_named() {
    for text in [
        "tun_metadata0=1,tun_metadata0=2",
        "tun_space0=1",
        "bogus=1",
        "tcp,tp_dst=70000",
        "dl_src=1:2",
        "nw_src",
        "reg0=x",
        "in_port=",
        "ip,nw_src=1.2.3.4/33",
    ] {
        assert!(text.parse::<Match>().is_err(), "{text}");
    }
    for text in [
        "push:tun_metadata0[0..128]",
        "set_field:1->tun_metadata64",
        "set_field:0x->tun_metadata1",
        "fly",
        "output:",
        "set_field:1",
        "move:reg0->tun_id",
        "load:4->reg0[0..1]",
        "set_field:1->reg0[32]",
    ] {
        assert!(text.parse::<Action>().is_err(), "{text}");
    }
}

#[test]
fn a_wider_match_contains_a_narrower_one_and_not_the_reverse() {
    let wide: Match = "ip,nw_dst=10.0.0.0/8".parse().unwrap();
    let narrow: Match = "tcp,nw_dst=10.1.2.3,tp_dst=80".parse().unwrap();
    assert!(wide.contains(&narrow) && !narrow.contains(&wide) && Match::ANY.contains(&wide));
}

fn any_field() -> impl Strategy<Value = Field> {
    let plain = Field::EVERY.iter().copied().filter(|field| !field.is_hidden() && field.option().is_none());
    prop::sample::select(plain.collect::<Vec<_>>())
}

fn any_subfield() -> impl Strategy<Value = SubField> {
    (any_field(), any::<u32>(), any::<u32>()).prop_map(|(field, a, b)| {
        let offset = a % field.bits();
        SubField::new(field, offset, 1 + b % (field.bits() - offset)).unwrap()
    })
}

/// A number as few bytes as it takes, with a mask or without.
fn any_option() -> impl Strategy<Value = OptionValue> {
    let bytes = prop::collection::vec((any::<u8>(), any::<u8>()), 0..=OPTION_BYTES);
    (0..64_u8, bytes, any::<bool>()).prop_map(|(index, bytes, is_masked)| {
        let first = bytes.iter().position(|(value, mask)| if is_masked { *mask != 0 } else { *value != 0 });
        let bytes = &bytes[first.unwrap_or(bytes.len())..];
        let of = |value: &(u8, u8)| if is_masked { value.0 & value.1 } else { value.0 };
        let mask = is_masked.then(|| bytes.iter().map(|(_, mask)| *mask).collect());
        OptionValue { index, value: bytes.iter().map(of).collect(), mask }
    })
}

fn option_bits() -> impl Strategy<Value = SubField> {
    (0..64_usize, 0..992_u32, any::<u32>()).prop_map(|(index, offset, b)| {
        SubField::new(Field::TUN_METADATA[index], offset, 1 + b % (992 - offset)).unwrap()
    })
}

fn one_bit() -> impl Strategy<Value = SubField> {
    (any_field(), any::<u32>()).prop_map(|(field, a)| SubField::new(field, a % field.bits(), 1).unwrap())
}

fn sending() -> impl Strategy<Value = Action> {
    prop_oneof![
        any::<u32>().prop_map(|port| if port == 0xffff_fffd { Action::DecTtl } else { Action::Output(port) }),
        (any::<u32>(), 14..u32::MAX).prop_map(|(port, max_len)| Action::OutputTruncated { port, max_len }),
        any_subfield().prop_map(Action::OutputField),
        any::<u16>().prop_map(|max_len| Action::Controller { max_len }),
        (any::<u16>(), 1..u16::MAX, any::<u8>(), any::<Vec<u8>>(), any::<bool>(), any::<Option<u32>>())
            .prop_map(|(max_len, controller, reason, userdata, pause, meter)| {
                let userdata = userdata.into();
                Action::ControllerWith(Box::new(ToController {
                    max_len,
                    controller,
                    reason,
                    userdata,
                    pause,
                    meter,
                }))
            }),
        (any::<u32>(), any::<u32>()).prop_map(|(port, queue)| Action::Enqueue { port, queue }),
        any::<u32>().prop_map(Action::SetQueue),
        Just(Action::PopQueue),
    ]
}

fn changing() -> impl Strategy<Value = Action> {
    prop_oneof![
        (any_field(), any::<u128>(), any::<u128>()).prop_map(|(field, value, mask)| {
            let mask = mask & field.ones();
            Action::Set { field, value: value & mask, mask }
        }),
        any_option().prop_map(|option| Action::SetOption(Box::new(option))),
        any_subfield().prop_map(|part| Action::Move { source: part, target: part }),
        option_bits().prop_map(|part| Action::Move { source: part, target: part }),
        any_subfield().prop_map(Action::Push),
        any_subfield().prop_map(Action::Pop),
        any::<u16>().prop_map(Action::PushVlan),
        Just(Action::PopVlan),
        (0..4096_u16).prop_map(Action::SetVlanVid),
        (0..8_u8).prop_map(Action::SetVlanPcp),
        any::<u16>().prop_map(Action::PushMpls),
        any::<u16>().prop_map(Action::PopMpls),
        any::<u16>().prop_map(Action::PushPbb),
        Just(Action::PopPbb),
        any::<u8>().prop_map(Action::SetMplsTtl),
        Just(Action::DecMplsTtl),
        Just(Action::CopyTtlOut),
        Just(Action::CopyTtlIn),
        any::<u8>().prop_map(Action::SetTtl),
        Just(Action::DecTtl),
        prop::collection::vec(any::<u16>(), 1..4).prop_map(|ids| Action::DecTtlTelling(ids.into())),
        (any::<u16>(), one_bit()).prop_map(|(length, target)| Action::CheckPacketLarger { length, target }),
        (any::<u64>(), any::<u64>())
            .prop_map(|(value, mask)| Action::WriteMetadata { value: value & mask, mask }),
    ]
}

fn going_on() -> impl Strategy<Value = Action> {
    let resubmit = || (any::<Option<u16>>(), any::<Option<u8>>());
    prop_oneof![
        resubmit().prop_map(|(port, table)| Action::Resubmit { port, table }),
        resubmit().prop_map(|(port, table)| Action::ResubmitTracked { port, table }),
        any::<u8>().prop_map(Action::GotoTable),
        any::<u32>().prop_map(Action::Group),
        any::<u32>().prop_map(Action::Meter),
        Just(Action::Exit),
        Just(Action::ClearActions),
        Just(Action::CtClear),
        (any::<u32>(), 2..=64_u8, any::<u8>()).prop_map(|(id, clauses, clause)| Action::Conjunction {
            id,
            clause: clause % clauses,
            clauses
        }),
        any::<Vec<u8>>().prop_map(|bytes| Action::Note(bytes.into())),
        (any::<u16>(), any::<u16>()).prop_map(|(idle, hard)| Action::FinTimeout { idle, hard }),
    ]
}

fn choosing() -> impl Strategy<Value = Action> {
    let fields = prop::sample::select(vec![
        HashFields::EthSrc,
        HashFields::SymmetricL4,
        HashFields::SymmetricL3L4,
        HashFields::SymmetricL3L4Udp,
        HashFields::SymmetricL3,
        HashFields::IpSrc,
        HashFields::IpDst,
    ]);
    let members = prop::collection::vec(any::<u32>(), 0..4);
    prop_oneof![
        (fields.clone(), any::<u16>(), any::<u16>(), any::<u32>(), any_subfield()).prop_map(
            |(fields, basis, max_link, argument, target)| Action::Multipath(Box::new(Multipath {
                fields,
                basis,
                algorithm: MultipathAlgorithm::Hrw,
                max_link,
                argument,
                target
            }))
        ),
        (fields, any::<u16>(), members, prop::option::of(any_subfield())).prop_map(
            |(fields, basis, members, target)| Action::Bundle(Box::new(Bundle {
                fields,
                basis,
                algorithm: BundleAlgorithm::ActiveBackup,
                members: members.into(),
                target
            }))
        ),
        (1..u16::MAX, any::<u32>(), any::<u32>(), any::<u32>()).prop_map(
            |(probability, collector_set, point, sampling_port)| Action::Sample(Box::new(Sample {
                probability,
                collector_set,
                observation_domain: 7,
                observation_point: point,
                sampling_port,
                direction: SampleDirection::Egress
            }))
        ),
    ]
}

fn nat() -> impl Strategy<Value = Nat> {
    let v4 = (any::<u32>(), any::<u32>())
        .prop_map(|(a, b)| (IpAddr::V4(Ipv4Addr::from(a.min(b))), IpAddr::V4(Ipv4Addr::from(a.max(b)))));
    let v6 = (any::<u128>(), any::<u128>())
        .prop_map(|(a, b)| (IpAddr::V6(Ipv6Addr::from(a.min(b))), IpAddr::V6(Ipv6Addr::from(a.max(b)))));
    let ports = prop::option::of((any::<u16>(), any::<u16>()).prop_map(|(a, b)| (a.min(b), a.max(b))));
    (prop_oneof![v4, v6], ports, any::<[bool; 4]>()).prop_map(|(addresses, ports, flags)| Nat {
        kind: if flags[0] { NatKind::Source } else { NatKind::Destination },
        addresses: Some(addresses),
        ports,
        persistent: flags[1],
        hash: flags[2],
        random: flags[3],
    })
}

fn tracking() -> impl Strategy<Value = Action> {
    let zone = prop_oneof![any::<u16>().prop_map(CtZone::Fixed), any_subfield().prop_map(CtZone::Field)];
    let exec = prop::collection::vec(changing(), 0..3);
    let parts = (any::<[bool; 2]>(), zone, any::<Option<u8>>(), prop::option::of(nat()), any::<u16>(), exec);
    parts.prop_map(|([commit, force], zone, table, nat, alg, exec)| {
        Action::Ct(Box::new(Ct { commit, force, zone, table, nat, alg, exec: exec.into() }))
    })
}

fn learning() -> impl Strategy<Value = Action> {
    let value =
        |target: SubField| LearnSource::Value(target.value(&Key { words: [0x55; tulle_flow::KEY_WORDS] }));
    let spec = prop_oneof![
        any_subfield().prop_map(move |target| LearnSpec::Match { source: value(target), target }),
        any_subfield().prop_map(|target| LearnSpec::Match { source: LearnSource::Field(target), target }),
        any_subfield().prop_map(move |target| LearnSpec::Load { source: value(target), target }),
        any_subfield().prop_map(LearnSpec::Output),
    ];
    let specs = prop::collection::vec(spec, 0..5);
    (any::<[u16; 5]>(), any::<(u64, u32)>(), any::<[bool; 2]>(), prop::option::of(one_bit()), specs).prop_map(
        |(numbers, (cookie, limit), flags, result, specs)| {
            Action::Learn(Box::new(Learn {
                idle_timeout: numbers[0],
                hard_timeout: numbers[1],
                priority: numbers[2],
                cookie,
                table: 9,
                send_flow_removed: flags[0],
                delete_learned: flags[1],
                limit,
                result,
                fin_idle_timeout: numbers[3],
                fin_hard_timeout: numbers[4],
                specs: specs.into(),
            }))
        },
    )
}

fn any_action() -> impl Strategy<Value = Action> {
    let flat = prop_oneof![sending(), changing(), going_on(), choosing(), tracking(), learning()];
    flat.prop_recursive(2, 8, 3, |inner| {
        let list = prop::collection::vec(inner, 0..3);
        prop_oneof![
            list.clone().prop_map(|actions| Action::Clone(actions.into())),
            list.prop_map(|actions| Action::WriteActions(actions.into())),
        ]
    })
}

fn any_match() -> impl Strategy<Value = Match> {
    let kinds =
        [(0x0800, 6), (0x0800, 17), (0x0800, 132), (0x86dd, 58), (0x0806, 0), (0x8847, 0), (0x9999, 0)];
    let parts = prop::collection::vec((any_field(), any::<u128>(), any::<u128>()), 0..6);
    (prop::sample::select(kinds.to_vec()), parts).prop_map(|((ethertype, proto), parts)| {
        let mut matching = Match::ANY;
        matching.require(Field::EthType, ethertype, 0xffff);
        if proto != 0 {
            matching.require(Field::IpProto, proto, 0xff);
        }
        for (field, value, mask) in parts {
            let said = matches!(field, Field::EthType | Field::IpProto);
            if !said && matching.guarantees(field.prerequisite()) {
                matching.require(field, value, if field.is_maskable() { mask } else { u128::MAX });
            }
        }
        matching
    })
}

proptest! {
    #[test]
    fn every_match_survives_its_text(matching in any_match()) {
        let text = matching.to_string();
        prop_assert_eq!(text.parse::<Match>(), Ok(matching), "{}", text);
    }

    #[test]
    fn every_list_of_actions_survives_its_text(actions in prop::collection::vec(any_action(), 0..6)) {
        let flow = Flow { actions, ..Flow::default() };
        prop_assert_eq!(flow.to_string().parse::<Flow>().unwrap(), flow);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,80}") {
        let _ = text.parse::<Flow>();
        let _ = text.parse::<Action>();
    }

    #[test]
    fn a_field_set_in_a_key_is_read_back_and_leaves_the_others(field in any_field(), value in any::<u128>()) {
        let mut key = tulle_flow::Key::ZERO;
        key.set(field, value);
        prop_assert_eq!(key.field(field), value & field.ones());
        let set: u32 = key.words.iter().map(|word| word.count_ones()).sum();
        prop_assert_eq!(set, (value & field.ones()).count_ones());
    }
}
