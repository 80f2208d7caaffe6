//! The obvious tracker: a list of connections, searched from the front.

use std::net::IpAddr;

use tulle_conntrack::{DropReason, Masked, Nat, NatRange, Request, state};

use super::common::{Body, Frame, SECOND};

/// The fields that name one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    pub protocol: u8,
    pub source: (IpAddr, u16),
    pub destination: (IpAddr, u16),
    /// Of a ping: asks rather than answers.
    pub asks: Option<bool>,
}

impl Names {
    pub fn of(frame: &Frame) -> Self {
        let (protocol, ports, asks) = match frame.body {
            Body::Udp { ports, .. } => (17, ports, None),
            Body::Echo { request, id } => (1, (id, id), Some(request)),
            Body::Other { protocol } => (protocol, (0, 0), None),
            _ => panic!("not modelled"),
        };
        Self { protocol, source: (frame.source, ports.0), destination: (frame.destination, ports.1), asks }
    }

    pub fn reversed(self) -> Self {
        let (source, destination) = (self.destination, self.source);
        Self { source, destination, asks: self.asks.map(|asks| !asks), ..self }
    }
}

#[derive(Clone, Debug)]
pub struct Known {
    pub zone: u16,
    pub original: Names,
    pub reply: Names,
    pub replied: bool,
    pub mark: u32,
    expires: u64,
}

impl Known {
    fn translated(&self, reply: bool) -> Names {
        if reply { self.original.reversed() } else { self.reply.reversed() }
    }

    fn translates(&self) -> (bool, bool) {
        let (from, to) = (self.original, self.translated(false));
        let port = from.asks.is_none() && from.destination.1 != to.destination.1;
        (from.source != to.source, from.destination.0 != to.destination.0 || port)
    }
}

/// What a packet is expected to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub state: u32,
    pub mark: u32,
    pub original: Option<Names>,
    pub names: Names,
}

#[derive(Default, Debug)]
pub struct Twin {
    pub known: Vec<Known>,
    pub zone_limit: usize,
}

impl Twin {
    fn find(&self, zone: u16, names: Names) -> Option<(usize, bool)> {
        let position = |reply: bool| {
            let is_it = |it: &Known| it.zone == zone && names == if reply { it.reply } else { it.original };
            self.known.iter().position(is_it).map(|index| (index, reply))
        };
        position(false).or_else(|| position(true))
    }

    /// Whether replies to `target` could be taken for something else.
    fn is_taken(&self, zone: u16, target: Names, original: Names) -> bool {
        match self.find(zone, target.reversed()) {
            None => target.reversed() == original,
            Some((index, reply)) => !reply || self.known[index].original != original,
        }
    }

    pub fn forget_expired(&mut self, now: u64) {
        self.known.retain(|it| it.expires > now);
    }

    /// Tracks a packet.  `chosen` is what the real tracker made of it, where there was a choice.
    pub fn track(
        &mut self,
        names: Names,
        earlier: (u32, u16),
        request: &Request,
        now: u64,
        chosen: Result<Names, DropReason>,
    ) -> Result<Verdict, DropReason> {
        self.forget_expired(now);
        let zone = request.zone;
        let carried = if earlier.1 == zone { earlier.0 & (state::SNAT | state::DNAT) } else { 0 };
        let mut found = None;
        if carried != 0 {
            found = self.find(zone, names.reversed()).map(|(index, reply)| (index, !reply));
        }
        let mut found = found.or_else(|| self.find(zone, names));
        while let (Some((index, true)), true) = (found, request.commit && request.force) {
            self.known.remove(index);
            found = self.find(zone, names);
        }
        let (index, reply) = match found {
            Some(found) => found,
            None if names.asks == Some(false) => {
                let state = state::TRK | state::INV;
                return Ok(Verdict { state, mark: 0, original: None, names });
            }
            None if !request.commit => {
                let state = state::TRK | state::NEW | carried;
                return Ok(Verdict { state, mark: 0, original: Some(names), names });
            }
            None => (self.commit(names, request, now, chosen)?, false),
        };
        let known = &mut self.known[index];
        known.replied |= reply;
        known.expires = now + lifetime(names.protocol, known.replied) * SECOND;
        self.settle(index, reply, names, carried, request, chosen)
    }

    fn commit(
        &mut self,
        names: Names,
        request: &Request,
        now: u64,
        chosen: Result<Names, DropReason>,
    ) -> Result<usize, DropReason> {
        let zone = request.zone;
        if self.known.iter().filter(|it| it.zone == zone).count() >= self.zone_limit {
            return Err(DropReason::ZoneFull);
        }
        let target = match &request.nat {
            Nat::Source(range) => self.check(zone, names, true, range, names, chosen)?,
            Nat::Destination(range) => self.check(zone, names, false, range, names, chosen)?,
            _ if self.find(zone, names.reversed()).is_some() => return Err(DropReason::TupleInUse),
            _ => names,
        };
        let (original, reply) = (names, target.reversed());
        self.known.push(Known { zone, original, reply, replied: false, mark: 0, expires: now + 1 });
        Ok(self.known.len() - 1)
    }

    fn settle(
        &mut self,
        index: usize,
        reply: bool,
        mut names: Names,
        carried: u32,
        request: &Request,
        chosen: Result<Names, DropReason>,
    ) -> Result<Verdict, DropReason> {
        let mut bits = carried;
        let translates = self.known[index].translates();
        let mut due = request.nat != Nat::None && translates != (false, false);
        if carried != 0 {
            due = false;
            let first = request.commit && !reply && !self.known[index].replied;
            let (zone, base) = (request.zone, self.known[index].translated(false));
            let original = self.known[index].original;
            let target = match (&request.nat, translates) {
                (Nat::Source(range), (false, true)) if first => {
                    Some(self.check(zone, base, true, range, original, chosen)?)
                }
                (Nat::Destination(range), (true, false)) if first => {
                    Some(self.check(zone, base, false, range, original, chosen)?)
                }
                _ => None,
            };
            if let Some(target) = target {
                due = target != base;
                self.known[index].reply = target.reversed();
            }
        }
        let known = &mut self.known[index];
        if due {
            names = known.translated(reply);
            let (snat, dnat) = known.translates();
            let (source, destination) = if reply { (dnat, snat) } else { (snat, dnat) };
            bits = (u32::from(source) * state::SNAT) | (u32::from(destination) * state::DNAT);
        }
        let Masked { value, mask } = request.mark;
        known.mark = known.mark & !mask | value & mask;
        let progress = if known.replied { state::EST } else { state::NEW };
        let state = state::TRK | progress | if reply { state::RPL } else { 0 } | bits;
        Ok(Verdict { state, mark: known.mark, original: Some(known.original), names })
    }

    /// Whether a choice of the real tracker is one that may be made; ranges here are one address.
    fn check(
        &self,
        zone: u16,
        base: Names,
        source: bool,
        range: &NatRange,
        original: Names,
        chosen: Result<Names, DropReason>,
    ) -> Result<Names, DropReason> {
        let address = range.addresses.0;
        let with = |source_port: u16, destination_port: u16| {
            let mut target = base;
            if source {
                target.source.0 = address
            } else {
                target.destination.0 = address
            }
            (target.source.1, target.destination.1) = (source_port, destination_port);
            target
        };
        let own = with(base.source.1, base.destination.1);
        let own_port = if source { base.source.1 } else { base.destination.1 };
        let may_keep = base.protocol == 47 || range.ports.is_none_or(|(a, b)| (a..=b).contains(&own_port));
        if may_keep && !self.is_taken(zone, own, original) {
            assert_eq!(chosen, Ok(own), "the packet's own port is free");
            return chosen;
        }
        let changed = |port: u16| match (base.asks, source || range.ports.is_none()) {
            (Some(_), _) => with(port, port),
            (None, true) => with(port, base.destination.1),
            (None, false) => with(base.source.1, port),
        };
        match (chosen, range.ports) {
            (Err(DropReason::NatExhausted), _) if base.protocol == 47 => {}
            (Err(DropReason::NatExhausted), Some((low, high))) => {
                assert!((low..=high).all(|port| self.is_taken(zone, changed(port), original)), "one is free");
            }
            (Ok(target), _) => {
                let ports = range.ports.unwrap_or((0, u16::MAX));
                assert!((ports.0..=ports.1).any(|port| changed(port) == target), "{target:?} is no choice");
                assert!(!self.is_taken(zone, target, original), "{target:?} is taken");
            }
            (Err(other), _) => panic!("{other:?} where {own:?} was to be changed"),
        }
        chosen
    }
}

fn lifetime(protocol: u8, replied: bool) -> u64 {
    match (protocol, replied) {
        (17, true) => 120,
        (17 | 1, _) => 30,
        _ => 600,
    }
}
