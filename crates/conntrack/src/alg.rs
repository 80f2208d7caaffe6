//! Listening to control connections (`alg=ftp`, `alg=tftp`), and what they announce coming true.
//!
//! An announcement counts only if it names the sender's own address: nobody opens a door for a third
//! party (the FTP bounce attack, RFC 2577). Where the control connection is translated, the address in
//! the payload is replaced by the one that the other side knows, which may change its length: sequence
//! numbers, acknowledgments and selective acknowledgments are moved from then on. Ports are not changed.
//! One announcement of a connection waits at a time (as in Linux).

use crate::connection::Connection;
use crate::conntrack::Conntrack;
use crate::drop_reason::DropReason;
use crate::expectation::Expected;
use crate::ftp::{self, Announcement};
use crate::nat::Side;
use crate::packet::payload_of_udp;
use crate::payload;
use crate::request::{Alg, NatRange};
use crate::track::Pass;
use crate::tuple::{Direction, NO_QUERY, Tuple, address_of, ip};

impl Conntrack {
    /// Listens to a packet of a control connection, which has been translated if that was due. Gives
    /// whether its payload has changed.
    pub(crate) fn listen(&mut self, id: u32, direction: Direction, pass: &mut Pass<'_>, due: bool) -> bool {
        let Some(extra) = &self.store[id].extra else { return false };
        let (alg, adjustment) = (extra.alg, extra.adjustment);
        let announced = match alg {
            Some(Alg::Ftp) if pass.is_credible => announcement_in(pass, direction),
            Some(Alg::Tftp) => {
                self.expect_transfer(id, direction, pass);
                None
            }
            Some(Alg::Ftp) | None => None,
        };
        let mut headers = pass.packet.headers;
        let moved = due && !adjustment.is_none() && pass.parsed.segment.is_some();
        if moved {
            payload::adjust(pass.frame.bytes_mut(), &headers, direction, &adjustment);
        }
        let mut replaced = None;
        if let Some(announced) = announced {
            replaced = self.expect_data(id, direction, pass, &announced, due);
        }
        headers = replaced.unwrap_or(headers);
        if moved || replaced.is_some() {
            payload::finish(pass.frame.bytes_mut(), pass.packet, &headers);
        }
        moved || replaced.is_some()
    }

    /// Expects a data connection of FTP. Where the address announced means nothing to the other side,
    /// it is replaced; gives the headers of the changed frame.
    fn expect_data(
        &mut self,
        id: u32,
        direction: Direction,
        pass: &mut Pass<'_>,
        announced: &Announcement,
        due: bool,
    ) -> Option<crate::headers::Headers> {
        let connection = &self.store[id];
        let sender = connection.tuple(direction).source;
        if announced.address.is_some_and(|address| address_of(address) != sender) {
            return None;
        }
        // The other side calls back: with the address by which it knows the sender.
        let calling = connection.tuple(direction.opposite());
        let expected = expected_from(connection, direction, calling, announced.port, announced.port);
        let known_as = ip(&calling.destination, calling.family());
        let mut changed = None;
        if announced.address.is_some_and(|address| address != known_as) {
            let text = announced.text(known_as);
            let by = text.len() as i32 - announced.range.len() as i32;
            if !due || by != 0 && !pass.resizable {
                return None;
            }
            let headers = &pass.packet.headers;
            changed = Some(payload::replace(pass.frame, headers, announced.range.clone(), text.as_bytes())?);
            let sequence = pass.parsed.segment.map_or(0, |segment| segment.sequence);
            self.store[id].extra_mut().adjustment.note(direction, sequence, by);
        }
        self.expect(id, expected, pass.now_ns);
        changed
    }

    /// TFTP answers a request from another port (RFC 1350 section 4).
    fn expect_transfer(&mut self, id: u32, direction: Direction, pass: &Pass<'_>) {
        const READ: u16 = 1;
        const WRITE: u16 = 2;
        let payload = payload_of_udp(pass.frame.bytes(), &pass.packet.headers);
        let code = payload.and_then(|payload| payload.first_chunk()).map(|code| u16::from_be_bytes(*code));
        if direction == Direction::Reply || !matches!(code, Some(READ | WRITE)) {
            return;
        }
        let connection = &self.store[id];
        let calling = &connection.reply;
        let port = connection.original.source_port;
        let expected = expected_from(connection, direction, calling, calling.destination_port, port);
        self.expect(id, expected, pass.now_ns);
    }

    fn expect(&mut self, id: u32, expected: Expected, now_ns: u64) {
        let extra = self.store[id].extra_mut();
        if let Some(old) = extra.expected.replace(expected.tuple) {
            self.expectations.remove(&old);
        }
        self.expectations.add(expected, now_ns);
    }

    /// What has announced a connection that would begin with this packet, if that still lives.
    pub(crate) fn announced(&mut self, tuple: &Tuple, now_ns: u64) -> Option<(u32, Expected)> {
        let expected = self.expectations.find(tuple, now_ns)?;
        let (parent, _) = self.find(&expected.parent, now_ns)?;
        Some((parent, expected))
    }

    /// The reply tuple of an announced connection that is translated as its control connection is.
    pub(crate) fn announced_reply(
        &mut self,
        original: &Tuple,
        expected: &Expected,
        now_ns: u64,
    ) -> Result<Tuple, DropReason> {
        let target = Tuple {
            source: expected.source,
            destination: expected.destination,
            destination_port: expected.destination_port,
            ..*original
        };
        let range = NatRange::to(ip(&expected.source, original.family()));
        Ok(self.choose(original, &target, Side::Source, &range, now_ns)?.reversed())
    }

    /// Announced connections that have not come yet.
    #[must_use]
    pub fn expectations(&self) -> usize {
        self.expectations.len()
    }
}

/// A connection back to the sender of a packet: by `calling`'s addresses, to `port`, which is the
/// sender's own `inner_port`.
fn expected_from(
    connection: &Connection,
    direction: Direction,
    calling: &Tuple,
    port: u16,
    inner_port: u16,
) -> Expected {
    let kind = Tuple::kind_of(calling.family(), NO_QUERY);
    // What such packets turn into on their way: they come from whom the sender talks to, to the sender.
    let sender = connection.tuple(direction);
    Expected {
        parent: connection.original,
        tuple: Tuple { source_port: 0, destination_port: port, kind, ..*calling },
        source: sender.destination,
        destination: sender.source,
        destination_port: inner_port,
    }
}

fn announcement_in(pass: &Pass<'_>, direction: Direction) -> Option<Announcement> {
    let segment = pass.parsed.segment.as_ref().filter(|segment| segment.payload_len > 0)?;
    let headers = &pass.packet.headers;
    let frame = pass.frame.bytes();
    let payload = frame.get(headers.end.checked_sub(segment.payload_len as usize)?..headers.end)?;
    ftp::announcement(payload, direction == Direction::Original)
}
