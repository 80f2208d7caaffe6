//! Changes of groups: from the messages' words to the datapath's, and why they are refused.

use std::sync::Arc;

use tulle_datapath as datapath;
use tulle_openflow::{
    Bucket, EmitError, ErrorCode, Group, GroupCommand, GroupKind, GroupMod, Message, MultipartReply,
    Selection, SelectionMethod, Version, Xid, bucket_id,
};

use super::Session;
use super::changes::Answer;
use crate::engine::Engine;
use crate::notice::Notice;

impl Session {
    /// Changes the groups, and forwards the request to those who want to hear of it.
    pub(super) fn change_groups(&mut self, engine: &mut Engine, xid: Xid, request: GroupMod) {
        let message = Message::GroupMod(request.clone());
        match engine.change_groups(&request) {
            Ok(()) => {
                self.keep(engine, true);
                let notice = Notice::RequestForwarded { from: self.id, xid, message: Arc::new(message) };
                engine.wires.sessions.tell(notice);
            }
            Err(code) => self.refuse(xid, &message, code),
        }
    }
}

impl Engine {
    pub(crate) fn change_groups(&mut self, request: &GroupMod) -> Answer {
        let removed = self.regroup(request)?;
        self.tell_removed(removed);
        Ok(())
    }

    /// Changes the groups without telling anybody yet; gives the flows that went with one.
    pub(crate) fn regroup(&mut self, request: &GroupMod) -> Result<Vec<datapath::FlowRemoved>, ErrorCode> {
        let now = tulle_io::clock::monotonic_ns();
        let change = change_of(request)?;
        if !is_told(&self.outcome(request)) {
            return Err(ErrorCode::OutOfBuckets);
        }
        self.datapath.group_mod(&change, now).map_err(error_code)
    }
}

impl Engine {
    /// The group that a request leads to, where it is one with more buckets than before.
    fn outcome(&self, request: &GroupMod) -> Group {
        let mut group = request.group.clone();
        if request.command == GroupCommand::InsertBucket
            && let Some(present) = self.datapath.groups().iter().find(|present| present.id == group.group)
        {
            let added = std::mem::replace(&mut group, described(present)).buckets;
            group.buckets.extend(added);
        }
        group
    }
}

/// Whether one message can describe a group, in every version: a reply is cut between groups only.
fn is_told(group: &Group) -> bool {
    let reply = MultipartReply::GroupDescriptions(vec![group.clone()]);
    let message = Message::MultipartReply { more: false, reply };
    let mut bytes = Vec::new();
    [Version::V13, Version::V15].iter().all(|version| {
        bytes.clear();
        !matches!(message.emit(*version, 0, &mut bytes), Err(EmitError::TooLong(_)))
    })
}

fn change_of(request: &GroupMod) -> Result<datapath::GroupMod, ErrorCode> {
    let group = request.group.group;
    Ok(match request.command {
        GroupCommand::Add => datapath::GroupMod::Add(group_of(&request.group)),
        GroupCommand::Modify => datapath::GroupMod::Modify(group_of(&request.group)),
        GroupCommand::AddOrModify => datapath::GroupMod::AddOrModify(group_of(&request.group)),
        GroupCommand::Delete => datapath::GroupMod::Delete(group),
        GroupCommand::InsertBucket => datapath::GroupMod::InsertBuckets {
            group,
            place: place_of(request.bucket)?,
            buckets: request.group.buckets.iter().map(bucket_of).collect(),
        },
        GroupCommand::RemoveBucket => {
            datapath::GroupMod::RemoveBuckets { group, choice: choice_of(request.bucket)? }
        }
    })
}

/// New buckets stand before all others, behind all, or behind one (OpenFlow 1.5.1 section 7.3.4.3).
fn place_of(bucket: u32) -> Result<datapath::BucketPlace, ErrorCode> {
    match bucket {
        bucket_id::FIRST => Ok(datapath::BucketPlace::First),
        bucket_id::LAST => Ok(datapath::BucketPlace::Last),
        bucket if bucket <= bucket_id::MAX => Ok(datapath::BucketPlace::After(bucket)),
        _ => Err(ErrorCode::UnknownBucket),
    }
}

fn choice_of(bucket: u32) -> Result<datapath::BucketChoice, ErrorCode> {
    match bucket {
        bucket_id::FIRST => Ok(datapath::BucketChoice::First),
        bucket_id::LAST => Ok(datapath::BucketChoice::Last),
        bucket_id::ALL => Ok(datapath::BucketChoice::All),
        bucket if bucket <= bucket_id::MAX => Ok(datapath::BucketChoice::One(bucket)),
        _ => Err(ErrorCode::UnknownBucket),
    }
}

fn group_of(group: &Group) -> datapath::Group {
    datapath::Group {
        id: group.group,
        kind: match group.kind {
            GroupKind::All => datapath::GroupKind::All,
            GroupKind::Select => datapath::GroupKind::Select,
            GroupKind::Indirect => datapath::GroupKind::Indirect,
            GroupKind::FastFailover => datapath::GroupKind::FastFailover,
        },
        selection: group.selection.as_ref().map(selection_of).unwrap_or_default(),
        selection_parameter: group.selection.as_ref().map_or(0, |selection| selection.parameter),
        buckets: group.buckets.iter().map(bucket_of).collect(),
    }
}

fn selection_of(selection: &Selection) -> datapath::Selection {
    match selection.method {
        SelectionMethod::DatapathHash => datapath::Selection::DatapathHash,
        SelectionMethod::Hash if selection.fields.is_empty() => datapath::Selection::Default,
        SelectionMethod::Hash => datapath::Selection::Fields(selection.fields.clone()),
    }
}

fn bucket_of(bucket: &Bucket) -> datapath::Bucket {
    datapath::Bucket {
        id: bucket.id,
        weight: bucket.weight,
        watch_port: bucket.watch_port,
        watch_group: bucket.watch_group,
        actions: bucket.actions.clone(),
    }
}

/// A group as it is described to controllers.
pub(crate) fn described(group: &datapath::Group) -> Group {
    Group {
        group: group.id,
        kind: match group.kind {
            datapath::GroupKind::All => GroupKind::All,
            datapath::GroupKind::Select => GroupKind::Select,
            datapath::GroupKind::Indirect => GroupKind::Indirect,
            datapath::GroupKind::FastFailover => GroupKind::FastFailover,
        },
        buckets: group.buckets.iter().map(described_bucket).collect(),
        selection: described_selection(group),
    }
}

fn described_bucket(bucket: &datapath::Bucket) -> Bucket {
    Bucket {
        id: bucket.id,
        weight: bucket.weight,
        watch_port: bucket.watch_port,
        watch_group: bucket.watch_group,
        actions: bucket.actions.clone(),
    }
}

fn described_selection(group: &datapath::Group) -> Option<Selection> {
    let (method, fields) = match &group.selection {
        datapath::Selection::Default if group.selection_parameter == 0 => return None,
        datapath::Selection::Default => (SelectionMethod::Hash, Vec::new()),
        datapath::Selection::DatapathHash => (SelectionMethod::DatapathHash, Vec::new()),
        datapath::Selection::Fields(fields) => (SelectionMethod::Hash, fields.clone()),
    };
    Some(Selection { method, parameter: group.selection_parameter, fields })
}

fn error_code(error: datapath::GroupModError) -> ErrorCode {
    use datapath::GroupModError as E;
    match error {
        E::GroupExists(_) => ErrorCode::GroupExists,
        E::InvalidGroup(_) => ErrorCode::InvalidGroup,
        E::OutOfGroups => ErrorCode::OutOfGroups,
        E::OutOfBuckets => ErrorCode::OutOfBuckets,
        E::ChainTooDeep => ErrorCode::ChainingUnsupported,
        E::BadWatch(_) => ErrorCode::BadWatch,
        E::Loop(_) => ErrorCode::GroupLoop,
        E::UnknownGroup(_) => ErrorCode::UnknownGroup,
        E::ChainedGroup(_) => ErrorCode::ChainedGroup,
        E::BucketExists(_) => ErrorCode::BucketExists,
        E::UnknownBucket(_) => ErrorCode::UnknownBucket,
        E::BadOutGroup(_) => ErrorCode::BadOutGroup,
    }
}
