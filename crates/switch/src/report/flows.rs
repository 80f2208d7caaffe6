//! Flows and what they counted.

use std::time::Duration;

use tulle_datapath as datapath;
use tulle_openflow::{AggregateStats, FlowStats, FlowStatsRequest, TABLE_ALL, flow_mod_flags};

use crate::engine::Engine;

const NS_PER_S: u64 = 1_000_000_000;

pub(super) fn flows(engine: &mut Engine, request: &FlowStatsRequest) -> Vec<FlowStats> {
    let filter = datapath::FlowFilter {
        table: (request.table != TABLE_ALL).then_some(request.table),
        matching: request.matching,
        cookie: request.cookie,
        cookie_mask: request.cookie_mask,
        out_port: request.out_port,
        out_group: request.out_group,
    };
    let found = engine.datapath.flows(&filter, tulle_io::clock::monotonic_ns());
    let each = |stats: datapath::FlowStats| FlowStats {
        flags: flags(stats.flags),
        flow: stats.flow,
        duration: Duration::from_nanos(stats.duration_ns),
        idle_age_s: Some((stats.idle_ns / NS_PER_S) as u32),
        hard_age_s: Some((stats.duration_ns / NS_PER_S) as u32),
        packets: stats.packets,
        bytes: stats.bytes,
    };
    found.into_iter().map(each).collect()
}

/// As a message has them ([`flow_mod_flags`]).
pub(crate) fn flags(flags: datapath::FlowFlags) -> u16 {
    let bits = [
        (flags.notify_removal, flow_mod_flags::SEND_FLOW_REMOVED),
        (flags.check_overlap, flow_mod_flags::CHECK_OVERLAP),
        (flags.reset_counts, flow_mod_flags::RESET_COUNTS),
        (flags.no_packet_counts, flow_mod_flags::NO_PACKET_COUNTS),
        (flags.no_byte_counts, flow_mod_flags::NO_BYTE_COUNTS),
    ];
    bits.iter().filter(|(is_set, _)| *is_set).map(|(_, bit)| bit).sum()
}

pub(super) fn aggregate(engine: &mut Engine, request: &FlowStatsRequest) -> AggregateStats {
    let found = flows(engine, request);
    AggregateStats {
        packets: found.iter().map(|flow| flow.packets).sum(),
        bytes: found.iter().map(|flow| flow.bytes).sum(),
        flows: found.len() as u32,
    }
}
