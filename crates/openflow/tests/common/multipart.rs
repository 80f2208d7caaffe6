use proptest::collection::vec;
use proptest::prelude::*;
use tulle_flow::{Field, port};
use tulle_openflow::*;

use super::flows::*;
use super::tables::*;
use super::{any_duration, any_name, any_port_number};

fn any_selector() -> impl Strategy<Value = QueueSelector> {
    (prop_oneof![any_port_number(), Just(port::NONE)], any::<u32>())
        .prop_map(|(port, queue)| QueueSelector { port, queue })
}

pub fn any_request() -> impl Strategy<Value = MultipartRequest> {
    let plain = prop::sample::select(vec![
        MultipartRequest::Description,
        MultipartRequest::Tables,
        MultipartRequest::GroupFeatures,
        MultipartRequest::MeterFeatures,
        MultipartRequest::TableDescriptions,
        MultipartRequest::IpfixBridge,
        MultipartRequest::IpfixFlows,
    ]);
    prop_oneof![
        plain,
        any_flow_stats_request().prop_map(MultipartRequest::Flows),
        any_flow_stats_request().prop_map(MultipartRequest::FlowCounters),
        any_flow_stats_request().prop_map(MultipartRequest::Aggregate),
        any_flow_stats_request().prop_map(MultipartRequest::NiciraFlows),
        any_flow_stats_request().prop_map(MultipartRequest::NiciraAggregate),
        any_port_number().prop_map(MultipartRequest::PortStats),
        any_selector().prop_map(MultipartRequest::QueueStats),
        any_selector().prop_map(MultipartRequest::QueueDescriptions),
        any::<u32>().prop_map(MultipartRequest::GroupStats),
        any::<u32>().prop_map(MultipartRequest::GroupDescriptions),
        any::<u32>().prop_map(MultipartRequest::MeterStats),
        any::<u32>().prop_map(MultipartRequest::MeterConfigs),
        any::<u32>().prop_map(MultipartRequest::Ports),
        vec(any_table_features(), 0..2).prop_map(MultipartRequest::TableFeatures),
        vec(any_flow_monitor(), 0..3).prop_map(MultipartRequest::FlowMonitors),
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
    (any::<u8>(), any::<[u32; 3]>(), any::<[u64; 2]>(), any_name(31)).prop_map(
        |(table, [active, wildcards, max_entries], [lookups, matched], name)| TableStats {
            table,
            active,
            lookups,
            matched,
            name,
            wildcards,
            max_entries,
        },
    )
}

fn any_table_features() -> impl Strategy<Value = TableFeatures> {
    (any::<u8>(), any_name(31), any::<[u64; 2]>(), any::<[u32; 2]>(), any::<bool>()).prop_map(
        |(table, name, [metadata_match, metadata_write], [capabilities, max_entries], miss)| TableFeatures {
            table,
            name,
            metadata_match,
            metadata_write,
            capabilities,
            max_entries,
            properties: vec![
                TableProperty { miss, capability: TableCapability::NextTables(vec![table, 7, 9]) },
                TableProperty { miss, capability: TableCapability::ApplyActions(vec![0, 22]) },
                TableProperty {
                    miss: false,
                    capability: TableCapability::Match(vec![(Field::EthDst, true), (Field::TcpFlags, false)]),
                },
            ],
            ..TableFeatures::default()
        },
    )
}

fn any_port_stats() -> impl Strategy<Value = PortStats> {
    (any_port_number(), any::<[u64; 12]>(), any_duration()).prop_map(|(number, n, duration)| PortStats {
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

fn any_queue_stats() -> impl Strategy<Value = QueueStats> {
    (any_port_number(), any::<u32>(), any::<[u64; 3]>(), any_duration()).prop_map(
        |(port, queue, [bytes, packets, errors], duration)| QueueStats {
            port,
            queue,
            bytes,
            packets,
            errors,
            duration,
        },
    )
}

fn any_group_stats() -> impl Strategy<Value = GroupStats> {
    (any::<[u32; 2]>(), any::<[u64; 2]>(), any_duration(), any_buckets()).prop_map(
        |([group, references], [packets, bytes], duration, buckets)| GroupStats {
            group,
            references,
            packets,
            bytes,
            duration,
            buckets,
        },
    )
}

fn any_buckets() -> impl Strategy<Value = Vec<BucketStats>> {
    vec(any::<[u64; 2]>().prop_map(|[packets, bytes]| BucketStats { packets, bytes }), 0..3)
}

fn any_meter_stats() -> impl Strategy<Value = MeterStats> {
    (any::<[u32; 2]>(), any::<[u64; 2]>(), any_duration(), any_buckets()).prop_map(
        |([meter, flows], [packets, bytes], duration, bands)| MeterStats {
            meter,
            flows,
            packets,
            bytes,
            duration,
            bands,
        },
    )
}

fn any_ipfix() -> impl Strategy<Value = IpfixStats> {
    (any::<[u64; 3]>(), any::<u32>()).prop_map(|(n, collector_set)| IpfixStats {
        total_flows: n[0],
        error_packets: n[1],
        send_errors: n[2],
        collector_set,
        ..IpfixStats::default()
    })
}

fn any_aggregate() -> impl Strategy<Value = AggregateStats> {
    (any::<[u64; 2]>(), any::<u32>()).prop_map(|([packets, bytes], flows)| AggregateStats {
        packets,
        bytes,
        flows,
    })
}

fn any_features() -> impl Strategy<Value = MultipartReply> {
    prop_oneof![
        (any::<[u32; 2]>(), any::<[u32; 4]>(), any::<[u32; 4]>()).prop_map(
            |([kinds, capabilities], max_groups, actions)| MultipartReply::GroupFeatures(GroupFeatures {
                kinds,
                capabilities,
                max_groups,
                actions
            })
        ),
        (any::<[u32; 3]>(), any::<[u8; 2]>()).prop_map(
            |([max_meters, band_kinds, capabilities], [max_bands, max_color])| MultipartReply::MeterFeatures(
                MeterFeatures { max_meters, band_kinds, capabilities, max_bands, max_color }
            )
        ),
    ]
}

/// Only matches of a flow and what it counted.
fn any_counters() -> impl Strategy<Value = FlowStats> {
    any_flow_stats().prop_map(|stats| {
        let (table, priority, matching) = (stats.flow.table, stats.flow.priority, stats.flow.matching);
        let flow = tulle_flow::Flow { table, priority, matching, ..tulle_flow::Flow::default() };
        FlowStats { flow, flags: 0, ..stats }
    })
}

pub fn any_reply() -> impl Strategy<Value = MultipartReply> {
    prop_oneof![
        any_description().prop_map(MultipartReply::Description),
        any_aggregate().prop_map(MultipartReply::Aggregate),
        any_aggregate().prop_map(MultipartReply::NiciraAggregate),
        vec(any_flow_stats(), 0..3).prop_map(MultipartReply::Flows),
        vec(any_flow_stats(), 0..3).prop_map(MultipartReply::NiciraFlows),
        vec(any_counters(), 0..3).prop_map(MultipartReply::FlowCounters),
        vec(any_table_stats(), 0..3).prop_map(MultipartReply::Tables),
        vec(any_port_stats(), 0..3).prop_map(MultipartReply::PortStats),
        vec(any_queue_stats(), 0..3).prop_map(MultipartReply::QueueStats),
        vec(any_group_stats(), 0..3).prop_map(MultipartReply::GroupStats),
        vec(any_group(), 0..3).prop_map(MultipartReply::GroupDescriptions),
        vec(any_meter_stats(), 0..3).prop_map(MultipartReply::MeterStats),
        vec(any_meter(), 0..3).prop_map(MultipartReply::MeterConfigs),
        vec(any_table_features(), 0..2).prop_map(MultipartReply::TableFeatures),
        vec(any_port(), 0..3).prop_map(MultipartReply::Ports),
        vec(any_table_config(), 0..3).prop_map(MultipartReply::TableDescriptions),
        vec(any_queue(), 0..3).prop_map(MultipartReply::QueueDescriptions),
        vec(any_flow_update(), 0..3).prop_map(MultipartReply::FlowUpdates),
        any_ipfix().prop_map(MultipartReply::IpfixBridge),
        vec(any_ipfix(), 0..3).prop_map(MultipartReply::IpfixFlows),
        any_features(),
    ]
}
