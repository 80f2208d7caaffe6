//! Flows as text: what is parsed comes back the same, and what is wrong is named.

use proptest::prelude::*;
use tulle_flow::{Action, Field, Flow, Match, SubField, TextError};

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
    for text in
        ["bogus=1", "tcp,tp_dst=70000", "dl_src=1:2", "nw_src", "reg0=x", "in_port=", "ip,nw_src=1.2.3.4/33"]
    {
        assert!(text.parse::<Match>().is_err(), "{text}");
    }
    for text in
        ["fly", "output:", "set_field:1", "move:reg0->tun_id", "load:4->reg0[0..1]", "set_field:1->reg0[32]"]
    {
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
    (0..Field::ALL.len()).prop_map(|i| Field::ALL[i])
}

fn any_action() -> impl Strategy<Value = Action> {
    let subfield = || {
        (any_field(), any::<u32>(), any::<u32>()).prop_map(|(field, a, b)| {
            let offset = a % field.bits();
            SubField::new(field, offset, 1 + b % (field.bits() - offset)).unwrap()
        })
    };
    prop_oneof![
        any::<u32>().prop_map(|port| if port == 0xffff_fffd { Action::DecTtl } else { Action::Output(port) }),
        subfield().prop_map(Action::OutputField),
        any::<u16>().prop_map(|max_len| Action::Controller { max_len }),
        (any_field(), any::<u128>(), any::<u128>()).prop_map(|(field, value, mask)| {
            let mask = mask & field.ones();
            Action::Set { field, value: value & mask, mask }
        }),
        subfield().prop_map(|part| Action::Move { source: part, target: part }),
        Just(Action::DecTtl),
        (any::<Option<u16>>(), any::<Option<u8>>())
            .prop_map(|(port, table)| Action::Resubmit { port, table }),
        any::<u8>().prop_map(Action::GotoTable),
    ]
}

proptest! {
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
