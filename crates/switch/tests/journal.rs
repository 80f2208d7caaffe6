//! What a switch has acknowledged is in its journal, and makes the same tables again.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{Controller, texts};
use tulle_datapath::TablePolicy;
use tulle_flow::{Action, Flow, port};
use tulle_openflow::{
    Bucket, BundleAdd, BundleControl, BundleControlKind, Config, FlowMod, FlowModCommand, Group,
    GroupCommand, GroupKind, GroupMod, Message, Meter, MeterBand, MeterBandKind, MeterCommand, MeterMod,
    PacketOut, TableConfig, TlvMap, TlvTableCommand, TlvTableMod, Version, bucket_id, bundle_flags,
    flow_mod_flags, meter_flags, table_config,
};
use tulle_switch::{JournalFile, Loaded, Switch, TableSettings, Unsaved};

/// A place of its own for a test's files, which goes with it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let place = std::env::temp_dir().join(format!("tulle-journal-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&place).expect("a directory");
        Place(place)
    }

    fn journal(&self, number: u64) -> JournalFile {
        JournalFile { number, path: self.0.join(format!("{number}.journal")) }
    }

    fn snapshot(&self) -> PathBuf {
        self.0.join("flows")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn switch() -> Switch {
    Switch::start("journal", 1, 1).expect("a switch")
}

fn with_journal(place: &Place) -> Switch {
    let switch = switch();
    switch.begin_journal(&place.journal(1).path).expect("a journal");
    switch
}

/// Another switch with what such files say, and what became of them.
fn successor(snapshot: Option<&Path>, journals: Vec<JournalFile>) -> (Switch, Loaded) {
    let after = switch();
    let loaded = after.load_flows(snapshot, journals).expect("loaded");
    (after, loaded)
}

/// All that is saved of a switch but where it was copied.
fn state(switch: &Switch, place: &Place) -> Vec<String> {
    let path = place.0.join("state");
    switch.save_flows(&path, None).expect("saved");
    let text = std::fs::read_to_string(&path).expect("a file");
    text.lines().filter(|line| !line.starts_with("at:")).map(str::to_owned).collect()
}

fn flow(text: &str) -> Flow {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn change(command: FlowModCommand, text: &str) -> Message {
    Message::FlowMod(FlowMod::new(command, flow(text)))
}

fn add(text: &str) -> Message {
    change(FlowModCommand::Add, text)
}

fn group(command: GroupCommand, number: u32, port: u32) -> Message {
    let bucket =
        Bucket { id: 0, weight: 0, watch_port: None, watch_group: None, actions: vec![Action::Output(port)] };
    let buckets = if command == GroupCommand::Delete { Vec::new() } else { vec![bucket] };
    let group = Group { group: number, kind: GroupKind::All, buckets, selection: None };
    Message::GroupMod(GroupMod { command, group, bucket: bucket_id::ALL })
}

fn bundle(number: u32, messages: Vec<Message>) -> Vec<Message> {
    let flags = bundle_flags::ATOMIC;
    let control = |kind| Message::BundleControl(BundleControl { bundle: number, kind, flags });
    let added = |message| Message::BundleAdd(BundleAdd { bundle: number, flags, message: Box::new(message) });
    let mut all = vec![control(BundleControlKind::OpenRequest)];
    all.extend(messages.into_iter().map(added));
    all.push(control(BundleControlKind::CommitRequest));
    all
}

/// Sends messages of which some have answers.
fn send(controller: &mut Controller, messages: Vec<Message>) {
    for message in messages {
        controller.connection.send(&message).expect("a request");
        let answers = format!("{:?}", controller.exchange());
        assert!(!answers.contains("Error("), "{message:?}: {answers}");
    }
}

/// Has table 4 give up flows for new ones.
fn evicting(switch: &Switch, limit: usize) {
    let policy = TablePolicy { flow_limit: Some(limit), evicts: true, ..TablePolicy::default() };
    let settings = TableSettings { policy, ..TableSettings::default() };
    switch.configure_tables(BTreeMap::from([(4, settings)])).expect("settings");
}

/// A packet that teaches a flow of table 4, another one for each number.
fn packet_out(number: u32) -> Message {
    let learns =
        "actions=learn(table=4,idle_timeout=600,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[])";
    let mut frame = vec![0; 60];
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, number as u8]);
    Message::PacketOut(PacketOut {
        buffer: None,
        in_port: port::CONTROLLER,
        actions: flow(learns).actions,
        data: frame,
        ..PacketOut::default()
    })
}

fn learn(switch: &Switch, number: u32) {
    send(&mut Controller::of(switch), vec![packet_out(number)]);
}

#[test]
fn everything_that_was_acknowledged_is_there_again_without_a_save() {
    let place = Place::new("all");
    let before = with_journal(&place);
    let mut controller = Controller::of(&before);
    let map = TlvMap { class: 0xffff, kind: 1, length: 4, index: 3 };
    let band = MeterBand { kind: MeterBandKind::Drop, rate: 100, burst: 0 };
    let meter = Meter { meter: 6, flags: meter_flags::KBPS, bands: vec![band] };
    let config = TableConfig { table: 3, config: table_config::EVICTION, ..TableConfig::default() };
    let messages = vec![
        Message::TlvTableMod(TlvTableMod { command: TlvTableCommand::Add, maps: vec![map] }),
        group(GroupCommand::Add, 5, 2),
        Message::MeterMod(MeterMod { command: MeterCommand::Add, meter }),
        Message::TableMod(config),
        Message::SetConfig(Config { flags: Config::FRAGMENTS_DROP, ..Config::default() }),
        add("table=1,priority=5,tcp,actions=meter:6,group:5"),
        add("table=1,priority=6,udp,actions=output:7"),
        add("cookie=0x7,tun_metadata3=0x5,actions=output:1"),
        change(FlowModCommand::Modify, "table=1,udp,actions=output:8"),
        add("table=2,actions=drop"),
        change(FlowModCommand::Delete, "table=2"),
    ];
    messages.into_iter().for_each(|message| controller.change(message));
    let (after, loaded) = successor(None, vec![place.journal(1)]);
    assert_eq!((loaded.changes, loaded.refused), (11, 0), "{:?}", loaded.problems);
    assert_eq!(state(&after, &place), state(&before, &place));
    assert_eq!(texts(&after).len(), 3);
}

#[test]
fn a_refused_change_is_not_made_again() {
    let place = Place::new("refused");
    let before = with_journal(&place);
    let mut controller = Controller::of(&before);
    controller.connection.send(&add("actions=group:9")).expect("a request");
    assert_eq!(controller.exchange().len(), 1, "an error");
    controller.change(group(GroupCommand::Add, 9, 1));
    let (after, loaded) = successor(None, vec![place.journal(1)]);
    assert_eq!((loaded.changes, texts(&after).len()), (1, 0));
}

#[test]
fn a_journal_that_ends_anywhere_gives_a_state_that_was_and_a_bundle_is_whole_or_absent() {
    let place = Place::new("cut");
    let before = with_journal(&place);
    let mut controller = Controller::of(&before);
    let mut states = vec![texts(&before)];
    for round in 0..3 {
        controller.change(add(&format!("table=1,metadata={round},actions=output:1")));
        states.push(texts(&before));
        let flows = (0..4).map(|i| add(&format!("table=2,metadata={round},reg1={i},actions=output:2")));
        send(&mut controller, bundle(round + 1, flows.collect()));
        states.push(texts(&before));
    }
    let end = before.unsaved().expect("an answer").journal as usize;
    let whole = std::fs::read(place.journal(1).path).expect("a journal");
    let mut seen = 0;
    for length in 0..=end {
        let cut = place.journal(2);
        std::fs::write(&cut.path, &whole[..length]).expect("a file");
        let (after, loaded) = successor(None, vec![cut]);
        assert_eq!(loaded.problems, Vec::<String>::new(), "{length} bytes");
        let found = texts(&after);
        seen += usize::from(states[seen] != found);
        assert_eq!(found, states[seen], "{length} bytes");
    }
    assert_eq!(seen + 1, states.len(), "not all states came up");
}

#[test]
fn a_refused_bundle_is_not_made_again() {
    let place = Place::new("bundle");
    let before = with_journal(&place);
    let mut controller = Controller::of(&before);
    for message in bundle(1, vec![add("table=1,actions=drop"), add("actions=group:9")]) {
        controller.connection.send(&message).expect("a request");
        controller.exchange();
    }
    let (after, loaded) = successor(None, vec![place.journal(1)]);
    assert_eq!((loaded.changes, loaded.refused, texts(&after).len()), (0, 0, 0));
}

#[test]
fn a_modification_of_openflow_1_0_adds_again_only_where_it_had_added() {
    let place = Place::new("old");
    let before = with_journal(&place);
    let mut controller = Controller::speaking(&before, Version::V10);
    controller.change(change(FlowModCommand::Modify, "table=255,in_port=1,actions=output:2"));
    controller.change(add("table=0,priority=9,in_port=2,tcp,actions=output:1"));
    controller.change(change(FlowModCommand::Modify, "table=255,in_port=2,actions=output:3"));
    // As if the second flow came from a save that has copied it after the last change.
    let (after, loaded) = successor(None, vec![place.journal(1)]);
    assert_eq!((loaded.changes, texts(&after)), (3, texts(&before)));
    assert_eq!(texts(&after).len(), 2);
}

#[test]
fn flows_that_went_by_themselves_do_not_come_back() {
    let place = Place::new("gone");
    let before = with_journal(&place);
    let policy = TablePolicy { flow_limit: Some(2), evicts: true, ..TablePolicy::default() };
    let settings = TableSettings { policy, ..TableSettings::default() };
    before.configure_tables(BTreeMap::from([(4, settings)])).expect("settings");
    let mut controller = Controller::of(&before);
    controller.change(add("table=3,hard_timeout=1,actions=drop"));
    for i in 0..3 {
        controller
            .change(add(&format!("table=4,importance={},idle_timeout=600,reg1={i},actions=drop", 9 - i)));
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    while texts(&before).len() > 2 {
        assert!(Instant::now() < deadline, "{:?}", texts(&before));
        std::thread::sleep(Duration::from_millis(20));
    }
    // The switch answers before it has written what the sweep found.
    before.unsaved().expect("an answer");
    let (after, _) = successor(None, vec![place.journal(1)]);
    assert_eq!(texts(&after), texts(&before));
}

#[test]
fn what_the_owner_changes_is_written_down_too() {
    let place = Place::new("owner");
    let before = with_journal(&place);
    let flows = vec![flow("table=1,actions=drop"), flow("table=2,actions=NORMAL")];
    before.change_flows(tulle_datapath::Command::Add, flows).expect("flows");
    before.change_flows(tulle_datapath::Command::DeleteStrict, vec![flow("table=1")]).expect("gone");
    let (after, _) = successor(None, vec![place.journal(1)]);
    assert_eq!(texts(&after), texts(&before));
    before.change_flows(tulle_datapath::Command::Delete, vec![flow("")]).expect("gone");
    assert_eq!(texts(&successor(None, vec![place.journal(1)]).0), Vec::<String>::new());
}

#[test]
fn a_switch_says_what_a_save_would_save() {
    let place = Place::new("unsaved");
    let before = switch();
    assert!(before.unsaved().expect("an answer").others, "nobody writes anything down");
    before.begin_journal(&place.journal(1).path).expect("a journal");
    let empty = before.unsaved().expect("an answer");
    assert_eq!(empty, Unsaved { journal: empty.journal, ..Unsaved::default() });
    let mut controller = Controller::of(&before);
    controller.change(add("table=1,actions=drop"));
    let Unsaved { journal, others, .. } = before.unsaved().expect("an answer");
    let file = std::fs::read(place.journal(1).path).expect("a file");
    let length = u64::from_be_bytes(file[8..16].try_into().expect("a head"));
    assert_eq!((journal, others), (16 + length, false));
    assert!(journal > empty.journal);
    before.save_flows(&place.snapshot(), Some(place.journal(2))).expect("saved");
    assert_eq!(before.unsaved().expect("an answer"), empty);
}

#[test]
fn what_no_journal_has_is_unsaved_until_a_save_is_known_to_be_whole() {
    let place = Place::new("owed");
    let before = with_journal(&place);
    let is_due = || before.unsaved().expect("an answer").others;
    learn(&before, 1);
    assert!(is_due());
    assert!(before.save_flows(Path::new("/proc/no/such/place"), Some(place.journal(2))).is_err());
    assert!(before.save_flows(Path::new("/dev/full"), Some(place.journal(3))).is_err());
    assert!(is_due(), "though another journal has begun");
    before.save_flows(&place.snapshot(), Some(place.journal(4))).expect("saved");
    assert!(is_due(), "the file may not have come to its place");
    before.note_saved().expect("an answer");
    assert!(!is_due());
}

#[test]
fn a_first_save_that_fails_is_still_due() {
    let place = Place::new("first");
    let before = switch();
    assert!(before.save_flows(Path::new("/dev/full"), Some(place.journal(1))).is_err());
    assert!(before.unsaved().expect("an answer").others);
}

#[test]
fn flows_that_packets_make_and_evict_leave_nothing_in_the_journal_until_a_save_has_them() {
    let place = Place::new("learned");
    let before = with_journal(&place);
    evicting(&before, 2);
    let length = || before.unsaved().expect("an answer").journal;
    let empty = length();
    (1..20).for_each(|port| learn(&before, port));
    assert_eq!((texts(&before).len(), length()), (2, empty));
    before.save_flows(&place.snapshot(), Some(place.journal(2))).expect("saved");
    (30..40).for_each(|port| learn(&before, port));
    let mut controller = Controller::of(&before);
    controller.change(add("table=4,importance=9,idle_timeout=600,actions=drop"));
    let (after, loaded) = successor(Some(&place.snapshot()), vec![place.journal(2)]);
    assert_eq!((loaded.changes, loaded.flows, texts(&after).len()), (3, 2, 1), "two ends, one flow");
}

#[test]
fn a_bundle_says_what_its_packets_learn_and_what_it_has_evicted() {
    let place = Place::new("bundled");
    let before = with_journal(&place);
    evicting(&before, 1);
    let is_due = || before.unsaved().expect("an answer").others;
    let mut controller = Controller::of(&before);
    controller.change(add("table=5,actions=drop"));
    before.save_flows(&place.snapshot(), Some(place.journal(2))).expect("saved");
    before.note_saved().expect("an answer");
    let timed = |i| add(&format!("table=4,idle_timeout=600,reg1={i},actions=drop"));
    send(&mut controller, bundle(1, vec![timed(1)]));
    assert!(!is_due());
    send(&mut controller, bundle(2, vec![timed(2)]));
    assert!(is_due(), "one was evicted");
    before.save_flows(&place.snapshot(), Some(place.journal(3))).expect("saved");
    before.note_saved().expect("an answer");
    assert!(!is_due());
    send(&mut controller, bundle(3, vec![packet_out(7)]));
    assert!(is_due(), "a packet has taught a flow");
}

#[test]
fn a_modification_of_openflow_1_0_that_evicts_adds_again() {
    let place = Place::new("old-evicts");
    let before = with_journal(&place);
    let policy = TablePolicy { flow_limit: Some(1), evicts: true, ..TablePolicy::default() };
    let settings = TableSettings { policy, ..TableSettings::default() };
    before.configure_tables(BTreeMap::from([(0, settings)])).expect("settings");
    let mut controller = Controller::speaking(&before, Version::V10);
    for port in [1, 2] {
        let text = format!("table=255,idle_timeout=600,in_port={port},actions=output:3");
        controller.change(change(FlowModCommand::Modify, &text));
    }
    let (after, _) = successor(None, vec![place.journal(1)]);
    assert_eq!((texts(&after).len(), texts(&after)), (1, texts(&before)));
}

/// Numbers that anybody may draw again, in a fixed order.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A change of which each depends on what there was: filters by port and group, groups that take flows along.
fn some_change(numbers: &mut Numbers) -> Vec<Message> {
    let (one, port) = (numbers.below(40), numbers.below(4) + 1);
    let text = |actions: &str| format!("table={},metadata={one},actions={actions}", one % 3);
    let filtered = |command, text: &str, port: u64| {
        let change = FlowMod::new(command, flow(text));
        Message::FlowMod(FlowMod { out_port: Some(port as u32), ..change })
    };
    let number = numbers.below(2) as u32 + 1;
    match numbers.below(12) {
        0 => vec![filtered(FlowModCommand::Delete, "table=255", port)],
        1 => vec![group(GroupCommand::Delete, number, 1), group(GroupCommand::Add, number, port as u32)],
        2 => vec![change(FlowModCommand::Modify, &format!("table=1,actions=output:{port}"))],
        3 => vec![change(FlowModCommand::ModifyStrict, &text(&format!("group:{number}")))],
        4 => bundle(7, (0..3).map(|i| add(&format!("table=2,reg1={i},actions=output:{port}"))).collect()),
        5 => vec![change(FlowModCommand::DeleteStrict, &text("drop"))],
        6 => {
            let overlaps = FlowMod::add(flow(&format!("table=4,priority=9,reg2={one},actions=drop")));
            let flags = flow_mod_flags::CHECK_OVERLAP;
            let remove = change(FlowModCommand::Delete, "table=4,actions=drop");
            vec![remove, Message::FlowMod(FlowMod { flags, ..overlaps })]
        }
        7 | 8 => vec![add(&text(&format!("group:{number}")))],
        _ => vec![add(&text(&format!("output:{port}")))],
    }
}

struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_save_while_everything_changes_and_its_journal_give_exactly_the_same_tables() {
    for seed in 0..3 {
        let place = Place::new(&format!("busy-{seed}"));
        let before = with_journal(&place);
        let mut controller = Controller::of(&before);
        send(&mut controller, (1..=2).map(|number| group(GroupCommand::Add, number, 1)).collect());
        // So many that a save copies them in several parts.
        let flows = (0..800).map(|i| flow(&format!("table={},reg5={i},actions=output:{}", i % 3, i % 4 + 1)));
        before.change_flows(tulle_datapath::Command::Add, flows.collect()).expect("flows");
        let is_over = AtomicBool::new(false);
        let (before, place) = (&before, &place);
        let last = std::thread::scope(|scope| {
            let saver = scope.spawn(|| {
                // Once at least, however late it begins.
                let is_last = |number: &u64| {
                    before.save_flows(&place.snapshot(), Some(place.journal(*number))).expect("saved");
                    is_over.load(Ordering::Relaxed)
                };
                (2..).find(is_last).expect("the last one")
            });
            // Also where something fails: the saver would go on for ever.
            let ending = Ending(&is_over);
            let mut numbers = Numbers(seed);
            for _ in 0..150 {
                send(&mut controller, some_change(&mut numbers));
            }
            drop(ending);
            saver.join().expect("a saver")
        });
        let (after, loaded) = successor(Some(&place.snapshot()), vec![place.journal(last)]);
        assert_eq!(loaded.problems, Vec::<String>::new(), "seed {seed}");
        let (found, expected) = (state(&after, place), state(before, place));
        let sorted = |mut lines: Vec<String>| {
            lines.sort();
            lines
        };
        assert!(sorted(found) == sorted(expected), "seed {seed}: other tables");
    }
}

#[test]
fn a_save_that_was_not_finished_is_made_up_for_by_both_journals() {
    let place = Place::new("unfinished");
    let before = with_journal(&place);
    let mut controller = Controller::of(&before);
    controller.change(add("table=1,actions=drop"));
    before.save_flows(&place.snapshot(), Some(place.journal(2))).expect("saved");
    controller.change(add("table=2,actions=drop"));
    before.save_flows(&place.0.join("never renamed"), Some(place.journal(3))).expect("saved");
    controller.change(add("table=3,actions=drop"));
    let journals = [3, 1, 2].map(|number| place.journal(number)).to_vec();
    let (after, loaded) = successor(Some(&place.snapshot()), journals);
    assert_eq!((loaded.flows, loaded.changes), (1, 2));
    assert_eq!(texts(&after), texts(&before));
}

#[test]
fn a_damaged_journal_ends_in_a_problem_and_keeps_what_stands_before() {
    let files = Place::new("hostile");
    let before = with_journal(&files);
    let mut controller = Controller::of(&before);
    controller.change(group(GroupCommand::Add, 5, 2));
    send(&mut controller, bundle(1, vec![add("table=1,actions=group:5"), add("table=2,actions=drop")]));
    let end = before.unsaved().expect("an answer").journal as usize;
    let mut whole = std::fs::read(files.journal(1).path).expect("a journal");
    whole.truncate(end);
    let mut numbers = Numbers(7);
    for _ in 0..200 {
        let at = numbers.below(whole.len() as u64) as usize;
        let noise: Vec<u8> = (0..numbers.below(40)).map(|_| numbers.below(256) as u8).collect();
        let mut bytes = whole.clone();
        bytes.splice(at..(at + noise.len()).min(whole.len()), noise);
        std::fs::write(files.journal(2).path, &bytes).expect("a file");
        let (after, loaded) = successor(None, vec![files.journal(2)]);
        assert!(loaded.refused <= 1, "{:?}", loaded.problems);
        assert!([0, 2].contains(&texts(&after).len()), "half a bundle");
        assert!(bytes == whole || texts(&after).len() + loaded.refused <= 2);
    }
}

#[test]
fn a_file_that_is_no_journal_is_named() {
    let files = Place::new("foreign");
    std::fs::write(files.journal(1).path, b"something else altogether").expect("a file");
    let (_, loaded) = successor(None, vec![files.journal(1)]);
    assert_eq!(loaded.problems, ["not a journal of this version"]);
}
