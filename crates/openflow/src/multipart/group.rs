//! What groups counted, and what they can do (OpenFlow 1.3.5 sections 7.3.5.10 and 7.3.5.11).

use std::time::Duration;

use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::flow_removed::{emit_duration, parse_duration};

/// What a bucket, or a meter's band, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BucketStats {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl BucketStats {
    pub(super) fn parse_all(mut body: Reader<'_>) -> Parsed<Vec<BucketStats>> {
        let mut all = Vec::new();
        while !body.is_empty() {
            all.push(BucketStats { packets: body.u64()?, bytes: body.u64()? });
        }
        Ok(all)
    }

    pub(super) fn emit_all(all: &[BucketStats], out: &mut Writer<'_>) {
        for stats in all {
            out.u64(stats.packets);
            out.u64(stats.bytes);
        }
    }
}

/// What a group counted; all ones stand for "not counted".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupStats {
    /// The group.
    pub group: u32,
    /// Flows and groups that forward to it.
    pub references: u32,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// How long the group has been there.
    pub duration: Duration,
    /// Its buckets, in order.
    pub buckets: Vec<BucketStats>,
}

impl GroupStats {
    pub(super) fn parse(body: &mut Reader<'_>) -> Parsed<GroupStats> {
        let short = ErrorCode::BadRequestLength;
        let length = usize::from(body.u16()?).checked_sub(2).ok_or(short)?;
        let mut entry = body.part(length, short)?;
        entry.skip(2)?;
        let (group, references) = (entry.u32()?, entry.u32()?);
        entry.skip(4)?;
        Ok(GroupStats {
            group,
            references,
            packets: entry.u64()?,
            bytes: entry.u64()?,
            duration: parse_duration(&mut entry)?,
            buckets: BucketStats::parse_all(entry)?,
        })
    }

    pub(super) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        let start = out.len();
        out.zeros(4);
        out.u32(self.group);
        out.u32(self.references);
        out.zeros(4);
        out.u64(self.packets);
        out.u64(self.bytes);
        emit_duration(self.duration, out);
        BucketStats::emit_all(&self.buckets, out);
        out.set_length(start, start);
        Ok(())
    }
}

/// What groups can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupFeatures {
    /// Bit n: has groups of kind n.
    pub kinds: u32,
    /// `OFPGFC_*` bits.
    pub capabilities: u32,
    /// How many groups of each kind there may be.
    pub max_groups: [u32; 4],
    /// For each kind, bit n: buckets may have the action of type n.
    pub actions: [u32; 4],
}

impl GroupFeatures {
    /// Bit of `capabilities`: weights count.
    pub const SELECT_WEIGHT: u32 = 1;
    /// Bit of `capabilities`: selecting groups look at liveness.
    pub const SELECT_LIVENESS: u32 = 1 << 1;
    /// Bit of `capabilities`: groups may forward to groups.
    pub const CHAINING: u32 = 1 << 2;
    /// Bit of `capabilities`: loops of groups are refused.
    pub const CHAINING_CHECKS: u32 = 1 << 3;

    pub(super) fn parse(body: &mut Reader<'_>) -> Parsed<GroupFeatures> {
        let mut features =
            GroupFeatures { kinds: body.u32()?, capabilities: body.u32()?, ..GroupFeatures::default() };
        for slot in features.max_groups.iter_mut().chain(&mut features.actions) {
            *slot = body.u32()?;
        }
        Ok(features)
    }

    pub(super) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        out.u32(self.kinds);
        out.u32(self.capabilities);
        self.max_groups.iter().chain(&self.actions).for_each(|value| out.u32(*value));
        Ok(())
    }
}
