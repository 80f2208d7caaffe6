//! The tables that a switch leaves behind are those that the next one has.

mod common;

use std::path::PathBuf;

use common::{Controller, file, texts};
use tulle_flow::Action;
use tulle_openflow::{
    Bucket, Config, Event, FlowMod, FlowModCommand, Group, GroupCommand, GroupKind, GroupMod, Message, Meter,
    MeterBand, MeterBandKind, MeterCommand, MeterMod, MultipartReply, MultipartRequest, Selection,
    SelectionMethod, TableConfig, TlvMap, TlvTableCommand, TlvTableMod, bucket_id, flow_mod_flags,
    meter_flags, table_config,
};
use tulle_switch::Switch;

/// Buckets of a group that has grown by several messages.
const MANY: u32 = 1500;
/// Buckets that one message may bring here.
const A_MESSAGE: u32 = 500;

fn bucket(id: u32, action: Action) -> Bucket {
    Bucket { id, weight: 0, watch_port: None, watch_group: None, actions: vec![action] }
}

fn group(command: GroupCommand, group: Group, bucket: u32) -> Message {
    Message::GroupMod(GroupMod { command, group, bucket })
}

fn install(controller: &mut Controller) {
    let add = |one| group(GroupCommand::Add, one, bucket_id::ALL);
    let base = |group, kind, buckets| Group { group, kind, buckets, selection: None };
    controller.change(add(base(9, GroupKind::Indirect, vec![bucket(0, Action::Output(3))])));
    let watching = Bucket { watch_group: Some(9), ..bucket(5, Action::Output(1)) };
    controller.change(add(base(4, GroupKind::FastFailover, vec![watching])));
    // The lowest number uses the highest.
    controller.change(add(base(1, GroupKind::All, vec![bucket(7, Action::Group(9))])));
    let heavy = Bucket { weight: 3, ..bucket(8, Action::Output(2)) };
    let more = base(1, GroupKind::All, vec![heavy]);
    controller.change(group(GroupCommand::InsertBucket, more, bucket_id::FIRST));
    let selection = Selection { method: SelectionMethod::Hash, parameter: 77, fields: Vec::new() };
    let select = base(20, GroupKind::Select, Vec::new());
    controller.change(add(Group { selection: Some(selection), ..select.clone() }));
    for first in (0..MANY).step_by(A_MESSAGE as usize) {
        let buckets =
            (first..first + A_MESSAGE).map(|id| Bucket { weight: 2, ..bucket(id, Action::Output(id + 1)) });
        let more = Group { buckets: buckets.collect(), ..select.clone() };
        controller.change(group(GroupCommand::InsertBucket, more, bucket_id::LAST));
    }
    let band = MeterBand { kind: MeterBandKind::DscpRemark(2), rate: 1000, burst: 12 };
    let flags = meter_flags::KBPS | meter_flags::BURST | meter_flags::STATS;
    let meter = Meter { meter: 6, flags, bands: vec![band] };
    controller.change(Message::MeterMod(MeterMod { command: MeterCommand::Add, meter }));
}

#[test]
fn groups_and_meters_are_restored_as_they_were_with_the_flows_that_use_them() {
    let (before, after) = (Switch::start("a", 1, 1).expect("one"), Switch::start("b", 1, 2).expect("two"));
    let mut controller = Controller::of(&before);
    install(&mut controller);
    let flows = ["priority=3,tcp,actions=meter:6,group:1", "in_port=2,actions=group:20"];
    let flows = flows.iter().map(|text| text.parse().expect("a flow")).collect();
    before.change_flows(tulle_datapath::Command::Add, flows).expect("flows");
    let path = file("whole");
    assert_eq!(before.save_flows(&path, None).expect("saved"), 2);
    let loaded = after.load_flows(Some(&path), Vec::new()).expect("loaded");
    assert_eq!((loaded.flows, loaded.refused), (2, 0), "{:?}", loaded.problems);
    assert_eq!(texts(&after), texts(&before));
    let again = file("again");
    after.save_flows(&again, None).expect("saved");
    let saved = |path: &PathBuf| std::fs::read_to_string(path).expect("a file");
    assert!(saved(&again) == saved(&path), "the second switch has other groups or meters");
    assert_eq!(
        saved(&path).lines().count(),
        1 + 2 + 1 + 4 + 3 + 1,
        "a place, flows, a meter, empty groups, groups, a long one"
    );
    [path, again].iter().for_each(|path| std::fs::remove_file(path).expect("a file"));
}

#[test]
fn what_controllers_have_set_of_tables_and_fragments_is_restored() {
    let (before, after) = (Switch::start("e", 1, 1).expect("one"), Switch::start("f", 1, 2).expect("two"));
    let mut controller = Controller::of(&before);
    let version = before.version().expect("a version");
    let config = TableConfig { table: 3, config: table_config::EVICTION, ..TableConfig::default() };
    controller.change(Message::TableMod(config));
    assert!(before.version().expect("a version") > version, "nobody would save it");
    controller.change(Message::SetConfig(Config { flags: Config::FRAGMENTS_DROP, ..Config::default() }));
    let path = file("settings");
    before.save_flows(&path, None).expect("saved");
    let loaded = after.load_flows(Some(&path), Vec::new()).expect("loaded");
    std::fs::remove_file(&path).expect("a file");
    assert_eq!((loaded.others, loaded.refused), (2, 0), "{:?}", loaded.problems);
    assert_eq!(settings_told(&mut Controller::of(&after)), settings_told(&mut controller));
    assert_eq!(settings_told(&mut controller), (vec![3], Config::FRAGMENTS_DROP));
}

/// The tables that evict, and what is done with fragments.
fn settings_told(controller: &mut Controller) -> (Vec<u8>, u16) {
    controller.connection.send(&Message::ConfigRequest).expect("a request");
    let request = Message::MultipartRequest { more: false, request: MultipartRequest::TableDescriptions };
    controller.connection.send(&request).expect("a request");
    let (mut tables, mut flags) = (Vec::new(), 0);
    for event in controller.exchange() {
        let Event::MessageReceived { message, .. } = event else { continue };
        match message {
            Message::ConfigReply(config) => flags = config.flags,
            Message::MultipartReply { reply: MultipartReply::TableDescriptions(told), .. } => {
                tables.extend(told)
            }
            other => panic!("{other:?}"),
        }
    }
    tables.retain(|one: &TableConfig| one.config & table_config::EVICTION != 0);
    (tables.iter().map(|one| one.table).collect(), flags)
}

#[test]
fn many_flows_are_saved_though_few_are_copied_at_once() {
    let (before, after) = (Switch::start("g", 1, 1).expect("one"), Switch::start("h", 1, 2).expect("two"));
    let flow = |i: u32| format!("table={},metadata={i},actions=output:{}", i % 2, i % 9 + 1);
    let flows = (0..2000).map(|i| flow(i).parse().expect("a flow")).collect();
    before.change_flows(tulle_datapath::Command::Add, flows).expect("flows");
    let path = file("many");
    assert_eq!(before.save_flows(&path, None).expect("saved"), 2000);
    let loaded = after.load_flows(Some(&path), Vec::new()).expect("loaded");
    std::fs::remove_file(&path).expect("a file");
    assert_eq!((loaded.flows, loaded.refused), (2000, 0), "{:?}", loaded.problems);
    assert!(texts(&after) == texts(&before));
}

#[test]
fn a_line_that_is_refused_keeps_no_other_from_being_restored() {
    let switch = Switch::start("c", 1, 1).expect("a switch");
    let path = file("damaged");
    let lines = [
        "message:zz",
        "message:0f",
        "message:é",
        "no flow",
        "table=1,actions=group:5",
        "table=2,actions=drop",
    ];
    std::fs::write(&path, lines.join("\n")).expect("a file");
    let loaded = switch.load_flows(Some(&path), Vec::new()).expect("loaded");
    std::fs::remove_file(&path).expect("a file");
    assert_eq!((loaded.flows, loaded.others, loaded.refused), (1, 0, 5), "{:?}", loaded.problems);
    assert!(loaded.problems.iter().any(|problem| problem.contains("group 5")), "{:?}", loaded.problems);
    assert_eq!(texts(&switch).len(), 1);
}

#[test]
fn whoever_asked_to_hear_of_a_flows_end_hears_of_it_after_a_restart() {
    let (before, after) = (Switch::start("e", 1, 1).expect("one"), Switch::start("f", 1, 2).expect("two"));
    let add = |text: &str, flags| FlowMod { flags, ..FlowMod::add(text.parse().expect("a flow")) };
    let mut controller = Controller::of(&before);
    let asked = flow_mod_flags::SEND_FLOW_REMOVED | flow_mod_flags::CHECK_OVERLAP;
    controller.change(Message::FlowMod(add("priority=3,tcp,actions=drop", asked)));
    controller.change(Message::FlowMod(add("priority=3,tcp,tcp_dst=7,actions=drop", 0)));
    let path = file("flags");
    assert_eq!(before.save_flows(&path, None).expect("saved"), 2);
    let loaded = after.load_flows(Some(&path), Vec::new()).expect("loaded");
    std::fs::remove_file(&path).expect("a file");
    assert_eq!((loaded.flows, loaded.refused), (2, 0), "{:?}", loaded.problems);
    let mut controller = Controller::of(&after);
    let delete = FlowMod::new(FlowModCommand::Delete, "table=0".parse().expect("a flow"));
    controller.connection.send(&Message::FlowMod(delete)).expect("a request");
    let told = controller.exchange();
    let removed =
        |event: &Event| matches!(event, Event::MessageReceived { message: Message::FlowRemoved(_), .. });
    assert_eq!((told.len(), told.iter().filter(|event| removed(event)).count()), (1, 1), "{told:?}");
}

#[test]
fn a_change_of_a_group_or_a_meter_makes_the_version_rise() {
    let switch = Switch::start("d", 1, 1).expect("a switch");
    let mut controller = Controller::of(&switch);
    let mut versions = vec![switch.version().expect("a version")];
    let delete = |number| Group { group: number, ..Group::default() };
    controller.change(group(GroupCommand::Add, Group { group: 1, ..Group::default() }, bucket_id::ALL));
    versions.push(switch.version().expect("a version"));
    controller.change(group(GroupCommand::Delete, delete(1), bucket_id::ALL));
    versions.push(switch.version().expect("a version"));
    let band = MeterBand { kind: MeterBandKind::Drop, rate: 1, burst: 0 };
    let meter = Meter { meter: 6, flags: meter_flags::PKTPS, bands: vec![band] };
    controller.change(Message::MeterMod(MeterMod { command: MeterCommand::Add, meter }));
    versions.push(switch.version().expect("a version"));
    assert!(versions.is_sorted_by(|before, after| before < after), "{versions:?}");
}

#[test]
fn the_map_of_geneve_options_is_restored_before_the_flows_that_use_it() {
    let (before, after) = (Switch::start("a", 1, 1).expect("one"), Switch::start("b", 1, 2).expect("two"));
    let mut controller = Controller::of(&before);
    let map = |index, length| TlvMap { class: 0xffff, kind: index as u8, length, index };
    let maps = vec![map(0, 4), map(63, 20)];
    controller
        .change(Message::TlvTableMod(TlvTableMod { command: TlvTableCommand::Add, maps: maps.clone() }));
    let flow = "tun_metadata63=0x102030405060708090a0b0c0d0e0f1011121314,tun_metadata0,\
                actions=set_field:5/0xff->tun_metadata0,output:1";
    let flows = vec![flow.parse().expect("a flow")];
    before.change_flows(tulle_datapath::Command::Add, flows).expect("flows");
    let path = file("options");
    assert_eq!(before.save_flows(&path, None).expect("saved"), 1);
    let loaded = after.load_flows(Some(&path), Vec::new()).expect("loaded");
    assert_eq!((loaded.flows, loaded.others, loaded.refused), (1, 1, 0), "{:?}", loaded.problems);
    assert_eq!(texts(&after), texts(&before));
    let again = file("options-again");
    after.save_flows(&again, None).expect("saved");
    let text = |path| std::fs::read_to_string(path).expect("a file");
    assert_eq!(text(&again), text(&path));
    assert!(texts(&after)[0].contains("tun_metadata63=0x102030405060708090a0b0c0d0e0f1011121314"));
    [path, again].iter().for_each(|path| std::fs::remove_file(path).expect("a file"));
}
