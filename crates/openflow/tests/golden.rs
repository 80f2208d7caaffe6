//! Bytes that `ovs-ofctl` 3.1 sent, or that the standard's tables give, and what they mean.

mod common;

use common::{emitted, hex};
use tulle_flow::{Action, Field, Flow, Match, SubField, port};
use tulle_openflow::*;

fn parsed(text: &str) -> (Xid, Message) {
    let bytes = hex(text);
    Message::parse(&bytes).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn parsed_flow_mod(text: &str) -> FlowMod {
    let (_, message) = parsed(text);
    let Message::FlowMod(flow_mod) = message else { panic!("not a flow mod: {message:?}") };
    flow_mod
}

fn request(request: MultipartRequest) -> Message {
    Message::MultipartRequest { more: false, request }
}

/// `ovs-ofctl add-flow` with every kind of action.
const ADD_FLOW: &str = "040e01a000000006
    0000000000000007 0000000000000000 03 00 0000 0000 0005 ffffffff ffffffff ffffffff 0000 0000
    0001006a 80000a020800 80000c021005 80000e0100 00013401 00 80001001 08 80001401 06 80001c02 0050
    ffff5508 4f4e4600 00020002 80004c08 0000000000000006 00013e04 01020304 00010108 00000001 000000ff
    80000510 0000000000000005 00000000000000ff 000000000000
    000400f8 00000000
    ffff001800002320 0007001f 00010404 0000000000000003
    00190010 00010404 00000003 00000000
    ffff001800002320 00070007 00010404 0000000000000003
    ffff001800002320 00070003 00010604 0000000000000004
    ffff001800002320 00060020 00000000 00010004 00010204
    ffff001800002320 000f001f 00010a04 ffff000000000000
    ffff001000002320 000efff8 04000000
    ffff001000002320 000e0007 08000000
    00180008 00000000
    00000010 fffffff8 0000000000000000
    00000010 fffffffd ffff000000000000
    00000010 fffffffd 0063000000000000
    00190010 80000408 0000000000000007
    00010008 09000000";

#[test]
fn a_flow_that_ovs_ofctl_adds_is_understood() {
    let flow: Flow = "cookie=7,table=3,priority=5,tcp,reg0=1/0xff,metadata=5/0xff,tun_id=6,tun_src=1.2.3.4,\
        tcp_dst=80,tcp_flags=2/2,vlan_tci=0x1005,ip_frag=0,\
        actions=set_field:3->reg2,set_field:3->reg2,set_field:0x3/0xff->reg2,load:4->reg3[0..3],\
        move:reg0->reg1,output:reg5,resubmit(,4),resubmit(7,8),dec_ttl,IN_PORT,controller,controller:99,\
        set_field:7->metadata,goto_table:9"
        .parse()
        .unwrap();
    let mut expected = FlowMod::add(flow);
    expected.flow.matching.require(Field::IpTos, 0x20, 0xfc);
    assert_eq!(parsed_flow_mod(ADD_FLOW), expected);
}

#[test]
fn a_flow_is_emitted_as_ovs_ofctl_emits_it() {
    let given =
        hex("040e005800000006 0000000000000000 0000000000000000 00 00 0000 0000 0005 ffffffff ffffffff
        ffffffff 0000 0000 00010028 80000a0286dd 800014013a 80003a0187
        80003e10fe800000000000000000000000000001");
    let flow: Flow = "priority=5,icmp6,icmpv6_type=135,nd_target=fe80::1 actions=drop".parse().unwrap();
    assert_eq!(emitted(&Message::FlowMod(FlowMod::add(flow)), Version::V13, 6), given);
}

#[test]
fn deleting_carries_its_filters() {
    let deleted = parsed_flow_mod(
        "040e004000000006 0000000000000005 000000000000000f 01 03 0000 0000 8000 ffffffff 00000003 ffffffff
        0000 0000 0001000a 80000a020800 000000000000",
    );
    let mut expected = FlowMod::delete(1, "ip".parse().unwrap());
    expected.flow.priority = 0x8000;
    (expected.flow.cookie, expected.cookie_mask, expected.out_port) = (5, 0xf, Some(3));
    assert_eq!(deleted, expected);
}

#[test]
fn strict_deletion_in_every_table_is_understood() {
    let text = "040e003800000006 0000000000000005 ffffffffffffffff ff 04 0000 0000 0003 ffffffff ffffffff
        ffffffff 0000 0000 00010004 00000000";
    let deleted = parsed_flow_mod(text);
    assert_eq!((deleted.command, deleted.flow.table), (FlowModCommand::DeleteStrict, TABLE_ALL));
    assert_eq!((deleted.flow.priority, deleted.cookie_mask), (3, u64::MAX));
    assert_eq!(emitted(&Message::FlowMod(deleted), Version::V13, 6), hex(text));
}

/// The names of a field's other classes: Nicira's for IPv6 addresses, and parts of them.
#[test]
fn moves_name_fields_in_niciras_classes() {
    let flow_mod = parsed_flow_mod(
        "040e008800000006 0000000000000000 0000000000000000 03 00 0000 0000 8000 ffffffff ffffffff ffffffff
        0000 0000 0001001a 80000a0286dd 80000c020000 800014013a 80003a0188 000000000000 00040038 00000000
        ffff001800002320 0006 0080 0000 0000 00012610 00012810
        ffff001800002320 0006 0004 0000 0005 00012610 00010004",
    );
    let whole = SubField::whole;
    let part = |field, offset| SubField::new(field, offset, 4).unwrap();
    let expected = [
        Action::Move { source: whole(Field::Ipv6Src), target: whole(Field::Ipv6Dst) },
        Action::Move { source: part(Field::Ipv6Src, 0), target: part(Field::Reg0, 5) },
    ];
    assert_eq!(flow_mod.flow.actions, expected);
    assert_eq!(flow_mod.flow.matching.exact(Field::VlanTci), Some(0), "no VLAN");
}

#[test]
fn metadata_written_by_instruction_stands_after_the_actions() {
    let flow_mod = parsed_flow_mod(
        "040e008000000006 0000000000000000 0000000000000000 03 00 0000 0000 8000 ffffffff ffffffff ffffffff
        0000 0000 00010014 80000a0286dd 800014013a 80003a0188 00000000 00040020 00000000
        ffff001800002320 0007 0007 00000a01 0000000000000004
        00020018 00000000 0000000000000005 00000000000000ff",
    );
    let tos = Action::Set { field: Field::IpTos, value: 4, mask: 0xfc };
    let metadata = Action::WriteMetadata { value: 5, mask: 0xff };
    assert_eq!(flow_mod.flow.actions, [tos, metadata]);
}

#[test]
fn a_masked_vlan_and_arp_are_matched() {
    let flow_mod = parsed_flow_mod(
        "040e009800000006 0000000000000000 0000000000000000 03 00 0000 0000 8000 ffffffff ffffffff ffffffff
        0000 0000 0001002e 80000a020806 80000d0400050005 80002a020001 80002d0801020300ffffff00
        80003006010203040506 0000 00040038 00000000 00000010 00000005 0000000000000000
        00000010 fffffffc 0000000000000000 00000010 fffffffa 0000000000000000",
    );
    let matching: Match = "arp,vlan_tci=5/5,arp_op=1,arp_sha=1:2:3:4:5:6,arp_spa=1.2.3.0/24".parse().unwrap();
    assert_eq!(flow_mod.flow.matching, matching);
    assert_eq!(flow_mod.flow.actions, [5, port::ALL, port::NORMAL].map(Action::Output));
}

#[test]
fn requests_of_ovs_ofctl_are_understood_and_emitted_the_same() {
    let all_flows = FlowStatsRequest::default();
    let to_port_3 = FlowStatsRequest { out_port: Some(3), ..FlowStatsRequest::default() };
    let cases = [
        ("0400001000000001 0001000800000010", Message::Hello(Hello { versions: Some(1 << 4) })),
        ("0405000800000002", Message::FeaturesRequest),
        ("0407000800000002", Message::ConfigRequest),
        ("0409000c00000003 0000fffe", Message::SetConfig(Config { flags: 0, miss_send_len: 0xfffe })),
        ("0414000800000004", Message::BarrierRequest),
        ("0404001400000005 00002320 00000010 00000000", Message::SetPacketInFormat(PacketInFormat::Standard)),
        ("0412001000000002 0000000000000000", request(MultipartRequest::Description)),
        (
            "0412003800000002 0001000000000000 ff000000 ffffffff ffffffff 00000000 0000000000000000
             0000000000000000 00010004 00000000",
            request(MultipartRequest::Flows(all_flows)),
        ),
        (
            "0412003800000006 0002000000000000 ff000000 00000003 ffffffff 00000000 0000000000000000
             0000000000000000 00010004 00000000",
            request(MultipartRequest::Aggregate(to_port_3)),
        ),
        ("0412001000000002 0003000000000000", request(MultipartRequest::Tables)),
        (
            "0412001800000002 0004000000000000 ffffffff 00000000",
            request(MultipartRequest::PortStats(port::NONE)),
        ),
        ("0412001000000002 000c000000000000", request(MultipartRequest::TableFeatures(Vec::new()))),
        ("0412001000000002 000d000000000000", request(MultipartRequest::Ports(port::NONE))),
        (
            "040d004600000006 ffffffff 00000001 0020000000000000 00000010 00000002 0000000000000000
             00000010 fffffffd 0028000000000000 ffffffffffff0102030405060800",
            Message::PacketOut(PacketOut {
                in_port: 1,
                actions: vec![Action::Output(2), Action::Controller { max_len: 40 }],
                data: hex("ffffffffffff0102030405060800"),
                ..PacketOut::default()
            }),
        ),
    ];
    for (text, message) in cases {
        let (xid, got) = parsed(text);
        assert_eq!(got, message, "{text}");
        assert_eq!(emitted(&message, Version::V13, xid), hex(text), "{message:?}");
    }
}

/// A flow mod of table 3 with these match fields and instructions, both given in hexadecimal.
fn flow_mod_with(fields: &str, instructions: &str) -> Vec<u8> {
    let (fields, instructions) = (hex(fields), hex(instructions));
    let match_len = 4 + fields.len();
    let mut bytes = hex("040e000000000063 0000000000000000 0000000000000000 03 00 0000 0000 8000 ffffffff
        ffffffff ffffffff 0000 0000");
    bytes.extend([0, 1, 0, match_len as u8]);
    bytes.extend(fields);
    bytes.resize(48 + match_len.next_multiple_of(8), 0);
    bytes.extend(instructions);
    bytes[3] = bytes.len() as u8;
    bytes
}

/// An instruction that applies one action.
fn apply(action: &str) -> String {
    format!("0004{:04x} 00000000 {action}", 8 + hex(action).len())
}

#[test]
fn older_classes_name_the_same_fields() {
    let cases = [
        ("00000002 fffe", "in_port=LOCAL"),
        ("00000002 0005", "in_port=5"),
        ("00000602 0800 00000e04 0a000001 00000c01 06 00001402 0050", "tcp,nw_src=10.0.0.1,tcp_dst=80"),
        (
            "00000602 86dd 00000c01 3a 00012a01 87 00012e10 fe800000000000000000000000000001",
            "icmp6,icmpv6_type=135,nd_target=fe80::1",
        ),
        ("00000602 0800 00000c01 06 00014402 0002", "tcp,tcp_flags=2"),
        ("00000904 1000 1000", "vlan_tci=0x1000/0x1000"),
    ];
    for (fields, text) in cases {
        let bytes = flow_mod_with(fields, "");
        let (_, message) = Message::parse(&bytes).unwrap_or_else(|error| panic!("{fields}: {error}"));
        let Message::FlowMod(flow_mod) = message else { panic!("{message:?}") };
        assert_eq!(flow_mod.flow.matching, text.parse::<Match>().unwrap(), "{fields}");
    }
}

#[test]
fn bits_that_do_not_adjoin_are_loaded_with_a_mask() {
    let action = Action::Set { field: Field::Reg3, value: 0x101, mask: 0x101 };
    let flow = Flow { table: 3, priority: 0x8000, actions: vec![action], ..Flow::default() };
    let bytes = flow_mod_with("", &apply("ffff0018 00002320 0021 00010708 00000101 00000101 0000"));
    assert_eq!(emitted(&Message::FlowMod(FlowMod::add(flow.clone())), Version::V13, 0x63), bytes);
    assert_eq!(Message::parse(&bytes), Ok((0x63, Message::FlowMod(FlowMod::add(flow)))));
}

#[test]
fn what_is_wrong_with_a_flow_has_the_error_of_the_standard() {
    let cases = [
        ("80000a020800 80000a020800", String::new(), ErrorCode::DuplicateField),
        ("80002202 0050", String::new(), ErrorCode::BadPrerequisite),
        ("80004e02 0050", String::new(), ErrorCode::BadPrerequisite),
        ("80005002 0050", String::new(), ErrorCode::BadField),
        ("80000a0286dd 80004e020200", String::new(), ErrorCode::BadValue),
        ("80000a020800 80001502 060f", String::new(), ErrorCode::BadMask),
        ("80005804 00010000", String::new(), ErrorCode::BadValue),
        ("00010004 00000001 80010008 0000000000000000", String::new(), ErrorCode::DuplicateField),
        ("80001604 0a000001", String::new(), ErrorCode::BadPrerequisite),
        ("8000fe04 0a000001", String::new(), ErrorCode::BadField),
        ("80000a03 080000", String::new(), ErrorCode::BadMatchLength),
        ("80000a0286dd 80003804 00100000", String::new(), ErrorCode::BadValue),
        ("00010108 000000ff 0000000f", String::new(), ErrorCode::BadWildcards),
        ("80000a020800 80001001 ff", String::new(), ErrorCode::BadValue),
        ("80000a02", String::new(), ErrorCode::BadMatchLength),
        ("", "00010008 03000000".into(), ErrorCode::BadGotoTable),
        ("", "00010008 ff000000".into(), ErrorCode::BadGotoTable),
        ("", "00010007 04000000".into(), ErrorCode::BadInstructionLength),
        ("", "00010010 04000000".into(), ErrorCode::BadInstructionLength),
        ("", "00060008 00000000".into(), ErrorCode::InvalidMeter),
        ("", "00050008 00000000 00050008 00000000".into(), ErrorCode::DuplicateInstruction),
        ("", "00030018 00000000 ffff001000002320 0011000000000000".into(), ErrorCode::BadActionType),
        ("", "00990008 00000001".into(), ErrorCode::UnknownInstruction),
        ("", "ffff0008 00000001".into(), ErrorCode::BadInstructionExperimenter),
        ("", apply("001e0008 00000000"), ErrorCode::BadActionType),
        ("", apply("001a0008 88a80000"), ErrorCode::BadActionArgument),
        ("", apply("001b0008 00000000"), ErrorCode::MatchInconsistent),
        ("", apply("00110008 00000000"), ErrorCode::BadActionArgument),
        ("", apply("00120008 00000000"), ErrorCode::MatchInconsistent),
        ("", apply("00180008 00000000"), ErrorCode::MatchInconsistent),
        ("", apply("00190010 80001c02 0050000000000000"), ErrorCode::MatchInconsistent),
        ("", apply("00190010 80000a02 0800000000000000"), ErrorCode::BadSetType),
        ("", apply("00190010 0001d604 0000000500000000"), ErrorCode::BadSetArgument),
        ("", apply("00190018 8000070c 000000000001 000000000001 00000000"), ErrorCode::BadSetMask),
        ("", apply("00160008 ffffff01"), ErrorCode::BadOutGroup),
        ("", apply("00000010 0000ff00 0000000000000000"), ErrorCode::BadOutPort),
        ("", apply("ffff0010 00002320 0022010100000001"), ErrorCode::BadConjunction),
        ("", apply("ffff0010 00002320 0022010200000001 00180008 00000000"), ErrorCode::BadConjunction),
        (
            "",
            apply("ffff0020 00002320 002a000000000000 ffff001000002320 0024000000000000"),
            ErrorCode::BadSetArgument,
        ),
        ("", apply("00000000 00000000"), ErrorCode::BadActionLength),
        ("", apply("00000018 00000001"), ErrorCode::BadActionLength),
        ("", apply("00000010 00000000 0000000000000000"), ErrorCode::BadOutPort),
        ("", apply("ffff0010 00000001 0001000000000000"), ErrorCode::BadActionExperimenter),
        ("", apply("ffff0010 00002320 00ff000000000000"), ErrorCode::BadActionExperimenterType),
        ("", apply("ffff0018 00002320 0007 0803 00010604 0000000000000004"), ErrorCode::BadActionArgument),
        ("", apply("ffff0018 00002320 0007 0003 00010604 0000000000000010"), ErrorCode::BadActionArgument),
        ("", apply("00190010 8000fe04 00000003 00000000"), ErrorCode::BadSetType),
        ("", apply("00190010 00010403 00000300 00000000"), ErrorCode::BadSetLength),
        ("", apply("00190010 80001001 ff000000 00000000"), ErrorCode::BadSetArgument),
    ];
    for (fields, instructions, code) in cases {
        let bytes = flow_mod_with(fields, &instructions);
        let error = Message::parse(&bytes).expect_err(&format!("{fields} {instructions}"));
        assert_eq!((error.xid, error.code), (0x63, code), "{fields} {instructions}");
        assert_eq!(error.offending, bytes[..bytes.len().min(64)]);
    }
}

#[test]
fn what_is_wrong_with_a_request_has_the_error_of_the_standard() {
    let cases = [
        ("0305000800000002", ErrorCode::BadVersion),
        ("0463000800000002", ErrorCode::BadType),
        ("0405000a00000002 0000", ErrorCode::BadRequestLength),
        ("0405000a00000002", ErrorCode::BadRequestLength),
        ("0405", ErrorCode::BadRequestLength),
        ("0412001000000002 000e000000000000", ErrorCode::BadMultipart),
        ("0412001800000002 ffff000000000000 0000000100000000", ErrorCode::BadExperimenter),
        ("0412001800000002 ffff000000000000 0000232000000063", ErrorCode::BadExperimenterType),
        ("0412001000000002 0003000100000000", ErrorCode::MultipartOverflow),
        ("0412001800000002 000c000000000000 0000000000000000", ErrorCode::BadPropertyLength),
        ("0404001000000002 00000001 00000010", ErrorCode::BadExperimenter),
        ("0404001000000002 00002320 000000ff", ErrorCode::BadExperimenterType),
        ("0404001400000002 00002320 00000010 00000003", ErrorCode::RequestNotPermitted),
        ("0418001800000002 00000009 00000000 0000000000000000", ErrorCode::BadRole),
        (
            "040e003800000006 0000000000000000 0000000000000000 ff 00 0000 0000 0003 ffffffff ffffffff
             ffffffff 0000 0000 00010004 00000000",
            ErrorCode::BadFlowModTable,
        ),
        (
            "040e003800000006 0000000000000000 0000000000000000 00 05 0000 0000 0003 ffffffff ffffffff
             ffffffff 0000 0000 00010004 00000000",
            ErrorCode::BadFlowModCommand,
        ),
        (
            "040e003800000006 0000000000000000 0000000000000000 00 00 0000 0000 0003 ffffffff ffffffff
             ffffffff 0020 0000 00010004 00000000",
            ErrorCode::BadFlowModFlags,
        ),
        (
            "040e003800000006 0000000000000000 0000000000000000 00 00 0000 0000 0003 ffffffff ffffffff
             ffffffff 0000 0000 00000004 00000000",
            ErrorCode::BadMatchType,
        ),
    ];
    for (text, code) in cases {
        let error = Message::parse(&hex(text)).expect_err(text);
        assert_eq!(error.code, code, "{text}");
    }
}

#[test]
fn what_has_no_wire_form_is_refused_and_leaves_nothing_behind() {
    let mut out = vec![1, 2, 3];
    let many = Flow { actions: vec![Action::Output(1); 5000], ..Flow::default() };
    let emitted = Message::FlowMod(FlowMod::add(many)).emit(Version::V13, 1, &mut out);
    assert_eq!(emitted, Err(EmitError::TooLong(80064)));
    let tos = SubField::whole(Field::IpTos);
    let flow = Flow { actions: vec![Action::OutputField(tos)], ..Flow::default() };
    let emitted = Message::FlowMod(FlowMod::add(flow)).emit(Version::V13, 1, &mut out);
    assert_eq!(emitted, Err(EmitError::NoSuchSubField(tos)));
    assert_eq!(out, [1, 2, 3]);
}

#[test]
fn a_large_packet_is_cut_to_what_a_message_holds() {
    let packet = PacketIn { total_len: 70_000, data: vec![7; 70_000], ..PacketIn::default() };
    let bytes = emitted(&Message::PacketIn(packet), Version::V13, 1);
    let (_, Message::PacketIn(back)) = Message::parse(&bytes).unwrap() else { panic!("{:?}", &bytes[..8]) };
    assert_eq!((bytes.len(), back.total_len, back.data.len()), (65535, 65535, 65535 - 34));
}
