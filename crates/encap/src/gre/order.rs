//! The order of numbered packets (RFC 2890 section 2.2), as Linux keeps it.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::DropReason;

/// Streams that are remembered; a flood of new ones cannot take more memory.
const MOST_STREAMS: usize = 65536;

/// What packets that are numbered together have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stream {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) key: Option<u32>,
}

/// The number that is expected next of each stream.
#[derive(Debug, Default)]
pub(super) struct Order {
    expected: HashMap<Stream, u32>,
}

impl Order {
    /// Notes a packet's number. Errors: there is none, or it is before the one that is expected, by the
    /// shorter way around the circle. The first of a stream may have any.
    pub(super) fn accept(&mut self, stream: Stream, sequence: Option<u32>) -> Result<(), DropReason> {
        let sequence = sequence.ok_or(DropReason::GreNoSequence)?;
        let next = sequence.wrapping_add(1);
        if let Some(expected) = self.expected.get_mut(&stream) {
            if (sequence.wrapping_sub(*expected) as i32) < 0 {
                return Err(DropReason::GreOutOfOrder);
            }
            *expected = next;
            return Ok(());
        }
        if self.expected.len() >= MOST_STREAMS {
            // All begin anew, which at worst lets an old packet of each pass.
            self.expected.clear();
        }
        self.expected.insert(stream, next);
        Ok(())
    }
}
