//! The tables of a switch in a file, for the process that follows: flows as text, the map of Geneve options,
//! groups and meters as the messages that make them, in hexadecimal, each on a line of its own.
//!
//! Groups and meters are written last, so that those that a written flow uses are written too, or have gone since
//! and taken the flow along.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use tulle_datapath::{Command, FlowFilter, FlowMod};
use tulle_flow::Flow;
use tulle_io::clock::monotonic_ns;
use tulle_openflow::{
    Group, GroupCommand, GroupKind, GroupMod, Message, MeterCommand, MeterMod, TlvTable, TlvTableCommand,
    TlvTableMod, Version, bucket_id,
};

use crate::engine::Engine;
use crate::error::SwitchError;
use crate::session::{described_group, described_meter};
use crate::switch::Switch;

/// Starts a line that is a message rather than a flow.
const MESSAGE: &str = "message:";
/// Refused lines that are told, at most.
const MOST_TOLD: usize = 100;

/// What has become of a file of tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Flows that are there again.
    pub flows: usize,
    /// The map of options, groups and meters that are there again.
    pub others: usize,
    /// Lines that were refused.
    pub refused: usize,
    /// The first of these, with the reason.
    pub problems: Vec<String>,
}

impl Switch {
    /// Writes flows, groups and meters to a file, between batches of packets: each table by itself.
    pub fn save_flows(&self, path: &Path) -> Result<usize, SwitchError> {
        let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
        let mut count = 0;
        for table in self.call(|engine| engine.datapath.table_stats())? {
            if table.active == 0 {
                continue;
            }
            let filter = FlowFilter { table: Some(table.table), ..FlowFilter::default() };
            let flows = self.call(move |engine| engine.datapath.flows(&filter, monotonic_ns()))?;
            count += flows.len();
            for stats in flows {
                writeln!(file, "{}", stats.flow)?;
            }
        }
        for message in self.call(|engine| messages(engine))? {
            writeln!(file, "{}", line_of(&message)?)?;
        }
        file.flush()?;
        Ok(count)
    }

    /// Adds what [`save_flows`](Self::save_flows) has written, all of it between two batches of packets.  What is
    /// refused keeps nothing else from being restored.
    pub fn load_flows(&self, path: &Path) -> Result<Loaded, SwitchError> {
        let text = std::fs::read_to_string(path)?;
        self.call(move |engine| {
            let mut loaded = Loaded::default();
            let (others, flows): (Vec<&str>, Vec<&str>) =
                text.lines().partition(|line| line.starts_with(MESSAGE));
            for line in others {
                match restore_other(engine, line) {
                    Ok(()) => loaded.others += 1,
                    Err(problem) => loaded.refuse(line, &problem),
                }
            }
            for line in flows {
                match restore_flow(engine, line) {
                    Ok(()) => loaded.flows += 1,
                    Err(problem) => loaded.refuse(line, &problem),
                }
            }
            loaded
        })
    }
}

impl Loaded {
    fn refuse(&mut self, line: &str, problem: &str) {
        self.refused += 1;
        if self.problems.len() < MOST_TOLD {
            self.problems.push(format!("{problem}: {line}"));
        }
    }
}

/// The messages that make the map of options, the groups and meters again, in an order in which they can be done.
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
        in_parts(GroupCommand::Modify, group, bucket_id::ALL, &mut found);
    }
    found
}

fn change(command: GroupCommand, group: Group, bucket: u32) -> Message {
    Message::GroupMod(GroupMod { command, group, bucket })
}

/// A group that has grown bucket by bucket may be too long for one message.
fn in_parts(command: GroupCommand, mut group: Group, bucket: u32, found: &mut Vec<Message>) {
    let message = change(command, group.clone(), bucket);
    if group.buckets.len() < 2 || message.emit(Version::V15, 0, &mut Vec::new()).is_ok() {
        return found.push(message);
    }
    let rest = group.buckets.split_off(group.buckets.len() / 2);
    let rest = Group { buckets: rest, selection: None, ..group };
    in_parts(command, group, bucket, found);
    in_parts(GroupCommand::InsertBucket, rest, bucket_id::LAST, found);
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
    let flow: Flow = line.parse().map_err(|error| format!("{error}"))?;
    let change = FlowMod { command: Command::Add, flow, ..FlowMod::default() };
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
        Ok(_) => return Err("neither a group, nor a meter, nor a map of options".to_owned()),
        Err(error) => Err(error.code),
    };
    done.map_err(|code| code.to_string())
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if text.len() % 2 == 0 { text.as_bytes().chunks(2).map(pair).collect() } else { None }
}
