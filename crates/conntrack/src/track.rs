//! One packet through the tracker.

use tulle_wire::FrameBuf;

use crate::connection::Connection;
use crate::conntrack::Conntrack;
use crate::drop_reason::DropReason;
use crate::fragments::Datagram;
use crate::headers::Fragment;
use crate::nat::Side;
use crate::packet::{self, Parsed};
use crate::request::{Masked, Nat, Outcome, Packet, Request, state};
use crate::rewrite;
use crate::tcp::{Fit, Tcp};
use crate::tuple::{Direction, Tuple};

impl Conntrack {
    /// Does one `ct()` action on a frame.
    ///
    /// Fragments are invalid here: they go through [`Fragments`](crate::Fragments) first.
    /// Errors: the frame must be dropped for this reason. `now_ns` is monotonic.
    #[inline]
    pub fn track(
        &mut self,
        frame: &mut FrameBuf,
        packet: &Packet,
        request: &Request,
        now_ns: u64,
    ) -> Result<Outcome, DropReason> {
        self.track_frame(frame, packet, request, now_ns, true)
    }

    /// The same for a datagram that came in fragments: each of them is translated, and goes on with the
    /// same outcome.
    pub fn track_datagram<T>(
        &mut self,
        datagram: &mut Datagram<T>,
        request: &Request,
        now_ns: u64,
    ) -> Result<Outcome, DropReason> {
        let (frame, packet) = datagram.whole();
        let outcome = self.track_frame(frame, &packet, request, now_ns, false)?;
        if outcome.rewritten {
            datagram.copy_to_pieces();
        }
        Ok(outcome)
    }

    #[inline]
    fn track_frame(
        &mut self,
        frame: &mut FrameBuf,
        packet: &Packet,
        request: &Request,
        now_ns: u64,
        resizable: bool,
    ) -> Result<Outcome, DropReason> {
        self.start(now_ns);
        let parsed = match packet.headers.fragment {
            Fragment::No => packet::parse(frame.bytes(), packet, request.zone),
            _ => None,
        };
        let Some(parsed) = parsed else { return Ok(self.invalid(request.zone)) };
        let mut pass = Pass { frame, packet, request, parsed: &parsed, now_ns, resizable };
        let Some((id, direction)) = self.find_current(&pass) else { return self.unknown(&mut pass) };
        self.known(id, direction, &mut pass)
    }

    fn invalid(&mut self, zone: u16) -> Outcome {
        self.stats.invalid += 1;
        Outcome::invalid(zone)
    }

    /// The connection of a packet. One that an earlier call has translated is known by the answer that
    /// it will get.
    #[inline]
    fn find_current(&mut self, pass: &Pass<'_>) -> Option<(u32, Direction)> {
        let tuple = &pass.parsed.tuple;
        if pass.is_translated() {
            if let Some((id, direction)) = self.find(&tuple.reversed(), pass.now_ns) {
                return Some((id, direction.opposite()));
            }
        }
        self.find(tuple, pass.now_ns)
    }

    #[inline]
    fn known(&mut self, id: u32, direction: Direction, pass: &mut Pass<'_>) -> Result<Outcome, DropReason> {
        let request = pass.request;
        if pass.parsed.quoted.is_some() {
            return self.settle(id, direction, state::REL, pass);
        }
        if request.commit && request.force && direction == Direction::Reply {
            self.remove(id);
            return self.unknown(pass);
        }
        let connection = &mut self.store[id];
        let fit = match &pass.parsed.segment {
            Some(segment) => connection.tcp.update(direction, segment),
            None => Fit::Valid,
        };
        match fit {
            Fit::Invalid => return Ok(self.invalid(request.zone)),
            Fit::Reopens => {
                self.remove(id);
                return self.unknown(pass);
            }
            Fit::Valid => connection.replied |= direction == Direction::Reply,
        }
        self.refresh(id, pass.now_ns);
        let connection = &self.store[id];
        let progress = if connection.replied { state::EST } else { state::NEW };
        let related = if connection.related { state::REL } else { 0 };
        self.settle(id, direction, progress | related, pass)
    }

    /// A packet of no connection.
    #[cold]
    fn unknown(&mut self, pass: &mut Pass<'_>) -> Result<Outcome, DropReason> {
        let request = pass.request;
        if !pass.parsed.may_open {
            return Ok(self.invalid(request.zone));
        }
        if !request.commit {
            return Ok(Outcome {
                state: state::TRK | state::NEW | pass.carried(),
                original: Some(pass.parsed.tuple.endpoints()),
                ..Outcome::invalid(request.zone)
            });
        }
        let id = self.commit(pass)?;
        let related = if self.store[id].related { state::REL } else { 0 };
        self.settle(id, Direction::Original, state::NEW | related, pass)
    }

    fn commit(&mut self, pass: &mut Pass<'_>) -> Result<u32, DropReason> {
        let (request, parsed) = (pass.request, pass.parsed);
        let original = parsed.tuple;
        self.make_room(request.zone, pass.now_ns)?;
        let reply = self.free_reply(&original, &request.nat, pass.now_ns)?;
        let tcp = parsed.segment.as_ref().map_or(Tcp::NONE, Tcp::open);
        let mut connection = Connection::new(original, reply, tcp);
        connection.note_translation();
        if request.alg.is_some() {
            connection.extra_mut().alg = request.alg;
        }
        Ok(self.insert(connection, pass.now_ns))
    }

    /// A reply tuple that no other connection has.
    fn free_reply(&mut self, original: &Tuple, nat: &Nat, now_ns: u64) -> Result<Tuple, DropReason> {
        let chosen = match nat {
            Nat::Source(range) => self.choose(original, Side::Source, range, None, now_ns)?,
            Nat::Destination(range) => self.choose(original, Side::Destination, range, None, now_ns)?,
            Nat::None | Nat::Existing => {
                let taken = self.find(&original.reversed(), now_ns).is_some();
                return if taken { Err(DropReason::TupleInUse) } else { Ok(original.reversed()) };
            }
        };
        Ok(chosen.reversed())
    }

    /// Translates the other side too of a connection whose first packet an earlier call has translated
    /// on one side: a client that reaches itself, or its neighbour, by an outside address.
    fn extend(&mut self, id: u32, direction: Direction, pass: &Pass<'_>) -> Result<bool, DropReason> {
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
        let target = connection.translated(Direction::Original);
        let chosen = self.choose(&target, side, range, Some(id), pass.now_ns)?;
        self.set_reply(id, chosen.reversed());
        self.store[id].note_translation();
        Ok(chosen != target)
    }

    /// Sets what is to be set of a connection, and says what there is to say of its packet.
    #[inline]
    fn settle(
        &mut self,
        id: u32,
        direction: Direction,
        progress: u32,
        pass: &mut Pass<'_>,
    ) -> Result<Outcome, DropReason> {
        let request = pass.request;
        let mut translated = pass.carried();
        let due = request.nat != Nat::None && self.store[id].is_translated();
        let due = if pass.is_translated() { due && self.extend(id, direction, pass)? } else { due };
        if due {
            let to = self.store[id].translated(direction);
            rewrite::translate(pass.frame.bytes_mut(), pass.packet, pass.parsed, &to);
            translated = translation_bits(&self.store[id], direction);
        }
        let connection = &mut self.store[id];
        if request.mark.mask != 0 {
            connection.mark = masked(connection.mark, request.mark);
        }
        if request.label.mask != 0 {
            let Masked { value, mask } = request.label;
            connection.set_label(connection.label() & !mask | value & mask);
        }
        let reply = if direction == Direction::Reply { state::RPL } else { 0 };
        Ok(Outcome {
            state: state::TRK | progress | reply | translated,
            zone: request.zone,
            mark: connection.mark,
            label: connection.label(),
            original: Some(connection.parent().unwrap_or_else(|| connection.original.endpoints())),
            rewritten: due,
        })
    }
}

/// The original source is a reply's destination.
fn translation_bits(connection: &Connection, direction: Direction) -> u32 {
    let (source, destination) = match direction {
        Direction::Original => (connection.snat, connection.dnat),
        Direction::Reply => (connection.dnat, connection.snat),
    };
    u32::from(source) * state::SNAT | u32::from(destination) * state::DNAT
}

fn masked(old: u32, new: Masked<u32>) -> u32 {
    old & !new.mask | new.value & new.mask
}

/// One packet and what is asked about it.
pub(crate) struct Pass<'a> {
    pub frame: &'a mut FrameBuf,
    pub packet: &'a Packet,
    pub request: &'a Request,
    pub parsed: &'a Parsed,
    pub now_ns: u64,
    /// The frame may become longer or shorter.
    pub resizable: bool,
}

impl Pass<'_> {
    /// What an earlier call in this zone has translated.
    fn carried(&self) -> u32 {
        if self.packet.zone == self.request.zone { self.packet.state & state::TRANSLATED } else { 0 }
    }

    fn is_translated(&self) -> bool {
        self.carried() != 0
    }
}
