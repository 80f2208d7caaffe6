//! Numbers and windows as text, put together from two trackers, and moved by segments that do not fit.

use std::fmt;
use std::str::FromStr;

use super::{Fit, MOST_SCALE, Peer, SLACK, State, Tcp, WIDEST, advance, later};
use crate::record::{RecordError, hexadecimal, number};
use crate::tcp::segment::Segment;
use crate::tuple::Direction;
use tulle_wire::tcp::flag::{ACK, RST, SYN};

const STATES: [State; 6] =
    [State::Unseen, State::SynSent, State::Established, State::Closing, State::Closed, State::Reset];
/// How far a connection may have come while another tracker saw it, in bytes: what 10 Gbit/s carry in a fifth of
/// a second. More would be a guess.
const FARTHEST: u32 = 1 << 28;

/// What segments beyond the windows said, by direction, until the other direction speaks of it.
pub(crate) type Claims = [Option<Segment>; 2];

/// What to make of a segment that does not fit, where another tracker may have seen what came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adopted {
    /// It and one of the other direction bear each other out: the windows have moved.
    Confirmed,
    /// It may be so. It may pass, for its receiver to judge, and moves nothing.
    Claimed,
    /// It cannot be so.
    Refused,
}

impl Tcp {
    /// Two trackers have seen parts of one connection: of each number the later one.
    pub fn join(&mut self, other: &Self) {
        for (peer, theirs) in self.peers.iter_mut().zip(&other.peers) {
            *peer = peer.joined(theirs);
        }
    }

    /// Takes a segment's numbers for true, though others came between that were not seen, once one of the
    /// other direction fits them as it fits none that were known before.
    ///
    /// Who does not see the connection can send segments in the name of one side only, and the other side
    /// answers them with its own numbers, so he moves no window. Each direction has a claim of its own: what he
    /// sends takes the place of no true one. Resets and SYNs must fit what is known.
    pub fn adopt(&mut self, direction: Direction, segment: &Segment, claims: &mut Claims) -> Adopted {
        if !self.may_have_come_to(direction, segment) {
            return Adopted::Refused;
        }
        let other = direction.opposite();
        if let Some(claim) = &claims[other as usize] {
            let mut moved = *self;
            moved.follow(other, claim);
            if moved.update(direction, segment) == Fit::Valid {
                (*self, *claims) = (moved, Claims::default());
                return Adopted::Confirmed;
            }
        }
        claims[direction as usize] = Some(*segment);
        Adopted::Claimed
    }

    fn may_have_come_to(&self, direction: Direction, segment: &Segment) -> bool {
        let [sender, receiver] = match direction {
            Direction::Original => [0, 1],
            Direction::Reply => [1, 0],
        };
        let [sender, receiver] = [&self.peers[sender], &self.peers[receiver]];
        let is_plain = segment.has_valid_flags() && segment.flags & (RST | SYN | ACK) == ACK;
        is_plain
            && sender.may_have_come_to(segment.end(), receiver)
            && receiver.may_have_come_to(segment.acknowledgment, sender)
            && sender.state.max(receiver.state) < State::Closed
    }

    fn follow(&mut self, direction: Direction, segment: &Segment) {
        let [first, second] = &mut self.peers;
        let (sender, receiver) = match direction {
            Direction::Original => (first, second),
            Direction::Reply => (second, first),
        };
        sender.catch_up(segment.end());
        receiver.catch_up(segment.acknowledgment);
        advance(sender, receiver, segment);
    }
}

impl Peer {
    fn is_unseen(&self) -> bool {
        self.state == State::Unseen
    }

    /// Numbers go ahead, but for segments that were overtaken, which are at most a window old.
    fn may_have_come_to(&self, number: u32, other: &Self) -> bool {
        let back = other.window.max(SLACK);
        self.is_unseen() || number.wrapping_sub(self.end.wrapping_sub(back)) <= back + FARTHEST
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
