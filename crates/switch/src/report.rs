//! Answers to OpenFlow's multipart requests: what is installed, and what it has counted.

use std::time::Duration;

use tulle_datapath as datapath;
use tulle_flow::port;
use tulle_openflow::{
    AggregateStats, Description, FlowStats, FlowStatsRequest, MultipartReply, MultipartRequest, Port,
    PortStats, TABLE_ALL, TableFeatures, TableStats,
};

use crate::engine::Engine;
use crate::session::TABLES;

/// Answers one request.
pub(crate) fn report(engine: &mut Engine, request: &MultipartRequest) -> MultipartReply {
    match request {
        MultipartRequest::Description => MultipartReply::Description(description()),
        MultipartRequest::Flows(request) => MultipartReply::Flows(flows(engine, request)),
        MultipartRequest::Aggregate(request) => MultipartReply::Aggregate(aggregate(engine, request)),
        MultipartRequest::Tables => MultipartReply::Tables(tables(engine)),
        MultipartRequest::PortStats(number) => MultipartReply::PortStats(port_stats(engine, *number)),
        MultipartRequest::Ports => MultipartReply::Ports(ports(engine)),
        MultipartRequest::TableFeatures => MultipartReply::TableFeatures(table_features()),
    }
}

fn description() -> Description {
    Description {
        manufacturer: "Tulle".to_owned(),
        hardware: "Tulle vswitch".to_owned(),
        software: env!("CARGO_PKG_VERSION").to_owned(),
        serial: "none".to_owned(),
        datapath: "none".to_owned(),
    }
}

fn flows(engine: &mut Engine, request: &FlowStatsRequest) -> Vec<FlowStats> {
    let filter = datapath::FlowFilter {
        table: (request.table != TABLE_ALL).then_some(request.table),
        matching: request.matching,
        cookie: request.cookie,
        cookie_mask: request.cookie_mask,
        out_port: request.out_port,
    };
    let found = engine.datapath.flows(&filter, tulle_io::clock::monotonic_ns());
    let each = |stats: datapath::FlowStats| FlowStats {
        flow: stats.flow,
        duration: Duration::from_nanos(stats.duration_ns),
        flags: 0,
        packets: stats.packets,
        bytes: stats.bytes,
    };
    found.into_iter().map(each).collect()
}

fn aggregate(engine: &mut Engine, request: &FlowStatsRequest) -> AggregateStats {
    let found = flows(engine, request);
    AggregateStats {
        packets: found.iter().map(|flow| flow.packets).sum(),
        bytes: found.iter().map(|flow| flow.bytes).sum(),
        flows: found.len() as u32,
    }
}

fn tables(engine: &mut Engine) -> Vec<TableStats> {
    let each = |stats: datapath::TableStats| TableStats {
        table: stats.table,
        active: stats.active as u32,
        lookups: stats.lookups,
        matched: stats.matched,
    };
    engine.datapath.table_stats().into_iter().map(each).collect()
}

fn table_features() -> Vec<TableFeatures> {
    let each = |table| TableFeatures {
        table,
        last_table: TABLES - 1,
        name: format!("table{table}"),
        max_entries: datapath::DEFAULT_FLOW_LIMIT as u32,
    };
    (0..TABLES).map(each).collect()
}

fn port_stats(engine: &Engine, number: u32) -> Vec<PortStats> {
    let wanted = engine.wires.numbered().filter(|(at, _)| number == port::NONE || *at == number);
    let each = |(at, port): (u32, &crate::port::Port)| {
        let counters = port.counters;
        PortStats {
            number: at,
            received_packets: counters.rx_packets,
            sent_packets: counters.tx_packets,
            received_bytes: counters.rx_bytes,
            sent_bytes: counters.tx_bytes,
            receive_drops: counters.rx_dropped,
            send_drops: counters.tx_dropped,
            ..PortStats::default()
        }
    };
    wanted.map(each).collect()
}

fn ports(engine: &Engine) -> Vec<Port> {
    let each = |(number, port): (u32, &crate::port::Port)| Port {
        number,
        mac: port.mac,
        name: port.name.clone(),
        config: if port.is_up { 0 } else { Port::CONFIG_DOWN },
        state: if port.is_up && port.has_link { Port::STATE_LIVE } else { Port::STATE_LINK_DOWN },
        ..Port::default()
    };
    engine.wires.numbered().map(each).collect()
}
