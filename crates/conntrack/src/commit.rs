//! New connections: what replies to them will look like, and what they take over.

use crate::connection::Connection;
use crate::conntrack::Conntrack;
use crate::drop_reason::DropReason;
use crate::expectation::Expected;
use crate::nat::Side;
use crate::request::Nat;
use crate::sctp::Sctp;
use crate::tcp::Tcp;
use crate::track::Pass;
use crate::tuple::{Direction, Tuple};

impl Conntrack {
    /// Keeps the connection that a packet opens.
    pub(crate) fn commit(
        &mut self,
        announced: Option<(u32, Expected)>,
        pass: &mut Pass<'_>,
    ) -> Result<u32, DropReason> {
        let (request, parsed) = (pass.request, pass.parsed);
        let original = parsed.tuple;
        self.make_room(request.zone, announced.map(|(parent, _)| parent), pass.now_ns)?;
        let reply = match &announced {
            Some((_, expected)) if request.nat != Nat::None => {
                self.announced_reply(&original, expected, pass.now_ns)?
            }
            _ => self.free_reply(&original, &request.nat, pass.now_ns)?,
        };
        let tcp = parsed.segment.as_ref().map_or(Tcp::NONE, Tcp::open);
        let mut connection = Connection::new(original, reply, tcp);
        connection.note_translation();
        if request.alg.is_some() {
            connection.extra_mut().alg = request.alg;
        }
        if let Some(chunks) = &parsed.chunks {
            connection.extra_mut().sctp = Some(Sctp::open(chunks));
        }
        if let Some((parent, expected)) = announced {
            connection.inherit(&self.store[parent]);
            self.expectations.remove(&expected.tuple);
        }
        Ok(self.insert(connection, pass.now_ns))
    }

    /// A reply tuple that no other connection has.
    fn free_reply(&mut self, original: &Tuple, nat: &Nat, now_ns: u64) -> Result<Tuple, DropReason> {
        let chosen = match nat {
            Nat::Source(range) => self.choose(original, original, Side::Source, range, now_ns)?,
            Nat::Destination(range) => self.choose(original, original, Side::Destination, range, now_ns)?,
            Nat::None | Nat::Existing => {
                let taken = self.find(&original.reversed(), now_ns).is_some();
                return if taken { Err(DropReason::TupleInUse) } else { Ok(original.reversed()) };
            }
        };
        Ok(chosen.reversed())
    }

    /// Translates the other side too of a connection whose first packet an earlier call has translated
    /// on one side: a client that reaches itself, or its neighbour, by an outside address.
    pub(crate) fn extend(
        &mut self,
        id: u32,
        direction: Direction,
        pass: &Pass<'_>,
    ) -> Result<bool, DropReason> {
        let connection = &self.store[id];
        let first = direction == Direction::Original && !connection.replied;
        if !pass.request.commit || !first || pass.parsed.quoted.is_some() {
            return Ok(false);
        }
        let (side, range) = match (&pass.request.nat, connection.snat, connection.dnat) {
            (Nat::Source(range), false, true) => (Side::Source, range),
            (Nat::Destination(range), true, false) => (Side::Destination, range),
            _ => return Ok(false),
        };
        let (original, target) = (connection.original, connection.translated(Direction::Original));
        let chosen = self.choose(&original, &target, side, range, pass.now_ns)?;
        self.set_reply(id, chosen.reversed());
        self.store[id].note_translation();
        Ok(chosen != target)
    }
}
