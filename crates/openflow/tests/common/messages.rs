use std::net::Ipv4Addr;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tulle_flow::{Field, Match};
use tulle_openflow::*;

use super::any_port_number;
use super::flows::{any_flow_mod, any_flow_removed};
use super::matching::{any_match, masked};
use super::multipart::{any_reply, any_request};
use super::tables::*;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..64)
}

/// A match of what is no header.
fn any_metadata() -> impl Strategy<Value = Match> {
    let fields = prop::sample::select(vec![Field::Metadata, Field::Reg3, Field::TunId, Field::PktMark]);
    vec((fields, any::<u128>(), any::<u128>()), 0..4).prop_map(|fields| {
        let mut matching = Match::ANY;
        for (field, value, mask) in fields {
            let (value, mask) = masked(field, value, mask, false);
            matching.require(field, value, mask);
        }
        matching
    })
}

fn any_packet_in() -> impl Strategy<Value = PacketIn> {
    let format =
        prop::sample::select(vec![PacketInFormat::Standard, PacketInFormat::Nicira, PacketInFormat::Nicira2]);
    let reason = prop::sample::select(vec![
        PacketInReason::NoMatch,
        PacketInReason::Action,
        PacketInReason::InvalidTtl,
        PacketInReason::ActionSet,
        PacketInReason::Group,
        PacketInReason::PacketOut,
    ]);
    let numbers = (any_port_number(), 100..0xffff_u32, any::<u8>(), any::<u64>());
    let more = (vec(any::<u8>(), 1..64), bytes(), bytes());
    (format, reason, option::of(0..NO_BUFFER), numbers, any_metadata(), more).prop_map(
        |(format, reason, buffer, (number, total_len, table, cookie), mut metadata, more)| {
            metadata.require(Field::InPort, number.into(), u128::MAX);
            let (data, mut userdata, mut continuation) = more;
            if format != PacketInFormat::Nicira2 {
                (userdata, continuation) = (Vec::new(), Vec::new());
            }
            PacketIn {
                format,
                buffer,
                total_len,
                reason,
                table,
                cookie,
                metadata,
                data,
                userdata,
                continuation,
            }
        },
    )
}

fn any_packet_out() -> impl Strategy<Value = PacketOut> {
    let parts = (option::of(0..NO_BUFFER), any_port_number(), any_metadata(), any_actions(), bytes());
    parts.prop_map(|(buffer, in_port, metadata, actions, data)| PacketOut {
        buffer,
        in_port,
        metadata,
        actions,
        data,
    })
}

fn any_role() -> impl Strategy<Value = RoleState> {
    (prop::sample::select(vec![Role::Equal, Role::Master, Role::Slave]), any::<u64>())
        .prop_map(|(role, generation)| RoleState { role, generation: Some(generation) })
}

fn any_status() -> impl Strategy<Value = Message> {
    let reason = prop::sample::select(vec![
        PortStatusReason::Added,
        PortStatusReason::Deleted,
        PortStatusReason::Modified,
    ]);
    let role = prop::sample::select(vec![
        RoleStatusReason::MasterRequest,
        RoleStatusReason::Config,
        RoleStatusReason::Experimenter,
    ]);
    let table = prop::sample::select(vec![TableStatusReason::VacancyDown, TableStatusReason::VacancyUp]);
    prop_oneof![
        (reason, any_port()).prop_map(|(reason, port)| Message::PortStatus(PortStatus { reason, port })),
        (role, any::<u64>()).prop_map(|(reason, generation)| Message::RoleStatus(RoleStatus {
            role: Role::Slave,
            reason,
            generation
        })),
        (table, any_table_config())
            .prop_map(|(reason, table)| Message::TableStatus(TableStatus { reason, table })),
    ]
}

fn any_async() -> impl Strategy<Value = AsyncConfig> {
    let masks = || {
        (vec(any::<u32>(), 3), option::of(any::<[u32; 3]>())).prop_map(|(n, more)| AsyncMasks {
            packet_in: Some(n[0]),
            port_status: Some(n[1]),
            flow_removed: Some(n[2]),
            role_status: more.map(|more| more[0]),
            table_status: more.map(|more| more[1]),
            request_forward: more.map(|more| more[2]),
        })
    };
    (masks(), masks()).prop_map(|(master, slave)| AsyncConfig { master, slave })
}

fn any_features() -> impl Strategy<Value = Features> {
    (any::<u64>(), any::<[u32; 3]>(), any::<[u8; 2]>(), vec(any_port(), 0..3)).prop_map(
        |(datapath_id, [buffers, capabilities, actions], [tables, auxiliary_id], ports)| Features {
            datapath_id,
            buffers,
            tables,
            auxiliary_id,
            capabilities,
            actions,
            ports,
        },
    )
}

fn any_meter_mod() -> impl Strategy<Value = MeterMod> {
    let command = prop::sample::select(vec![MeterCommand::Add, MeterCommand::Modify, MeterCommand::Delete]);
    (command, any_meter()).prop_map(|(command, meter)| MeterMod { command, meter })
}

fn any_nicira() -> impl Strategy<Value = Message> {
    let map = (any::<u16>(), any::<u8>(), 0..32_u8, 0..64_u16)
        .prop_map(|(class, kind, words, index)| TlvMap { class, kind, length: 4 * words, index });
    let maps = vec(map, 0..3);
    let tuple = || {
        (option::of(1..u32::MAX), option::of(any::<u16>()), option::of(any::<u8>())).prop_map(
            |(address, source_port, icmp_type)| CtTuple {
                source: address.map(|address| Ipv4Addr::from(address).into()),
                source_port,
                icmp_type,
                ..CtTuple::default()
            },
        )
    };
    let format =
        prop::sample::select(vec![PacketInFormat::Standard, PacketInFormat::Nicira, PacketInFormat::Nicira2]);
    let resumed = any_packet_in()
        .prop_map(|packet| Message::Resume(PacketIn { format: PacketInFormat::Nicira2, ..packet }));
    prop_oneof![
        format.prop_map(Message::SetPacketInFormat),
        any::<bool>().prop_map(Message::SetNiciraFlows),
        any::<bool>().prop_map(Message::SetFlowModTableId),
        any::<u16>().prop_map(Message::SetControllerId),
        any::<u16>().prop_map(Message::CtFlushZone),
        any::<u32>().prop_map(Message::FlowMonitorCancel),
        Just(Message::FlowMonitorPaused),
        Just(Message::FlowMonitorResumed),
        Just(Message::TlvTableRequest),
        maps.clone()
            .prop_map(|maps| Message::TlvTableMod(TlvTableMod { command: TlvTableCommand::Delete, maps })),
        (any::<u32>(), any::<u16>(), maps).prop_map(|(max_space, max_fields, maps)| Message::TlvTableReply(
            TlvTable { max_space, max_fields, maps }
        )),
        (any::<u8>(), option::of(any::<u16>()), tuple(), tuple()).prop_map(
            |(protocol, zone, original, reply)| Message::CtFlush(CtFlush { protocol, zone, original, reply })
        ),
        resumed,
    ]
}

/// Messages that may be in others.
fn any_change() -> impl Strategy<Value = Message> {
    prop_oneof![
        any_flow_mod().prop_map(Message::FlowMod),
        any_group_mod().prop_map(Message::GroupMod),
        any_port_mod().prop_map(Message::PortMod),
        any_packet_out().prop_map(Message::PacketOut),
    ]
}

fn any_bundle() -> impl Strategy<Value = Message> {
    let kind = prop::sample::select(vec![BundleControlKind::OpenRequest, BundleControlKind::DiscardReply]);
    let forwarded = prop_oneof![
        any_group_mod().prop_map(Message::GroupMod),
        any_meter_mod().prop_map(Message::MeterMod),
    ];
    prop_oneof![
        (any::<u32>(), kind, any::<u16>())
            .prop_map(|(bundle, kind, flags)| Message::BundleControl(BundleControl { bundle, kind, flags })),
        (any::<u32>(), any::<u16>(), any_change()).prop_map(|(bundle, flags, message)| {
            Message::BundleAdd(BundleAdd { bundle, flags, message: Box::new(message) })
        }),
        (any::<u32>(), forwarded).prop_map(|(xid, message)| {
            Message::RequestForward(RequestForward { xid, message: Box::new(message) })
        }),
    ]
}

fn any_plain() -> impl Strategy<Value = Message> {
    prop::sample::select(vec![
        Message::FeaturesRequest,
        Message::ConfigRequest,
        Message::BarrierRequest,
        Message::BarrierReply,
        Message::AsyncRequest,
    ])
}

/// Every kind of message.
pub fn any_message() -> impl Strategy<Value = Message> {
    let error = (any::<prop::sample::Index>(), bytes())
        .prop_map(|(index, data)| Message::Error(ErrorReport { code: *index.get(ErrorCode::NAMED), data }));
    let config =
        || (0..4_u16, any::<u16>()).prop_map(|(flags, miss_send_len)| Config { flags, miss_send_len });
    let queues = (any_port_number(), vec(any_queue(), 0..3)).prop_map(|(port, queues)| {
        let queues = queues.into_iter().map(|queue| Queue { port, ..queue }).collect();
        Message::QueueConfigReply(QueueConfig { port, queues })
    });
    prop_oneof![
        1 => option::of(any::<u32>()).prop_map(|versions| Message::Hello(Hello { versions })),
        1 => error,
        1 => bytes().prop_map(Message::EchoRequest),
        1 => bytes().prop_map(Message::EchoReply),
        1 => any_features().prop_map(Message::FeaturesReply),
        1 => config().prop_map(Message::ConfigReply),
        1 => config().prop_map(Message::SetConfig),
        3 => any_packet_in().prop_map(Message::PacketIn),
        3 => any_flow_removed().prop_map(Message::FlowRemoved),
        3 => any_status(),
        9 => any_change(),
        2 => any_table_config().prop_map(|mut table| {
            table.vacancy.iter_mut().for_each(|vacancy| vacancy.current = 0);
            Message::TableMod(table)
        }),
        2 => any_meter_mod().prop_map(Message::MeterMod),
        9 => any_request().prop_map(|request| Message::MultipartRequest { more: false, request }),
        9 => (any::<bool>(), any_reply()).prop_map(|(more, reply)| Message::MultipartReply { more, reply }),
        1 => any_port_number().prop_map(Message::QueueConfigRequest),
        1 => queues,
        1 => any_role().prop_map(Message::RoleRequest),
        1 => any_role().prop_map(Message::RoleReply),
        2 => any_async().prop_map(Message::AsyncReply),
        2 => any_async().prop_map(Message::SetAsync),
        5 => any_bundle(),
        9 => any_nicira(),
        1 => any_plain(),
        1 => any_match().prop_map(|matching| Message::FlowMod(FlowMod::delete(TABLE_ALL, matching))),
    ]
}
