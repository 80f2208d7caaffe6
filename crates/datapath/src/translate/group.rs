//! Groups: their buckets are walked like clones.

use super::action_set::in_order;
use super::hashing::choose_weighted;
use super::{Abort, Observer, Walk};
use crate::consequence::Consequence;
use crate::drop::DropReason;
use crate::groups::{Bucket, Group, GroupKind, Selection};
use crate::verdict::PacketInReason;
use crate::versions::Shared;

impl<O: Observer> Walk<'_, '_, O> {
    pub(super) fn group(&mut self, id: u32) -> Result<(), Abort> {
        self.depends_on(Shared::Groups);
        let groups = self.plane.groups;
        let Some(group) = groups.get(id) else {
            self.drop(DropReason::UnknownGroup);
            return Ok(());
        };
        self.consequences.push(Consequence::Group(id, None));
        match group.kind {
            GroupKind::All => group.buckets.iter().try_for_each(|bucket| self.bucket(id, bucket)),
            GroupKind::Indirect => self.one_of(id, group.buckets.first()),
            GroupKind::FastFailover => {
                let live = groups.first_live(self.plane.ports, id);
                self.one_of(id, live)
            }
            GroupKind::Select => {
                let chosen = self.select(group);
                self.one_of(id, chosen)
            }
        }
    }

    fn one_of(&mut self, group: u32, bucket: Option<&Bucket>) -> Result<(), Abort> {
        match bucket {
            Some(bucket) => self.bucket(group, bucket),
            None => {
                self.drop(DropReason::NoLiveBucket);
                Ok(())
            }
        }
    }

    fn bucket(&mut self, group: u32, bucket: &Bucket) -> Result<(), Abort> {
        let id = bucket.id;
        self.decided(|| format!("group {group}: bucket {id}"));
        self.consequences.push(Consequence::Group(group, Some(id)));
        let actions = in_order(&bucket.actions);
        self.apart(|walk| {
            walk.reason = PacketInReason::Group;
            // What a bucket does is an action set of its own; the pipeline's is executed once, at its end.
            walk.action_set.clear();
            match walk.actions(&actions)? {
                Some(table) => walk.table(table),
                None => Ok(()),
            }
        })
    }

    fn select<'b>(&mut self, group: &'b Group) -> Option<&'b Bucket> {
        let hash = match &group.selection {
            Selection::Default | Selection::DatapathHash => self.hash_connection(group.selection_parameter),
            Selection::Fields(fields) => self.hash_bits(fields, group.selection_parameter),
        };
        let (groups, ports) = (self.plane.groups, self.plane.ports);
        let live = group.buckets.iter().filter(|bucket| groups.is_live(ports, bucket));
        let chosen = choose_weighted(hash, live.map(|bucket| (bucket.id, bucket.weight)))?;
        group.buckets.iter().find(|bucket| bucket.id == chosen)
    }
}
