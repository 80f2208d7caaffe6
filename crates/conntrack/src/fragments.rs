//! Fragments held until their datagram is whole, so that all of them share what is decided about it.
//!
//! Each is kept as it came, with the caller's own context. When the last one comes, the datagram is put
//! together once to be tracked, and the fragments are given back, not the datagram: what is forwarded is
//! cut as it was. Memory is bounded; the oldest datagram gives way, and a zone that holds more than half
//! of them only makes its own give way. Fragments that overlap take their datagram with them (RFC 5722);
//! an exact duplicate is dropped alone. Nothing is asked for again.

mod datagram;
mod piece;

use std::collections::BTreeMap;

pub use datagram::{Datagram, Piece};

use crate::config::SECOND_NS;
use crate::drop_reason::DropReason;
use crate::request::Packet;
use crate::tuple::{Address, Family};
use piece::Place;

/// How much may wait, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentLimits {
    /// Incomplete datagrams at a time.
    pub datagrams: usize,
    /// Bytes of fragments at a time, frames with their headers.
    pub bytes: usize,
    /// Fragments of one datagram.
    pub pieces: usize,
    /// From the first fragment of an IPv4 datagram, in nanoseconds.
    pub timeout_v4_ns: u64,
    /// From the first fragment of an IPv6 datagram, in nanoseconds (RFC 8200 section 4.5).
    pub timeout_v6_ns: u64,
}

impl Default for FragmentLimits {
    /// 1024 datagrams in 16 MiB, 128 fragments each; 30 s and 60 s as Linux has it.
    fn default() -> Self {
        Self {
            datagrams: 1024,
            bytes: 16 << 20,
            pieces: 128,
            timeout_v4_ns: 30 * SECOND_NS,
            timeout_v6_ns: 60 * SECOND_NS,
        }
    }
}

/// What the fragments of one datagram have in common (RFC 791, RFC 8200 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    zone: u16,
    v6: bool,
    protocol: u8,
    id: u32,
    source: Address,
    destination: Address,
}

/// A datagram some of whose fragments have not come.
#[derive(Debug)]
struct Incomplete<T> {
    since_ns: u64,
    age: u64,
    /// Length of what was cut, once the last piece has come.
    total: Option<usize>,
    received: usize,
    frame_bytes: usize,
    pieces: Vec<(Place, Piece<T>)>,
}

/// The fragments that wait, each with a context of the caller's.
#[derive(Debug)]
pub struct Fragments<T> {
    limits: FragmentLimits,
    waiting: BTreeMap<Key, Incomplete<T>>,
    /// From the oldest to the youngest.
    ages: BTreeMap<u64, Key>,
    zones: BTreeMap<u16, usize>,
    next_age: u64,
    bytes: usize,
}

impl<T> Fragments<T> {
    /// Nothing waiting. There is always room for one datagram, whatever the limits say.
    #[must_use]
    pub fn new(limits: FragmentLimits) -> Self {
        let (waiting, ages, zones) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { limits, waiting, ages, zones, next_age: 0, bytes: 0 }
    }

    /// Incomplete datagrams.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes of the frames that wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Holds a copy of a fragment, and gives the datagram if that completes it. `lost` hears of each
    /// fragment that is lost, this one or others, with its context.
    pub fn offer(
        &mut self,
        frame: &[u8],
        packet: &Packet,
        zone: u16,
        context: T,
        now_ns: u64,
        lost: &mut dyn FnMut(DropReason, T),
    ) -> Option<Datagram<T>> {
        let Some((key, place)) = piece::parse(frame, &packet.headers, zone) else {
            lost(DropReason::FragmentMalformed, context);
            return None;
        };
        if self.waiting.get(&key).is_some_and(|it| self.is_old(&key, it, now_ns)) {
            self.lose(&key, DropReason::FragmentTimeout, lost);
        }
        if let Err(reason) = self.check(&key, &place) {
            lost(reason, context);
            if reason != DropReason::FragmentDuplicate {
                self.lose(&key, reason, lost);
            }
            return None;
        }
        let piece = Piece { frame: frame.to_vec(), packet: *packet, context };
        self.add(key, place, piece, now_ns);
        self.make_room(&key, lost);
        let is_whole = self.waiting.get(&key).is_some_and(|it| it.total == Some(it.received));
        let incomplete = if is_whole { self.remove(&key)? } else { return None };
        match Datagram::assemble(incomplete.pieces) {
            Ok(datagram) => Some(datagram),
            Err(pieces) => {
                let reason = DropReason::FragmentMalformed;
                pieces.into_iter().for_each(|piece| lost(reason, piece.context));
                None
            }
        }
    }

    /// Forgets datagrams that have waited too long; `lost` hears of each of their fragments.
    pub fn expire(&mut self, now_ns: u64, lost: &mut dyn FnMut(DropReason, T)) {
        let is_old = |(key, it): &(&Key, &Incomplete<T>)| self.is_old(key, it, now_ns);
        let old: Vec<Key> = self.waiting.iter().filter(is_old).map(|(key, _)| *key).collect();
        old.iter().for_each(|key| self.lose(key, DropReason::FragmentTimeout, lost));
    }

    /// Forgets everything; `lost` hears of each fragment.
    pub fn clear(&mut self, lost: &mut dyn FnMut(DropReason, T)) {
        let all: Vec<Key> = self.waiting.keys().copied().collect();
        all.iter().for_each(|key| self.lose(key, DropReason::FragmentEvicted, lost));
    }

    fn is_old(&self, key: &Key, it: &Incomplete<T>, now_ns: u64) -> bool {
        let timeout = if key.v6 { self.limits.timeout_v6_ns } else { self.limits.timeout_v4_ns };
        now_ns.saturating_sub(it.since_ns) >= timeout
    }

    /// Whether a piece fits those that wait.
    fn check(&self, key: &Key, new: &Place) -> Result<(), DropReason> {
        let Some(waiting) = self.waiting.get(key) else { return Ok(()) };
        if waiting.pieces.iter().any(|(old, _)| (old.start, old.end) == (new.start, new.end)) {
            return Err(DropReason::FragmentDuplicate);
        }
        if waiting.pieces.iter().any(|(old, _)| old.start < new.end && new.start < old.end) {
            return Err(DropReason::FragmentOverlap);
        }
        let furthest = waiting.pieces.iter().map(|(old, _)| old.end).max().unwrap_or(0);
        let beyond = waiting.total.is_some_and(|total| new.end > total || new.last);
        if beyond || new.last && furthest > new.end {
            return Err(DropReason::FragmentMalformed);
        }
        if waiting.pieces.len() >= self.limits.pieces {
            return Err(DropReason::FragmentTooMany);
        }
        Ok(())
    }

    fn add(&mut self, key: Key, place: Place, piece: Piece<T>, now_ns: u64) {
        let (zones, ages, next_age) = (&mut self.zones, &mut self.ages, &mut self.next_age);
        let waiting = self.waiting.entry(key).or_insert_with(|| {
            *next_age += 1;
            ages.insert(*next_age, key);
            *zones.entry(key.zone).or_default() += 1;
            let (total, pieces) = (None, Vec::new());
            Incomplete { since_ns: now_ns, age: *next_age, total, received: 0, frame_bytes: 0, pieces }
        });
        if place.last {
            waiting.total = Some(place.end);
        }
        waiting.received += place.end - place.start;
        waiting.frame_bytes += piece.frame.len();
        self.bytes += piece.frame.len();
        waiting.pieces.push((place, piece));
    }

    /// Gives up others until the limits hold; the one just added stays.
    fn make_room(&mut self, new: &Key, lost: &mut dyn FnMut(DropReason, T)) {
        let limits = self.limits;
        while self.waiting.len() > limits.datagrams.max(1) || self.bytes > limits.bytes {
            let greedy = self.zones.get(&new.zone).is_some_and(|held| held * 2 > self.waiting.len());
            let may_go = |key: &&Key| *key != new && (!greedy || key.zone == new.zone);
            let Some(oldest) = self.ages.values().find(may_go).copied() else { return };
            self.lose(&oldest, DropReason::FragmentEvicted, lost);
        }
    }

    fn lose(&mut self, key: &Key, reason: DropReason, lost: &mut dyn FnMut(DropReason, T)) {
        let pieces = self.remove(key).map(|it| it.pieces).unwrap_or_default();
        pieces.into_iter().for_each(|(_, piece)| lost(reason, piece.context));
    }

    fn remove(&mut self, key: &Key) -> Option<Incomplete<T>> {
        let gone = self.waiting.remove(key)?;
        self.ages.remove(&gone.age);
        self.bytes -= gone.frame_bytes;
        if let Some(held) = self.zones.get_mut(&key.zone) {
            *held -= 1;
            if *held == 0 {
                self.zones.remove(&key.zone);
            }
        }
        Some(gone)
    }
}

impl Key {
    fn new(zone: u16, family: Family, protocol: u8, id: u32, ends: (Address, Address)) -> Self {
        let (source, destination) = ends;
        Self { zone, v6: family == Family::V6, protocol, id, source, destination }
    }
}
