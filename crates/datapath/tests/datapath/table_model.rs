//! Flow modifications against an obvious list of flows.

use crate::recorder::flow_mod;
use proptest::prelude::*;
use tulle_datapath::{Command, Datapath, FlowFilter, FlowMod, FlowRemoved};
use tulle_flow::{Action, Flow};

const MATCHES: [&str; 7] = [
    "",
    "in_port=1",
    "ip",
    "ip,nw_dst=10.0.0.0/8",
    "ip,nw_dst=10.1.0.0/16",
    "ip,in_port=1,nw_dst=10.1.0.0/16",
    "arp",
];
const ACTIONS: [&str; 4] = ["drop", "output:1", "output:2,output:1", "CONTROLLER:10"];

fn change() -> impl Strategy<Value = FlowMod> {
    use Command::{Add, Delete, DeleteStrict, Modify, ModifyStrict};
    let command = prop::sample::select(vec![Add, Add, Add, Add, Modify, ModifyStrict, Delete, DeleteStrict]);
    let flow = (0..2_u8, 0..2_u16, 0..MATCHES.len(), 0..ACTIONS.len(), 0..4_u64);
    let masks = prop_oneof![4 => 0..4_u64, 1 => Just(u64::MAX)];
    let filters = (masks, prop::option::of(1..3_u32), any::<bool>());
    (command, flow, filters).prop_map(
        |(command, (table, priority, matching, actions, cookie), (mask, port, all))| {
            let (matching, actions) = (MATCHES[matching], ACTIONS[actions]);
            let text =
                format!("cookie={cookie},table={table},priority={priority},{matching} actions={actions}");
            let change =
                FlowMod { cookie_mask: mask, out_port: port, all_tables: all, ..flow_mod(command, &text) };
            FlowMod { notify_removal: true, ..change }
        },
    )
}

fn selects(change: &FlowMod, flow: &Flow) -> bool {
    let strict = matches!(change.command, Command::ModifyStrict | Command::DeleteStrict);
    let deletes = matches!(change.command, Command::Delete | Command::DeleteStrict);
    let fits = if strict {
        flow.matching == change.flow.matching && flow.priority == change.flow.priority
    } else {
        change.flow.matching.contains(&flow.matching)
    };
    let sends = change.out_port.is_none_or(|port| flow.actions.contains(&Action::Output(port)));
    fits && (change.all_tables || flow.table == change.flow.table)
        && flow.cookie & change.cookie_mask == change.flow.cookie & change.cookie_mask
        && (sends || !deletes)
}

/// Makes a change in the list, and gives what it removed.
fn apply(flows: &mut Vec<Flow>, change: &FlowMod) -> Vec<Flow> {
    match change.command {
        Command::Add => {
            let place = |flow: &Flow| (flow.table, flow.priority, flow.matching);
            flows.retain(|flow| place(flow) != place(&change.flow));
            flows.push(change.flow.clone());
            Vec::new()
        }
        Command::Modify | Command::ModifyStrict => {
            for flow in flows.iter_mut().filter(|flow| selects(change, flow)) {
                flow.actions.clone_from(&change.flow.actions);
            }
            Vec::new()
        }
        Command::Delete | Command::DeleteStrict => {
            let (removed, kept) = flows.drain(..).partition(|flow| selects(change, flow));
            *flows = kept;
            removed
        }
    }
}

fn sorted<'a>(flows: impl IntoIterator<Item = &'a Flow>) -> Vec<String> {
    let mut texts: Vec<_> = flows.into_iter().map(ToString::to_string).collect();
    texts.sort();
    texts
}

proptest! {
    #[test]
    fn tables_hold_what_a_list_holds(changes in prop::collection::vec(change(), 1..40)) {
        let (mut datapath, mut model) = (Datapath::new(4), Vec::new());
        for change in &changes {
            let removed: Vec<FlowRemoved> = datapath.flow_mod(change, 0).expect("no limits are met");
            let gone: Vec<_> = removed.iter().map(|removed| removed.stats().flow).collect();
            let expected = apply(&mut model, change);
            prop_assert_eq!(sorted(&gone), sorted(&expected), "{:?}", change);
            let filter = FlowFilter::default();
            let listed = datapath.flows(&filter, 0);
            prop_assert_eq!(sorted(listed.iter().map(|stats| &stats.flow)), sorted(&model), "{:?}", change);
        }
    }

    #[test]
    fn queries_select_as_removals_do(changes in prop::collection::vec(change(), 1..30), query in change()) {
        let (mut datapath, mut model) = (Datapath::new(4), Vec::new());
        for change in changes.iter().filter(|change| change.command == Command::Add) {
            datapath.flow_mod(change, 0).expect("no limits are met");
            apply(&mut model, change);
        }
        let query = FlowMod { command: Command::Delete, ..query };
        let filter = FlowFilter {
            table: (!query.all_tables).then_some(query.flow.table),
            matching: query.flow.matching,
            cookie: query.flow.cookie,
            cookie_mask: query.cookie_mask,
            out_port: query.out_port,
            out_group: None,
        };
        let listed = datapath.flows(&filter, 0);
        let expected = apply(&mut model, &query);
        prop_assert_eq!(sorted(listed.iter().map(|stats| &stats.flow)), sorted(&expected));
        let mut shown = Vec::new();
        datapath.visit_flows(&filter, 0, &mut |stats| shown.push(stats));
        prop_assert_eq!(&shown, &listed);
        prop_assert_eq!(datapath.aggregate(&filter), (0, 0, listed.len()));
    }
}
