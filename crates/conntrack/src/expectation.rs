//! Connections that others have announced, and which have not come yet.

use std::collections::BTreeMap;

use crate::config::SECOND_NS;
use crate::tuple::{Address, Tuple};

/// As Linux has it for FTP.
const TIMEOUT_NS: u64 = 300 * SECOND_NS;

/// An announced connection. Its first packet may come from any port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// The original direction of the connection that announced it.
    pub parent: Tuple,
    /// Where its packets come from and go to, before translation; the source port is 0.
    pub tuple: Tuple,
    /// Where they seem to come from, and go to, after it.
    pub source: Address,
    pub destination: Address,
    pub destination_port: u16,
}

#[derive(Debug)]
struct Waiting {
    expected: Expected,
    age: u64,
    expires_at_ns: u64,
}

/// A bounded number of announced connections; the oldest gives way.
#[derive(Debug)]
pub(crate) struct Expectations {
    most: usize,
    waiting: BTreeMap<Tuple, Waiting>,
    ages: BTreeMap<u64, Tuple>,
    next_age: u64,
}

fn key(tuple: &Tuple) -> Tuple {
    Tuple { source_port: 0, ..*tuple }
}

impl Expectations {
    pub fn new(most: usize) -> Self {
        Self { most, waiting: BTreeMap::new(), ages: BTreeMap::new(), next_age: 0 }
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn clear(&mut self) {
        self.waiting.clear();
        self.ages.clear();
    }

    pub fn add(&mut self, expected: Expected, now_ns: u64) {
        self.remove(&expected.tuple);
        while self.waiting.len() >= self.most.max(1) {
            let Some((_, oldest)) = self.ages.first_key_value() else { return };
            let oldest = *oldest;
            self.remove(&oldest);
        }
        self.next_age += 1;
        let (age, expires_at_ns) = (self.next_age, now_ns.saturating_add(TIMEOUT_NS));
        self.ages.insert(age, expected.tuple);
        self.waiting.insert(expected.tuple, Waiting { expected, age, expires_at_ns });
    }

    /// What has announced a connection that begins with a packet of this tuple.
    pub fn find(&self, tuple: &Tuple, now_ns: u64) -> Option<Expected> {
        // Hardly ever is anything announced, and this is asked of every new connection.
        if self.waiting.is_empty() {
            return None;
        }
        let waiting = self.waiting.get(&key(tuple))?;
        (waiting.expires_at_ns > now_ns).then_some(waiting.expected)
    }

    pub fn remove(&mut self, tuple: &Tuple) {
        if let Some(gone) = self.waiting.remove(&key(tuple)) {
            self.ages.remove(&gone.age);
        }
    }
}
