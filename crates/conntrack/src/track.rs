//! One packet through the tracker.

use tulle_wire::FrameBuf;

use crate::connection::Connection;
use crate::conntrack::Conntrack;
use crate::drop_reason::DropReason;
use crate::fragments::Datagram;
use crate::headers::Fragment;
use crate::packet::{self, Parsed};
use crate::request::{Masked, Nat, Outcome, Packet, Request, state};
use crate::rewrite;
use crate::tcp::{Adopted, Fit};
use crate::tuple::Direction;

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
        let mut pass = Pass { frame, packet, request, parsed: &parsed, now_ns, resizable, is_credible: true };
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

    fn known(&mut self, id: u32, direction: Direction, pass: &mut Pass<'_>) -> Result<Outcome, DropReason> {
        let request = pass.request;
        if pass.parsed.quoted.is_some() {
            return self.settle(id, direction, state::REL, pass);
        }
        if request.commit && request.force && direction == Direction::Reply {
            self.remove(id);
            // What an earlier call has translated may now look like a packet of yet another connection.
            return match self.find(&pass.parsed.tuple, pass.now_ns) {
                Some((other, direction)) => self.known(other, direction, pass),
                None => self.unknown(pass),
            };
        }
        let connection = &mut self.store[id];
        // An earlier call about the same frame has counted it.
        let fit = if pass.is_translated() { Fit::Valid } else { pass.fit(connection, direction) };
        match fit {
            Fit::Invalid => return Ok(self.invalid(request.zone)),
            Fit::Reopens => {
                self.remove(id);
                return self.unknown(pass);
            }
            Fit::Valid => connection.replied |= direction == Direction::Reply && pass.is_credible,
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
        let announced = self.announced(&pass.parsed.tuple, pass.now_ns);
        if !request.commit {
            return Ok(self.uncommitted(announced.map(|(parent, _)| parent), pass));
        }
        let id = self.commit(announced, pass)?;
        let related = if self.store[id].related { state::REL } else { 0 };
        self.settle(id, Direction::Original, state::NEW | related, pass)
    }

    /// The first packet of a connection that is not kept, or not yet.
    fn uncommitted(&self, parent: Option<u32>, pass: &Pass<'_>) -> Outcome {
        let outcome = Outcome {
            state: state::TRK | state::NEW | pass.carried(),
            original: Some(pass.parsed.tuple.endpoints()),
            ..Outcome::invalid(pass.request.zone)
        };
        let Some(parent) = parent.map(|id| &self.store[id]) else { return outcome };
        Outcome {
            state: outcome.state | state::REL,
            mark: parent.mark,
            label: parent.label(),
            original: Some(parent.original.endpoints()),
            ..outcome
        }
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
        let changed = pass.parsed.quoted.is_none() && self.listen(id, direction, pass, due);
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
            rewritten: due || changed,
        })
    }
}

/// The original source is a reply's destination.
fn translation_bits(connection: &Connection, direction: Direction) -> u32 {
    let (source, destination) = match direction {
        Direction::Original => (connection.snat, connection.dnat),
        Direction::Reply => (connection.dnat, connection.snat),
    };
    (u32::from(source) * state::SNAT) | (u32::from(destination) * state::DNAT)
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
    /// Nothing is learned from a segment that nothing has confirmed yet, though it passes.
    pub is_credible: bool,
}

impl Pass<'_> {
    /// What an earlier call in this zone has translated.
    #[inline]
    fn carried(&self) -> u32 {
        if self.packet.zone == self.request.zone { self.packet.state & state::TRANSLATED } else { 0 }
    }

    /// Takes the packet into its connection.
    #[inline]
    fn fit(&mut self, connection: &mut Connection, direction: Direction) -> Fit {
        let Some(segment) = &self.parsed.segment else { return self.fit_chunks(connection, direction) };
        let own = connection.own_numbers(direction, segment);
        match connection.tcp.update(direction, &own) {
            Fit::Invalid => {
                let adopted = connection.adopt(direction, &own, self.now_ns);
                self.is_credible = adopted != Adopted::Claimed;
                if adopted == Adopted::Refused { Fit::Invalid } else { Fit::Valid }
            }
            fit => fit,
        }
    }

    #[inline]
    fn fit_chunks(&self, connection: &mut Connection, direction: Direction) -> Fit {
        let Some(chunks) = &self.parsed.chunks else { return Fit::Valid };
        let sctp = connection.extra.as_mut().and_then(|extra| extra.sctp.as_mut());
        sctp.map_or(Fit::Valid, |sctp| sctp.update(direction, chunks))
    }

    #[inline]
    fn is_translated(&self) -> bool {
        self.carried() != 0
    }
}
