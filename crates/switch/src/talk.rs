//! For how long a thread looks for a controller's next message before it sleeps.
//!
//! A controller that waits for each answer sends the next message soon after, and waking a thread for each costs more
//! than what the message asks for.  One that takes longer must not have a processor burnt: after a few looks in vain
//! only one turn in many is followed by another.

use std::time::Duration;

/// As long as such a controller takes to read an answer and to write what is next, and to be woken up for it.
const LOOK: Duration = Duration::from_micros(60);
/// While it looks it gives its processor away, for some milliseconds at worst: what is due sooner must not wait for it.
const LENT: Duration = Duration::from_millis(5);
const MOST_IN_VAIN: u8 = 3;
const TURNS_BETWEEN_TRIALS: u8 = 64;

/// What became of the last looks.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    in_vain: u8,
    turns: u8,
}

impl Talk {
    /// For how long to look after a turn that was for controllers alone, where something else is due in `longest_ns`;
    /// both in nanoseconds.
    pub(crate) fn look_ns(&mut self, longest_ns: u64) -> u64 {
        if longest_ns <= LENT.as_nanos() as u64 {
            return 0;
        }
        if self.in_vain < MOST_IN_VAIN {
            return LOOK.as_nanos() as u64;
        }
        self.turns = (self.turns + 1) % TURNS_BETWEEN_TRIALS;
        if self.turns == 0 { LOOK.as_nanos() as u64 } else { 0 }
    }

    /// Something came while it looked, or nothing did.
    pub(crate) fn looked(&mut self, found: bool) {
        self.in_vain = if found { 0 } else { self.in_vain.saturating_add(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_looks_when_something_is_due_soon() {
        let mut talk = Talk::default();
        assert_eq!((talk.look_ns(5_000_000), talk.look_ns(5_000_001)), (0, 60_000));
    }

    #[test]
    fn one_who_answers_soon_is_waited_for_awake_and_one_who_does_not_only_now_and_then() {
        let mut talk = Talk::default();
        for _ in 0..100 {
            assert!(talk.look_ns(u64::MAX) > 0);
            talk.looked(true);
        }
        let mut looks = 0;
        for _ in 0..10 * u64::from(TURNS_BETWEEN_TRIALS) {
            if talk.look_ns(u64::MAX) > 0 {
                looks += 1;
                talk.looked(false);
            }
        }
        assert_eq!(looks, u64::from(MOST_IN_VAIN) + 9);
        while talk.look_ns(u64::MAX) == 0 {}
        talk.looked(true);
        assert!(talk.look_ns(u64::MAX) > 0, "soon again");
    }
}
