//! A tunnel port, as seen by what is sent.

use std::net::IpAddr;

use tulle_datapath::{Egress, TunnelKey};
use tulle_encap::{Gbp, Passage, Template};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

use super::peers::{Peers, destination, source};
use super::{LocalAddress, TunnelConfig, Underlay, flag};

/// Headers that lack nothing but what differs from frame to frame, and the device that they leave by.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    pub template: Template,
    pub slot: usize,
}

/// Why a frame was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// For this reason.
    Reason(&'static str),
    /// No way to this remote is known.
    NoNextHop(IpAddr),
}

/// What the headers say of one frame.
#[derive(Debug)]
pub(crate) struct Leaving<'a> {
    pub config: &'a TunnelConfig,
    pub ready: &'a Ready,
    /// What flows have set.
    pub key: Option<&'a TunnelKey>,
    /// Geneve's options, as they stand on the wire.
    pub options: &'a [u8],
    /// The tunnel's own counter, where it has one.
    pub sequence: Option<&'a mut u32>,
}

impl Leaving<'_> {
    /// What goes along; type of service and TTL that are 0 are left to the port.
    #[inline]
    pub(crate) fn passage<'b>(&'b mut self, entropy: u32, frame_id: &'b mut u32) -> Passage<'b> {
        let Self { config, key, .. } = self;
        let frame_id = self.sequence.as_deref_mut().unwrap_or(frame_id);
        let mut passage = Passage::new(config.context(*key), entropy, frame_id);
        passage.options = self.options;
        if config.gbp {
            passage.gbp =
                Some(key.map_or(Gbp::default(), |key| Gbp { id: key.gbp_id, flags: key.gbp_flags }));
        }
        if let Some(key) = key {
            passage.dscp = (key.tos != 0).then_some(key.tos >> 2);
            passage.ttl = (key.ttl != 0).then_some(key.ttl);
            passage.oam = key.flags & flag::OAM != 0;
        }
        passage
    }
}

/// A tunnel port.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub config: TunnelConfig,
    /// Where the remote is fixed and the way to it known.
    ready: Option<Ready>,
    /// Where flows choose an end.
    peers: Peers,
    /// The next number, where GRE has them.
    sequence: u32,
}

impl Tunnel {
    pub(crate) fn new(config: TunnelConfig, underlay: &Underlay) -> Tunnel {
        let mut tunnel = Tunnel { config, ready: None, peers: Peers::default(), sequence: 0 };
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

    /// Sends a frame.
    #[inline]
    pub(crate) fn send(
        &mut self,
        underlay: &mut Underlay,
        to: &Egress,
        frame: &mut FrameBuf,
        offload: &Offload,
        scratch: &mut FrameBuf,
    ) -> Result<(), Lost> {
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
        let sequence = config.sequence.then_some(sequence);
        let leaving = Leaving { config, ready, key, options: &to.options, sequence };
        underlay.send(leaving, frame, offload, scratch).map_err(Lost::Reason)
    }
}
