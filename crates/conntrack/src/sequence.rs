//! Sequence numbers of a connection whose payload has been made longer or shorter.
//!
//! Numbers up to the last change move by what came before it, later ones by all of it. A change that is
//! made again, because its segment is sent again, moves nothing more.

use std::fmt;
use std::str::FromStr;

use crate::record::{RecordError, number};
use crate::tuple::Direction;

/// How far numbers of one direction have moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shift {
    /// The number of the first byte of the segment that was changed last.
    at: u32,
    before: i32,
    after: i32,
}

/// How far numbers have moved, by direction of the bytes that they count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Adjustment {
    shifts: [Shift; 2],
}

impl Shift {
    /// A number of the sender's as the receiver is to see it.
    fn forward(&self, sequence: u32) -> u32 {
        let beyond = (sequence.wrapping_sub(self.at) as i32) > 0;
        sequence.wrapping_add_signed(if beyond { self.after } else { self.before })
    }

    /// A number that the receiver has seen as the sender knows it.
    fn back(&self, number: u32) -> u32 {
        let beyond =
            (number.wrapping_add_signed(self.before.wrapping_neg()).wrapping_sub(self.at) as i32) > 0;
        number.wrapping_add_signed(if beyond { self.after } else { self.before }.wrapping_neg())
    }
}

impl Adjustment {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    pub fn forward(&self, direction: Direction, sequence: u32) -> u32 {
        self.shifts[direction as usize].forward(sequence)
    }

    /// An acknowledgment in this direction, of bytes in the other.
    pub fn back(&self, direction: Direction, acknowledgment: u32) -> u32 {
        self.shifts[direction.opposite() as usize].back(acknowledgment)
    }

    /// A segment that begins with `sequence` has become longer by `by` bytes.
    pub fn note(&mut self, direction: Direction, sequence: u32, by: i32) {
        let shift = &mut self.shifts[direction as usize];
        let is_new = shift.before == shift.after || (sequence.wrapping_sub(shift.at) as i32) > 0;
        if by != 0 && is_new {
            *shift = Shift { at: sequence, before: shift.after, after: shift.after.wrapping_add(by) };
        }
    }
}

/// `AT,BEFORE,AFTER;AT,BEFORE,AFTER`, the original direction first.
impl fmt::Display for Adjustment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = &self.shifts;
        write!(f, "{},{},{};{},{},{}", a.at, a.before, a.after, b.at, b.before, b.after)
    }
}

impl FromStr for Adjustment {
    type Err = RecordError;

    fn from_str(text: &str) -> Result<Self, RecordError> {
        let (a, b) = text.split_once(';').ok_or(RecordError("expected two adjustments"))?;
        Ok(Self { shifts: [shift(a)?, shift(b)?] })
    }
}

fn shift(text: &str) -> Result<Shift, RecordError> {
    let wrong = RecordError("expected AT,BEFORE,AFTER");
    let parts: Vec<&str> = text.splitn(4, ',').collect();
    let [at, before, after] = parts[..] else { return Err(wrong) };
    let signed = |text: &str| text.parse::<i32>().map_err(|_| wrong.clone());
    Ok(Shift { at: number(at)?, before: signed(before)?, after: signed(after)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Original, Reply};

    #[test]
    fn numbers_move_behind_a_change_only_and_acknowledgments_move_back() {
        let mut it = Adjustment::default();
        it.note(Original, 100, 3);
        it.note(Original, 100, 3);
        assert_eq!([it.forward(Original, 100), it.forward(Original, 120)], [100, 123]);
        assert_eq!([it.back(Reply, 100), it.back(Reply, 123)], [100, 120]);
        it.note(Original, 120, -5);
        assert_eq!([it.forward(Original, 120), it.forward(Original, 150)], [123, 148]);
        assert_eq!([it.back(Reply, 123), it.back(Reply, 148)], [120, 150]);
        assert_eq!([it.forward(Reply, 7), it.back(Original, 7)], [7, 7]);
    }
}
