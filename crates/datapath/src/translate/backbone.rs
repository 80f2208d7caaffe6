//! Provider backbone headers (IEEE 802.1ah) in the working key.

use super::freeze::Until;
use super::prerequisites::PBB;
use super::{Abort, Observer, Walk};
use crate::verdict::Op;
use tulle_flow::{Field, Prerequisite};

/// Bits of a service tag below its priority.
const PRIORITY_SHIFT: u32 = 29;
/// What the key holds of the tags, which are the customer's from here on.
const TAGS: [Field; 4] = [Field::VlanTci, Field::VlanTpid, Field::InnerVlanTci, Field::InnerVlanTpid];

impl<O: Observer> Walk<'_, '_, O> {
    /// The new tag has the service of the one beneath and the priority of the VLAN tag, where there are such
    /// (OpenFlow 1.3.5 section 5.12.1).
    pub(super) fn push_pbb(&mut self) -> Result<(), Abort> {
        self.commit()?;
        let service = if self.has(Prerequisite::Pbb) { self.constant(Field::PbbIsid) } else { 0 };
        let priority = if self.is_tagged() { self.constant(Field::VlanPcp) } else { 0 };
        TAGS.iter().for_each(|field| self.settle(*field, 0, 0xffff));
        self.hidden_tags.clear();
        self.settle(Field::PbbIsid, service, Field::PbbIsid.ones());
        self.settle(Field::PbbUca, 0, 1);
        self.settle(Field::EthType, PBB, 0xffff);
        self.push(Op::PushPbb((priority as u32) << PRIORITY_SHIFT | service as u32))
    }

    /// The customer's frame, of which the key holds nothing, is read before anything else is done.
    pub(super) fn pop_pbb(&mut self) -> Result<(), Abort> {
        if !self.has(Prerequisite::Pbb) {
            return Ok(());
        }
        self.commit()?;
        self.push(Op::PopPbb)?;
        self.freeze_until(Until::Again);
        Ok(())
    }
}
