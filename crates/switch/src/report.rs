//! Answers to OpenFlow's multipart requests: what is installed, and what it has counted.

mod flows;
mod ports;
pub(crate) mod queues;
mod tables;

use std::time::Duration;

use tulle_datapath as datapath;
use tulle_flow::port;
use tulle_openflow::{
    BucketStats, Description, ErrorCode, GroupFeatures, GroupStats, IpfixStats, Meter, MeterFeatures,
    MeterStats, MultipartReply, MultipartRequest, Version, group_id, meter_flags, meter_id,
};

use crate::engine::Engine;
use crate::session::{described_group, described_meter};
pub(crate) use flows::flags as flow_flags;
pub(crate) use ports::described_port;

/// What can be done with groups: weights, liveness, chaining, and loops are checked (`OFPGFC_*`).
const GROUP_CAPABILITIES: u32 = 0b1111;
/// The actions of OpenFlow 1.3 that a bucket may have: output, copied TTLs, MPLS's TTL, VLAN, MPLS, queue, group,
/// IP's TTL, set field, provider backbone.
const GROUP_ACTIONS: u32 = 1 | 3 << 11 | 3 << 15 | 0xf << 17 | 0x1f << 21 | 3 << 26;

/// Answers one request.
pub(crate) fn report(
    engine: &mut Engine,
    request: &MultipartRequest,
    version: Version,
) -> Result<MultipartReply, ErrorCode> {
    use MultipartRequest as R;
    Ok(match request {
        R::Description => MultipartReply::Description(description(engine)),
        R::Flows(request) => MultipartReply::Flows(flows::flows(engine, request)),
        R::FlowCounters(request) => MultipartReply::FlowCounters(flows::flows(engine, request)),
        R::NiciraFlows(request) => MultipartReply::NiciraFlows(flows::flows(engine, request)),
        R::Aggregate(request) => MultipartReply::Aggregate(flows::aggregate(engine, request)),
        R::NiciraAggregate(request) => MultipartReply::NiciraAggregate(flows::aggregate(engine, request)),
        R::Tables => MultipartReply::Tables(tables::stats(engine)),
        R::TableFeatures(wanted) if wanted.is_empty() => {
            MultipartReply::TableFeatures(tables::features(engine, version))
        }
        R::TableFeatures(_) => return Err(ErrorCode::TableFeaturesFixed),
        R::TableDescriptions => MultipartReply::TableDescriptions(tables::descriptions(engine)),
        R::PortStats(number) => MultipartReply::PortStats(ports::stats(engine, *number)?),
        R::Ports(number) => MultipartReply::Ports(ports::descriptions(engine, *number)?),
        R::QueueStats(selector) => MultipartReply::QueueStats(queues::stats(engine, *selector)?),
        R::QueueDescriptions(selector) => {
            MultipartReply::QueueDescriptions(queues::descriptions(engine, *selector)?)
        }
        R::GroupStats(number) => MultipartReply::GroupStats(group_stats(engine, *number)),
        R::GroupDescriptions(number) => MultipartReply::GroupDescriptions(groups(engine, *number)),
        R::GroupFeatures => MultipartReply::GroupFeatures(group_features()),
        R::MeterStats(number) => MultipartReply::MeterStats(meter_stats(engine, *number)?),
        R::MeterConfigs(number) => MultipartReply::MeterConfigs(meters(engine, *number)?),
        R::MeterFeatures => MultipartReply::MeterFeatures(meter_features()),
        R::FlowMonitors(_) => return Err(ErrorCode::BadMultipart),
        R::IpfixBridge => MultipartReply::IpfixBridge(ipfix_stats(engine).ok_or(ErrorCode::NotConfigured)?),
        R::IpfixFlows => MultipartReply::IpfixFlows(collector_sets(engine).ok_or(ErrorCode::NotConfigured)?),
    })
}

fn ipfix_stats(engine: &Engine) -> Option<IpfixStats> {
    Some(engine.wires.telemetry.as_ref()?.ipfix.as_ref()?.exporter.stats(0))
}

fn collector_sets(engine: &Engine) -> Option<Vec<IpfixStats>> {
    let sets = &engine.wires.telemetry.as_ref()?.collector_sets;
    let stats: Vec<_> = sets.iter().map(|(number, exporter)| exporter.stats(*number)).collect();
    (!stats.is_empty()).then_some(stats)
}

fn description(engine: &Engine) -> Description {
    Description {
        manufacturer: "Tulle".to_owned(),
        hardware: "Tulle vswitch".to_owned(),
        software: env!("CARGO_PKG_VERSION").to_owned(),
        serial: engine.serial.clone(),
        datapath: engine.description.clone(),
    }
}

fn traffic(traffic: &datapath::Traffic) -> BucketStats {
    BucketStats { packets: traffic.packets, bytes: traffic.bytes }
}

fn group_stats(engine: &mut Engine, number: u32) -> Vec<GroupStats> {
    let found = engine.datapath.group_stats(tulle_io::clock::monotonic_ns());
    let each = |stats: datapath::GroupStats| GroupStats {
        group: stats.id,
        references: stats.references,
        packets: stats.traffic.packets,
        bytes: stats.traffic.bytes,
        duration: Duration::from_nanos(stats.duration_ns),
        buckets: stats.buckets.iter().map(traffic).collect(),
    };
    found.into_iter().filter(|stats| number == group_id::ALL || number == stats.id).map(each).collect()
}

fn groups(engine: &Engine, number: u32) -> Vec<tulle_openflow::Group> {
    let wanted =
        engine.datapath.groups().iter().filter(|group| number == group_id::ALL || number == group.id);
    wanted.map(described_group).collect()
}

fn group_features() -> GroupFeatures {
    GroupFeatures {
        kinds: 0b1111,
        capabilities: GROUP_CAPABILITIES,
        max_groups: [datapath::MAX_GROUPS as u32; 4],
        actions: [GROUP_ACTIONS; 4],
    }
}

fn meter_stats(engine: &mut Engine, number: u32) -> Result<Vec<MeterStats>, ErrorCode> {
    let found = engine.datapath.meter_stats(tulle_io::clock::monotonic_ns());
    let each = |stats: datapath::MeterStats| MeterStats {
        meter: stats.id,
        flows: stats.flows,
        packets: stats.traffic.packets,
        bytes: stats.traffic.bytes,
        duration: Duration::from_nanos(stats.duration_ns),
        bands: stats.bands.iter().map(traffic).collect(),
    };
    let wanted = found.into_iter().filter(|stats| number == meter_id::ALL || number == stats.id);
    known(wanted.map(each).collect(), number)
}

fn meters(engine: &Engine, number: u32) -> Result<Vec<Meter>, ErrorCode> {
    let wanted =
        engine.datapath.meters().iter().filter(|meter| number == meter_id::ALL || number == meter.id);
    known(wanted.map(described_meter).collect(), number)
}

/// One meter that was asked for by its number has to exist (OpenFlow 1.3.5 section 7.3.5.12).
fn known<T>(found: Vec<T>, number: u32) -> Result<Vec<T>, ErrorCode> {
    if found.is_empty() && number != meter_id::ALL { Err(ErrorCode::UnknownMeter) } else { Ok(found) }
}

fn meter_features() -> MeterFeatures {
    let units = meter_flags::KBPS | meter_flags::PKTPS;
    MeterFeatures {
        max_meters: datapath::MAX_METERS as u32,
        band_kinds: Meter::BAND_KINDS,
        capabilities: u32::from(units | meter_flags::BURST | meter_flags::STATS),
        max_bands: datapath::MAX_BANDS as u8,
        max_color: 0,
    }
}

/// All ports, as OpenFlow 1.0 lists them with the features.
pub(crate) fn all_ports(engine: &Engine) -> Vec<tulle_openflow::Port> {
    ports::descriptions(engine, port::NONE).unwrap_or_default()
}
