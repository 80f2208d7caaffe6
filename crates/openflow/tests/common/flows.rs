use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tulle_flow::{Action, Flow, port};
use tulle_openflow::*;

use super::actions::{any_action, consistent};
use super::any_duration;
use super::matching::any_match;

fn any_instructions() -> impl Strategy<Value = Vec<Action>> {
    (
        any::<bool>(),
        option::of(vec(any_action(), 0..3)),
        option::of(any::<[u64; 2]>()),
        option::of(any::<u8>()),
    )
        .prop_map(|(clears, writes, metadata, goto)| {
            let mut actions = Vec::new();
            actions.extend(clears.then_some(Action::ClearActions));
            actions.extend(writes.map(|actions| Action::WriteActions(actions.into())));
            actions.extend(metadata.map(|[value, mask]| Action::WriteMetadata { value: value & mask, mask }));
            actions.extend(goto.map(Action::GotoTable));
            actions
        })
}

pub fn any_flow() -> impl Strategy<Value = Flow> {
    let numbers = (0..254_u8, any::<[u16; 4]>(), any::<u64>());
    (numbers, any_match(), vec(any_action(), 0..6), any_instructions()).prop_map(
        |((table, [priority, idle_timeout, hard_timeout, importance], cookie), matching, actions, more)| {
            let valid = |action: &Action| match action {
                Action::GotoTable(next) => *next > table && *next < 255,
                _ => true,
            };
            let all = actions.into_iter().chain(more.into_iter().filter(valid)).collect();
            let actions = consistent(all, Some(&matching));
            Flow { table, priority, cookie, idle_timeout, hard_timeout, importance, matching, actions }
        },
    )
}

pub fn any_flow_mod() -> impl Strategy<Value = FlowMod> {
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

pub fn any_filter() -> impl Strategy<Value = (Option<u32>, Option<u32>)> {
    (option::of(0..port::NONE), option::of(0..port::NONE))
}

pub fn any_flow_stats() -> impl Strategy<Value = FlowStats> {
    (any_flow(), any_duration(), any::<u16>(), any::<[u64; 2]>(), option::of(0..9_u32)).prop_map(
        |(flow, duration, flags, [packets, bytes], idle_age_s)| FlowStats {
            flow,
            duration,
            flags,
            packets,
            bytes,
            idle_age_s,
            hard_age_s: None,
        },
    )
}

pub fn any_flow_stats_request() -> impl Strategy<Value = FlowStatsRequest> {
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

pub fn any_flow_removed() -> impl Strategy<Value = FlowRemoved> {
    let reason = prop::sample::select(vec![
        RemovedReason::IdleTimeout,
        RemovedReason::HardTimeout,
        RemovedReason::Delete,
        RemovedReason::GroupDelete,
        RemovedReason::MeterDelete,
        RemovedReason::Eviction,
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

pub fn any_flow_monitor() -> impl Strategy<Value = FlowMonitor> {
    (any::<u32>(), 1..0x40_u16, any_filter(), any::<u8>(), any_match()).prop_map(
        |(monitor, flags, (out_port, out_group), table, matching)| FlowMonitor {
            monitor,
            command: FlowMonitorCommand::Add,
            flags: flags | flow_monitor_flags::ADD,
            out_port,
            out_group,
            table,
            matching,
        },
    )
}

pub fn any_flow_update() -> impl Strategy<Value = FlowUpdate> {
    let event = prop::sample::select(vec![
        FlowUpdateEvent::Initial,
        FlowUpdateEvent::Added,
        FlowUpdateEvent::Removed,
        FlowUpdateEvent::Modified,
    ]);
    prop_oneof![
        any::<u32>().prop_map(FlowUpdate::Abbreviated),
        Just(FlowUpdate::Paused),
        Just(FlowUpdate::Resumed),
        (event, any::<u8>(), any_flow()).prop_map(|(event, reason, flow)| {
            let flow = Flow { importance: 0, ..flow };
            FlowUpdate::Full(FlowUpdateFull { event, reason, flow })
        }),
    ]
}
