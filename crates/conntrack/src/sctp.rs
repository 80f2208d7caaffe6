//! Whether an SCTP packet can belong to an association, and where the association stands (RFC 9260).
//!
//! What keeps those out who do not see the association is its tags: each side says in INIT or INIT ACK what packets
//! to it must carry. Tags that have been offered are in force when a COOKIE ECHO carries the one that only the answer
//! to an INIT has told, so nobody changes those of an association by asking for another. Both sides of one whose
//! handshake was not seen are taken as they are first seen. Who can send as both sides can ask, answer and
//! accept as they can, and so mislead the tracker, as in Linux. Paths between other addresses of the same
//! association are connections of their own, as in Linux.

use std::fmt;
use std::str::FromStr;

use tulle_wire::sctp::{Packet, kind};

use crate::config::Timeout;
use crate::record::{RecordError, hexadecimal, number};
use crate::tcp::Fit;
use crate::tuple::Direction;

/// RFC 9260 section 3.3.7: of an ABORT or a SHUTDOWN COMPLETE, that it carries the sender's own tag.
const REFLECTED: u8 = 1;
const STATES: [State; 4] = [State::Opening, State::Open, State::Closing, State::Closed];

/// Where an association stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// Asked for.
    Opening,
    /// Both sides know each other's tags.
    Open,
    /// One side has asked for the end.
    Closing,
    /// It is over.
    Closed,
}

/// What matters of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunks {
    tag: u32,
    /// The tag that an INIT or an INIT ACK asks for.
    offered: u32,
    /// A bit for each type of chunk up to 31.
    kinds: u32,
    reflected: bool,
}

impl Chunks {
    /// Reads a packet. `None`: it is none, or against the rules for any association.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let packet = Packet::new_checked(bytes).ok()?;
        let mut found = Self { tag: packet.tag(), offered: 0, kinds: 0, reflected: false };
        let mut count = 0;
        for chunk in packet.chunks() {
            let chunk = chunk.ok()?;
            count += 1;
            found.kinds |= 1_u32.checked_shl(u32::from(chunk.kind)).unwrap_or(0);
            if let kind::INIT | kind::INIT_ACK = chunk.kind {
                found.offered = u32::from_be_bytes(*chunk.value.first_chunk()?);
            }
            if let kind::ABORT | kind::SHUTDOWN_COMPLETE = chunk.kind {
                found.reflected |= chunk.flags & REFLECTED != 0;
            }
        }
        found.is_lawful(count).then_some(found)
    }

    /// Sections 3.3.2, 6.10 and 8.5.1.
    fn is_lawful(&self, count: usize) -> bool {
        let offers = self.has(kind::INIT) || self.has(kind::INIT_ACK);
        let alone = offers || self.has(kind::SHUTDOWN_COMPLETE);
        count > 0
            && (!alone || count == 1)
            && (!offers || self.offered != 0)
            && (self.tag == 0) == self.has(kind::INIT)
    }

    fn has(&self, kind: u8) -> bool {
        self.kinds & 1 << kind != 0
    }

    /// Whether it may be the first of a connection: an INIT, or one from the middle.
    pub fn may_open(&self) -> bool {
        let answers =
            [kind::INIT_ACK, kind::ABORT, kind::SHUTDOWN_ACK, kind::COOKIE_ACK, kind::SHUTDOWN_COMPLETE];
        !answers.into_iter().any(|kind| self.has(kind))
    }
}

/// An association; tags by the direction of the packets that carry them, 0 where none is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sctp {
    tags: [u32; 2],
    /// Those that an INIT and its answer have offered.
    offered: [u32; 2],
    state: State,
}

impl Sctp {
    /// After the first packet that was seen.
    pub fn open(chunks: &Chunks) -> Self {
        let mut made = Self { tags: [0; 2], offered: [0; 2], state: State::Opening };
        if chunks.has(kind::INIT) {
            made.offered[Direction::Reply as usize] = chunks.offered;
        } else {
            made.tags[Direction::Original as usize] = chunks.tag;
            made.state = State::Open;
        }
        made
    }

    /// Takes a packet in, if it fits.
    pub fn update(&mut self, direction: Direction, chunks: &Chunks) -> Fit {
        let (own, other) = (direction as usize, direction.opposite() as usize);
        if chunks.has(kind::INIT) {
            if self.state == State::Closed {
                return Fit::Reopens;
            }
            self.offered[other] = chunks.offered;
            return Fit::Valid;
        }
        if chunks.has(kind::INIT_ACK) {
            if self.offered[own] != chunks.tag {
                return Fit::Invalid;
            }
            self.offered[other] = chunks.offered;
            return Fit::Valid;
        }
        if chunks.has(kind::COOKIE_ECHO) && self.offered[own] == chunks.tag && self.offered[other] != 0 {
            (self.tags, self.state) = (self.offered, State::Open);
        }
        if !self.is_tagged(own, other, chunks) {
            return Fit::Invalid;
        }
        self.advance(own, chunks);
        Fit::Valid
    }

    fn is_tagged(&self, own: usize, other: usize, chunks: &Chunks) -> bool {
        // Before the handshake is complete, a side may only refuse it.
        let refuses = chunks.has(kind::ABORT) && self.state == State::Opening;
        let tags = if refuses { self.offered } else { self.tags };
        if chunks.reflected {
            return chunks.tag == tags[other];
        }
        let ends = chunks.has(kind::ABORT) || chunks.has(kind::SHUTDOWN_COMPLETE);
        let is_picked_up = self.state != State::Opening && tags[own] == 0 && !ends;
        chunks.tag == tags[own] || is_picked_up
    }

    fn advance(&mut self, own: usize, chunks: &Chunks) {
        if self.tags[own] == 0 && !chunks.reflected && self.state != State::Opening {
            self.tags[own] = chunks.tag;
        }
        if chunks.has(kind::ABORT) || chunks.has(kind::SHUTDOWN_COMPLETE) {
            self.state = State::Closed;
        } else if chunks.has(kind::SHUTDOWN) || chunks.has(kind::SHUTDOWN_ACK) {
            self.state = self.state.max(State::Closing);
        }
    }

    /// Two trackers have seen parts of one association; or of two between the same ports, of which one is over.
    pub fn join(&mut self, other: &Self) {
        let differs = |(mine, theirs): (&u32, &u32)| *mine != 0 && *theirs != 0 && mine != theirs;
        if self.tags.iter().zip(&other.tags).any(differs) {
            if other.state < State::Closed || self.state == State::Closed {
                *self = *other;
            }
            return;
        }
        for (mine, theirs) in [(&mut self.tags, other.tags), (&mut self.offered, other.offered)] {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine = if *mine == 0 { theirs } else { *mine };
            }
        }
        self.state = self.state.max(other.state);
    }

    /// Whether both sides have agreed to talk, and not yet to end.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open | State::Closing)
    }

    pub fn timeout(&self) -> Timeout {
        match self.state {
            State::Opening => Timeout::SctpOpening,
            State::Open => Timeout::SctpOpen,
            State::Closing => Timeout::SctpClosing,
            State::Closed => Timeout::SctpClosed,
        }
    }
}

/// `TAG,TAG,OFFERED,OFFERED,STATE`; the first four are hexadecimal, the original direction comes first.
impl fmt::Display for Sctp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tags: [a, b], offered: [c, d], state } = *self;
        write!(f, "{a:x},{b:x},{c:x},{d:x},{}", state as u8)
    }
}

impl FromStr for Sctp {
    type Err = RecordError;

    fn from_str(text: &str) -> Result<Self, RecordError> {
        let parts: Vec<&str> = text.splitn(6, ',').collect();
        let [a, b, c, d, state] = parts[..] else {
            return Err(RecordError("expected five numbers of an association"));
        };
        let word = |text| hexadecimal(text, 8).map(|value| value as u32);
        let state = STATES.get(number::<usize>(state)?).ok_or(RecordError("an unknown state of SCTP"))?;
        Ok(Self { tags: [word(a)?, word(b)?], offered: [word(c)?, word(d)?], state: *state })
    }
}
