//! The address and port that a new connection gets.
//!
//! An address comes from the range by hash. The port is the packet's own if it may be and is free;
//! otherwise ports are tried one after the other from a place given by the hash, and after some misses
//! from another place, so that a crowded range costs a bounded time. Free means that no other
//! connection of the zone has the tuple that replies would have.

use crate::conntrack::Conntrack;
use crate::drop_reason::DropReason;
use crate::hashing::Hasher;
use crate::request::{NatRange, PortChoice};
use crate::tuple::{Address, Direction, Family, Tuple, address_of, family_of};

/// Addresses that are tried before there is none.
const ADDRESSES: u128 = 4;
/// A range up to this size is searched whole.
const SMALL_RANGE: u32 = 512;
/// Places in a larger range, and ports from each.
const ROUNDS: u64 = 4;
const PORTS_PER_ROUND: u32 = 64;

/// Which end of a connection is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Destination,
}

/// What a search has to go by.
#[derive(Clone, Copy)]
struct Search {
    side: Side,
    original: Tuple,
    hash: u64,
    now_ns: u64,
}

impl Conntrack {
    /// What packets of `target` are to be translated to, one side of them from a range. The original
    /// direction of the connection is `original`: the target itself, unless it is translated already.
    pub(crate) fn choose(
        &mut self,
        original: &Tuple,
        target: &Tuple,
        side: Side,
        range: &NatRange,
        now_ns: u64,
    ) -> Result<Tuple, DropReason> {
        let families = [range.addresses.0, range.addresses.1].map(family_of);
        if families != [target.family(); 2] {
            return Err(DropReason::NatFamily);
        }
        let hash = self.hasher.hash(target.words());
        let place = if range.persistent { persistent_hash(target, side) } else { hash };
        let addresses = Addresses::of(range, target, side);
        let tries = if range.persistent { 1 } else { addresses.count.min(ADDRESSES) };
        let start = match range.choice {
            PortChoice::Random => self.random(),
            _ => hash >> 32,
        };
        let search = Search { side, original: *original, hash: start, now_ns };
        for step in 0..tries {
            let mut candidate = *target;
            *address_mut(&mut candidate, side) = addresses.nth(u128::from(place).wrapping_add(step));
            if let Some(found) = self.with_free_port(candidate, range, search) {
                return Ok(found);
            }
        }
        Err(DropReason::NatExhausted)
    }

    fn with_free_port(&mut self, candidate: Tuple, range: &NatRange, search: Search) -> Option<Tuple> {
        let given = range.ports.map(|(a, b)| (a.min(b), a.max(b)));
        let own_port = port(&candidate, search.side);
        let may_keep = given
            .is_none_or(|(low, high)| range.choice == PortChoice::Keep && (low..=high).contains(&own_port));
        if (may_keep || !candidate.has_ports()) && self.is_free(&candidate, search) {
            return Some(candidate);
        }
        if !candidate.has_ports() {
            return None;
        }
        // The port called stays what it is: without a range the caller's is changed, so that replies are
        // told apart.
        let (side, ports) = given.map_or((Side::Source, class(&candidate)), |ports| (search.side, ports));
        self.search_ports(candidate, side, ports, search)
    }

    fn search_ports(
        &mut self,
        mut candidate: Tuple,
        side: Side,
        (low, high): (u16, u16),
        search: Search,
    ) -> Option<Tuple> {
        let size = u32::from(high - low) + 1;
        let (rounds, ports) = if size <= SMALL_RANGE { (1, size) } else { (ROUNDS, PORTS_PER_ROUND) };
        for round in 0..rounds {
            let start = search.hash.wrapping_add(round.wrapping_mul(0x9e37_79b9_7f4a_7c15)) as u32 % size;
            for step in 0..ports {
                set_port(&mut candidate, side, low + ((start + step) % size) as u16);
                if self.is_free(&candidate, search) {
                    return Some(candidate);
                }
            }
        }
        None
    }

    /// Whether replies could be told from all other packets, those of the original direction included.
    fn is_free(&mut self, candidate: &Tuple, search: Search) -> bool {
        let reply = candidate.reversed();
        match self.find(&reply, search.now_ns) {
            None => reply != search.original,
            // Its own reply tuple, as it is up to now.
            Some((id, direction)) => {
                direction == Direction::Reply && self.store[id].original == search.original
            }
        }
    }
}

/// The same for one host after a restart: without the secret.
fn persistent_hash(target: &Tuple, side: Side) -> u64 {
    let mut target = *target;
    let host = *address_mut(&mut target, Side::Source);
    let words = u128::from_ne_bytes(host);
    Hasher::new(side as u128).hash([words as u64, (words >> 64) as u64])
}

/// Ports that stand for one another: privileged ones stay so (as Linux and Open vSwitch have it).
fn class(candidate: &Tuple) -> (u16, u16) {
    match candidate.source_port {
        _ if candidate.is_query() => (0, u16::MAX),
        ..512 => (1, 511),
        512..1024 => (600, 1023),
        _ => (1024, u16::MAX),
    }
}

/// The addresses of a range as numbers.
struct Addresses {
    family: Family,
    first: u128,
    count: u128,
}

impl Addresses {
    fn of(range: &NatRange, target: &Tuple, side: Side) -> Self {
        let family = target.family();
        let (low, high) = range.addresses;
        let own = low.is_unspecified() && high.is_unspecified();
        let number = |address: &Address| number(address, family);
        if own {
            let mut target = *target;
            return Self { family, first: number(address_mut(&mut target, side)), count: 1 };
        }
        let (low, high) = (number(&address_of(low)), number(&address_of(high)));
        Self { family, first: low.min(high), count: low.abs_diff(high).saturating_add(1) }
    }

    fn nth(&self, n: u128) -> Address {
        let number = self.first.wrapping_add(n % self.count);
        let mut address = [0; 16];
        match self.family {
            Family::V4 => address[..4].copy_from_slice(&(number as u32).to_be_bytes()),
            Family::V6 => address = number.to_be_bytes(),
        }
        address
    }
}

fn number(address: &Address, family: Family) -> u128 {
    let number = u128::from_be_bytes(*address);
    if family == Family::V4 { number >> 96 } else { number }
}

fn address_mut(tuple: &mut Tuple, side: Side) -> &mut Address {
    match side {
        Side::Source => &mut tuple.source,
        Side::Destination => &mut tuple.destination,
    }
}

fn port(tuple: &Tuple, side: Side) -> u16 {
    match side {
        Side::Source => tuple.source_port,
        Side::Destination => tuple.destination_port,
    }
}

/// The identifier of a query stands for both ports.
fn set_port(tuple: &mut Tuple, side: Side, port: u16) {
    if tuple.is_query() {
        (tuple.source_port, tuple.destination_port) = (port, port);
    } else if side == Side::Source {
        tuple.source_port = port;
    } else {
        tuple.destination_port = port;
    }
}
