//! Numbers and windows as text, put together from two trackers, and moved by a segment that does not fit.

use std::fmt;
use std::str::FromStr;

use super::{MOST_SCALE, Peer, State, Tcp, WIDEST, advance, later};
use crate::record::{RecordError, hexadecimal, number};
use crate::tcp::segment::Segment;
use crate::tuple::Direction;
use tulle_wire::tcp::flag::{ACK, RST, SYN};

const STATES: [State; 6] =
    [State::Unseen, State::SynSent, State::Established, State::Closing, State::Closed, State::Reset];
/// How far a connection may have come while another tracker saw it, in bytes: more would be a guess.
const FARTHEST: u32 = 1 << 28;

impl Tcp {
    /// Two trackers have seen parts of one connection: of each number the later one.
    pub fn join(&mut self, other: &Self) {
        for (peer, theirs) in self.peers.iter_mut().zip(&other.peers) {
            *peer = peer.joined(theirs);
        }
    }

    /// Takes a segment's numbers for true, though others came between that were not seen.
    /// Not those of a reset or a SYN, which must fit.
    pub fn adopt(&mut self, direction: Direction, segment: &Segment) -> bool {
        let [first, second] = &mut self.peers;
        let (sender, receiver) = match direction {
            Direction::Original => (first, second),
            Direction::Reply => (second, first),
        };
        let is_plain = segment.has_valid_flags() && segment.flags & (RST | SYN | ACK) == ACK;
        let is_near = |peer: &Peer, number| peer.is_unseen() || distance(peer.end, number) <= FARTHEST;
        if !is_plain
            || !is_near(sender, segment.sequence)
            || !is_near(receiver, segment.acknowledgment)
            || sender.state.max(receiver.state) >= State::Closed
        {
            return false;
        }
        sender.catch_up(segment.end());
        receiver.catch_up(segment.acknowledgment);
        advance(sender, receiver, segment);
        true
    }
}

fn distance(a: u32, b: u32) -> u32 {
    a.wrapping_sub(b).min(b.wrapping_sub(a))
}

impl Peer {
    fn is_unseen(&self) -> bool {
        self.state == State::Unseen
    }

    /// One of which nothing was seen is taken for picked up in the middle.
    fn catch_up(&mut self, end: u32) {
        if self.is_unseen() {
            let (acked, limit) = (end, end.wrapping_add(WIDEST));
            (self.state, self.scale, self.window) = (State::SynSent, MOST_SCALE, WIDEST);
            (self.end, self.acked, self.limit) = (end, acked, limit);
        }
        self.end = later(end, self.end);
        self.limit = later(end, self.limit);
    }

    fn joined(&self, other: &Self) -> Self {
        match (self.is_unseen(), other.is_unseen()) {
            (_, true) => *self,
            (true, false) => *other,
            (false, false) => Self {
                end: later(self.end, other.end),
                limit: later(self.limit, other.limit),
                acked: later(self.acked, other.acked),
                window: self.window.max(other.window),
                scale: other.scale,
                offers_scale: other.offers_scale,
                state: self.state.max(other.state),
            },
        }
    }
}

/// `PEER;PEER`, the one that opened the connection first.
impl fmt::Display for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};{}", self.peers[0], self.peers[1])
    }
}

impl FromStr for Tcp {
    type Err = RecordError;

    fn from_str(text: &str) -> Result<Self, RecordError> {
        let (a, b) = text.split_once(';').ok_or(RecordError("expected two sides"))?;
        Ok(Self { peers: [a.parse()?, b.parse()?] })
    }
}

/// `END,LIMIT,ACKED,WINDOW,SCALE,OFFERS,STATE`; the first four are hexadecimal.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { end, limit, acked, window, scale, offers_scale, state } = *self;
        write!(f, "{end:x},{limit:x},{acked:x},{window:x},{scale},{},{}", u8::from(offers_scale), state as u8)
    }
}

impl FromStr for Peer {
    type Err = RecordError;

    fn from_str(text: &str) -> Result<Self, RecordError> {
        let parts: Vec<&str> = text.splitn(8, ',').collect();
        let [end, limit, acked, window, scale, offers, state] = parts[..] else {
            return Err(RecordError("expected seven numbers of a side"));
        };
        let word = |text| hexadecimal(text, 8).map(|value| value as u32);
        let (window, scale, offers) = (word(window)?, number::<u8>(scale)?, number::<u8>(offers)?);
        let state = STATES.get(number::<usize>(state)?).ok_or(RecordError("an unknown state of TCP"))?;
        if window == 0 || window > WIDEST || scale > MOST_SCALE || offers > 1 {
            return Err(RecordError("a window that no side has"));
        }
        Ok(Self {
            end: word(end)?,
            limit: word(limit)?,
            acked: word(acked)?,
            window,
            scale,
            offers_scale: offers == 1,
            state: *state,
        })
    }
}
