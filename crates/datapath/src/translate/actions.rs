//! Actions on the working key, and the ways on to other tables.

use super::{Abort, MAX_DEPTH, Observer, Walk};
use crate::drop::DropReason;
use crate::tables::is_read_only;
use tulle_flow::{Action, Field, Key, Prerequisite, SubField};

const IPV4: u128 = 0x0800;
const ARP: u128 = 0x0806;
const IPV6: u128 = 0x86dd;
const MPLS_UNICAST: u128 = 0x8847;
const MPLS_MULTICAST: u128 = 0x8848;
/// The bit of `vlan_tci` that says that there is a tag.
const VLAN_PRESENT: u128 = 0x1000;

impl<O: Observer> Walk<'_, O> {
    /// Executes actions in order; gives the table to go on in, if any.
    pub(super) fn actions(&mut self, actions: &[Action]) -> Result<Option<u8>, Abort> {
        let place = self.place;
        for action in actions {
            self.place = place;
            match action {
                Action::Output(port) => self.output(*port)?,
                Action::OutputField(source) => self.output_field(*source)?,
                Action::Controller { max_len } => self.controller(*max_len)?,
                Action::Set { field, value, mask } => self.set(*field, *value, *mask),
                Action::Move { source, target } => self.copy(*source, *target),
                Action::DecTtl => {
                    if !self.decrement_ttl() {
                        return Ok(None);
                    }
                }
                Action::Resubmit { port, table } => self.resubmit(*port, table.unwrap_or(place.table))?,
                Action::WriteMetadata { value, mask } => {
                    self.set(Field::Metadata, u128::from(*value), u128::from(*mask));
                }
                Action::GotoTable(table) => return Ok(Some(*table)),
                _ => {}
            }
        }
        self.place = place;
        Ok(None)
    }

    fn resubmit(&mut self, port: Option<u16>, table: u8) -> Result<(), Abort> {
        if self.depth >= MAX_DEPTH {
            return Err(Abort(DropReason::ResubmitTooDeep));
        }
        self.depth += 1;
        let (before, written_before) = (self.key.field(Field::InPort), self.written.field(Field::InPort));
        if let Some(port) = port {
            self.key.set(Field::InPort, u128::from(port));
            self.written.set_all(Field::InPort);
        }
        self.table(table)?;
        if port.is_some() {
            self.key.set(Field::InPort, before);
            self.written.set(Field::InPort, written_before);
        }
        self.depth -= 1;
        Ok(())
    }

    /// Writes bits of a field, if the packet has it.
    pub(super) fn set(&mut self, field: Field, value: u128, mask: u128) {
        if is_read_only(field) || !self.has(field.prerequisite()) {
            return;
        }
        let kept = self.key.field(field) & !mask;
        self.key.set(field, kept | (value & mask));
        for bits in [&mut self.written, &mut self.pending] {
            let before = bits.field(field);
            bits.set(field, before | mask);
        }
    }

    fn copy(&mut self, source: SubField, target: SubField) {
        if !self.has(source.field.prerequisite()) {
            return;
        }
        self.look_at_field(source.field, source.mask());
        let value = source.value(&self.key);
        let mut moved = Key::ZERO;
        target.write(&mut moved, value);
        self.set(target.field, moved.field(target.field), target.mask());
    }

    /// False where the packet's time is up.
    fn decrement_ttl(&mut self) -> bool {
        if !self.has(Prerequisite::Ip) {
            return true;
        }
        self.look_at_field(Field::IpTtl, u128::MAX);
        let ttl = self.key.field(Field::IpTtl);
        if ttl <= 1 {
            self.drop(DropReason::TtlExpired);
            return false;
        }
        self.set(Field::IpTtl, ttl - 1, u128::MAX);
        true
    }

    /// True where the packet has the headers; notes the bits that this depends on.
    pub(super) fn has(&mut self, prerequisite: Prerequisite) -> bool {
        use Prerequisite as P;
        match prerequisite {
            P::None => true,
            P::Ipv4 => self.is(Field::EthType, &[IPV4]),
            P::Ipv6 => self.is(Field::EthType, &[IPV6]),
            P::Ip => self.is(Field::EthType, &[IPV4, IPV6]),
            P::Arp => self.is(Field::EthType, &[ARP]),
            P::Vlan => self.looks_tagged(),
            P::Mpls => self.is(Field::EthType, &[MPLS_UNICAST, MPLS_MULTICAST]),
            P::CtIp => self.has(P::Ip),
            P::CtIpv4 => self.has(P::Ipv4),
            P::CtIpv6 => self.has(P::Ipv6),
            P::CtTp => self.has(P::Ip) && self.is(Field::CtProto, &[1, 6, 17, 58, 132]),
            P::Sctp => self.has(P::Ip) && self.is(Field::IpProto, &[132]),
            P::Tcp => self.has(P::Ip) && self.is(Field::IpProto, &[6]),
            P::Udp => self.has(P::Ip) && self.is(Field::IpProto, &[17]),
            P::Icmpv4 => self.has(P::Ipv4) && self.is(Field::IpProto, &[1]),
            P::Icmpv6 => self.has(P::Ipv6) && self.is(Field::IpProto, &[58]),
            P::Nd => self.has(P::Icmpv6) && self.is(Field::Icmpv6Type, &[135, 136]),
            P::NdSolicitation => self.has(P::Icmpv6) && self.is(Field::Icmpv6Type, &[135]),
            P::NdAdvertisement => self.has(P::Icmpv6) && self.is(Field::Icmpv6Type, &[136]),
        }
    }

    fn looks_tagged(&mut self) -> bool {
        self.look_at_field(Field::VlanTci, VLAN_PRESENT);
        self.key.field(Field::VlanTci) & VLAN_PRESENT != 0
    }

    fn is(&mut self, field: Field, values: &[u128]) -> bool {
        self.look_at_field(field, u128::MAX);
        values.contains(&self.key.field(field))
    }
}
