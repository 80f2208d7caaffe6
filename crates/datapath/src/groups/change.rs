//! Changes of the groups, checked whole before anything changes.

use super::{
    ALL_GROUPS, Bucket, BucketChoice, BucketPlace, Entry, Group, GroupKind, GroupMod, GroupModError, Groups,
    LAST_BUCKET, LAST_GROUP, MAX_BUCKETS, MAX_CHAIN, MAX_GROUPS, Traffic,
};
use tulle_flow::Action;

/// The groups that these buckets execute.
pub(super) fn chained(buckets: &[Bucket]) -> impl Iterator<Item = u32> {
    let mut found = Vec::new();
    buckets.iter().for_each(|bucket| gather(&bucket.actions, &mut found));
    found.into_iter()
}

fn gather(actions: &[Action], found: &mut Vec<u32>) {
    for action in actions {
        match action {
            Action::Group(id) => found.push(*id),
            Action::Clone(inner) | Action::WriteActions(inner) => gather(inner, found),
            _ => {}
        }
    }
}

impl Groups {
    /// Changes the groups; gives the numbers of those that went.  Errors: nothing has changed.
    pub(crate) fn apply(&mut self, change: &GroupMod, now: u64) -> Result<Vec<u32>, GroupModError> {
        match change {
            GroupMod::Add(group) if self.get(group.id).is_some() => Err(GroupModError::GroupExists(group.id)),
            GroupMod::Modify(group) if self.get(group.id).is_none() => {
                Err(GroupModError::UnknownGroup(group.id))
            }
            GroupMod::Add(group) | GroupMod::Modify(group) | GroupMod::AddOrModify(group) => {
                self.put(group.clone(), now).map(|()| Vec::new())
            }
            GroupMod::Delete(id) => self.delete(*id),
            GroupMod::InsertBuckets { group, place, buckets } => {
                let changed = inserted(self.known(*group)?, *place, buckets)?;
                self.put(changed, now).map(|()| Vec::new())
            }
            GroupMod::RemoveBuckets { group, choice } => {
                let changed = removed(self.known(*group)?, *choice)?;
                self.put(changed, now).map(|()| Vec::new())
            }
        }
    }

    fn known(&self, id: u32) -> Result<Group, GroupModError> {
        self.get(id).cloned().ok_or(GroupModError::UnknownGroup(id))
    }

    fn put(&mut self, group: Group, now: u64) -> Result<(), GroupModError> {
        self.check(&group)?;
        let before = self.groups.remove(&group.id);
        let (traffic, created_ns) =
            before.as_ref().map_or((Traffic::default(), now), |entry| (entry.traffic, entry.created_ns));
        // A bucket that stays the same keeps its counters.
        let kept = |bucket: &Bucket| {
            let entry = before.as_ref()?;
            let place = entry.group.buckets.iter().position(|found| found == bucket)?;
            entry.buckets.get(place).copied()
        };
        let buckets = group.buckets.iter().map(|bucket| kept(bucket).unwrap_or_default()).collect();
        self.groups.insert(group.id, Entry { group, traffic, buckets, created_ns });
        Ok(())
    }

    fn check(&self, group: &Group) -> Result<(), GroupModError> {
        if group.id > LAST_GROUP || (group.kind == GroupKind::Indirect && group.buckets.len() != 1) {
            return Err(GroupModError::InvalidGroup(group.id));
        }
        if self.get(group.id).is_none() && self.groups.len() >= MAX_GROUPS {
            return Err(GroupModError::OutOfGroups);
        }
        if group.buckets.len() > MAX_BUCKETS {
            return Err(GroupModError::OutOfBuckets);
        }
        self.check_buckets(group)?;
        for id in chained(&group.buckets).chain(watched(&group.buckets)) {
            self.check_chain(group.id, id, 1)?;
        }
        Ok(())
    }

    fn check_buckets(&self, group: &Group) -> Result<(), GroupModError> {
        let mut ids: Vec<u32> = group.buckets.iter().map(|bucket| bucket.id).collect();
        ids.sort_unstable();
        if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(GroupModError::BucketExists(twice[0]));
        }
        for bucket in &group.buckets {
            let is_unwatched = bucket.watch_port.is_none() && bucket.watch_group.is_none();
            if bucket.id > LAST_BUCKET {
                return Err(GroupModError::UnknownBucket(bucket.id));
            }
            let watches_nobody =
                bucket.watch_group.is_some_and(|id| id != group.id && self.get(id).is_none());
            if watches_nobody || (group.kind == GroupKind::FastFailover && is_unwatched) {
                return Err(GroupModError::BadWatch(bucket.id));
            }
        }
        Ok(())
    }

    /// A group must exist, not lead back to `start`, and not be too deep a chain.
    fn check_chain(&self, start: u32, id: u32, depth: usize) -> Result<(), GroupModError> {
        if id == start {
            return Err(GroupModError::Loop(start));
        }
        if depth >= MAX_CHAIN {
            return Err(GroupModError::ChainTooDeep);
        }
        let group = self.get(id).ok_or(GroupModError::BadOutGroup(id))?;
        // Each group below is free of loops, so that only `start` can close one.
        let mut next: Vec<u32> = chained(&group.buckets).chain(watched(&group.buckets)).collect();
        next.sort_unstable();
        next.dedup();
        next.into_iter().try_for_each(|next| self.check_chain(start, next, depth + 1))
    }

    fn delete(&mut self, id: u32) -> Result<Vec<u32>, GroupModError> {
        if id == ALL_GROUPS {
            return Ok(std::mem::take(&mut self.groups).into_keys().collect());
        }
        if id > LAST_GROUP {
            return Err(GroupModError::InvalidGroup(id));
        }
        // Deleting what does not exist is no error (OpenFlow 1.3.5 section 6.7).
        let Some(entry) = self.groups.remove(&id) else { return Ok(Vec::new()) };
        if self.iter().any(|group| chained(&group.buckets).any(|other| other == id)) {
            self.groups.insert(id, entry);
            return Err(GroupModError::ChainedGroup(id));
        }
        Ok(vec![id])
    }
}

fn watched(buckets: &[Bucket]) -> impl Iterator<Item = u32> + '_ {
    buckets.iter().filter_map(|bucket| bucket.watch_group)
}

fn inserted(mut group: Group, place: BucketPlace, buckets: &[Bucket]) -> Result<Group, GroupModError> {
    let at = match place {
        BucketPlace::First => 0,
        BucketPlace::Last => group.buckets.len(),
        BucketPlace::After(id) => position(&group, id)? + 1,
    };
    group.buckets.splice(at..at, buckets.iter().cloned());
    Ok(group)
}

fn removed(mut group: Group, choice: BucketChoice) -> Result<Group, GroupModError> {
    match choice {
        BucketChoice::First if !group.buckets.is_empty() => drop(group.buckets.remove(0)),
        BucketChoice::First => {}
        BucketChoice::Last => drop(group.buckets.pop()),
        BucketChoice::All => group.buckets.clear(),
        BucketChoice::One(id) => {
            let at = position(&group, id)?;
            group.buckets.remove(at);
        }
    }
    Ok(group)
}

fn position(group: &Group, id: u32) -> Result<usize, GroupModError> {
    let found = group.buckets.iter().position(|bucket| bucket.id == id);
    found.ok_or(GroupModError::UnknownBucket(id))
}
