//! The client's connections: a window of them, and what has become of the others.

use std::time::Duration;

use tulle_wire::tcp::flag::{ACK, FIN, SYN};

use crate::Failure;
use crate::segment::Segment;

/// A connection that has not ended by then is lost.
const PATIENCE: Duration = Duration::from_millis(250);
/// Connections opened before what has come is looked at.
const MOST_AT_ONCE: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Closing,
}

#[derive(Clone, Copy)]
struct Open {
    connection: u64,
    phase: Phase,
    since: Duration,
}

/// The `n`-th connection after the first lives in slot `n` modulo the window's size.
pub(crate) struct Client {
    slots: Vec<Option<Open>>,
    free: Vec<u32>,
    rounds: Vec<u64>,
    first: u64,
    pub done: u64,
    pub lost: u64,
}

impl Client {
    /// `first` is the number of the first connection.
    pub(crate) fn new(window: u32, first: u64) -> Self {
        let slots = vec![None; window as usize];
        Self { free: (0..window).collect(), rounds: vec![0; slots.len()], first, slots, done: 0, lost: 0 }
    }

    /// Opens connections in the slots that are free.
    pub(crate) fn open_more(
        &mut self,
        now: Duration,
        mut send: impl FnMut(Segment) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for _ in 0..MOST_AT_ONCE {
            let Some(slot) = self.free.pop() else { break };
            let round = &mut self.rounds[slot as usize];
            let connection = self.first + *round * self.slots.len() as u64 + u64::from(slot);
            *round += 1;
            self.slots[slot as usize] = Some(Open { connection, phase: Phase::Opening, since: now });
            send(Segment::first(connection))?;
        }
        Ok(())
    }

    /// Takes a segment of the server: acknowledges, and closes what has opened.
    pub(crate) fn take(
        &mut self,
        segment: &Segment,
        mut send: impl FnMut(Segment) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Some(number) = segment.connection.checked_sub(self.first) else { return Ok(()) };
        let slot = (number % self.slots.len() as u64) as usize;
        let Some(open) = self.slots[slot].as_mut().filter(|open| open.connection == segment.connection)
        else {
            return Ok(());
        };
        match (open.phase, segment.flags & (SYN | FIN)) {
            (Phase::Opening, SYN) => {
                open.phase = Phase::Closing;
                send(segment.answer(ACK))?;
                send(segment.answer(FIN | ACK))
            }
            (Phase::Closing, FIN) => {
                self.slots[slot] = None;
                self.free.push(slot as u32);
                self.done += 1;
                send(segment.answer(ACK))
            }
            _ => Ok(()),
        }
    }

    /// Gives up connections that something has been lost of.
    pub(crate) fn give_up_old(&mut self, now: Duration) {
        for (slot, open) in self.slots.iter_mut().enumerate() {
            if open.is_some_and(|open| now > open.since + PATIENCE) {
                *open = None;
                self.free.push(slot as u32);
                self.lost += 1;
            }
        }
    }
}
