//! Tables: what they counted, what they can do, how they are configured.

use tulle_datapath as datapath;
use tulle_openflow::{TableConfig, TableFeatures, TableStats, Version};

use crate::engine::Engine;
use crate::session::TABLES;

/// All that OpenFlow 1.0 can match (`OFPFW_ALL`).
const WILDCARDS: u32 = 0x003f_ffff;

pub(super) fn stats(engine: &mut Engine) -> Vec<TableStats> {
    let each = |stats: datapath::TableStats| TableStats {
        table: stats.table,
        active: stats.active as u32,
        lookups: stats.lookups,
        matched: stats.matched,
        name: name(stats.table),
        wildcards: WILDCARDS,
        max_entries: datapath::DEFAULT_FLOW_LIMIT as u32,
    };
    engine.datapath.table_stats().into_iter().filter(|stats| stats.table < TABLES).map(each).collect()
}

fn name(table: u8) -> String {
    if table == 0 { "classifier".to_owned() } else { format!("table{table}") }
}

pub(super) fn features(version: Version) -> Vec<TableFeatures> {
    let most = datapath::DEFAULT_FLOW_LIMIT as u32;
    (0..TABLES).map(|table| TableFeatures::complete(version, table, TABLES - 1, most)).collect()
}

pub(super) fn descriptions() -> Vec<TableConfig> {
    (0..TABLES).map(|table| TableConfig { table, ..TableConfig::default() }).collect()
}
