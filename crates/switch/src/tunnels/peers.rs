//! The peers of a tunnel port whose flows choose them, and the ends that flows name.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;

use tulle_datapath::TunnelKey;

use super::port::{Lost, Ready};
use super::{LocalAddress, TunnelConfig, Underlay};

/// Peers whose headers are kept; beyond, all are made anew, which costs less than keeping them in order.
const MOST_PEERS: usize = 4096;

/// Ready headers by remote and, where flows have chosen it, local address.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    known: HashMap<(IpAddr, Option<IpAddr>), Arc<Ready>>,
}

impl Peers {
    /// The headers towards a peer.
    #[inline]
    pub(crate) fn ready(
        &mut self,
        config: &TunnelConfig,
        remote: IpAddr,
        chosen: Option<IpAddr>,
        underlay: &Underlay,
    ) -> Result<&Arc<Ready>, Lost> {
        let local = match config.local {
            LocalAddress::Any => None,
            LocalAddress::Fixed(local) => Some(local),
            LocalAddress::Flow => chosen,
        };
        if self.known.len() >= MOST_PEERS && !self.known.contains_key(&(remote, local)) {
            self.known.clear();
        }
        match self.known.entry((remote, local)) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let ready = underlay.ready(config, remote, local).ok_or(Lost::NoNextHop(remote))?;
                Ok(entry.insert(ready))
            }
        }
    }

    /// Forgets the headers towards a remote, or (`None`) all.
    pub(crate) fn forget(&mut self, changed: Option<IpAddr>) {
        match changed {
            Some(changed) => self.known.retain(|(remote, _), _| *remote != changed),
            None => self.known.clear(),
        }
    }
}

/// The far end that flows have chosen.
#[inline]
pub(crate) fn destination(key: &TunnelKey) -> Option<IpAddr> {
    address(key.dst.into(), key.ipv6_dst.into())
}

/// This end, where flows have chosen it.
#[inline]
pub(crate) fn source(key: &TunnelKey) -> Option<IpAddr> {
    address(key.src.into(), key.ipv6_src.into())
}

fn address(v4: IpAddr, v6: IpAddr) -> Option<IpAddr> {
    [v4, v6].into_iter().find(|address| !address.is_unspecified())
}
