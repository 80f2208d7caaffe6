//! Which tunnel a received packet belongs to, among those of all bridges.  Pure.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use tulle_io::Guarded;

use super::config::{Identity, LocalAddress, TunnelConfig};
use super::kind::{Kind, Reception};

/// A tunnel port of a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Owner {
    pub bridge: u64,
    pub port: u32,
}

/// What a bridge does with a packet, before it looks inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attitude {
    /// Nothing: it is for another bridge.
    Leave,
    /// Takes it apart, and lets another bridge count it where it is lost.
    Take,
    /// Takes it apart, and counts it where it is lost.
    TakeAndCount,
}

/// The tunnels of one port or protocol.
#[derive(Clone, Debug)]
struct Shared {
    kind: Kind,
    tunnels_with_gbp: usize,
    /// How many tunnels each bridge has on it.
    bridges: BTreeMap<u64, usize>,
}

/// All tunnels of the bridges in a network namespace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    owners: HashMap<Identity, Owner>,
    shared: BTreeMap<Guarded, Shared>,
    /// Who has tunnels to a remote, or (`None`) to any; a bridge stands here once for each.
    expecting: HashMap<(Guarded, Option<IpAddr>), Vec<u64>>,
    /// The devices that bridges listen at.
    devices: BTreeMap<u64, Vec<u32>>,
    /// Shapes of identity that there have been, so that the others are not looked for.
    shapes: u16,
}

/// In Open vSwitch's order of specificity: the key counts most, then the remote, then this end.
fn candidates(
    wire: Guarded,
    key: u64,
    remote: IpAddr,
    local: IpAddr,
) -> impl Iterator<Item = (u16, Identity)> {
    let locals = [LocalAddress::Fixed(local), LocalAddress::Any, LocalAddress::Flow];
    let all = [Some(key), None].into_iter().flat_map(move |key| {
        let remotes = [Some(remote), None].into_iter();
        remotes.flat_map(move |remote| locals.map(|local| Identity { wire, remote, local, key }))
    });
    all.enumerate().map(|(at, identity)| (1 << at, identity))
}

/// The place of an identity's shape among the candidates.
fn shape(identity: &Identity) -> u16 {
    let local = match identity.local {
        LocalAddress::Fixed(_) => 0,
        LocalAddress::Any => 1,
        LocalAddress::Flow => 2,
    };
    1 << (6 * u16::from(identity.key.is_none()) + 3 * u16::from(identity.remote.is_none()) + local)
}

impl Directory {
    /// The tunnel that a packet belongs to.
    #[inline]
    pub(crate) fn find(&self, wire: Guarded, key: u64, remote: IpAddr, local: IpAddr) -> Option<Owner> {
        candidates(wire, key, remote, local)
            .filter(|(shape, _)| self.shapes & shape != 0)
            .find_map(|(_, identity)| self.owners.get(&identity).copied())
    }

    /// Who has this very tunnel already.
    pub(crate) fn same(&self, config: &TunnelConfig) -> Option<Owner> {
        self.owners.get(&config.identity()).copied()
    }

    /// The encapsulation that comes in by a port or protocol, where there is one.
    pub(crate) fn kind(&self, wire: Guarded) -> Option<Kind> {
        self.shared.get(&wire).map(|shared| shared.kind)
    }

    pub(crate) fn add(&mut self, owner: Owner, config: &TunnelConfig) {
        let identity = config.identity();
        let fresh = || Shared { kind: config.kind, tunnels_with_gbp: 0, bridges: BTreeMap::new() };
        let shared = self.shared.entry(identity.wire).or_insert_with(fresh);
        shared.tunnels_with_gbp += usize::from(config.gbp);
        *shared.bridges.entry(owner.bridge).or_default() += 1;
        self.expecting.entry((identity.wire, identity.remote)).or_default().push(owner.bridge);
        self.shapes |= shape(&identity);
        self.owners.insert(identity, owner);
    }

    pub(crate) fn remove(&mut self, owner: Owner, config: &TunnelConfig) {
        let identity = config.identity();
        self.owners.remove(&identity);
        let place = (identity.wire, identity.remote);
        if let Some(bridges) = self.expecting.get_mut(&place) {
            if let Some(at) = bridges.iter().position(|bridge| *bridge == owner.bridge) {
                bridges.swap_remove(at);
            }
            if bridges.is_empty() {
                self.expecting.remove(&place);
            }
        }
        let Some(shared) = self.shared.get_mut(&identity.wire) else { return };
        shared.tunnels_with_gbp -= usize::from(config.gbp);
        if let Some(count) = shared.bridges.get_mut(&owner.bridge) {
            *count -= 1;
        }
        shared.bridges.retain(|_, count| *count > 0);
        self.shared.retain(|_, shared| !shared.bridges.is_empty());
    }

    /// Notes the devices that a bridge listens at.
    pub(crate) fn set_devices(&mut self, bridge: u64, devices: Vec<u32>) {
        if devices.is_empty() {
            self.devices.remove(&bridge);
        } else {
            self.devices.insert(bridge, devices);
        }
    }

    /// What a bridge receives.
    pub(crate) fn receptions(&self, bridge: u64) -> Vec<(Guarded, Reception)> {
        let own = self.shared.iter().filter(|(_, shared)| shared.bridges.contains_key(&bridge));
        own.map(|(wire, shared)| (*wire, Reception { kind: shared.kind, gbp: shared.tunnels_with_gbp > 0 }))
            .collect()
    }

    /// What a bridge does with a packet from `source` that came by a device.
    #[inline]
    pub(crate) fn attitude(&self, bridge: u64, wire: Guarded, device: u32, source: IpAddr) -> Attitude {
        let Some(shared) = self.shared.get(&wire) else { return Attitude::TakeAndCount };
        if shared.bridges.len() == 1 {
            return Attitude::TakeAndCount;
        }
        let expecting = [Some(source), None].map(|remote| self.expecting.get(&(wire, remote)));
        let mut expecting = expecting.into_iter().flatten().flatten();
        let (mine, others) = expecting.by_ref().fold((false, false), |(mine, others), other| {
            (mine || *other == bridge, others || *other != bridge)
        });
        let is_first = || shared.bridges.keys().find(|one| self.listens(**one, device)) == Some(&bridge);
        match (mine, others) {
            (false, true) => Attitude::Leave,
            (true, false) => Attitude::TakeAndCount,
            (true, true) if !is_first() => Attitude::Take,
            (false, false) if !is_first() => Attitude::Leave,
            _ => Attitude::TakeAndCount,
        }
    }

    fn listens(&self, bridge: u64, device: u32) -> bool {
        self.devices.get(&bridge).is_some_and(|devices| devices.contains(&device))
    }
}

#[cfg(test)]
mod tests;
