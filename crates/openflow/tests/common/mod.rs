//! Messages of every kind that come back from the wire as they were, for properties.

#![allow(dead_code)] // each test binary uses a part

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tulle_flow::{Action, Field, Flow, Match, SubField, port};
use tulle_openflow::*;

pub fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap()).collect()
}

pub fn emitted(message: &Message, xid: Xid) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.emit(xid, &mut bytes).unwrap_or_else(|error| panic!("{message:?}: {error}"));
    bytes
}

/// How many bits the wire has for a field.
fn wire_bits(field: Field) -> u32 {
    match field {
        Field::IcmpType | Field::IcmpCode | Field::Icmpv6Type | Field::Icmpv6Code => 8,
        Field::Ipv6Label => 20,
        Field::TcpFlags => 12,
        Field::IpFrag => 2,
        _ => field.bits(),
    }
}

fn any_field() -> impl Strategy<Value = Field> {
    (0..Field::ALL.len()).prop_map(|i| Field::ALL[i])
}

/// A value and a mask that is not zero; a mask of all that the wire has counts as the whole field.
fn masked(field: Field, value: u128, mask: u128, exact: bool) -> (u128, u128) {
    let wire = u128::MAX >> (128 - wire_bits(field));
    // The type of service is two fields on the wire: touch both, so that they come back as one.
    let forced = if field == Field::IpTos { 0x05 } else { 1 };
    let mask = if exact { wire } else { (mask & wire) | forced };
    (value & mask, if mask == wire { field.ones() } else { mask })
}

pub fn any_match() -> impl Strategy<Value = Match> {
    let protocol = prop::sample::select(vec![
        (None, None, None),
        (Some(0x0806), None, None),
        (Some(0x0800), None, None),
        (Some(0x0800), Some(1), None),
        (Some(0x0800), Some(6), None),
        (Some(0x86dd), Some(17), None),
        (Some(0x86dd), Some(58), None),
        (Some(0x86dd), Some(58), Some(135)),
        (Some(0x86dd), Some(58), Some(136)),
    ]);
    let fields = vec((any_field(), any::<u128>(), any::<u128>(), any::<bool>()), 0..12);
    (protocol, fields).prop_map(|((ethertype, proto, icmpv6_type), fields)| {
        let mut matching = Match::ANY;
        let exact = [(Field::EthType, ethertype), (Field::IpProto, proto), (Field::Icmpv6Type, icmpv6_type)];
        for (field, value) in exact {
            value.into_iter().for_each(|value| matching.require(field, value, u128::MAX));
        }
        for (field, value, mask, whole) in fields {
            let fixed = exact.iter().any(|(other, _)| *other == field);
            if !fixed && matching.guarantees(field.prerequisite()) {
                let (value, mask) = masked(field, value, mask, whole);
                matching.require(field, value, mask);
            }
        }
        matching
    })
}

fn two_sub_fields() -> impl Strategy<Value = (SubField, SubField)> {
    // The type of service has no one name on the wire.
    let named = || any_field().prop_map(|field| if field == Field::IpTos { Field::IpTtl } else { field });
    (named(), named(), any::<[u32; 3]>()).prop_map(|(source, target, [bits, at, to])| {
        let bits = 1 + bits % wire_bits(source).min(wire_bits(target)).min(64);
        let place =
            |field: Field, at: u32| SubField::new(field, at % (wire_bits(field) - bits + 1), bits).unwrap();
        (place(source, at), place(target, to))
    })
}

pub fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        (1..port::CONTROLLER).prop_map(Action::Output),
        Just(Action::Output(port::LOCAL)),
        any::<u16>().prop_map(|max_len| Action::Controller { max_len }),
        (any_field(), any::<u128>(), any::<u128>(), any::<bool>()).prop_map(|(field, value, mask, exact)| {
            let (value, mask) = masked(field, value, mask, exact);
            Action::Set { field, value, mask }
        }),
        two_sub_fields().prop_map(|(source, target)| Action::Move { source, target }),
        two_sub_fields().prop_map(|(source, _)| Action::OutputField(source)),
        Just(Action::DecTtl),
        (option::of(0..0xff00_u16), option::of(0..255_u8))
            .prop_map(|(port, table)| Action::Resubmit { port, table }),
    ]
}

fn any_flow() -> impl Strategy<Value = Flow> {
    let goto = option::of(any::<u8>());
    let numbers = (0..254_u8, any::<[u16; 3]>(), any::<u64>());
    (numbers, any_match(), vec(any_action(), 0..6), goto).prop_map(
        |((table, [priority, idle_timeout, hard_timeout], cookie), matching, mut actions, goto)| {
            actions.extend(goto.filter(|next| *next > table && *next < 255).map(Action::GotoTable));
            Flow { table, priority, cookie, idle_timeout, hard_timeout, matching, actions, importance: 0 }
        },
    )
}

fn any_flow_mod() -> impl Strategy<Value = FlowMod> {
    let adding =
        prop::sample::select(vec![FlowModCommand::Add, FlowModCommand::Modify, FlowModCommand::ModifyStrict]);
    let deleting = prop::sample::select(vec![FlowModCommand::Delete, FlowModCommand::DeleteStrict]);
    let common = || (any_flow(), any::<u64>(), 0..32_u16);
    prop_oneof![
        (adding, common(), option::of(0..NO_BUFFER)).prop_map(
            |(command, (flow, cookie_mask, flags), buffer)| {
                FlowMod { cookie_mask, buffer, flags, ..FlowMod::new(command, flow) }
            }
        ),
        (deleting, common(), any_filter(), any::<bool>()).prop_map(
            |(command, (flow, cookie_mask, flags), (out_port, out_group), everywhere)| {
                let table = if everywhere { TABLE_ALL } else { flow.table };
                let flow = Flow { table, actions: Vec::new(), ..flow };
                FlowMod { cookie_mask, flags, out_port, out_group, ..FlowMod::new(command, flow) }
            }
        ),
    ]
}

fn any_filter() -> impl Strategy<Value = (Option<u32>, Option<u32>)> {
    (option::of(0..port::NONE), option::of(0..port::NONE))
}

fn any_duration() -> impl Strategy<Value = Duration> {
    (any::<u32>(), 0..1_000_000_000_u32)
        .prop_map(|(seconds, nanoseconds)| Duration::new(u64::from(seconds), nanoseconds))
}

fn any_name(length: usize) -> impl Strategy<Value = String> {
    vec(prop::char::range('!', '~'), 0..=length).prop_map(String::from_iter)
}

fn any_port() -> impl Strategy<Value = Port> {
    (any_name(15), any::<[u8; 6]>(), any::<[u32; 9]>()).prop_map(|(name, mac, n)| Port {
        number: n[0],
        mac,
        name,
        config: n[1],
        state: n[2],
        current: n[3],
        advertised: n[4],
        supported: n[5],
        peer: n[6],
        current_speed_kbps: n[7],
        max_speed_kbps: n[8],
    })
}

fn any_port_stats() -> impl Strategy<Value = PortStats> {
    (any::<u32>(), any::<[u64; 12]>(), any_duration()).prop_map(|(number, n, duration)| PortStats {
        number,
        received_packets: n[0],
        sent_packets: n[1],
        received_bytes: n[2],
        sent_bytes: n[3],
        receive_drops: n[4],
        send_drops: n[5],
        receive_errors: n[6],
        send_errors: n[7],
        frame_errors: n[8],
        overruns: n[9],
        crc_errors: n[10],
        collisions: n[11],
        duration,
    })
}

pub fn any_flow_stats() -> impl Strategy<Value = FlowStats> {
    (any_flow(), any_duration(), any::<u16>(), any::<[u64; 2]>()).prop_map(
        |(flow, duration, flags, [packets, bytes])| FlowStats { flow, duration, flags, packets, bytes },
    )
}

fn any_flow_stats_request() -> impl Strategy<Value = FlowStatsRequest> {
    (any::<u8>(), any_filter(), any::<[u64; 2]>(), any_match()).prop_map(
        |(table, (out_port, out_group), [cookie, cookie_mask], matching)| FlowStatsRequest {
            table,
            out_port,
            out_group,
            cookie,
            cookie_mask,
            matching,
        },
    )
}

fn any_request() -> impl Strategy<Value = MultipartRequest> {
    prop_oneof![
        Just(MultipartRequest::Description),
        any_flow_stats_request().prop_map(MultipartRequest::Flows),
        any_flow_stats_request().prop_map(MultipartRequest::Aggregate),
        Just(MultipartRequest::Tables),
        any::<u32>().prop_map(MultipartRequest::PortStats),
        Just(MultipartRequest::TableFeatures),
        Just(MultipartRequest::Ports),
    ]
}

fn any_description() -> impl Strategy<Value = Description> {
    (any_name(255), any_name(255), any_name(255), any_name(31), any_name(255)).prop_map(
        |(manufacturer, hardware, software, serial, datapath)| Description {
            manufacturer,
            hardware,
            software,
            serial,
            datapath,
        },
    )
}

fn any_table_stats() -> impl Strategy<Value = TableStats> {
    (any::<u8>(), any::<u32>(), any::<[u64; 2]>())
        .prop_map(|(table, active, [lookups, matched])| TableStats { table, active, lookups, matched })
}

fn any_table_features() -> impl Strategy<Value = TableFeatures> {
    (any::<[u8; 2]>(), any_name(31), any::<u32>()).prop_map(|([a, b], name, max_entries)| TableFeatures {
        table: a.min(b),
        last_table: a.max(b),
        name,
        max_entries,
    })
}

fn any_reply() -> impl Strategy<Value = MultipartReply> {
    prop_oneof![
        any_description().prop_map(MultipartReply::Description),
        vec(any_flow_stats(), 0..4).prop_map(MultipartReply::Flows),
        (any::<[u64; 2]>(), any::<u32>()).prop_map(|([packets, bytes], flows)| {
            MultipartReply::Aggregate(AggregateStats { packets, bytes, flows })
        }),
        vec(any_table_stats(), 0..4).prop_map(MultipartReply::Tables),
        vec(any_port_stats(), 0..4).prop_map(MultipartReply::PortStats),
        vec(any_table_features(), 0..3).prop_map(MultipartReply::TableFeatures),
        vec(any_port(), 0..4).prop_map(MultipartReply::Ports),
    ]
}

fn any_packet_in() -> impl Strategy<Value = PacketIn> {
    let reason = prop::sample::select(vec![
        PacketInReason::NoMatch,
        PacketInReason::Action,
        PacketInReason::InvalidTtl,
    ]);
    let numbers = (any::<u16>(), any::<u8>(), any::<u64>());
    (option::of(0..NO_BUFFER), reason, numbers, any_match(), vec(any::<u8>(), 0..100)).prop_map(
        |(buffer, reason, (total_len, table, cookie), metadata, data)| PacketIn {
            buffer,
            total_len,
            reason,
            table,
            cookie,
            metadata,
            data,
        },
    )
}

fn any_packet_out() -> impl Strategy<Value = PacketOut> {
    let actions = vec(any_action(), 0..5);
    (option::of(0..NO_BUFFER), any::<u32>(), actions, vec(any::<u8>(), 0..100))
        .prop_map(|(buffer, in_port, actions, data)| PacketOut { buffer, in_port, actions, data })
}

fn any_flow_removed() -> impl Strategy<Value = FlowRemoved> {
    let reason = prop::sample::select(vec![
        RemovedReason::IdleTimeout,
        RemovedReason::HardTimeout,
        RemovedReason::Delete,
        RemovedReason::GroupDelete,
    ]);
    (reason, any_flow_stats()).prop_map(|(reason, stats)| FlowRemoved {
        cookie: stats.flow.cookie,
        priority: stats.flow.priority,
        reason,
        table: stats.flow.table,
        duration: stats.duration,
        idle_timeout: stats.flow.idle_timeout,
        hard_timeout: stats.flow.hard_timeout,
        packets: stats.packets,
        bytes: stats.bytes,
        matching: stats.flow.matching,
    })
}

fn any_port_status() -> impl Strategy<Value = PortStatus> {
    let reason = prop::sample::select(vec![
        PortStatusReason::Added,
        PortStatusReason::Deleted,
        PortStatusReason::Modified,
    ]);
    (reason, any_port()).prop_map(|(reason, port)| PortStatus { reason, port })
}

fn any_role() -> impl Strategy<Value = RoleState> {
    (prop::sample::select(vec![Role::NoChange, Role::Equal, Role::Master, Role::Slave]), any::<u64>())
        .prop_map(|(role, generation)| RoleState { role, generation })
}

fn any_error() -> impl Strategy<Value = Message> {
    (any::<prop::sample::Index>(), vec(any::<u8>(), 0..64))
        .prop_map(|(index, data)| Message::Error(ErrorReport { code: *index.get(ErrorCode::NAMED), data }))
}

fn any_features() -> impl Strategy<Value = Features> {
    (any::<u64>(), any::<[u32; 2]>(), any::<[u8; 2]>()).prop_map(
        |(datapath_id, n, [tables, auxiliary_id])| Features {
            datapath_id,
            buffers: n[0],
            tables,
            auxiliary_id,
            capabilities: n[1],
        },
    )
}

fn any_config() -> impl Strategy<Value = Config> {
    any::<[u16; 2]>().prop_map(|[flags, miss_send_len]| Config { flags, miss_send_len })
}

/// Every kind of message, in its canonical form.
pub fn any_message() -> impl Strategy<Value = Message> {
    let data = || vec(any::<u8>(), 0..64);
    prop_oneof![
        option::of(any::<u32>()).prop_map(|versions| Message::Hello(Hello { versions })),
        any_error(),
        data().prop_map(Message::EchoRequest),
        data().prop_map(Message::EchoReply),
        any_features().prop_map(Message::FeaturesReply),
        any_config().prop_map(Message::ConfigReply),
        any_config().prop_map(Message::SetConfig),
        any_packet_in().prop_map(Message::PacketIn),
        any_flow_removed().prop_map(Message::FlowRemoved),
        any_port_status().prop_map(Message::PortStatus),
        any_packet_out().prop_map(Message::PacketOut),
        any_flow_mod().prop_map(Message::FlowMod),
        any_request().prop_map(Message::MultipartRequest),
        (any::<bool>(), any_reply()).prop_map(|(more, reply)| Message::MultipartReply { more, reply }),
        any_role().prop_map(Message::RoleRequest),
        any_role().prop_map(Message::RoleReply),
        prop::sample::select(vec![
            Message::FeaturesRequest,
            Message::ConfigRequest,
            Message::BarrierRequest,
            Message::BarrierReply,
            Message::UseStandardPacketIn,
        ]),
    ]
}
