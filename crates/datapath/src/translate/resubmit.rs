//! Looking up again.

use super::{Abort, MAX_DEPTH, MAX_STEPS, Observer, Walk, without_ports};
use crate::continuation::Segment;
use crate::drop::DropReason;
use tulle_flow::{Field, Key, port};

/// Port numbers of 16 bits from here on are reserved ones (OpenFlow 1.0).
const FIRST_RESERVED: u16 = 0xff00;
/// "The same ingress port" in a resubmit.
const IN_PORT: u16 = 0xfff8;

/// Fields and those of the original direction of the packet's connection that stand for them.
const PAIRS: [(Field, Field); 3] =
    [(Field::IpProto, Field::CtProto), (Field::TcpSrc, Field::CtTpSrc), (Field::TcpDst, Field::CtTpDst)];
const PAIRS_IPV4: [(Field, Field); 2] = [(Field::IpSrc, Field::CtIpSrc), (Field::IpDst, Field::CtIpDst)];
const PAIRS_IPV6: [(Field, Field); 2] =
    [(Field::Ipv6Src, Field::CtIpv6Src), (Field::Ipv6Dst, Field::CtIpv6Dst)];

impl<O: Observer> Walk<'_, '_, O> {
    pub(super) fn resubmit(
        &mut self,
        port: Option<u16>,
        table: Option<u8>,
        is_tracked: bool,
    ) -> Result<(), Abort> {
        if self.depth >= MAX_DEPTH {
            return Err(Abort(DropReason::ResubmitTooDeep));
        }
        let table = table.unwrap_or(self.place.table);
        self.depth += 1;
        let (before, written_before) = (self.key.field(Field::InPort), self.written.field(Field::InPort));
        let port = port.filter(|port| *port != IN_PORT);
        if let Some(port) = port {
            self.settle(Field::InPort, u128::from(wide(port)), 0xffff_ffff);
        }
        if is_tracked {
            self.table_of_connection(table)?
        } else {
            self.table(table)?
        }
        if self.freezing.is_some() && port.is_some() {
            // The walk goes on with the port that it has now, and takes the old one back where it would have.
            self.freeze_rest(Segment::InPort(before as u32));
        } else if port.is_some() {
            self.key.set(Field::InPort, before);
            self.written.set(Field::InPort, written_before);
        }
        self.depth -= 1;
        Ok(())
    }

    /// Looks up with the original addresses of the packet's connection, where it has one.
    fn table_of_connection(&mut self, table: u8) -> Result<(), Abort> {
        if self.looked_up.len() >= MAX_STEPS {
            return Err(Abort(DropReason::TooManySteps));
        }
        let is_known = self.constant(Field::CtProto) != 0 && self.has(tulle_flow::Prerequisite::Ip);
        if !is_known {
            return Ok(());
        }
        let is_ipv4 = self.has(tulle_flow::Prerequisite::Ipv4);
        let mut key = if self.hides_ports() { without_ports(&self.key) } else { self.key };
        swap(&mut key, is_ipv4);
        let next = self.lookup_as(table, &key, |looked_at| {
            let mut own = *looked_at;
            swap(&mut own, is_ipv4);
            own
        })?;
        match next {
            Some(table) => self.table(table),
            None => Ok(()),
        }
    }
}

fn swap(key: &mut Key, is_ipv4: bool) {
    let addresses = if is_ipv4 { PAIRS_IPV4 } else { PAIRS_IPV6 };
    for (field, original) in PAIRS.into_iter().chain(addresses) {
        let (value, of_connection) = (key.field(field), key.field(original));
        key.set(field, of_connection);
        key.set(original, value);
    }
}

/// A port number of OpenFlow 1.0 as a later one (OpenFlow 1.1 section A.1: reserved ports are the last 256).
pub(super) fn wide(port: u16) -> u32 {
    if port >= FIRST_RESERVED { u32::from(port) | 0xffff_0000 } else { u32::from(port) }
}

const _: () = assert!(port::IN_PORT == 0xffff_0000 | IN_PORT as u32);
