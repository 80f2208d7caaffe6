//! Buckets: actions, with a weight or something that decides whether they are live.

use tulle_flow::{Action, port};

use super::{GroupKind, bucket_id, group_id};
use crate::actions::{check_actions, emit_actions, parse_actions};
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::property::{emit_u16, emit_u32, next_property, unknown};

const WEIGHT: u16 = 0;
const WATCH_PORT: u16 = 1;
const WATCH_GROUP: u16 = 2;

/// A bucket of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Its number; before OpenFlow 1.5 its place in the group.
    pub id: u32,
    /// Its share of the packets of a selecting group.
    pub weight: u16,
    /// Live while this port is.
    pub watch_port: Option<u32>,
    /// Live while this group is.
    pub watch_group: Option<u32>,
    /// What it does.
    pub actions: Vec<Action>,
}

impl Bucket {
    pub(super) fn check(&self, kind: GroupKind, weighs: bool) -> Parsed<()> {
        if self.weight != 0 && kind != GroupKind::Select && weighs {
            return Err(ErrorCode::InvalidGroup);
        }
        check_actions(&self.actions, None)?;
        let watches = self.watch_port.is_some() || self.watch_group.is_some();
        match kind {
            GroupKind::All | GroupKind::Indirect if watches => Err(ErrorCode::WatchUnsupported),
            GroupKind::FastFailover if !watches => Err(ErrorCode::InvalidGroup),
            _ => Ok(()),
        }
    }

    pub(super) fn parse_old(body: &mut Reader<'_>, id: u32) -> Parsed<Bucket> {
        let bad = ErrorCode::BadBucket;
        let mut head = body.blaming(bad);
        let length = usize::from(head.u16()?);
        let weight = head.u16()?;
        let watch_port = watched_port(head.u32()?);
        let watch_group = watched_group(head.u32()?);
        let mut entry = body.blaming(bad).part(length, bad)?;
        entry.skip(16)?;
        body.skip(length)?;
        let actions = parse_actions(entry.nested(bad)?)?;
        Ok(Bucket { id, weight, watch_port, watch_group, actions })
    }

    pub(super) fn emit_old(&self, out: &mut Writer<'_>) -> Emitted {
        let start = out.len();
        out.u16(0);
        out.u16(self.weight);
        out.u32(self.watch_port.unwrap_or(port::NONE));
        out.u32(self.watch_group.unwrap_or(group_id::ANY));
        out.zeros(4);
        emit_actions(&self.actions, out)?;
        out.set_length(start, start);
        Ok(())
    }

    pub(super) fn parse_new(body: &mut Reader<'_>, kind: GroupKind) -> Parsed<Bucket> {
        let bad = ErrorCode::BadBucket;
        let mut head = body.blaming(bad);
        let (length, actions_len) = (usize::from(head.u16()?), usize::from(head.u16()?));
        let id = head.u32()?;
        let mut entry = body.blaming(bad).part(length, bad)?;
        entry.skip(8)?;
        body.skip(length)?;
        if id > bucket_id::MAX {
            return Err(bad);
        }
        let actions = parse_actions(entry.part(actions_len, bad)?.nested(bad)?)?;
        let weight = u16::from(kind == GroupKind::Select);
        let mut bucket = Bucket { id, weight, actions, ..Bucket::default() };
        bucket.parse_properties(entry)?;
        Ok(bucket)
    }

    fn parse_properties(&mut self, mut body: Reader<'_>) -> Parsed<()> {
        while let Some(property) = next_property(&mut body)? {
            match property.kind {
                WEIGHT => self.weight = property.u16()?,
                WATCH_PORT => self.watch_port = watched_port(property.u32()?),
                WATCH_GROUP => self.watch_group = watched_group(property.u32()?),
                _ => return Err(unknown(property)),
            }
        }
        Ok(())
    }

    pub(super) fn emit_new(&self, kind: GroupKind, out: &mut Writer<'_>) -> Emitted {
        let start = out.len();
        out.zeros(4);
        out.u32(self.id);
        let actions = out.len();
        emit_actions(&self.actions, out)?;
        out.set_length(start + 2, actions);
        if kind == GroupKind::Select || self.weight != 0 {
            emit_u16(WEIGHT, self.weight, out);
        }
        if let Some(number) = self.watch_port {
            emit_u32(WATCH_PORT, number, out);
        }
        if let Some(group) = self.watch_group {
            emit_u32(WATCH_GROUP, group, out);
        }
        out.set_length(start, start);
        Ok(())
    }
}

fn watched_port(number: u32) -> Option<u32> {
    Some(number).filter(|number| *number != port::NONE)
}

fn watched_group(group: u32) -> Option<u32> {
    Some(group).filter(|group| *group != group_id::ANY)
}
