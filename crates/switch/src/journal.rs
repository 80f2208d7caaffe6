//! What controllers have changed since the tables were last saved: a file that each change is appended to before its
//! answer is sent, so that a process that is killed has lost nothing that it acknowledged.
//!
//! What has been written is the kernel's, and outlives the process; it is not forced to the disk.  What one read from a
//! controller has changed is written at once, before any answer to it leaves: where the process is killed between the
//! two, all of it is there or nothing, and nobody was told.  It takes no system call (`tulle_io::AppendFile`).
//!
//! A save begins a new
//! file and then copies the tables while they change, noting beside each part how long the file was at that moment
//! (`saved.rs`), so both together give exactly the tables that there were.  For that, flows that went unasked stand
//! here too.  Flows that packets have made (`learn`) do not; they make a save due.
//!
//! It is written with the engine locked: its directory belongs where memory never waits for a disk (tmpfs).  Where that
//! is full, changes are made and acknowledged all the same, since a switch that stops obeying is worse than one that
//! forgets when it is killed; its owner is told ([`Unsaved::problem`]), and a save is due until one succeeds.

mod record;
mod replay;

use std::path::Path;

use tulle_flow::Flow;
use tulle_io::AppendFile;
use tulle_openflow::{FlowMod, Message, Version, Wire};

use crate::engine::Engine;
use crate::error::SwitchError;
use crate::switch::Switch;
pub(crate) use record::MAGIC;
use record::{Kind, Record};
pub(crate) use replay::{Replayed, replay};

/// Bytes that wait for a disk with room; with more the file is given up, and a save is due.
const MOST_WAITING: usize = 16 << 20;
/// Room that is kept for the next records.
const KEPT_ROOM: usize = 256 << 10;

/// What has not been saved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsaved {
    /// Bytes of the journal, which is as good as saved.
    pub journal: u64,
    /// Something has changed that is in no journal.
    pub others: bool,
    /// Why the journal cannot be written.
    pub problem: Option<String>,
}

/// A journal that is being written.
#[derive(Debug)]
pub(crate) struct Journal {
    file: AppendFile,
    waiting: Vec<u8>,
    /// The version of the tables after the last change that is written here.
    version: u64,
    others: bool,
    /// The journals before it lack something, and the save that makes up for it is not known to be whole.
    owes: bool,
    problem: Option<String>,
    /// A change is missing; what follows would be wrong.
    is_broken: bool,
}

impl Journal {
    /// Begins one, in place of whatever is there.
    pub(crate) fn create(path: &Path, version: u64, owes: bool) -> std::io::Result<Journal> {
        let file = AppendFile::create(path, MAGIC)?;
        let (waiting, others) = (Vec::new(), false);
        Ok(Journal { file, waiting, version, others, owes, problem: None, is_broken: false })
    }

    /// Its length, with what waits.
    pub(crate) fn position(&self) -> u64 {
        self.file.end() + self.waiting.len() as u64
    }

    /// Whether something has changed that neither it nor a file before it has, the tables being at such a version.
    fn lacks(&self, version: u64) -> bool {
        self.others || self.owes || self.is_broken || self.version != version
    }

    fn append(&mut self, record: &Record<'_>) {
        if self.is_broken {
            return;
        }
        if record.messages.len() < KEPT_ROOM {
            return record.emit(&mut self.waiting);
        }
        // A large one is not copied.
        self.flush();
        let mut head = Vec::new();
        record.emit_head(&mut head);
        if self.waiting.is_empty() && self.file.append(&[&head, record.messages]).is_ok() {
            return;
        }
        record.emit(&mut self.waiting);
    }

    /// Writes what waits.
    pub(crate) fn flush(&mut self) {
        if self.waiting.is_empty() || self.is_broken {
            return;
        }
        if let Err(error) = self.file.append(&[&self.waiting]) {
            self.problem = Some(error.to_string());
            self.is_broken |= self.waiting.len() > MOST_WAITING;
            return;
        }
        self.problem = None;
        self.waiting.clear();
        self.waiting.shrink_to(KEPT_ROOM);
    }
}

impl Engine {
    /// To be called before a change that is kept: others may have happened.
    pub(crate) fn note_others(&mut self) {
        let version = self.datapath.version();
        let Some(journal) = &mut self.journal else { return };
        journal.others |= journal.version != version;
        self.keep_unasked();
    }

    /// To be called after a change that is kept, or was refused.
    pub(crate) fn note_version(&mut self) {
        let version = self.datapath.version();
        if let Some(journal) = &mut self.journal {
            journal.version = version;
        }
    }

    /// Keeps a change that a message has made.  `adds` is false where it could have added a flow and has not.
    pub(crate) fn keep_change(&mut self, wire: Wire<'_>, adds: bool) {
        self.keep(&Record { kind: Kind::Each, dialect: wire.dialect, adds, messages: wire.bytes });
    }

    /// Keeps the changes of a bundle; without its messages, a save is due.
    pub(crate) fn keep_bundle(&mut self, wire: Option<Wire<'_>>) {
        match (wire, &mut self.journal) {
            (Some(Wire { dialect, bytes }), _) => {
                let evicts = self.datapath.has_unasked();
                self.keep(&Record { kind: Kind::Bundle, dialect, adds: true, messages: bytes });
                if let Some(journal) = &mut self.journal {
                    // In which order it added, removed and evicted is not known.
                    journal.others |= evicts;
                }
            }
            (None, Some(journal)) => journal.others = true,
            (None, None) => {}
        }
    }

    /// Keeps a change that did not come as a message.
    pub(crate) fn keep_message(&mut self, message: &Message) {
        let mut messages = Vec::new();
        let emitted = message.emit(Version::V15, 0, &mut messages);
        let Some(journal) = &mut self.journal else { return };
        if emitted.is_err() {
            journal.others = true;
            return;
        }
        let dialect = Version::V15.into();
        journal.append(&Record { kind: Kind::Each, dialect, adds: true, messages: &messages });
    }

    fn keep(&mut self, record: &Record<'_>) {
        // Those that the change itself has evicted go before it, to make the same room.
        self.keep_unasked();
        if let Some(journal) = &mut self.journal {
            journal.append(record);
        }
    }

    /// Keeps which flows have gone without a message.
    pub(crate) fn keep_unasked(&mut self) {
        if self.journal.is_some() {
            for flow in self.datapath.take_unasked() {
                self.keep_message(&Message::FlowMod(FlowMod::delete_strict(flow)));
            }
        }
    }

    /// Writes what has been kept; before any answer is sent.
    #[inline]
    pub(crate) fn flush_journal(&mut self) {
        if let Some(journal) = &mut self.journal {
            journal.flush();
        }
    }

    /// Begins another journal; what follows is the difference to the tables as they are now.  `owes` where what came
    /// before is whole only with a save; what the journal before lacks is owed anyway, until
    /// [`note_saved`](Self::note_saved).
    pub(crate) fn begin_journal(&mut self, path: &Path, owes: bool) -> std::io::Result<()> {
        self.keep_unasked();
        self.flush_journal();
        let version = self.datapath.version();
        let lacks = |journal: &Journal| journal.lacks(version) || !journal.waiting.is_empty();
        let owes = self.journal.as_deref().map_or(owes, lacks);
        let journal = Journal::create(path, version, owes)?;
        self.datapath.note_unasked();
        self.journal = Some(Box::new(journal));
        Ok(())
    }

    /// A save is whole and in its place.
    fn note_saved(&mut self) {
        if let Some(journal) = &mut self.journal {
            journal.owes = false;
        }
    }

    /// The length of the journal: what stands before has happened before now.
    pub(crate) fn journal_position(&self) -> u64 {
        self.journal.as_ref().map_or(0, |journal| journal.position())
    }

    fn unsaved(&self) -> Unsaved {
        let version = self.datapath.version();
        match &self.journal {
            None => Unsaved { others: true, ..Unsaved::default() },
            Some(journal) => Unsaved {
                journal: journal.position(),
                others: journal.lacks(version),
                problem: journal.problem.clone(),
            },
        }
    }
}

impl Switch {
    /// Writes down from now on what sessions change, in a file that begins anew.
    pub fn begin_journal(&self, path: &Path) -> Result<(), SwitchError> {
        let path = path.to_owned();
        Ok(self.call(move |engine| engine.begin_journal(&path, false))??)
    }

    /// Says that the file that [`save_flows`](Self::save_flows) has written last is in its place, whole: what no journal
    /// has is saved by it.  Until then that stays unsaved.
    pub fn note_saved(&self) -> Result<(), SwitchError> {
        self.call(Engine::note_saved)
    }

    /// What [`save_flows`](Self::save_flows) would save.
    pub fn unsaved(&self) -> Result<Unsaved, SwitchError> {
        self.call(|engine| engine.unsaved())
    }
}

/// A change of flows that the owner of a switch makes, as a message would make it.
pub(crate) fn message_of(command: tulle_datapath::Command, flow: Flow) -> Message {
    use tulle_datapath::Command as C;
    use tulle_openflow::FlowModCommand as M;
    let kind = match command {
        C::Add => M::Add,
        C::Modify => M::Modify,
        C::ModifyStrict => M::ModifyStrict,
        C::Delete => M::Delete,
        C::DeleteStrict => M::DeleteStrict,
    };
    let table = if command == C::Delete { tulle_openflow::TABLE_ALL } else { flow.table };
    Message::FlowMod(FlowMod::new(kind, Flow { table, ..flow }))
}
