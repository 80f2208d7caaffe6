//! How many connections each zone has, and may have.

use std::collections::BTreeMap;

/// Counts and limits by zone.
#[derive(Debug)]
pub(crate) struct Zones {
    counts: Vec<u32>,
    limits: BTreeMap<u16, u32>,
    default_limit: Option<u32>,
}

impl Zones {
    pub fn new(default_limit: Option<u32>) -> Self {
        Self { counts: vec![0; 1 << 16], limits: BTreeMap::new(), default_limit }
    }

    pub fn count(&self, zone: u16) -> u32 {
        self.counts[usize::from(zone)]
    }

    pub fn add(&mut self, zone: u16) {
        self.counts[usize::from(zone)] += 1;
    }

    pub fn subtract(&mut self, zone: u16) {
        self.counts[usize::from(zone)] -= 1;
    }

    /// Whether a zone may have no more.
    pub fn is_full(&self, zone: u16) -> bool {
        self.limit(zone).is_some_and(|limit| self.count(zone) >= limit)
    }

    pub fn limit(&self, zone: u16) -> Option<u32> {
        self.limits.get(&zone).copied().or(self.default_limit)
    }

    pub fn default_limit(&self) -> Option<u32> {
        self.default_limit
    }

    pub fn set_default_limit(&mut self, limit: Option<u32>) {
        self.default_limit = limit;
    }

    pub fn set_limit(&mut self, zone: u16, limit: Option<u32>) {
        match limit {
            Some(limit) => self.limits.insert(zone, limit),
            None => self.limits.remove(&zone),
        };
    }

    /// There are no connections any more.
    pub fn clear_counts(&mut self) {
        self.counts.fill(0);
    }

    /// Zones with a limit of their own.
    pub fn limits(&self) -> impl Iterator<Item = (u16, u32)> + '_ {
        self.limits.iter().map(|(zone, limit)| (*zone, *limit))
    }

    /// Zones with connections, and how many.
    pub fn counts(&self) -> impl Iterator<Item = (u16, u32)> + '_ {
        (0..=u16::MAX).zip(self.counts.iter().copied()).filter(|(_, count)| *count > 0)
    }
}
