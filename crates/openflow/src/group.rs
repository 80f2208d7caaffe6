//! Groups: changes of them and their description (OpenFlow 1.3.5 sections 7.3.4.3 and 7.3.5.9, 1.5 section 7.3.4.3).
//!
//! OpenFlow 1.0 uses Nicira's `NXT_GROUP_MOD`, which has the form of 1.5.

mod bucket;
mod selection;

pub use bucket::Bucket;
pub use selection::{Selection, SelectionMethod};

use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::version::Version;

/// Group numbers with a meaning of their own.
pub mod group_id {
    /// The highest that can be added (`OFPG_MAX`).
    pub const MAX: u32 = 0xffff_ff00;
    /// Every group, in requests to delete and to report.
    pub const ALL: u32 = 0xffff_fffc;
    /// No group, or any (`OFPG_ANY`).
    pub const ANY: u32 = 0xffff_ffff;
}

/// Bucket numbers with a meaning of their own.
pub mod bucket_id {
    /// The highest that a bucket may have.
    pub const MAX: u32 = 0xffff_ff00;
    /// The first bucket of the group.
    pub const FIRST: u32 = 0xffff_fffd;
    /// The last bucket of the group.
    pub const LAST: u32 = 0xffff_fffe;
    /// All buckets of the group.
    pub const ALL: u32 = 0xffff_ffff;
}

/// Which buckets of a group a packet passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GroupKind {
    /// All, each with a copy.
    #[default]
    All,
    /// One, chosen by a hash and the buckets' weights.
    Select,
    /// The only one.
    Indirect,
    /// The first that is live.
    FastFailover,
}

const KINDS: [GroupKind; 4] =
    [GroupKind::All, GroupKind::Select, GroupKind::Indirect, GroupKind::FastFailover];

impl GroupKind {
    fn parse(body: &mut Reader<'_>) -> Parsed<GroupKind> {
        KINDS.get(usize::from(body.u8()?)).copied().ok_or(ErrorCode::BadGroupType)
    }
}

/// A group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Its number.
    pub group: u32,
    /// What it does with its buckets.
    pub kind: GroupKind,
    /// Its buckets.
    pub buckets: Vec<Bucket>,
    /// How a bucket is selected; only said in OpenFlow 1.5, and in 1.0 by Nicira's messages.
    pub selection: Option<Selection>,
}

/// What to do with a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupCommand {
    /// Add it.
    Add,
    /// Replace its kind and buckets.
    Modify,
    /// Add it, or replace its kind and buckets (an extension of Open vSwitch).
    AddOrModify,
    /// Delete it, or all of them.
    Delete,
    /// Add buckets before or after one that it has (OpenFlow 1.5).
    InsertBucket,
    /// Remove one bucket or all (OpenFlow 1.5).
    RemoveBucket,
}

const COMMANDS: [(u16, GroupCommand); 6] = [
    (0, GroupCommand::Add),
    (1, GroupCommand::Modify),
    (2, GroupCommand::Delete),
    (3, GroupCommand::InsertBucket),
    (5, GroupCommand::RemoveBucket),
    (0x8000, GroupCommand::AddOrModify),
];

/// A change of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMod {
    /// What to do.
    pub command: GroupCommand,
    /// The group; requests to delete and to remove buckets need only its number.
    pub group: Group,
    /// Which bucket, for the two commands of OpenFlow 1.5 ([`bucket_id`]); `ALL` for the others.
    pub bucket: u32,
}

/// True where this version has buckets with numbers and properties.
fn is_new(version: Version) -> bool {
    matches!(version, Version::V10 | Version::V15)
}

impl GroupMod {
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<GroupMod> {
        let new = is_new(body.version());
        let number = body.u16()?;
        let command = COMMANDS.iter().find(|(known, _)| *known == number);
        let command = command.map(|(_, command)| *command).ok_or(ErrorCode::BadGroupCommand)?;
        if !new && matches!(command, GroupCommand::InsertBucket | GroupCommand::RemoveBucket) {
            return Err(ErrorCode::BadGroupCommand);
        }
        let kind = GroupKind::parse(&mut body)?;
        body.skip(1)?;
        let mut group = Group { group: body.u32()?, kind, ..Group::default() };
        let bucket = if new { group.parse_new(&mut body, 2)? } else { group.parse_old(body)? };
        let change = GroupMod { command, group, bucket };
        change.check()?;
        Ok(change)
    }

    fn check(&self) -> Parsed<()> {
        self.check_number()?;
        self.check_bucket_number()?;
        if self.command == GroupCommand::Delete {
            return if self.group.buckets.is_empty() { Ok(()) } else { Err(ErrorCode::InvalidGroup) };
        }
        if self.command == GroupCommand::RemoveBucket {
            return if self.group.buckets.is_empty() { Ok(()) } else { Err(ErrorCode::BadBucket) };
        }
        if self.group.kind == GroupKind::Indirect && self.group.buckets.len() != 1 {
            return Err(ErrorCode::InvalidGroup);
        }
        let weighs = self.command != GroupCommand::InsertBucket;
        self.group.buckets.iter().try_for_each(|bucket| bucket.check(self.group.kind, weighs))
    }

    fn check_number(&self) -> Parsed<()> {
        let all = self.group.group == group_id::ALL && self.command == GroupCommand::Delete;
        if self.group.group <= group_id::MAX || all { Ok(()) } else { Err(ErrorCode::InvalidGroup) }
    }

    fn check_bucket_number(&self) -> Parsed<()> {
        let one = self.bucket <= bucket_id::MAX || matches!(self.bucket, bucket_id::FIRST | bucket_id::LAST);
        let valid = match self.command {
            GroupCommand::InsertBucket => one,
            GroupCommand::RemoveBucket => one || self.bucket == bucket_id::ALL,
            _ => self.bucket == bucket_id::ALL,
        };
        let for_selection =
            matches!(self.command, GroupCommand::Add | GroupCommand::Modify | GroupCommand::AddOrModify);
        if self.group.selection.is_some() && !for_selection {
            return Err(ErrorCode::BadPropertyValue);
        }
        if valid { Ok(()) } else { Err(ErrorCode::BadBucket) }
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        let new = is_new(out.version());
        if !new && matches!(self.command, GroupCommand::InsertBucket | GroupCommand::RemoveBucket) {
            return out.lacks("inserting and removing buckets");
        }
        let number = COMMANDS.iter().find(|(_, command)| *command == self.command);
        out.u16(number.map_or(0, |(number, _)| *number));
        out.u8(self.group.kind as u8);
        out.u8(0);
        out.u32(self.group.group);
        if new {
            let at = out.len();
            out.zeros(4);
            out.u32(self.bucket);
            self.group.emit_new(at, out)
        } else {
            self.group.buckets.iter().try_for_each(|bucket| bucket.emit_old(out))
        }
    }
}

impl Group {
    /// Parses one description.
    pub(crate) fn parse(body: &mut Reader<'_>) -> Parsed<Group> {
        let short = ErrorCode::BadRequestLength;
        let length = usize::from(body.u16()?).checked_sub(2).ok_or(short)?;
        let mut entry = body.part(length, short)?;
        let kind = GroupKind::parse(&mut entry)?;
        entry.skip(1)?;
        let mut group = Group { group: entry.u32()?, kind, ..Group::default() };
        if is_new(entry.version()) {
            group.parse_new(&mut entry, 6)?;
        } else {
            group.parse_old(entry)?;
        }
        Ok(group)
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        let start = out.len();
        out.u16(0);
        out.u8(self.kind as u8);
        out.u8(0);
        out.u32(self.group);
        if is_new(out.version()) {
            let at = out.len();
            out.zeros(8);
            self.emit_new(at, out)?;
        } else {
            self.buckets.iter().try_for_each(|bucket| bucket.emit_old(out))?;
        }
        out.set_length(start, start);
        Ok(())
    }

    /// Length of the buckets, then padding or (after 2 bytes of it) the bucket of a command; buckets; properties.
    fn parse_new(&mut self, body: &mut Reader<'_>, padding: usize) -> Parsed<u32> {
        let length = usize::from(body.u16()?);
        body.skip(padding)?;
        let bucket = if padding == 2 { body.u32()? } else { bucket_id::ALL };
        let mut buckets = body.part(length, ErrorCode::BadBucket)?;
        while !buckets.is_empty() {
            self.buckets.push(Bucket::parse_new(&mut buckets, self.kind)?);
        }
        self.check_unique()?;
        self.selection = Selection::parse_properties(body, self.kind)?;
        Ok(bucket)
    }

    fn check_unique(&self) -> Parsed<()> {
        let mut numbers: Vec<u32> = self.buckets.iter().map(|bucket| bucket.id).collect();
        numbers.sort_unstable();
        let repeated = numbers.windows(2).any(|pair| pair[0] == pair[1]);
        if repeated { Err(ErrorCode::BadBucket) } else { Ok(()) }
    }

    fn parse_old(&mut self, mut body: Reader<'_>) -> Parsed<u32> {
        while !body.is_empty() {
            let number = self.buckets.len() as u32;
            self.buckets.push(Bucket::parse_old(&mut body, number)?);
        }
        Ok(bucket_id::ALL)
    }

    /// Emits buckets and properties; the length of the buckets goes to `at`.
    fn emit_new(&self, at: usize, out: &mut Writer<'_>) -> Emitted {
        let start = out.len();
        self.buckets.iter().try_for_each(|bucket| bucket.emit_new(self.kind, out))?;
        out.set_length(at, start);
        match &self.selection {
            Some(selection) => selection.emit(out),
            None => Ok(()),
        }
    }
}
