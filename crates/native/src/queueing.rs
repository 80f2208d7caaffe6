//! Queues of ports, out of Python's values and into them.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use tulle_switch::{Limit, PortQueues, QueueCounters, QueueSettings};

/// Rate and burst: bit/s and bits, or packets.
pub(crate) type LimitPair = (u64, u64);
/// Rates in tenths of a per cent of the link's, DSCP, limit.
pub(crate) type QueueTuple = (Option<u16>, Option<u16>, Option<u8>, Option<LimitPair>);
/// Packets, bytes, errors.
pub(crate) type CountersTuple = (u64, u64, u64);

/// `_native.PortQueues` of the stub file: limit, bytes that do not count, queues, whether the kernel counts.
#[derive(FromPyObject)]
pub(crate) struct PortQueuesTuple(Option<LimitPair>, u16, BTreeMap<u32, QueueTuple>, bool);

pub(crate) fn parse_limit((rate, burst): LimitPair) -> Limit {
    Limit { rate, burst }
}

pub(crate) fn parse_queues(queues: PortQueuesTuple) -> PortQueues {
    let PortQueuesTuple(limit, uncounted, queues, kernel_counts) = queues;
    let each = |(number, (min, max, dscp, limit)): (u32, QueueTuple)| {
        let dscp = dscp.map(|dscp| dscp & 0x3f);
        (number, QueueSettings { rates: (min, max), dscp, limit: limit.map(parse_limit) })
    };
    let queues = queues.into_iter().map(each).collect();
    PortQueues { limit: limit.map(parse_limit), uncounted, queues, kernel_counts }
}

pub(crate) fn parse_counters(counted: BTreeMap<u32, CountersTuple>) -> BTreeMap<u32, QueueCounters> {
    let each = |(number, (packets, bytes, errors))| (number, QueueCounters { packets, bytes, errors });
    counted.into_iter().map(each).collect()
}

pub(crate) fn emit_counters(counted: BTreeMap<u32, QueueCounters>) -> BTreeMap<u32, CountersTuple> {
    let each = |(number, counters): (u32, QueueCounters)| {
        (number, (counters.packets, counters.bytes, counters.errors))
    };
    counted.into_iter().map(each).collect()
}
