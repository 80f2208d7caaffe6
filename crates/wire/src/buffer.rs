//! A frame with room in front of it, so that pushing a header moves a number and no bytes.

use std::fmt;
use std::ops::Range;

/// Bytes kept free in front of a received frame: enough for any outer header, the longest being
/// Geneve's with all its options over IPv6 (14 + 40 + 8 + 8 + 252), and for two VLAN tags.
pub const HEADROOM: usize = 384;

/// The longest frame: 65535 bytes behind an IPv6 and an Ethernet header with VLAN tags.
const ROOM: usize = 65535 + 40 + 14 + 3 * 4 + 7;

/// One frame in memory of its own, allocated once and used over and over.
pub struct FrameBuf {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl FrameBuf {
    /// Bytes of memory that each buffer holds, headroom included.
    pub const CAPACITY: usize = HEADROOM + ROOM;

    /// An empty frame behind [`HEADROOM`] free bytes.
    #[must_use]
    pub fn new() -> Self {
        Self { bytes: vec![0; Self::CAPACITY], start: HEADROOM, end: HEADROOM }
    }

    /// A copy of `frame`; what does not fit is cut off.
    #[must_use]
    pub fn copied(frame: &[u8]) -> Self {
        let mut buffer = Self::new();
        buffer.fill(frame);
        buffer
    }

    /// Empties the frame and restores the headroom.
    #[inline]
    pub fn reset(&mut self) {
        self.start = HEADROOM;
        self.end = HEADROOM;
    }

    /// Becomes a copy of `frame`, with full headroom; what does not fit is cut off. Gives the length.
    pub fn fill(&mut self, frame: &[u8]) -> usize {
        self.reset();
        let len = frame.len().min(ROOM);
        self.bytes[HEADROOM..HEADROOM + len].copy_from_slice(&frame[..len]);
        self.end = HEADROOM + len;
        len
    }

    /// Becomes a copy of `other`'s frame at the same place, and of what lies between it and `from` in that one's memory.
    pub fn copy_from(&mut self, other: &FrameBuf, from: usize) {
        let copied = from.min(other.start)..other.end;
        self.bytes[copied.clone()].copy_from_slice(&other.bytes[copied]);
        (self.start, self.end) = (other.start, other.end);
    }

    /// All the room from [`HEADROOM`] on, for a receive call to fill; then [`set_len`](Self::set_len).
    #[inline]
    pub fn spare_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[HEADROOM..]
    }

    /// Sets the length of the frame, counted from its present start; at most what there is room for.
    #[inline]
    pub fn set_len(&mut self, len: usize) {
        self.end = self.start.saturating_add(len).min(self.bytes.len());
    }

    /// The frame.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The frame, to change in place.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// The length of the frame in bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there is no byte in the frame.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Free bytes in front of the frame.
    #[inline]
    #[must_use]
    pub fn headroom(&self) -> usize {
        self.start
    }

    /// Grows the frame by `len` bytes at its front and gives these, with whatever they hold; `None`
    /// (and no change) without the headroom.
    #[inline]
    pub fn push_front(&mut self, len: usize) -> Option<&mut [u8]> {
        let start = self.start.checked_sub(len)?;
        let end = self.start;
        self.start = start;
        Some(&mut self.bytes[start..end])
    }

    /// Takes `len` bytes off the front, which become headroom, and gives them; `None` (and no change)
    /// if the frame is shorter.
    #[inline]
    pub fn pull_front(&mut self, len: usize) -> Option<&[u8]> {
        if len > self.len() {
            return None;
        }
        let start = self.start;
        self.start += len;
        Some(&self.bytes[start..self.start])
    }

    /// Shortens the frame to at most `len` bytes.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.end = self.end.min(self.start.saturating_add(len));
    }

    /// Where the frame lies in the memory of the buffer.
    #[inline]
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// A part of the buffer's memory, whatever the frame is at present; empty if it does not exist.
    #[inline]
    #[must_use]
    pub fn memory(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// Makes the frame another part of the buffer's memory, as told by [`range`](Self::range); cut to
    /// what exists.
    #[inline]
    pub fn set_range(&mut self, range: Range<usize>) {
        self.end = range.end.min(self.bytes.len());
        self.start = range.start.min(self.end);
    }
}

impl Default for FrameBuf {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for FrameBuf {
    /// Copies the frame and its place, not the rest of the memory.
    fn clone(&self) -> Self {
        let mut copy = Self::new();
        copy.set_range(self.range());
        copy.bytes_mut().copy_from_slice(self.bytes());
        copy
    }
}

impl fmt::Debug for FrameBuf {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "FrameBuf({}+{}: {:02x?})", self.start, self.len(), self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushing_moves_the_start_and_leaves_the_payload_in_place() {
        let mut buffer = FrameBuf::copied(b"payload");
        let place = buffer.bytes().as_ptr();
        buffer.push_front(4).expect("headroom").copy_from_slice(b"head");
        assert_eq!(buffer.bytes(), b"headpayload");
        assert_eq!(buffer.bytes()[4..].as_ptr(), place);
        assert_eq!(buffer.pull_front(4), Some(&b"head"[..]));
        assert_eq!(buffer.bytes(), b"payload");
    }

    #[test]
    fn more_than_the_headroom_or_the_frame_is_refused_without_a_change() {
        let mut buffer = FrameBuf::copied(b"abc");
        assert!(buffer.push_front(HEADROOM + 1).is_none());
        assert!(buffer.pull_front(4).is_none());
        assert_eq!(buffer.bytes(), b"abc");
        assert!(buffer.push_front(HEADROOM).is_some());
        assert_eq!(buffer.headroom(), 0);
    }

    #[test]
    fn a_copy_has_what_lies_in_front_of_the_frame_too() {
        let mut buffer = FrameBuf::copied(b"optionsframe");
        let start = buffer.range().start;
        buffer.pull_front(7);
        let mut copy = FrameBuf::new();
        copy.copy_from(&buffer, start);
        assert_eq!((copy.bytes(), copy.memory(start..start + 7)), (&b"frame"[..], &b"options"[..]));
        copy.copy_from(&buffer, usize::MAX);
        assert_eq!(copy.range(), buffer.range());
    }

    #[test]
    fn lengths_beyond_the_memory_are_cut() {
        let mut buffer = FrameBuf::new();
        buffer.set_len(usize::MAX);
        assert_eq!(buffer.len(), FrameBuf::CAPACITY - HEADROOM);
        assert_eq!(buffer.fill(&vec![1; 100_000]), FrameBuf::CAPACITY - HEADROOM);
        buffer.set_range(usize::MAX - 1..usize::MAX);
        assert!(buffer.is_empty());
    }
}
