//! The tables of a switch in a file, for the process that follows: flows as text, all else that controllers have set
//! (the map of Geneve options, groups, meters, eviction, fragments) as the messages that do it, in hexadecimal, each on a
//! line of its own.
//!
//! Flows are copied a few at a time, so that neither packets wait for it nor memory grows by it.  Where changes are
//! written down meanwhile (`journal.rs`), a new journal begins with the save, all else is as it was at that moment, and
//! before each part stands how long the journal was when it was copied: the journal's changes up to there are older
//! than the part, the others younger.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use tulle_datapath::{FlowFlags, FragmentHandling};
use tulle_flow::Flow;
use tulle_io::clock::monotonic_ns;
use tulle_openflow::{
    Config, FlowMod, Group, GroupCommand, GroupKind, GroupMod, Message, MeterCommand, MeterMod, TableConfig,
    TlvTable, TlvTableCommand, TlvTableMod, Version, bucket_id, flow_mod_flags, table_config,
};

use crate::engine::Engine;
use crate::error::SwitchError;
use crate::journal::{Replayed, replay};
use crate::report::flow_flags;
use crate::session::{TABLES, change_of, described_group, described_meter};
use crate::switch::Switch;

/// Starts a line that is a message rather than a flow.
const MESSAGE: &str = "message:";
/// Starts the line that says which journal began with the save.
const JOURNAL: &str = "journal:";
/// Starts a line that says how long the journal was when the flows behind it were copied.
const PLACE: &str = "at:";
/// Starts the line of a flow that has flags (`OFPFF_*`), as a number before the flow.
const FLAGS: &str = "flags:";
/// Flows that are copied between two batches of packets.
const COPIED_AT_ONCE: usize = 256;
/// Refused lines that are told, at most.
const MOST_TOLD: usize = 100;

/// What has become of a file of tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Flows that are there again.
    pub flows: usize,
    /// Messages that were done: the map of options, groups, meters, settings.
    pub others: usize,
    /// Messages of journals that were done again.
    pub changes: usize,
    /// Lines and messages that were refused.
    pub refused: usize,
    /// The first of these, with the reason.
    pub problems: Vec<String>,
}

/// A journal, by a number that rises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalFile {
    /// Its number.
    pub number: u64,
    /// Where it is.
    pub path: PathBuf,
}

impl Switch {
    /// Writes flows, groups, meters and what controllers have set to a file, between batches of packets.  With a
    /// journal, what is changed from now on goes there; the journals before it are no longer needed once the file is
    /// whole and in its place, which its owner tells by [`note_saved`](Self::note_saved).
    pub fn save_flows(&self, path: &Path, journal: Option<JournalFile>) -> Result<usize, SwitchError> {
        let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
        if let Some(JournalFile { number, .. }) = &journal {
            writeln!(file, "{JOURNAL}{number}")?;
        }
        let (messages, tables) = self.call(|engine| -> std::io::Result<_> {
            journal.map_or(Ok(()), |journal| engine.begin_journal(&journal.path, true))?;
            Ok((messages(engine), engine.datapath.table_stats()))
        })??;
        for message in messages {
            writeln!(file, "{}", line_of(&message)?)?;
        }
        let mut count = 0;
        for table in tables.iter().filter(|table| table.active > 0) {
            count += self.save_table(table.table, &mut file)?;
        }
        file.flush()?;
        Ok(count)
    }

    fn save_table(&self, table: u8, file: &mut impl Write) -> Result<usize, SwitchError> {
        let numbers = self.call(move |engine| engine.datapath.flow_numbers(table))?;
        let mut count = 0;
        for some in numbers.chunks(COPIED_AT_ONCE) {
            let some = some.to_vec();
            let copied = move |engine: &mut Engine| -> (u64, Vec<(Flow, FlowFlags)>) {
                let flows = some.iter().filter_map(|number| engine.datapath.written_flow(*number)).collect();
                engine.keep_unasked();
                (engine.journal_position(), flows)
            };
            let (place, flows) = self.call(copied)?;
            writeln!(file, "{PLACE}{place}")?;
            for (flow, flags) in flows {
                count += 1;
                // What a flow overlaps may have come after it: that is not to be checked again.
                match flow_flags(flags) & !flow_mod_flags::CHECK_OVERLAP {
                    0 => writeln!(file, "{flow}")?,
                    flags => writeln!(file, "{FLAGS}{flags} {flow}")?,
                }
            }
        }
        Ok(count)
    }

    /// Adds what [`save_flows`](Self::save_flows) has written, where there is such a file, and makes the changes again
    /// of the journals since, all of it between two batches of packets.  What is refused keeps nothing else from being
    /// restored.
    pub fn load_flows(
        &self,
        path: Option<&Path>,
        mut journals: Vec<JournalFile>,
    ) -> Result<Loaded, SwitchError> {
        let text = path.map_or(Ok(String::new()), std::fs::read_to_string)?;
        let number = text.lines().find_map(|line| line.strip_prefix(JOURNAL)?.parse::<u64>().ok());
        journals.retain(|journal| number.is_none_or(|number| journal.number >= number));
        journals.sort_by_key(|journal| journal.number);
        let is_beside = number.is_some() && journals.first().map(|first| first.number) == number;
        let mut changes = Vec::new();
        for JournalFile { path, .. } in journals {
            changes.push(std::fs::read(path)?);
        }
        self.call(move |engine| restore(engine, &text, &changes, is_beside))
    }
}

/// `is_beside` where the first journal began with the text.
fn restore(engine: &mut Engine, text: &str, journals: &[Vec<u8>], is_beside: bool) -> Loaded {
    let mut loaded = Loaded::default();
    let mut flows = Vec::new();
    let mut place = 0;
    for line in text.lines().filter(|line| !line.starts_with(JOURNAL)) {
        if let Some(told) = line.strip_prefix(PLACE).and_then(|told| told.parse::<u64>().ok()) {
            place = told;
        } else if line.starts_with(MESSAGE) {
            loaded.note_other(line, restore_other(engine, line));
        } else {
            flows.push((place, line));
        }
    }
    let mut flows = flows.into_iter().peekable();
    for bytes in journals.iter().take(usize::from(is_beside)) {
        let replayed = replay(engine, bytes, |engine, place| {
            while let Some((_, line)) = flows.next_if(|(copied_at, _)| *copied_at <= place) {
                loaded.note_flow(line, restore_flow(engine, line));
            }
        });
        loaded.note_changes(replayed);
    }
    for (_, line) in flows {
        loaded.note_flow(line, restore_flow(engine, line));
    }
    for bytes in journals.iter().skip(usize::from(is_beside)) {
        loaded.note_changes(replay(engine, bytes, |_, _| ()));
    }
    loaded
}

impl Loaded {
    fn note_other(&mut self, line: &str, result: Result<(), String>) {
        match result {
            Ok(()) => self.others += 1,
            Err(problem) => self.refuse(format!("{problem}: {line}")),
        }
    }

    fn note_flow(&mut self, line: &str, result: Result<(), String>) {
        match result {
            Ok(()) => self.flows += 1,
            Err(problem) => self.refuse(format!("{problem}: {line}")),
        }
    }

    fn note_changes(&mut self, replayed: Replayed) {
        self.changes += replayed.done;
        self.refused += replayed.refused;
        let room = MOST_TOLD.saturating_sub(self.problems.len());
        self.problems.extend(replayed.problems.into_iter().take(room));
    }

    fn refuse(&mut self, problem: String) {
        self.refused += 1;
        if self.problems.len() < MOST_TOLD {
            self.problems.push(problem);
        }
    }
}

/// The messages that do again what controllers have done, in an order in which they can be done.
fn messages(engine: &Engine) -> Vec<Message> {
    let meter = |meter| MeterMod { command: MeterCommand::Add, meter: described_meter(meter) };
    let mut found = Vec::new();
    let TlvTable { maps, .. } = engine.options();
    if !maps.is_empty() {
        found.push(Message::TlvTableMod(TlvTableMod { command: TlvTableCommand::Add, maps }));
    }
    found.extend(engine.datapath.meters().iter().map(meter).map(Message::MeterMod));
    // Groups may stand in buckets of others: all of them have to be there, if empty, before the buckets come.
    found.extend(engine.datapath.groups().iter().map(|group| {
        let group = Group { group: group.id, kind: GroupKind::All, ..Group::default() };
        change(GroupCommand::Add, group, bucket_id::ALL)
    }));
    for group in engine.datapath.groups().iter() {
        let mut group = described_group(group);
        if group.kind != GroupKind::Select {
            // A bucket that was inserted may have a weight without a meaning; those of a new group may not.
            group.buckets.iter_mut().for_each(|bucket| bucket.weight = 0);
        }
        // It fits: a group that could not be told in one message is refused.
        found.push(change(GroupCommand::Modify, group, bucket_id::ALL));
    }
    found.extend(settings(engine));
    found
}

/// The messages that set what is not as it is at first.
fn settings(engine: &Engine) -> impl Iterator<Item = Message> {
    let config = table_config::EVICTION;
    let is_asked = |table: &u8| engine.datapath.table_policy(*table).evicts && !engine.evicts_always(*table);
    let tables = (0..TABLES).filter(is_asked).map(move |table| TableConfig {
        table,
        config,
        ..TableConfig::default()
    });
    let flags = engine.fragment_flags();
    let is_set = engine.datapath.fragment_handling() != FragmentHandling::default();
    let fragments = Message::SetConfig(Config { flags, ..Config::default() });
    tables.map(Message::TableMod).chain(is_set.then_some(fragments))
}

fn change(command: GroupCommand, group: Group, bucket: u32) -> Message {
    Message::GroupMod(GroupMod { command, group, bucket })
}

fn line_of(message: &Message) -> Result<String, SwitchError> {
    let mut bytes = Vec::new();
    message.emit(Version::V15, 0, &mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    let mut line = MESSAGE.to_owned();
    for byte in bytes {
        let _ = write!(line, "{byte:02x}"); // a String takes everything
    }
    Ok(line)
}

fn restore_flow(engine: &mut Engine, line: &str) -> Result<(), String> {
    let (flags, text) = match line.strip_prefix(FLAGS).and_then(|rest| rest.split_once(' ')) {
        Some((flags, text)) => (flags.parse::<u16>().map_err(|error| format!("flags: {error}"))?, text),
        None => (0, line),
    };
    let flow: Flow = text.parse().map_err(|error| format!("{error}"))?;
    let change = change_of(&FlowMod { flags, ..FlowMod::add(flow) }, Version::V15);
    let removed = engine.datapath.flow_mod(&change, monotonic_ns()).map_err(|error| error.to_string())?;
    engine.tell_removed(removed);
    Ok(())
}

fn restore_other(engine: &mut Engine, line: &str) -> Result<(), String> {
    let bytes = bytes_of(line.strip_prefix(MESSAGE).unwrap_or_default()).ok_or("not hexadecimal")?;
    let done = match Message::parse(&bytes) {
        Ok((_, Message::GroupMod(change))) => engine.change_groups(&change),
        Ok((_, Message::MeterMod(change))) => engine.change_meters(&change),
        Ok((_, Message::TlvTableMod(change))) => engine.change_options(&change),
        Ok((_, Message::TableMod(change))) => engine.change_table(&change),
        Ok((_, Message::SetConfig(config))) if engine.set_fragment_flags(config.flags) => Ok(()),
        Ok(_) => return Err("not a message that is saved".to_owned()),
        Err(error) => Err(error.code),
    };
    done.map_err(|code| code.to_string())
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if text.len() % 2 == 0 { text.as_bytes().chunks(2).map(pair).collect() } else { None }
}
