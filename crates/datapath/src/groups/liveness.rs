//! Which buckets are live.

use super::{Bucket, GroupKind, Groups, MAX_CHAIN};
use crate::ports::Ports;

impl Groups {
    /// True where a bucket watches nothing, a live port, or a group with a live bucket.
    pub(crate) fn is_live(&self, ports: &Ports, bucket: &Bucket) -> bool {
        self.is_live_within(ports, bucket, MAX_CHAIN)
    }

    fn is_live_within(&self, ports: &Ports, bucket: &Bucket, depth: usize) -> bool {
        let by_port = bucket.watch_port.map(|port| ports.is_live(port));
        let by_group = bucket.watch_group.map(|id| self.has_live_bucket(ports, id, depth));
        match (by_port, by_group) {
            (None, None) => true,
            (port, group) => port.unwrap_or(false) || group.unwrap_or(false),
        }
    }

    fn has_live_bucket(&self, ports: &Ports, id: u32, depth: usize) -> bool {
        let Some(group) = self.get(id).filter(|_| depth > 0) else { return false };
        group.buckets.iter().any(|bucket| self.is_live_within(ports, bucket, depth - 1))
    }

    /// The first live bucket of a fast-failover group.
    pub(crate) fn first_live(&self, ports: &Ports, id: u32) -> Option<&Bucket> {
        let group = self.get(id).filter(|group| group.kind == GroupKind::FastFailover)?;
        group.buckets.iter().find(|bucket| self.is_live(ports, bucket))
    }
}
