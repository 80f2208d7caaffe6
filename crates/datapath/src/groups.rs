//! Groups: named lists of buckets that flows execute (OpenFlow 1.5.1 sections 5.10 and 7.3.4.3).

mod change;
mod liveness;

use std::collections::BTreeMap;

use thiserror::Error;
use tulle_flow::{Action, Field};

/// The most groups.
pub const MAX_GROUPS: usize = 65_536;
/// The most buckets of one group.
pub const MAX_BUCKETS: usize = 4096;
/// How deep groups may stand in buckets of others.
pub const MAX_CHAIN: usize = 32;
/// The highest number that a group may have (`OFPG_MAX`).
pub const LAST_GROUP: u32 = 0xffff_ff00;
/// Stands for all groups (`OFPG_ALL`).
pub const ALL_GROUPS: u32 = 0xffff_fffc;
/// The highest number that a bucket may have (`OFPG_BUCKET_MAX`).
pub const LAST_BUCKET: u32 = 0xffff_ff00;

/// How a group chooses buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupKind {
    /// All of them.
    #[default]
    All,
    /// One by a hash, in proportion to the weights.
    Select,
    /// The only one.
    Indirect,
    /// The first that is live.
    FastFailover,
}

/// What a select group hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// Addresses, protocol and ports, alike in both directions.
    #[default]
    Default,
    /// The same, as its own method (`dp_hash` of Open vSwitch).
    DatapathHash,
    /// These bits of these fields (`hash` of Open vSwitch).
    Fields(Vec<(Field, u128)>),
}

/// One list of actions of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its number, unique in its group.
    pub id: u32,
    /// Its share in a select group.
    pub weight: u16,
    /// The port whose link says whether it is live.
    pub watch_port: Option<u32>,
    /// The group whose liveness says so.
    pub watch_group: Option<u32>,
    /// What it does, executed as an action set.
    pub actions: Vec<Action>,
}

/// A group as a controller writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Its number.
    pub id: u32,
    /// How it chooses.
    pub kind: GroupKind,
    /// For select groups: what is hashed.
    pub selection: Selection,
    /// For select groups: added to the hash.
    pub selection_parameter: u64,
    /// Its buckets, in order.
    pub buckets: Vec<Bucket>,
}

/// Where buckets are put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketPlace {
    /// Before all others.
    First,
    /// Behind all others.
    Last,
    /// Behind this one.
    After(u32),
}

/// Which buckets are taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketChoice {
    /// The first.
    First,
    /// The last.
    Last,
    /// All.
    All,
    /// This one.
    One(u32),
}

/// A change of the groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupMod {
    /// A new group.
    Add(Group),
    /// New buckets for a group that exists.
    Modify(Group),
    /// Either (an extension of Open vSwitch).
    AddOrModify(Group),
    /// Away with a group, or with [`ALL_GROUPS`].
    Delete(u32),
    /// More buckets.
    InsertBuckets {
        /// The group.
        group: u32,
        /// Where.
        place: BucketPlace,
        /// The buckets.
        buckets: Vec<Bucket>,
    },
    /// Fewer buckets.
    RemoveBuckets {
        /// The group.
        group: u32,
        /// Which.
        choice: BucketChoice,
    },
}

/// Why a change of the groups is refused (`ofp_group_mod_failed_code`); nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GroupModError {
    /// `OFPGMFC_GROUP_EXISTS`.
    #[error("group {0} exists")]
    GroupExists(u32),
    /// `OFPGMFC_INVALID_GROUP`.
    #[error("group {0} cannot be: its number, or the number of its buckets, is not allowed")]
    InvalidGroup(u32),
    /// `OFPGMFC_OUT_OF_GROUPS`.
    #[error("there are {MAX_GROUPS} groups already")]
    OutOfGroups,
    /// `OFPGMFC_OUT_OF_BUCKETS`.
    #[error("a group has at most {MAX_BUCKETS} buckets")]
    OutOfBuckets,
    /// `OFPGMFC_CHAINING_UNSUPPORTED`.
    #[error("groups stand in buckets of others more than {MAX_CHAIN} deep")]
    ChainTooDeep,
    /// `OFPGMFC_WATCH_UNSUPPORTED`.
    #[error("bucket {0} watches nothing, or something that does not exist")]
    BadWatch(u32),
    /// `OFPGMFC_LOOP`.
    #[error("group {0} would be executed by itself")]
    Loop(u32),
    /// `OFPGMFC_UNKNOWN_GROUP`.
    #[error("group {0} does not exist")]
    UnknownGroup(u32),
    /// `OFPGMFC_CHAINED_GROUP`.
    #[error("group {0} stands in a bucket of another")]
    ChainedGroup(u32),
    /// `OFPGMFC_BUCKET_EXISTS`.
    #[error("bucket {0} exists")]
    BucketExists(u32),
    /// `OFPGMFC_UNKNOWN_BUCKET`.
    #[error("bucket {0} does not exist")]
    UnknownBucket(u32),
    /// `OFPBAC_BAD_OUT_GROUP`.
    #[error("a bucket executes group {0}, which does not exist")]
    BadOutGroup(u32),
}

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes of these.
    pub bytes: u64,
}

impl Traffic {
    pub(crate) fn add(&mut self, packets: u64, bytes: u64) {
        self.packets += packets;
        self.bytes += bytes;
    }
}

/// A group's counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStats {
    /// The group.
    pub id: u32,
    /// How many flows and groups execute it.
    pub references: u32,
    /// What it executed.
    pub traffic: Traffic,
    /// What each bucket executed, in order.
    pub buckets: Vec<Traffic>,
    /// How long it has existed, in nanoseconds.
    pub duration_ns: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    group: Group,
    traffic: Traffic,
    buckets: Vec<Traffic>,
    created_ns: u64,
}

/// All groups of a switch.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    groups: BTreeMap<u32, Entry>,
}

impl Groups {
    /// A group by its number.
    pub fn get(&self, id: u32) -> Option<&Group> {
        self.groups.get(&id).map(|entry| &entry.group)
    }

    /// All groups, in order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Group> {
        self.groups.values().map(|entry| &entry.group)
    }

    /// Counts what one bucket, or the group alone, executed.
    pub(crate) fn credit(&mut self, id: u32, bucket: Option<u32>, packets: u64, bytes: u64) {
        let Some(entry) = self.groups.get_mut(&id) else { return };
        let Some(bucket) = bucket else { return entry.traffic.add(packets, bytes) };
        let place = entry.group.buckets.iter().position(|found| found.id == bucket);
        if let Some(traffic) = place.and_then(|place| entry.buckets.get_mut(place)) {
            traffic.add(packets, bytes);
        }
    }

    /// Counters, with how many flows execute each group as told.
    pub(crate) fn stats(&self, flows: impl Fn(u32) -> u32, now: u64) -> Vec<GroupStats> {
        let row = |entry: &Entry| GroupStats {
            id: entry.group.id,
            references: flows(entry.group.id) + self.referring(entry.group.id),
            traffic: entry.traffic,
            buckets: entry.buckets.clone(),
            duration_ns: now.saturating_sub(entry.created_ns),
        };
        self.groups.values().map(row).collect()
    }

    fn referring(&self, id: u32) -> u32 {
        self.iter().filter(|group| change::chained(&group.buckets).any(|other| other == id)).count() as u32
    }
}
