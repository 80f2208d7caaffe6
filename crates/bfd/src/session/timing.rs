//! When to send, and how long to wait for the far end (RFC 5880 sections 6.8.2 to 6.8.4 and 6.8.7).

use crate::jitter::Jitter;
use crate::packet::ControlPacket;
use crate::state::State;

/// How far the far end has been asked to take note of other intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Poll {
    None,
    /// It has not answered yet.
    Running,
    /// They have changed again since, so an answer may be to what was asked before.
    Again,
}

/// Intervals and moments; what packets tell of them is in microseconds.
#[derive(Clone, Debug)]
pub(super) struct Timing {
    /// What the far end is told.
    pub min_tx_us: u32,
    pub min_rx_us: u32,
    /// What holds until the far end has taken note.
    tx_in_force_us: u32,
    rx_in_force_us: u32,
    poll: Poll,
    /// Something is to be told without waiting for the next packet's turn.
    pub is_urgent: bool,
    pub received_at_ns: Option<u64>,
    pub sent_at_ns: Option<u64>,
    pub sends_at_ns: Option<u64>,
    pub detects_at_ns: Option<u64>,
    /// The one that the next packet's moment comes from.
    scheduled_ns: u64,
    jitter: Jitter,
}

impl Timing {
    pub(super) fn new(jitter: Jitter) -> Timing {
        Timing {
            min_tx_us: 0,
            min_rx_us: 0,
            tx_in_force_us: 0,
            rx_in_force_us: 0,
            poll: Poll::None,
            is_urgent: false,
            received_at_ns: None,
            sent_at_ns: None,
            sends_at_ns: None,
            detects_at_ns: None,
            scheduled_ns: 0,
            jitter,
        }
    }

    /// Tells the far end these intervals from now on; where it is up, until it has taken note.
    pub(super) fn want(&mut self, min_tx_us: u32, min_rx_us: u32, is_up: bool) {
        let has_changed = (self.min_tx_us, self.min_rx_us) != (min_tx_us, min_rx_us);
        (self.min_tx_us, self.min_rx_us) = (min_tx_us, min_rx_us);
        if has_changed && is_up {
            self.poll = if self.poll == Poll::None { Poll::Running } else { Poll::Again };
            self.is_urgent = true;
        }
        if !is_up {
            self.poll = Poll::None;
        }
        let (tx, rx) = (self.tx_in_force_us, self.rx_in_force_us);
        // What the far end does not know of yet must not make it, or this end, take a living one for dead.
        (self.tx_in_force_us, self.rx_in_force_us) = match self.poll {
            Poll::None => (min_tx_us, min_rx_us),
            Poll::Running | Poll::Again => (tx.min(min_tx_us), rx.max(min_rx_us)),
        };
    }

    pub(super) fn is_polling(&self) -> bool {
        self.poll != Poll::None
    }

    pub(super) fn poll_answered(&mut self) {
        if self.poll == Poll::Again {
            self.is_urgent = true;
        }
        self.poll = if self.poll == Poll::Again { Poll::Running } else { Poll::None };
    }

    /// Sets the moments anew.
    pub(super) fn refresh(&mut self, remote: &ControlPacket, multiplier: u8, is_up: bool, now_ns: u64) {
        let detection_ns = u64::from(remote.multiplier) * self.rx_interval_ns(remote);
        self.detects_at_ns = self.received_at_ns.map(|at| at + detection_ns);
        if !self.may_send(remote, is_up) {
            self.sends_at_ns = None;
            self.is_urgent = false;
            return;
        }
        let interval_ns = self.interval_ns(remote);
        if self.sends_at_ns.is_none() || interval_ns != self.scheduled_ns {
            let shortened_ns = self.jitter.shortened(interval_ns, multiplier);
            self.sends_at_ns = Some(self.sent_at_ns.map_or(now_ns, |at| at + shortened_ns));
            self.scheduled_ns = interval_ns;
        }
        if self.is_urgent {
            self.sends_at_ns = Some(now_ns);
        }
    }

    /// Not to one who wants nothing, or nothing as long as all is well.
    fn may_send(&self, remote: &ControlPacket, is_up: bool) -> bool {
        let is_demanded = remote.demand && is_up && remote.state == State::Up && !self.is_polling();
        remote.required_min_rx_us != 0 && !is_demanded
    }

    /// The interval between packets that are sent.
    pub(super) fn interval_ns(&self, remote: &ControlPacket) -> u64 {
        u64::from(self.tx_in_force_us.max(remote.required_min_rx_us)) * 1000
    }

    /// The interval between packets that come.
    pub(super) fn rx_interval_ns(&self, remote: &ControlPacket) -> u64 {
        u64::from(self.rx_in_force_us.max(remote.desired_min_tx_us)) * 1000
    }

    pub(super) fn is_due(&self, now_ns: u64) -> bool {
        self.sends_at_ns.is_some_and(|at| at <= now_ns)
    }

    pub(super) fn has_expired(&self, now_ns: u64) -> bool {
        self.detects_at_ns.is_some_and(|at| at <= now_ns)
    }

    /// A packet is on its way.
    pub(super) fn sent(&mut self, now_ns: u64, multiplier: u8) {
        self.is_urgent = false;
        self.sent_at_ns = Some(now_ns);
        self.sends_at_ns = Some(now_ns + self.jitter.shortened(self.scheduled_ns, multiplier));
    }

    pub(super) fn deadline_ns(&self) -> u64 {
        let moments = [self.sends_at_ns, self.detects_at_ns];
        moments.into_iter().flatten().min().unwrap_or(u64::MAX)
    }
}
