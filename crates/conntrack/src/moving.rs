//! Connections that go on at another tracker, as their port moves to another switch.
//!
//! The old tracker goes on to see packets for a moment after it has been asked, so what is imported
//! again is put together with what is there. For the same reason the new one may be lenient for a time:
//! a segment that lies beyond the window, as it knows it, passes, and moves the window as soon as the other
//! direction bears it out ([`Tcp::adopt`]).

use std::net::IpAddr;

use crate::connection::Connection;
use crate::conntrack::Conntrack;
use crate::record::Record;
use crate::tcp::Tcp;
use crate::tuple::{Address, Tuple, address_of};

/// What became of connections that were to be imported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// They were not there.
    pub added: usize,
    /// They were there.
    pub updated: usize,
    /// There was no room, or another connection has one of the tuples.
    pub refused: usize,
}

impl Conntrack {
    /// The connections of a zone, or those of them that have one of these addresses at some end, and at
    /// most so many: those in use first. Looks at all connections of all zones.
    #[must_use]
    pub fn export(&self, zone: u16, addresses: &[IpAddr], most: usize, now_ns: u64) -> Vec<Record> {
        let picked = self.picked(zone, addresses, most, now_ns);
        picked.into_iter().map(|id| Record::of(&self.store[id], now_ns)).collect()
    }

    /// The same connections may move their windows here for `lenient_ns`, as another tracker sees some of
    /// their packets from now on.
    pub fn relax(&mut self, zone: u16, addresses: &[IpAddr], most: usize, lenient_ns: u64, now_ns: u64) {
        for id in self.picked(zone, addresses, most, now_ns) {
            self.store[id].extra_mut().lenient_until_ns = now_ns.saturating_add(lenient_ns);
        }
    }

    fn picked(&self, zone: u16, addresses: &[IpAddr], most: usize, now_ns: u64) -> Vec<u32> {
        let addresses: Vec<Address> = addresses.iter().copied().map(address_of).collect();
        let wanted = |connection: &Connection| {
            connection.original.zone == zone
                && connection.expires_at_ns > now_ns
                && (addresses.is_empty() || addresses.iter().any(|address| has(connection, address)))
        };
        let all = self.store.iter().filter(|(_, connection)| wanted(connection));
        let (idle, used): (Vec<_>, Vec<_>) = all.partition(|(_, connection)| connection.is_expendable());
        used.into_iter().chain(idle).take(most).map(|(id, _)| id).collect()
    }

    /// Takes connections over into a zone. For `lenient_ns` they may move their windows.
    pub fn import(&mut self, zone: u16, records: &[Record], lenient_ns: u64, now_ns: u64) -> Imported {
        self.start(now_ns);
        let mut result = Imported::default();
        for record in records {
            let place = match self.import_one(zone, record, lenient_ns, now_ns) {
                Some(true) => &mut result.added,
                Some(false) => &mut result.updated,
                None => &mut result.refused,
            };
            *place += 1;
        }
        result
    }

    /// Whether it is new; `None`: refused.
    fn import_one(&mut self, zone: u16, record: &Record, lenient_ns: u64, now_ns: u64) -> Option<bool> {
        let (original, reply) = record.tuples(zone).ok()?;
        let (by_original, by_reply) = (self.find(&original, now_ns), self.find(&reply, now_ns));
        if let Some((id, _)) = by_original.or(by_reply) {
            let same = &self.store[id];
            if (same.original, same.reply) != (original, reply) {
                return None;
            }
            self.merge(id, record, now_ns);
            return Some(false);
        }
        self.make_room(zone, None, now_ns).ok()?;
        let id = self.insert(connection_of(record, original, reply, lenient_ns, now_ns), now_ns);
        self.shorten(id, record.expires_in_ns, now_ns);
        Some(true)
    }

    /// What is known here and what is known there are parts of the same connection.
    fn merge(&mut self, id: u32, record: &Record, now_ns: u64) {
        let connection = &mut self.store[id];
        if let Some(theirs) = &record.tcp {
            connection.tcp.join(theirs);
        }
        if let Some(theirs) = &record.sctp {
            connection.extra_mut().sctp.get_or_insert(*theirs).join(theirs);
        }
        connection.replied |= record.replied;
        connection.mark = record.mark;
        connection.set_label(record.label);
        let left = connection.expires_at_ns.saturating_sub(now_ns).max(record.expires_in_ns);
        self.refresh(id, now_ns);
        self.shorten(id, left, now_ns);
    }

    /// It lives no longer than it would have lived elsewhere, nor than its kind does here.
    fn shorten(&mut self, id: u32, left_ns: u64, now_ns: u64) {
        let most = self.store[id].expires_at_ns;
        self.set_expiry(id, most.min(now_ns.saturating_add(left_ns)));
    }
}

fn has(connection: &Connection, address: &Address) -> bool {
    let tuples = [&connection.original, &connection.reply];
    tuples.iter().any(|tuple| tuple.source == *address || tuple.destination == *address)
}

fn connection_of(record: &Record, original: Tuple, reply: Tuple, lenient_ns: u64, now_ns: u64) -> Connection {
    let mut connection = Connection::new(original, reply, record.tcp.unwrap_or(Tcp::NONE));
    connection.mark = record.mark;
    connection.set_label(record.label);
    connection.replied = record.replied;
    connection.related = record.related;
    connection.note_translation();
    let is_plain = record.alg.is_none()
        && record.parent.is_none()
        && record.adjustment.is_none()
        && record.sctp.is_none();
    if !is_plain || lenient_ns > 0 {
        let extra = connection.extra_mut();
        (extra.alg, extra.parent, extra.adjustment) = (record.alg, record.parent, record.adjustment);
        extra.sctp = record.sctp;
        extra.lenient_until_ns = if lenient_ns > 0 { now_ns.saturating_add(lenient_ns) } else { 0 };
    }
    connection
}
