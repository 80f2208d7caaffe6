//! Flow monitors: what a session hears of flows that come, change and go (OpenFlow 1.4 section 6.10, `ovs-ofctl(8)`
//! under `monitor`).

use std::collections::BTreeMap;

use tulle_datapath as datapath;
use tulle_flow::Match;
use tulle_openflow::{
    ErrorCode, FlowMonitor, FlowMonitorCommand, FlowUpdate, FlowUpdateEvent, FlowUpdateFull, Message,
    MultipartReply, MultipartRequest, TABLE_ALL, Xid, flow_monitor_flags,
};

use super::Session;
use super::changes::removed_reason;
use crate::engine::Engine;
use crate::notice::FlowChange;

/// Monitors that one session may have.
const MOST_MONITORS: usize = 256;

/// The monitors of a session, by the controller's numbers.
pub(super) type Monitors = BTreeMap<u32, FlowMonitor>;

impl Session {
    /// Changes monitors and answers with the flows that there are.
    pub(super) fn monitor_flows(&mut self, engine: &mut Engine, xid: Xid, requests: Vec<FlowMonitor>) {
        let mut monitors = self.monitors.clone();
        let mut initial = Vec::new();
        for request in &requests {
            if let Err(code) = set_monitor(&mut monitors, request) {
                let request = MultipartRequest::FlowMonitors(requests);
                return self.refuse(xid, &Message::MultipartRequest { more: false, request }, code);
            }
            if request.command != FlowMonitorCommand::Delete
                && request.flags & flow_monitor_flags::INITIAL != 0
            {
                initial.extend(existing(engine, request));
            }
        }
        self.monitors = monitors;
        engine.note_monitors(self.has_monitors());
        self.reply(xid, Message::MultipartReply { more: false, reply: MultipartReply::FlowUpdates(initial) });
    }

    /// Ends a monitor.
    pub(super) fn cancel_monitor(&mut self, engine: &mut Engine, xid: Xid, monitor: u32) {
        if self.monitors.remove(&monitor).is_none() {
            self.refuse(xid, &Message::FlowMonitorCancel(monitor), ErrorCode::UnknownMonitor);
        }
        engine.note_monitors(self.has_monitors());
    }

    pub(crate) fn has_monitors(&self) -> bool {
        !self.monitors.is_empty()
    }

    /// Tells of changed flows; one's own changes only in short, where not asked for in full.
    pub(super) fn hear_flows(&mut self, change: &FlowChange) -> bool {
        let mut updates = Vec::new();
        let mut own = false;
        for event in &change.events {
            match self.update(change, event) {
                Some(FlowUpdate::Abbreviated(_)) => own = true,
                Some(update) => updates.push(update),
                None => {}
            }
        }
        if own {
            updates.push(FlowUpdate::Abbreviated(change.xid));
        }
        !updates.is_empty()
            && self
                .notify(&Message::MultipartReply { more: false, reply: MultipartReply::FlowUpdates(updates) })
    }

    fn update(&self, change: &FlowChange, event: &datapath::FlowEvent) -> Option<FlowUpdate> {
        let wanted = |monitor: &&FlowMonitor| {
            monitor.flags & flag_of(&event.change) != 0 && selects(monitor, &event.stats)
        };
        let chosen: Vec<&FlowMonitor> = self.monitors.values().filter(wanted).collect();
        if chosen.is_empty() {
            return None;
        }
        let is_own = change.session == Some(self.id);
        let in_full = chosen
            .iter()
            .any(|monitor| monitor.flags & (flow_monitor_flags::OWN | flow_monitor_flags::NO_ABBREV) != 0);
        if is_own && !in_full {
            return Some(FlowUpdate::Abbreviated(change.xid));
        }
        let actions = chosen.iter().any(|monitor| monitor.flags & flow_monitor_flags::INSTRUCTIONS != 0);
        Some(FlowUpdate::Full(full(event_of(&event.change), reason_of(&event.change), &event.stats, actions)))
    }
}

impl Engine {
    /// Gathers what happens to flows while some session wants to hear of it; `mine` is of the one being served.
    pub(crate) fn note_monitors(&mut self, mine: bool) {
        let others = self.wires.sessions.iter_mut().any(|(_, session)| session.has_monitors());
        self.datapath.watch_flows(mine || others);
    }
}

fn set_monitor(monitors: &mut Monitors, request: &FlowMonitor) -> Result<(), ErrorCode> {
    let exists = monitors.contains_key(&request.monitor);
    match request.command {
        FlowMonitorCommand::Add if exists => Err(ErrorCode::MonitorExists),
        FlowMonitorCommand::Add if monitors.len() >= MOST_MONITORS => Err(ErrorCode::InvalidMonitor),
        FlowMonitorCommand::Modify | FlowMonitorCommand::Delete if !exists => Err(ErrorCode::UnknownMonitor),
        FlowMonitorCommand::Delete => {
            monitors.remove(&request.monitor);
            Ok(())
        }
        _ => {
            monitors.insert(request.monitor, request.clone());
            Ok(())
        }
    }
}

fn existing(engine: &mut Engine, request: &FlowMonitor) -> Vec<FlowUpdate> {
    let filter = datapath::FlowFilter {
        table: (request.table != TABLE_ALL).then_some(request.table),
        matching: request.matching,
        out_port: request.out_port,
        out_group: request.out_group,
        ..datapath::FlowFilter::default()
    };
    let actions = request.flags & flow_monitor_flags::INSTRUCTIONS != 0;
    let flows = engine.datapath.flows(&filter, tulle_io::clock::monotonic_ns());
    let update =
        |stats: &datapath::FlowStats| FlowUpdate::Full(full(FlowUpdateEvent::Initial, 0, stats, actions));
    flows.iter().map(update).collect()
}

fn full(event: FlowUpdateEvent, reason: u8, stats: &datapath::FlowStats, actions: bool) -> FlowUpdateFull {
    let mut flow = stats.flow.clone();
    if !actions {
        flow.actions.clear();
    }
    FlowUpdateFull { event, reason, flow }
}

fn selects(monitor: &FlowMonitor, stats: &datapath::FlowStats) -> bool {
    let flow = &stats.flow;
    (monitor.table == TABLE_ALL || monitor.table == flow.table)
        && (monitor.matching == Match::ANY || monitor.matching.contains(&flow.matching))
        && monitor.out_port.is_none_or(|port| datapath::sends_to(&flow.actions, port))
        && monitor.out_group.is_none_or(|group| datapath::uses_group(&flow.actions, group))
}

fn flag_of(change: &datapath::FlowChange) -> u16 {
    match change {
        datapath::FlowChange::Added => flow_monitor_flags::ADD,
        datapath::FlowChange::Modified => flow_monitor_flags::MODIFY,
        datapath::FlowChange::Removed(_) => flow_monitor_flags::REMOVED,
    }
}

fn event_of(change: &datapath::FlowChange) -> FlowUpdateEvent {
    match change {
        datapath::FlowChange::Added => FlowUpdateEvent::Added,
        datapath::FlowChange::Modified => FlowUpdateEvent::Modified,
        datapath::FlowChange::Removed(_) => FlowUpdateEvent::Removed,
    }
}

fn reason_of(change: &datapath::FlowChange) -> u8 {
    match change {
        datapath::FlowChange::Removed(reason) => removed_reason(*reason) as u8,
        _ => 0,
    }
}
