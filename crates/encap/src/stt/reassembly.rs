//! Segments of STT frames put together again, in memory that has a bound.
//!
//! Each incomplete frame has a buffer of full size; when all are taken, the frame that has gone
//! longest without a segment gives up its own. A segment that overlaps what has arrived is dropped
//! and the rest kept, so a duplicate cannot complete a frame. No segment is ever asked for again.

use std::net::IpAddr;

use tulle_wire::{FrameBuf, HEADROOM};

use crate::{DropReason, ecn};

/// Segments arrive almost in order; more gaps than this are an attack on the memory.
const MOST_RUNS: usize = 64;
const SECOND_NS: u64 = 1_000_000_000;

/// How much may wait, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Incomplete frames at a time.
    pub frames: usize,
    /// Memory for them, in bytes.
    pub bytes: usize,
    /// From the first segment of a frame, in nanoseconds.
    pub timeout_ns: u64,
}

impl Default for Limits {
    /// 128 frames in 16 MiB; 30 s as Open vSwitch has it.
    fn default() -> Self {
        Self { frames: 128, bytes: 16 << 20, timeout_ns: 30 * SECOND_NS }
    }
}

/// What the segments of one frame have in common (draft-davie-stt-08 section 3.1): no ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Outer source address.
    pub source: IpAddr,
    /// Outer destination address.
    pub destination: IpAddr,
    /// The number in the acknowledgment field.
    pub id: u32,
}

/// The payload of one segment.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Its frame.
    pub key: Key,
    /// Length of the frame, STT header included; at most 65535.
    pub total: usize,
    /// Where in the frame it belongs.
    pub offset: usize,
    /// Outer DSCP and ECN.
    pub tos: u8,
    /// Payload.
    pub bytes: &'a [u8],
}

/// A complete frame, STT header first.
#[derive(Debug)]
pub struct Whole {
    /// The frame, with full headroom.
    pub frame: FrameBuf,
    /// Outer DSCP and ECN: of the segment that came first, and congestion if any segment met it.
    pub tos: u8,
    runs: Vec<(usize, usize)>,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    total: usize,
    whole: Whole,
    since_ns: u64,
    touched: u64,
}

/// The frames that are not complete yet.
#[derive(Debug)]
pub struct Reassembly {
    timeout_ns: u64,
    most: usize,
    entries: Vec<Entry>,
    spare: Vec<Whole>,
    clock: u64,
}

impl Reassembly {
    /// Nothing waiting. There is always room for one frame, whatever the limits say.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let most = limits.frames.min(limits.bytes / FrameBuf::CAPACITY).max(1);
        let (entries, spare) = (Vec::new(), Vec::new());
        Self { timeout_ns: limits.timeout_ns, most, entries, spare, clock: 0 }
    }

    /// Number of incomplete frames.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no frame is incomplete.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a segment, and gives the frame if that completes it. `lost` hears of each other frame
    /// that gave way or was too old. Errors: why this segment was dropped; its frame goes on waiting.
    pub fn insert(
        &mut self,
        piece: &Piece<'_>,
        now_ns: u64,
        lost: &mut dyn FnMut(DropReason),
    ) -> Result<Option<Whole>, DropReason> {
        let end = piece.offset.checked_add(piece.bytes.len()).ok_or(DropReason::SttBadOffset)?;
        if end > piece.total || piece.total > usize::from(u16::MAX) {
            return Err(DropReason::SttBadOffset);
        }
        if piece.bytes.is_empty() {
            return Err(DropReason::SttEmptySegment);
        }
        self.clock += 1;
        let index = self.find(piece, now_ns, lost);
        let entry = &mut self.entries[index];
        if entry.total != piece.total {
            return Err(DropReason::SttBadLength);
        }
        entry.touched = self.clock;
        entry.whole.add(piece)?;
        let complete = entry.whole.runs == [(0, piece.total)];
        Ok(complete.then(|| self.entries.swap_remove(index).whole))
    }

    /// Takes back the memory of a frame that has been dealt with.
    pub fn recycle(&mut self, whole: Whole) {
        if self.entries.len() + self.spare.len() < self.most {
            self.spare.push(whole);
        }
    }

    /// Forgets frames that have waited too long; `lost` hears of each.
    pub fn expire(&mut self, now_ns: u64, lost: &mut dyn FnMut(DropReason)) {
        let timeout_ns = self.timeout_ns;
        let is_old = |entry: &Entry| now_ns.saturating_sub(entry.since_ns) >= timeout_ns;
        while let Some(index) = self.entries.iter().position(is_old) {
            self.forget(index);
            lost(DropReason::SttTimeout);
        }
    }

    /// The entry of the segment's frame, new if need be. Few frames wait at a time: a scan is cheap.
    fn find(&mut self, piece: &Piece<'_>, now_ns: u64, lost: &mut dyn FnMut(DropReason)) -> usize {
        if let Some(index) = self.entries.iter().position(|entry| entry.key == piece.key) {
            return index;
        }
        if self.entries.len() >= self.most {
            self.expire(now_ns, lost);
        }
        if self.entries.len() >= self.most {
            let oldest = self.entries.iter().enumerate().min_by_key(|(_, entry)| entry.touched);
            self.forget(oldest.map_or(0, |(index, _)| index));
            lost(DropReason::SttEvicted);
        }
        let mut whole = self.spare.pop().unwrap_or_else(Whole::new);
        whole.start(piece);
        let Piece { key, total, .. } = *piece;
        self.entries.push(Entry { key, total, whole, since_ns: now_ns, touched: self.clock });
        self.entries.len() - 1
    }

    fn forget(&mut self, index: usize) {
        let entry = self.entries.swap_remove(index);
        self.spare.push(entry.whole);
    }
}

impl Whole {
    fn new() -> Self {
        Self { frame: FrameBuf::new(), tos: 0, runs: Vec::new() }
    }

    fn start(&mut self, piece: &Piece<'_>) {
        self.frame.set_range(HEADROOM..HEADROOM + piece.total);
        self.tos = piece.tos;
        self.runs.clear();
    }

    fn add(&mut self, piece: &Piece<'_>) -> Result<(), DropReason> {
        let (from, to) = (piece.offset, piece.offset + piece.bytes.len());
        self.add_run(from, to)?;
        self.frame.bytes_mut()[from..to].copy_from_slice(piece.bytes);
        if ecn::is_marked(piece.tos) {
            self.tos = ecn::marked(self.tos);
        }
        Ok(())
    }

    /// Notes that `from..to` has arrived. Runs are sorted and neither touch nor overlap.
    fn add_run(&mut self, from: usize, to: usize) -> Result<(), DropReason> {
        let runs = &mut self.runs;
        let at = runs.partition_point(|run| run.0 < from);
        let (before, after) = (at.checked_sub(1), runs.get(at).copied());
        if before.is_some_and(|before| runs[before].1 > from) || after.is_some_and(|after| after.0 < to) {
            return Err(DropReason::SttOverlap);
        }
        let joins_before = before.filter(|before| runs[*before].1 == from);
        let joins_after = after.filter(|after| after.0 == to);
        match (joins_before, joins_after) {
            (Some(before), Some(after)) => {
                runs[before].1 = after.1;
                runs.remove(at);
            }
            (Some(before), None) => runs[before].1 = to,
            (None, Some(_)) => runs[at].0 = from,
            (None, None) if runs.len() >= MOST_RUNS => return Err(DropReason::SttTooManyPieces),
            (None, None) => runs.insert(at, (from, to)),
        }
        Ok(())
    }
}
