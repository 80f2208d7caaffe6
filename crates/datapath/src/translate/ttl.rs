//! Times to live: set, decremented, copied between headers.

use super::actions::Step;
use super::{Abort, Observer, Walk};
use crate::drop::DropReason;
use crate::verdict::{Op, PacketInReason};
use tulle_flow::{Action, Field, Prerequisite};

impl<O: Observer> Walk<'_, '_, O> {
    pub(super) fn ttl(&mut self, action: &Action) -> Result<Step, Abort> {
        match action {
            Action::SetTtl(ttl) => self.set(Field::IpTtl, u128::from(*ttl), u128::MAX),
            Action::SetMplsTtl(ttl) => self.set(Field::MplsTtl, u128::from(*ttl), u128::MAX),
            Action::DecTtl => return self.decrement(Prerequisite::Ip, Field::IpTtl, &[0]),
            Action::DecTtlTelling(ids) => return self.decrement(Prerequisite::Ip, Field::IpTtl, ids),
            Action::DecMplsTtl => return self.decrement(Prerequisite::Mpls, Field::MplsTtl, &[0]),
            Action::CopyTtlOut => self.copy_ttl(true)?,
            Action::CopyTtlIn => self.copy_ttl(false)?,
            _ => {}
        }
        Ok(Step::Next)
    }

    /// Stops the list where the packet's time is up, and tells these controllers.
    fn decrement(&mut self, needs: Prerequisite, field: Field, ids: &[u16]) -> Result<Step, Abort> {
        if !self.has(needs) {
            return Ok(Step::Next);
        }
        let ttl = self.constant(field);
        if ttl > 1 {
            self.set(field, ttl - 1, u128::MAX);
            return Ok(Step::Next);
        }
        for id in ids {
            self.tell(u16::MAX, *id, PacketInReason::InvalidTtl)?;
        }
        self.drop(DropReason::TtlExpired);
        Ok(Step::Stop)
    }

    /// Between two labels the key knows both; what is behind the last label only the packet knows.
    fn copy_ttl(&mut self, is_outward: bool) -> Result<(), Abort> {
        if !self.has(Prerequisite::Mpls) {
            return Ok(());
        }
        self.commit()?;
        let is_last = self.constant(Field::MplsBos) == 1;
        let (outer, second) = (self.constant(Field::MplsTtl), self.constant(Field::MplsLse1));
        if is_outward && !is_last {
            self.set(Field::MplsTtl, second & 0xff, u128::MAX);
            return Ok(());
        }
        if is_outward {
            self.is_stale = true;
            return self.push(Op::CopyTtlOut);
        }
        if !is_last {
            self.settle(Field::MplsLse1, outer, 0xff);
        }
        self.push(Op::CopyTtlIn)
    }
}
