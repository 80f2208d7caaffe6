//! A tunnel port, as seen by what is sent.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tulle_datapath::{Egress, TunnelKey};
use tulle_encap::{Gbp, Passage, Template};

use super::peers::{Peers, destination, source};
use super::{LocalAddress, TunnelConfig, Underlay, Uplink, flag};

/// Headers that lack nothing but what differs from frame to frame, and the device that they leave by.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    pub config: TunnelConfig,
    pub template: Template,
    pub slot: usize,
    /// The longest frame without options that passes, where there is a limit.
    pub longest: Option<usize>,
}

/// Why a frame was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// For this reason.
    Reason(&'static str),
    /// No way to this remote is known.
    NoNextHop(IpAddr),
}

/// A frame's way into a tunnel, and what the headers say of it: all that is needed without the engine.
#[derive(Debug)]
pub(crate) struct Leaving {
    pub ready: Arc<Ready>,
    pub uplink: Arc<Uplink>,
    /// What flows have set.
    key: Option<TunnelKey>,
    /// Geneve's options, as they stand on the wire.
    options: Box<[u8]>,
    /// The tunnel's own counter, where it has one.
    sequence: Option<Arc<Mutex<u32>>>,
}

impl Leaving {
    /// The longest frame that passes, where there is a limit.
    #[inline]
    pub(crate) fn longest(&self) -> Option<usize> {
        self.ready.longest.map(|longest| longest.saturating_sub(self.options.len()))
    }

    /// Shows what goes along; type of service and TTL that are 0 are left to the port.
    #[inline]
    pub(crate) fn with_passage<R>(
        &self,
        entropy: u32,
        frame_id: &mut u32,
        push: impl FnOnce(Passage<'_>) -> R,
    ) -> R {
        let (config, key) = (&self.ready.config, self.key.as_ref());
        let mut own = self.sequence.as_ref().map(|own| own.lock().unwrap_or_else(PoisonError::into_inner));
        let frame_id = own.as_deref_mut().unwrap_or(frame_id);
        let mut passage = Passage::new(config.context(key), entropy, frame_id);
        passage.options = &self.options;
        if config.gbp {
            passage.gbp =
                Some(key.map_or(Gbp::default(), |key| Gbp { id: key.gbp_id, flags: key.gbp_flags }));
        }
        if let Some(key) = key {
            passage.dscp = (key.tos != 0).then_some(key.tos >> 2);
            passage.ttl = (key.ttl != 0).then_some(key.ttl);
            passage.oam = key.flags & flag::OAM != 0;
        }
        push(passage)
    }
}

/// A tunnel port.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub config: TunnelConfig,
    /// Where the remote is fixed and the way to it known.
    ready: Option<Arc<Ready>>,
    /// Where flows choose an end.
    peers: Peers,
    /// The next number, where GRE has them.
    sequence: Option<Arc<Mutex<u32>>>,
}

impl Tunnel {
    pub(crate) fn new(config: TunnelConfig, underlay: &Underlay) -> Tunnel {
        let sequence = config.sequence.then(Arc::default);
        let mut tunnel = Tunnel { config, ready: None, peers: Peers::default(), sequence };
        tunnel.refresh(underlay, None);
        tunnel
    }

    /// Makes headers anew, after the way to a remote has changed, or (`None`) all of them have.
    pub(crate) fn refresh(&mut self, underlay: &Underlay, changed: Option<IpAddr>) {
        self.peers.forget(changed);
        let Some(remote) = self.config.remote else { return };
        if changed.is_none_or(|changed| changed == remote) {
            let local = match self.config.local {
                LocalAddress::Fixed(local) => Some(local),
                LocalAddress::Any | LocalAddress::Flow => None,
            };
            self.ready = underlay.ready(&self.config, remote, local);
        }
    }

    /// The way of a frame that a thread sends.
    #[inline]
    pub(crate) fn leave(&mut self, underlay: &Underlay, to: &Egress, thread: usize) -> Result<Leaving, Lost> {
        let Self { config, ready, peers, sequence } = self;
        let key = to.tunnel.as_deref();
        let ready = match (config.remote, config.local) {
            (Some(remote), LocalAddress::Any | LocalAddress::Fixed(_)) => {
                ready.as_ref().ok_or(Lost::NoNextHop(remote))?
            }
            (fixed, _) => {
                let remote = fixed.or_else(|| destination(key?)).ok_or(Lost::Reason("tunnel-no-remote"))?;
                peers.ready(config, remote, key.and_then(source), underlay)?
            }
        };
        let uplink = underlay.uplink(ready.slot, thread).ok_or(Lost::Reason("no-next-hop"))?;
        let (ready, uplink) = (Arc::clone(ready), Arc::clone(uplink));
        let (key, options) = (key.copied(), to.options.clone());
        Ok(Leaving { ready, uplink, key, options, sequence: sequence.clone() })
    }
}
