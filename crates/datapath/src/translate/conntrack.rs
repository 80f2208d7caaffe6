//! Tracking connections: what the tracker is asked, and where the packet goes on with what it says.

use super::freeze::CONNECTION;
use super::{Abort, Observer, Walk};
use crate::drop::DropReason;
use crate::verdict::{Op, Track};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tulle_conntrack::{Alg, Masked, Nat, NatRange, PortChoice, Request};
use tulle_flow::{Action, Ct, CtZone, Field, NatKind, Prerequisite};

const FTP: u16 = 21;
const TFTP: u16 = 69;

impl<O: Observer> Walk<'_, '_, O> {
    /// The packet goes through the tracker; a copy goes on in the table, if there is one, with what it says, and the
    /// packet itself goes on without.
    pub(super) fn ct(&mut self, ct: &Ct) -> Result<(), Abort> {
        self.commit()?;
        let zone = match ct.zone {
            CtZone::Fixed(zone) => zone,
            CtZone::Field(source) => self.read(source).unwrap_or(0) as u16,
        };
        let (mark, label) = self.marks(&ct.exec);
        let request = Request {
            zone,
            commit: ct.commit,
            force: ct.force,
            mark,
            label,
            nat: ct.nat.as_ref().map_or(Nat::None, |nat| self.nat(nat)),
            alg: match ct.alg {
                FTP => Some(Alg::Ftp),
                TFTP => Some(Alg::Tftp),
                _ => None,
            },
        };
        let drop = self.lost(DropReason::CtTableFull);
        self.decided(|| format!("ct: zone {zone}"));
        self.push(Op::Track(Box::new(Track { request, drop })))?;
        if let Some(table) = ct.table {
            self.fork(table)?;
        }
        self.forget_connection();
        Ok(())
    }

    pub(super) fn ct_clear(&mut self) -> Result<(), Abort> {
        self.forget_connection();
        self.push(Op::CtClear)
    }

    fn forget_connection(&mut self) {
        CONNECTION.iter().for_each(|field| self.settle(*field, 0, field.ones()));
    }

    /// What actions within `exec` set of mark and label.
    fn marks(&mut self, exec: &[Action]) -> (Masked<u32>, Masked<u128>) {
        let (mut mark, mut label) = (Masked::default(), Masked::default());
        for action in exec {
            let (field, value, mask) = match action {
                Action::Set { field, value, mask } => (*field, *value, *mask),
                Action::Move { source, target } => {
                    let Some(value) = self.read(*source) else { continue };
                    (target.field, (value << target.offset) & target.mask(), target.mask())
                }
                _ => continue,
            };
            match field {
                Field::CtMark => {
                    mark.value = (mark.value & !(mask as u32)) | (value & mask) as u32;
                    mark.mask |= mask as u32;
                }
                Field::CtLabel => {
                    label.value = (label.value & !mask) | (value & mask);
                    label.mask |= mask;
                }
                _ => {}
            }
        }
        (mark, label)
    }

    fn nat(&mut self, nat: &tulle_flow::Nat) -> Nat {
        let own = if self.has(Prerequisite::Ipv6) {
            IpAddr::from(Ipv6Addr::UNSPECIFIED)
        } else {
            IpAddr::from(Ipv4Addr::UNSPECIFIED)
        };
        let choice = match (nat.random, nat.hash) {
            (true, _) => PortChoice::Random,
            (_, true) => PortChoice::Hash,
            _ => PortChoice::Keep,
        };
        let addresses = nat.addresses.unwrap_or((own, own));
        let range = NatRange { addresses, ports: nat.ports, choice, persistent: nat.persistent };
        match nat.kind {
            NatKind::Existing => Nat::Existing,
            NatKind::Source => Nat::Source(range),
            NatKind::Destination => Nat::Destination(range),
        }
    }
}
