//! Putting TCP segments together again into one long frame, as a kernel's generic receive offload does.
//!
//! The inverse of cutting: segments are joined only if [`TcpCutter`](crate::TcpCutter) would make the
//! very same bytes of the result again. What cannot be joined passes, and never overtakes an earlier
//! frame of its flow. The memory is that of the slots.

mod segment;

use crate::vnet::{GsoKind, Offload};
use crate::{FrameBuf, checksum};

use segment::{Arrived, Segment};

/// The longest IP packet that is made.
const MOST_PACKET: usize = 65535;
/// The most segments that are joined.
const MOST_SEGMENTS: usize = 128;

/// Segments of several flows that wait for the next ones. `T` is what else must be equal in frames that
/// are joined, such as the tunnel that they came through.
#[derive(Debug)]
pub struct TcpMerger<T> {
    slots: Vec<Slot<T>>,
    /// How many slots hold something.
    held: usize,
    clock: u64,
}

#[derive(Debug)]
struct Slot<T> {
    buffer: FrameBuf,
    held: Option<Held<T>>,
}

/// What is in a slot's buffer.
#[derive(Debug)]
struct Held<T> {
    tag: T,
    /// The first segment.
    first: Segment,
    offload: Offload,
    count: usize,
    /// None can follow: the last one had a flag that says so, or was shorter.
    closed: bool,
    since: u64,
}

impl<T: PartialEq> TcpMerger<T> {
    /// Takes segments of up to `flows` flows at a time, each with a buffer; at least one.
    #[must_use]
    pub fn new(flows: usize) -> Self {
        let slot = || Slot { buffer: FrameBuf::new(), held: None };
        Self { slots: std::iter::repeat_with(slot).take(flows.max(1)).collect(), held: 0, clock: 0 }
    }

    /// Whether nothing waits.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Takes a frame in. False where it cannot wait: the caller is to pass it on, after what of its flow has
    /// waited until now, which is given to `each`. What `each` gets is its own: it may change the frame, use its
    /// headroom, and take the buffer and leave another.
    #[inline]
    pub fn offer(
        &mut self,
        tag: T,
        frame: &FrameBuf,
        offload: &Offload,
        each: &mut impl FnMut(T, &mut FrameBuf, &Offload),
    ) -> bool {
        let segment = match Segment::parse(frame.bytes(), offload) {
            Arrived::Segment(segment) => segment,
            Arrived::Other => return false,
            Arrived::Unclear => {
                self.flush(each);
                return false;
            }
        };
        if self.join(&tag, frame.bytes(), &segment, each) {
            return true;
        }
        let can_wait = segment.joinable && !segment.is_last;
        if can_wait {
            self.hold(tag, frame, segment, offload, each);
        }
        can_wait
    }

    /// Gives all that waits to `each`. To be called after each batch of frames: nothing may wait for
    /// frames that have not arrived yet.
    #[inline]
    pub fn flush(&mut self, each: &mut impl FnMut(T, &mut FrameBuf, &Offload)) {
        if self.held > 0 {
            self.slots.iter_mut().for_each(|slot| slot.flush(each));
            self.held = 0;
        }
    }

    /// Puts the segment behind those of its flow that wait, if it is the next one of them; else these wait no more.
    fn join(
        &mut self,
        tag: &T,
        frame: &[u8],
        segment: &Segment,
        each: &mut impl FnMut(T, &mut FrameBuf, &Offload),
    ) -> bool {
        let Some(slot) = self.slots.iter_mut().find(|slot| slot.is_flow_of(frame, segment)) else {
            return false;
        };
        let has_joined = slot.join(tag, frame, segment);
        if !has_joined || slot.is_closed() {
            slot.flush(each);
            self.held -= 1;
        }
        has_joined
    }

    fn hold(
        &mut self,
        tag: T,
        frame: &FrameBuf,
        first: Segment,
        offload: &Offload,
        each: &mut impl FnMut(T, &mut FrameBuf, &Offload),
    ) {
        self.clock += 1;
        let since = self.clock;
        // A free one, else the one that has waited longest.
        let place = |slot: &&mut Slot<T>| slot.held.as_ref().map_or(0, |held| held.since);
        let Some(slot) = self.slots.iter_mut().min_by_key(place) else { return };
        match slot.held {
            Some(_) => slot.flush(each),
            None => self.held += 1,
        }
        slot.buffer.fill(frame.bytes());
        slot.held = Some(Held { tag, first, offload: *offload, count: 1, closed: false, since });
    }
}

impl<T: PartialEq> Slot<T> {
    /// Whatever the tag: of two ways of one flow, neither may overtake the other.
    fn is_flow_of(&self, frame: &[u8], segment: &Segment) -> bool {
        self.held.as_ref().is_some_and(|held| held.first.is_flow_of(self.buffer.bytes(), segment, frame))
    }

    /// Puts the segment behind those in the buffer, if it is the next one of them.
    fn join(&mut self, tag: &T, frame: &[u8], segment: &Segment) -> bool {
        let Some(held) = &mut self.held else { return false };
        let payload = &frame[segment.payload..];
        let end = self.buffer.len();
        let fits = end - held.first.network + payload.len() <= MOST_PACKET && held.count < MOST_SEGMENTS;
        if !fits || held.tag != *tag || !held.first.continues(self.buffer.bytes(), held.count, segment, frame)
        {
            return false;
        }
        self.buffer.set_len(end + payload.len());
        self.buffer.bytes_mut()[end..].copy_from_slice(payload);
        held.first.add_flags(self.buffer.bytes_mut(), segment, frame);
        held.count += 1;
        held.closed = segment.is_last || payload.len() < held.first.size;
        true
    }

    fn is_closed(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.closed)
    }

    fn flush(&mut self, each: &mut impl FnMut(T, &mut FrameBuf, &Offload)) {
        let Some(Held { tag, first, offload, count, .. }) = self.held.take() else { return };
        let offload = if count == 1 { offload } else { first.finish(self.buffer.bytes_mut()) };
        each(tag, &mut self.buffer, &offload);
    }
}

impl Segment {
    /// Makes lengths and checksums those of one long frame, to be cut again.
    fn finish(&self, frame: &mut [u8]) -> Offload {
        let segment_len = frame.len() - self.transport;
        self.set_network_len(frame);
        let pseudo = self.pseudo(frame, segment_len);
        let field = self.transport + usize::from(checksum::TCP_CSUM_OFFSET);
        frame[field..field + 2].copy_from_slice(&pseudo.to_be_bytes());
        Offload {
            needs_csum: true,
            csum_start: self.transport as u16,
            csum_offset: checksum::TCP_CSUM_OFFSET,
            gso: if self.v4 { GsoKind::TcpV4 } else { GsoKind::TcpV6 },
            gso_size: self.size as u16,
            hdr_len: self.payload as u16,
            ..Offload::default()
        }
    }
}
