//! Freezing a walk, so that the packet goes on later: with other headers, after the tracker, as long as it is, or when
//! a controller lets it.

use std::sync::Arc;

use super::{Abort, Observer, Walk};
use crate::continuation::{Continuation, Frozen, Segment};
use crate::drop::DropReason;
use crate::verdict::{Op, PacketIn};
use tulle_flow::{Field, Key, SubField};

/// What a frozen walk waits for.
pub(super) enum Until {
    /// Nothing: the packet is read again at once.
    Again,
    /// Its length, which sets a bit where it is longer.
    Length(u16, SubField),
    /// A controller.
    Controller(Box<PacketIn>),
}

/// A walk that is being frozen.
pub(super) struct Freezing {
    segments: Vec<Segment>,
    until: Until,
}

impl<O: Observer> Walk<'_, '_, O> {
    /// Freezes the walk, with this to do first when it goes on.  Each level adds what it has left on its way out.
    pub(super) fn freeze(&mut self, first: Segment) {
        self.freezing = Some(Freezing { segments: vec![first], until: Until::Again });
    }

    pub(super) fn freeze_by_length(&mut self, length: u16, target: SubField) {
        self.freeze_until(Until::Length(length, target));
    }

    pub(super) fn freeze_for_controller(&mut self, info: PacketIn) {
        self.freeze_until(Until::Controller(Box::new(info)));
    }

    /// Freezes the walk after the present action.
    pub(super) fn freeze_until(&mut self, until: Until) {
        self.freezing = Some(Freezing { segments: Vec::new(), until });
    }

    /// Adds what one more level has left to do.
    pub(super) fn freeze_rest(&mut self, rest: Segment) {
        let is_empty = matches!(&rest, Segment::Actions(_, actions) if actions.is_empty());
        if let Some(freezing) = self.freezing.as_mut().filter(|_| !is_empty) {
            freezing.segments.push(rest);
        }
    }

    /// Turns a frozen walk into the operation that goes on with it.
    pub(super) fn finish_freezing(&mut self) -> Result<(), Abort> {
        let Some(Freezing { segments, until }) = self.freezing.take() else { return Ok(()) };
        self.commit()?;
        match until {
            Until::Again => {
                let to = self.continuation(segments)?;
                self.push(Op::Resume(to))
            }
            Until::Length(length, target) => {
                let mut with_bit = |bit: u128| {
                    let first = Segment::Actions(self.place, [target.setting(bit)].into());
                    self.continuation([vec![first], segments.clone()].concat())
                };
                let (longer, others) = (with_bit(1)?, with_bit(0)?);
                self.push(Op::ResumeByLength { length, longer, others })
            }
            Until::Controller(mut info) => {
                info.pause = Some(self.continuation(segments)?);
                self.push(Op::Controller(info))
            }
        }
    }

    /// Goes on in a table with what the tracker says, while the present walk goes on without.
    pub(super) fn fork(&mut self, table: u8) -> Result<(), Abort> {
        self.commit()?;
        let before = self.written;
        CONNECTION.iter().for_each(|field| self.written.set(*field, 0));
        let to = self.continuation(vec![Segment::Table(table)]);
        self.written = before;
        self.push(Op::Resume(to?))
    }

    fn continuation(&mut self, segments: Vec<Segment>) -> Result<Arc<Continuation>, Abort> {
        let (mut values, mut written) = (Key::ZERO, Key::ZERO);
        for field in Field::ALL.iter().copied().filter(|field| is_kept(*field)) {
            let bits = self.written.field(field);
            written.set(field, bits);
            values.set(field, self.key.field(field) & bits);
        }
        let frozen = Frozen {
            segments,
            values,
            written,
            stack: self.stack.clone(),
            action_set: self.action_set.clone(),
            queue: self.queue,
            mirrored: self.mirrored,
        };
        let interned = self.plane.continuations.intern(frozen);
        interned.ok_or(Abort(DropReason::TooManyContinuations))
    }

    /// Goes on where a walk was frozen.
    pub(super) fn thaw(&mut self, continuation: &Continuation) -> Result<(), Abort> {
        let frozen = continuation.frozen();
        self.written.merge(&frozen.written);
        self.key.set(Field::ActsetOutput, frozen.values.field(Field::ActsetOutput));
        self.stack.clone_from(&frozen.stack);
        self.action_set.clone_from(&frozen.action_set);
        self.queue = frozen.queue;
        self.mirrored = frozen.mirrored;
        for (i, segment) in frozen.segments.iter().enumerate() {
            self.segment(segment)?;
            if self.freezing.is_some() {
                frozen.segments[i + 1..].iter().for_each(|rest| self.freeze_rest(rest.clone()));
                break;
            }
            // The ingress port is taken back only for what follows, and nothing does.
            if self.has_exited {
                break;
            }
        }
        Ok(())
    }

    fn segment(&mut self, segment: &Segment) -> Result<(), Abort> {
        match segment {
            Segment::Table(table) => self.table(*table),
            Segment::InPort(port) => {
                self.settle(Field::InPort, u128::from(*port), 0xffff_ffff);
                Ok(())
            }
            Segment::Actions(place, actions) => {
                self.place = *place;
                match self.actions(actions)? {
                    Some(table) => self.table(table),
                    None => Ok(()),
                }
            }
        }
    }
}

/// What the tracker says of a packet.
pub(super) const CONNECTION: [Field; 11] = [
    Field::CtState,
    Field::CtZone,
    Field::CtMark,
    Field::CtLabel,
    Field::CtProto,
    Field::CtIpSrc,
    Field::CtIpDst,
    Field::CtIpv6Src,
    Field::CtIpv6Dst,
    Field::CtTpSrc,
    Field::CtTpDst,
];

/// Metadata that stays with a packet while it is away.
fn is_kept(field: Field) -> bool {
    field.is_metadata() && field != Field::ResumeId
}
