//! Tables: what they counted, what they can do, how they are configured.

use tulle_datapath as datapath;
use tulle_openflow::{TableConfig, TableFeatures, TableStats, Version, table_config};

use crate::engine::Engine;
use crate::session::TABLES;

/// All that OpenFlow 1.0 can match (`OFPFW_ALL`).
const WILDCARDS: u32 = 0x003f_ffff;

pub(super) fn stats(engine: &mut Engine) -> Vec<TableStats> {
    let found = engine.datapath.table_stats();
    let each = |stats: datapath::TableStats| TableStats {
        table: stats.table,
        active: stats.active as u32,
        lookups: stats.lookups,
        matched: stats.matched,
        name: name(engine, stats.table),
        wildcards: WILDCARDS,
        max_entries: most(engine, stats.table),
    };
    found.into_iter().filter(|stats| stats.table < TABLES).map(each).collect()
}

fn name(engine: &Engine, table: u8) -> String {
    match engine.table_name(table) {
        Some(name) => name.to_owned(),
        None if table == 0 => "classifier".to_owned(),
        None => format!("table{table}"),
    }
}

/// The most flows.
fn most(engine: &Engine, table: u8) -> u32 {
    let limit = engine.datapath.table_policy(table).flow_limit.unwrap_or(usize::MAX);
    limit.min(datapath::DEFAULT_FLOW_LIMIT) as u32
}

pub(super) fn features(engine: &Engine, version: Version) -> Vec<TableFeatures> {
    let each = |table| {
        let mut features = TableFeatures::complete(version, table, TABLES - 1, most(engine, table));
        if let Some(name) = engine.table_name(table) {
            name.clone_into(&mut features.name);
        }
        features
    };
    (0..TABLES).map(each).collect()
}

pub(super) fn descriptions(engine: &Engine) -> Vec<TableConfig> {
    let config = |table| if engine.datapath.table_policy(table).evicts { table_config::EVICTION } else { 0 };
    (0..TABLES).map(|table| TableConfig { table, config: config(table), ..TableConfig::default() }).collect()
}
