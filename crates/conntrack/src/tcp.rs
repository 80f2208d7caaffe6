//! Whether a TCP segment can belong to a connection, and where the connection stands.
//!
//! The rules are those of Guido van Rooij, "Real stateful TCP packet filtering in IP Filter" (2000),
//! which the BSDs and Linux use: a segment must lie within what the other side has allowed, not too far
//! back, and acknowledge nothing that has not been sent. Resets must hit the exact number
//! (RFC 5961 section 3). A connection whose SYN was not seen is picked up in the middle, with windows
//! scaled as far as they could be.

mod moving;
mod segment;

pub(crate) use moving::{Adopted, Claims};
pub(crate) use segment::Segment;

use tulle_wire::tcp::flag::{ACK, FIN, RST, SYN};

use crate::config::Timeout;
use crate::tuple::Direction;

/// RFC 7323 section 2.3.
const MOST_SCALE: u8 = 14;
/// The widest window there can be.
const WIDEST: u32 = 0xffff << MOST_SCALE;
/// How far back an acknowledgment may lie whatever the window: a window without scale and some segments.
const SLACK: u32 = 66_000;

/// Where one side stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// Nothing has been seen of it.
    Unseen,
    /// Its SYN, or its first segment of any kind.
    SynSent,
    /// Its SYN is acknowledged.
    Established,
    /// Its FIN.
    Closing,
    /// Its FIN is acknowledged.
    Closed,
    /// There was a reset.
    Reset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Peer {
    /// Behind the last byte that it has sent.
    end: u32,
    /// Behind the last byte that it may send.
    limit: u32,
    /// The next byte that the other side expects of it.
    acked: u32,
    /// The widest window that it has offered, in bytes.
    window: u32,
    /// Shift of the windows that it offers.
    scale: u8,
    /// It may scale windows if the other side does too.
    offers_scale: bool,
    state: State,
}

/// What a segment is to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// A part of it.
    Valid,
    /// The first of a new connection between the same ports: the old one is over.
    Reopens,
    /// No part of it.
    Invalid,
}

/// Both sides of a connection; the one that opened it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tcp {
    peers: [Peer; 2],
}

fn after(a: u32, b: u32) -> bool {
    (b.wrapping_sub(a) as i32) < 0
}

fn later(a: u32, b: u32) -> u32 {
    if after(a, b) { a } else { b }
}

impl Peer {
    const UNSEEN: Self =
        Self { end: 0, limit: 0, acked: 0, window: 1, scale: 0, offers_scale: false, state: State::Unseen };

    fn opening(segment: &Segment) -> Self {
        Self {
            end: segment.end(),
            limit: segment.end(),
            acked: segment.sequence,
            window: u32::from(segment.window).max(1),
            scale: segment.scale.unwrap_or(0).min(MOST_SCALE),
            offers_scale: segment.scale.is_some(),
            state: State::SynSent,
        }
    }
}

impl Tcp {
    /// Of another protocol.
    pub const NONE: Self = Self { peers: [Peer::UNSEEN; 2] };

    /// After the first segment that was seen of a connection.
    pub fn open(segment: &Segment) -> Self {
        let mut peers = [Peer::opening(segment), Peer::UNSEEN];
        if segment.flags & SYN == 0 {
            for peer in &mut peers {
                (peer.scale, peer.window) = (MOST_SCALE, WIDEST);
            }
            let allowed = segment.acknowledgment.wrapping_add(segment.scaled_window(MOST_SCALE));
            let acked = segment.acknowledgment;
            peers[1] = Peer { end: acked, acked, limit: allowed, ..peers[1] };
        }
        Self { peers }
    }

    /// Takes a segment in, if it fits.
    pub fn update(&mut self, direction: Direction, segment: &Segment) -> Fit {
        let (from, to) = match direction {
            Direction::Original => (0, 1),
            Direction::Reply => (1, 0),
        };
        let [sender, receiver] = [self.peers[from].state, self.peers[to].state];
        if !segment.has_valid_flags() {
            return Fit::Invalid;
        }
        if segment.flags & (SYN | ACK) == SYN {
            if sender.min(receiver) >= State::Closed {
                return Fit::Reopens;
            }
            if receiver == State::Unseen {
                *self = Self::open(segment);
                return Fit::Valid;
            }
            // The sender may have restarted. It is for its peer to challenge that (RFC 5961 section 4);
            // the answer to the challenge, a reset with the exact number, ends the connection.
            if direction == Direction::Original && sender >= State::Established {
                return Fit::Valid;
            }
        }
        let [first, second] = &mut self.peers;
        let (sender, receiver) = if from == 0 { (first, second) } else { (second, first) };
        let fit = if sender.state == State::Unseen {
            first_answer(sender, receiver, segment)
        } else {
            next_segment(sender, receiver, segment)
        };
        if fit == Fit::Valid && segment.flags & RST != 0 {
            self.peers.iter_mut().for_each(|peer| peer.state = State::Reset);
        }
        fit
    }

    fn states(&self) -> (State, State) {
        let [a, b] = [self.peers[0].state, self.peers[1].state];
        (a.min(b), a.max(b))
    }

    /// Whether both sides have agreed to talk, and not yet to end.
    pub fn is_open(&self) -> bool {
        matches!(self.states().0, State::Established | State::Closing) && self.states().1 != State::Reset
    }

    pub fn timeout(&self) -> Timeout {
        match self.states() {
            (_, State::Reset) => Timeout::TcpClose,
            (State::Closed, _) => Timeout::TcpTimeWait,
            (State::Closing, _) => Timeout::TcpLastAck,
            (_, State::Closing | State::Closed) => Timeout::TcpFinWait,
            (State::Established, _) => Timeout::TcpEstablished,
            (State::Unseen, _) => Timeout::TcpSynSent,
            _ => Timeout::TcpSynReceived,
        }
    }

    /// As `dpctl/dump-conntrack` names it: the side that is further.
    pub fn name(&self) -> &'static str {
        match self.states().1 {
            State::Unseen => "CLOSED",
            State::SynSent => "SYN_SENT",
            State::Established => "ESTABLISHED",
            State::Closing => "CLOSING",
            State::Closed | State::Reset => "TIME_WAIT",
        }
    }

    #[cfg(test)]
    pub fn both(&self) -> [State; 2] {
        [self.peers[0].state, self.peers[1].state]
    }
}

/// The first segment of the side that was called.
fn first_answer(sender: &mut Peer, receiver: &mut Peer, segment: &Segment) -> Fit {
    let picked_up = sender.scale == MOST_SCALE;
    if picked_up {
        return next_segment(sender, receiver, segment);
    }
    let acknowledges = segment.flags & ACK != 0;
    if segment.flags & RST != 0 {
        // RFC 9293 section 3.10.7.3: it must acknowledge the SYN.
        if !acknowledges || segment.acknowledgment != receiver.end {
            return Fit::Invalid;
        }
        // The same segment may be shown once more, by a second action.
        (sender.end, sender.acked) = (segment.end(), segment.sequence);
        return Fit::Valid;
    }
    if segment.flags & SYN == 0 {
        // It still knows an older connection, and challenges the SYN. The answer will be a reset with
        // the number that it expects.
        receiver.acked = segment.acknowledgment;
        return Fit::Valid;
    }
    if acknowledges && !acknowledges_sent(sender, receiver, segment.acknowledgment) {
        return Fit::Invalid;
    }
    let allowed = segment.end().wrapping_add(receiver.window);
    *sender = Peer { limit: allowed, ..Peer::opening(segment) };
    if !(sender.offers_scale && receiver.offers_scale) {
        (sender.scale, receiver.scale) = (0, 0);
    }
    advance(sender, receiver, segment);
    Fit::Valid
}

fn next_segment(sender: &mut Peer, receiver: &mut Peer, segment: &Segment) -> Fit {
    let reset = segment.flags & RST != 0;
    let fits = if reset { is_exact(sender, segment) } else { is_within(sender, receiver, segment) };
    if !fits {
        return Fit::Invalid;
    }
    advance(sender, receiver, segment);
    Fit::Valid
}

/// A reset with the number that the other side expects next, or just beside the last that was sent.
fn is_exact(sender: &Peer, segment: &Segment) -> bool {
    let off = segment.sequence.wrapping_sub(sender.end).wrapping_add(1);
    off <= 2 || segment.sequence == sender.acked
}

fn is_within(sender: &Peer, receiver: &Peer, segment: &Segment) -> bool {
    let (sequence, last) = (segment.sequence, segment.sequence.wrapping_add(segment.payload_len));
    if receiver.state == State::Unseen && receiver.scale != MOST_SCALE {
        // Nobody has allowed anything yet: only what follows closely.
        let ahead = sequence.wrapping_sub(sender.end).wrapping_add(SLACK);
        return ahead <= 2 * SLACK;
    }
    let limit = if receiver.state == State::Unseen { sender.end.wrapping_add(WIDEST) } else { sender.limit };
    // One byte too many asks whether a closed window is open again (RFC 9293 section 3.8.6.1).
    let allowed = !after(sequence, limit) && (!after(last, limit) || segment.payload_len <= 1);
    let oldest = sender.end.wrapping_sub(receiver.window);
    let recent = !after(oldest, segment.end());
    let acknowledges = segment.flags & ACK != 0;
    allowed && recent && (!acknowledges || acknowledges_sent(sender, receiver, segment.acknowledgment))
}

/// Nothing that was not sent, and nothing that was acknowledged a window ago.
fn acknowledges_sent(sender: &Peer, receiver: &Peer, acknowledgment: u32) -> bool {
    if receiver.state == State::Unseen {
        return true;
    }
    let oldest = receiver.end.wrapping_sub(sender.window.max(SLACK));
    !after(acknowledgment, receiver.end) && !after(oldest, acknowledgment)
}

fn advance(sender: &mut Peer, receiver: &mut Peer, segment: &Segment) {
    let scale = if segment.flags & SYN != 0 { 0 } else { sender.scale };
    let window = segment.scaled_window(scale);
    sender.window = sender.window.max(window);
    sender.end = later(segment.end(), sender.end);
    sender.state = sender.state.max(State::SynSent);
    if segment.flags & FIN != 0 {
        sender.state = sender.state.max(State::Closing);
    }
    if segment.flags & ACK != 0 {
        receiver.acked = later(segment.acknowledgment, receiver.acked);
        receiver.limit = later(segment.acknowledgment.wrapping_add(window.max(1)), receiver.limit);
        receiver.state = match receiver.state {
            State::SynSent => State::Established,
            State::Closing if segment.acknowledgment == receiver.end => State::Closed,
            other => other,
        };
    }
}

#[cfg(test)]
mod tests;
