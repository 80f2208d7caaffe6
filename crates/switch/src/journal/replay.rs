//! Making again the changes of a journal.

use tulle_datapath::FlowMod as Change;
use tulle_io::APPEND_HEAD_LEN;
use tulle_openflow::{Config, FlowMod, Message, Version, Xid, flow_mod_flags};

use super::record::{Found, Kind, MAGIC, Record};
use crate::engine::Engine;
use crate::session::change_of;

/// Length of an OpenFlow header, and where it has the length of the whole.
const HEADER_LEN: usize = 8;

/// What has become of a journal.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// Messages that were done again.
    pub done: usize,
    /// Messages or bundles that were refused; places that are damaged.
    pub refused: usize,
    /// The first of these, with the reason.
    pub problems: Vec<String>,
}

/// Problems that are told, at most, and characters of one message.
const MOST_TOLD: usize = 100;
const TOLD_LEN: usize = 300;

/// Makes the changes of a journal again, in order; `before` is called before each with the place where it stands, and
/// once more with the place where they end.  A record that was not finished is ignored; after a damaged one nothing
/// more is read.
pub(crate) fn replay(
    engine: &mut Engine,
    bytes: &[u8],
    mut before: impl FnMut(&mut Engine, u64),
) -> Replayed {
    let mut replayed = Replayed::default();
    let Some(mut rest) = records(bytes) else {
        if !MAGIC.starts_with(&bytes[..bytes.len().min(MAGIC.len())]) {
            replayed.refuse("not a journal of this version".to_owned());
        }
        return replayed;
    };
    let end = APPEND_HEAD_LEN + rest.len();
    loop {
        let place = (end - rest.len()) as u64;
        before(engine, place);
        match Record::parse(rest) {
            Found::Record(record, after) => {
                replayed.take(engine, &record);
                rest = after;
            }
            Found::End => return replayed,
            Found::Damage => {
                replayed.refuse(format!("the journal is damaged at byte {place}"));
                return replayed;
            }
        }
    }
}

/// What a file says that it has of records, as far as that is there; none of a file that is none.
fn records(bytes: &[u8]) -> Option<&[u8]> {
    let (head, rest) = bytes.split_at_checked(APPEND_HEAD_LEN)?;
    let length = u64::from_be_bytes(head.strip_prefix(MAGIC)?.try_into().ok()?);
    Some(&rest[..rest.len().min(usize::try_from(length).unwrap_or(usize::MAX))])
}

impl Replayed {
    fn refuse(&mut self, problem: String) {
        self.refused += 1;
        if self.problems.len() < MOST_TOLD {
            self.problems.push(problem);
        }
    }

    fn take(&mut self, engine: &mut Engine, record: &Record<'_>) {
        let parsed = match messages(record) {
            Ok(parsed) => parsed,
            Err(problem) => return self.refuse(problem),
        };
        let (count, version) = (parsed.len(), record.dialect.version);
        match record.kind {
            Kind::Bundle => match engine.commit(parsed, version) {
                Ok(_) => self.done += count,
                Err(failure) => self.refuse(format!("a bundle: {}: {}", failure.2, told(&failure.1))),
            },
            Kind::Each => {
                for (_, message) in parsed {
                    match make(engine, &message, version, record.adds) {
                        Ok(()) => self.done += 1,
                        Err(problem) => self.refuse(format!("{problem}: {}", told(&message))),
                    }
                }
            }
        }
    }
}

fn told(message: &Message) -> String {
    match message {
        Message::FlowMod(change) => change.flow.to_string(),
        other => format!("{other:?}").chars().take(TOLD_LEN).collect(),
    }
}

/// The messages of a record that change tables; others of a bundle have had their effect.
fn messages(record: &Record<'_>) -> Result<Vec<(Xid, Message)>, String> {
    let (mut found, mut rest) = (Vec::new(), record.messages);
    while let Some(head) = rest.get(..HEADER_LEN) {
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let message = rest.get(..length).filter(|_| length >= HEADER_LEN);
        let message = message.ok_or("a message without its end")?;
        rest = &rest[length..];
        let (xid, message) =
            Message::parse_as(record.dialect, message).map_err(|error| error.code.to_string())?;
        found.extend(again(message).map(|message| (xid, message)));
    }
    Ok(found)
}

/// A message as it is to be done again.
fn again(message: Message) -> Option<Message> {
    match message {
        Message::BundleAdd(added) => again(*added.message),
        // It did not overlap when it was added.
        Message::FlowMod(change) => {
            let flags = change.flags & !flow_mod_flags::CHECK_OVERLAP;
            Some(Message::FlowMod(FlowMod { flags, ..change }))
        }
        Message::PacketOut(_) | Message::PortMod(_) => None,
        other => Some(other),
    }
}

fn make(engine: &mut Engine, message: &Message, version: Version, adds: bool) -> Result<(), String> {
    let done = match message {
        Message::FlowMod(change) => {
            let change = change_of(change, version);
            return change_flows(engine, &Change { adds_if_none: change.adds_if_none && adds, ..change });
        }
        Message::GroupMod(change) => engine.change_groups(change),
        Message::MeterMod(change) => engine.change_meters(change),
        Message::TlvTableMod(change) => engine.change_options(change),
        Message::TableMod(change) => engine.change_table(change),
        Message::SetConfig(Config { flags, .. }) if engine.set_fragment_flags(*flags) => Ok(()),
        _ => return Err("not a message that is kept".to_owned()),
    };
    done.map_err(|code| code.to_string())
}

fn change_flows(engine: &mut Engine, change: &Change) -> Result<(), String> {
    let now = tulle_io::clock::monotonic_ns();
    let removed = engine.datapath.flow_mod(change, now).map_err(|error| error.to_string())?;
    engine.tell_removed(removed);
    Ok(())
}
