//! Choosing a link by a hash: `multipath`, `bundle`, `bundle_load`.

use super::hashing::draw;
use super::{Abort, Observer, Walk};
use crate::drop::DropReason;
use tulle_flow::{Bundle, BundleAlgorithm, Multipath, MultipathAlgorithm, port};

impl<O: Observer> Walk<'_, '_, O> {
    pub(super) fn multipath(&mut self, multipath: &Multipath) -> Result<(), Abort> {
        let hash = self.hash(multipath.fields, u64::from(multipath.basis));
        let links = u32::from(multipath.max_link) + 1;
        let link = choose(multipath.algorithm, hash, links, multipath.argument);
        self.set_bits(multipath.target, u128::from(link))
    }

    pub(super) fn bundle(&mut self, bundle: &Bundle) -> Result<(), Abort> {
        let ports = self.plane.ports;
        let mut live = bundle.members.iter().copied().filter(|member| ports.is_live(*member));
        let chosen = match bundle.algorithm {
            BundleAlgorithm::ActiveBackup => live.next(),
            BundleAlgorithm::Hrw => {
                let hash = self.hash(bundle.fields, u64::from(bundle.basis));
                live.max_by_key(|member| (draw(hash, u64::from(*member)), *member))
            }
        };
        match (bundle.target, chosen) {
            (Some(target), chosen) => {
                let number = chosen.unwrap_or(port::NONE);
                self.set_bits(target, u128::from(number))
            }
            (None, Some(member)) => self.output(member, u32::MAX),
            (None, None) => self.lose(DropReason::NoLiveMember),
        }
    }
}

/// One of `links` links (`nx_mp_algorithm`).
fn choose(algorithm: MultipathAlgorithm, hash: u64, links: u32, argument: u32) -> u32 {
    let short = hash >> 32;
    match algorithm {
        MultipathAlgorithm::ModuloN => (short % u64::from(links)) as u32,
        MultipathAlgorithm::HashThreshold => ((short * u64::from(links)) >> 32) as u32,
        MultipathAlgorithm::Hrw => {
            (0..links).max_by_key(|link| draw(hash, u64::from(*link))).unwrap_or_default()
        }
        MultipathAlgorithm::IterHash => iterate(hash, links, argument),
    }
}

/// Draws numbers below a power of two until one is a link; after so many draws that this is a matter of luck no
/// more, takes the hash modulo the number of links.
fn iterate(hash: u64, links: u32, argument: u32) -> u32 {
    const DRAWS: u32 = 64;
    let space = u64::from(links.max(argument)).next_power_of_two();
    let draws = (0..DRAWS).map(|i| draw(hash, u64::from(i)) % space);
    let found = draws.into_iter().find(|link| *link < u64::from(links));
    found.unwrap_or(hash % u64::from(links)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_uses_all_links_about_alike() {
        use MultipathAlgorithm::{HashThreshold, Hrw, IterHash, ModuloN};
        for algorithm in [ModuloN, HashThreshold, Hrw, IterHash] {
            let mut counts = [0_u32; 5];
            for i in 0..10_000 {
                counts[choose(algorithm, draw(i, 77), 5, 0) as usize] += 1;
            }
            assert!(counts.iter().all(|count| (1700..2300).contains(count)), "{algorithm:?}: {counts:?}");
        }
    }
}
