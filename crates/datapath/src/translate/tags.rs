//! VLAN tags and MPLS labels in the working key, and the operations that make the packet follow at once.
//!
//! The key holds two tags and three labels.  What moves from one place of the key to another is looked at whole,
//! so that it is a constant of the way in its new place.

use super::prerequisites::{IPV4, IPV6, MPLS_MULTICAST, MPLS_UNICAST, VLAN_PRESENT};
use super::{Abort, Observer, Walk};
use crate::extract::{ETHERTYPE_VLAN, first_label, set_first_label};
use crate::verdict::Op;
use tulle_flow::{Action, Field, Key, Prerequisite};

/// The bit of a label stack entry that says that it is the last.
const BOTTOM: u32 = 0x100;
/// The label of a new stack: explicit null of IPv4 and of IPv6 (RFC 3032 section 2.1).
const IPV4_NULL: u32 = 0;
const IPV6_NULL: u32 = 2;
/// The TTL of a new stack over what has none.
const DEFAULT_TTL: u32 = 64;

impl<O: Observer> Walk<'_, '_, O> {
    pub(super) fn tags(&mut self, action: &Action) -> Result<(), Abort> {
        match action {
            Action::PushVlan(tpid) => self.push_vlan(*tpid),
            Action::PopVlan => self.pop_vlan(),
            Action::SetVlanVid(vid) => self.set_tci(VLAN_PRESENT | u128::from(*vid), 0x1fff),
            Action::SetVlanPcp(pcp) => self.set_tci(VLAN_PRESENT | u128::from(*pcp) << 13, 0xf000),
            Action::PushMpls(ethertype) => self.push_mpls(*ethertype),
            Action::PopMpls(ethertype) => self.pop_mpls(*ethertype),
            _ => Ok(()),
        }
    }

    /// Writes bits of the outermost tag, which comes or goes as the bit says that tells whether there is one.
    pub(super) fn set_tci(&mut self, value: u128, mask: u128) -> Result<(), Abort> {
        let is_tagged = self.is_tagged();
        if mask & VLAN_PRESENT != 0 && value & VLAN_PRESENT == 0 {
            return self.pop_vlan();
        }
        if !is_tagged && mask & VLAN_PRESENT == 0 {
            return Ok(());
        }
        if !is_tagged {
            self.push_vlan(ETHERTYPE_VLAN)?;
        }
        self.write(Field::VlanTci, value, mask & !VLAN_PRESENT & Field::VlanTci.ones());
        Ok(())
    }

    pub(super) fn push_vlan(&mut self, tpid: u16) -> Result<(), Abort> {
        self.commit()?;
        let (outer, outer_tpid) = (self.constant(Field::VlanTci), self.constant(Field::VlanTpid));
        let (inner, inner_tpid) = (self.constant(Field::InnerVlanTci), self.constant(Field::InnerVlanTpid));
        if inner & VLAN_PRESENT != 0 {
            self.hidden_tags.push((inner_tpid as u16, inner as u16));
        }
        self.settle(Field::InnerVlanTci, outer, 0xffff);
        self.settle(Field::InnerVlanTpid, outer_tpid, 0xffff);
        let tci = if outer & VLAN_PRESENT == 0 { 0 } else { outer & !VLAN_PRESENT };
        self.settle(Field::VlanTci, tci | VLAN_PRESENT, 0xffff);
        self.settle(Field::VlanTpid, u128::from(tpid), 0xffff);
        self.push(Op::PushVlan { tpid, tci: tci as u16 })
    }

    pub(super) fn pop_vlan(&mut self) -> Result<(), Abort> {
        if !self.is_tagged() {
            return Ok(());
        }
        self.commit()?;
        let (inner, inner_tpid) = (self.constant(Field::InnerVlanTci), self.constant(Field::InnerVlanTpid));
        self.settle(Field::VlanTci, inner, 0xffff);
        self.settle(Field::VlanTpid, inner_tpid, 0xffff);
        let (tpid, tci) = self.hidden_tags.pop().unwrap_or((0, 0));
        self.settle(Field::InnerVlanTci, u128::from(tci), 0xffff);
        self.settle(Field::InnerVlanTpid, u128::from(tpid), 0xffff);
        self.push(Op::PopVlan)
    }

    fn push_mpls(&mut self, ethertype: u16) -> Result<(), Abort> {
        self.commit()?;
        let entry = self.new_label();
        let labels = if self.has(Prerequisite::Mpls) { self.labels() } else { [0; 3] };
        self.set_labels([entry, labels[0], labels[1]], ethertype);
        self.push(Op::PushMpls { ethertype, entry })
    }

    /// The outermost label again, or one for a new stack (`push_mpls` of `ovs-actions(7)`).
    fn new_label(&mut self) -> u32 {
        if self.has(Prerequisite::Mpls) {
            return self.labels()[0] & !BOTTOM;
        }
        let is_ip = self.is(Field::EthType, &[IPV4, IPV6]);
        let label = if self.is(Field::EthType, &[IPV6]) { IPV6_NULL } else { IPV4_NULL };
        let (mut class, mut ttl) = (0, DEFAULT_TTL);
        if is_ip {
            class = (self.constant(Field::IpTos) as u32) >> 2 & 7;
            ttl = self.constant(Field::IpTtl) as u32;
        }
        label << 12 | class << 9 | BOTTOM | ttl
    }

    /// Takes the outermost label off.  What is behind the last one has not been read, and neither have labels
    /// behind the third.
    fn pop_mpls(&mut self, ethertype: u16) -> Result<(), Abort> {
        if !self.has(Prerequisite::Mpls) {
            return Ok(());
        }
        self.commit()?;
        let labels = self.labels();
        self.set_labels([labels[1], labels[2], 0], ethertype);
        let is_known = matches!(u128::from(ethertype), MPLS_UNICAST | MPLS_MULTICAST)
            && labels[0] & BOTTOM == 0
            && (labels[1] & BOTTOM != 0 || labels[2] & BOTTOM != 0);
        self.is_stale = !is_known;
        self.push(Op::PopMpls(ethertype))
    }

    fn labels(&mut self) -> [u32; 3] {
        for field in [Field::MplsLabel, Field::MplsTc, Field::MplsBos, Field::MplsTtl] {
            self.constant(field);
        }
        let (second, third) = (self.constant(Field::MplsLse1), self.constant(Field::MplsLse2));
        [first_label(&self.key), second as u32, third as u32]
    }

    fn set_labels(&mut self, labels: [u32; 3], ethertype: u16) {
        let mut first = Key::ZERO;
        set_first_label(&mut first, labels[0]);
        for field in [Field::MplsLabel, Field::MplsTc, Field::MplsBos, Field::MplsTtl] {
            self.settle(field, first.field(field), field.ones());
        }
        self.settle(Field::MplsLse1, u128::from(labels[1]), Field::MplsLse1.ones());
        self.settle(Field::MplsLse2, u128::from(labels[2]), Field::MplsLse2.ones());
        self.settle(Field::EthType, u128::from(ethertype), 0xffff);
    }

    /// The value of a whole field, whatever headers there are; the way depends on it from here on.
    pub(super) fn constant(&mut self, field: Field) -> u128 {
        self.look_at_field(field, u128::MAX);
        self.key.field(field)
    }
}
