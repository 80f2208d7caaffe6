//! Everything that carries frames away from the datapath: ports, tunnels, the controllers.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use tulle_datapath::{Drop, Effects, Egress, PacketIn, PacketInReason, TunnelKey};
use tulle_wire::vnet::Offload;
use tulle_wire::{FrameBuf, finish_checksum};

use crate::capture::Capture;
use crate::counters::Losses;
use crate::error::SwitchError;
use crate::packet_in::{Event, Outbox, PacketInQueue, QueuedPacketIn, enqueue};
use crate::port::{Link, Port, outcome};
use crate::tunnels::{Kind, Underlay};

/// The ports by number, and what they share.
#[derive(Debug)]
pub(crate) struct Wires {
    pub ports: Vec<Option<Port>>,
    pub underlay: Option<Underlay>,
    pub peers: HashMap<(Kind, Ipv4Addr), u32>,
    pub sessions: Vec<PacketInQueue>,
    pub losses: Losses,
    pub outbox: Outbox,
    scratch: FrameBuf,
}

impl Wires {
    pub(crate) fn new(outbox: Outbox) -> Wires {
        Wires {
            ports: Vec::new(),
            underlay: None,
            peers: HashMap::new(),
            sessions: Vec::new(),
            losses: Losses::default(),
            outbox,
            scratch: FrameBuf::new(),
        }
    }

    #[inline]
    pub(crate) fn port(&mut self, number: u32) -> Option<&mut Port> {
        self.ports.get_mut(number as usize)?.as_mut()
    }

    /// Makes the headers of all tunnels anew, after the underlay or a next hop has changed.
    pub(crate) fn refresh_templates(&mut self) {
        for port in self.ports.iter_mut().flatten() {
            if let Link::Tunnel(tunnel) = &mut port.link {
                let underlay = self.underlay.as_ref();
                tunnel.template =
                    underlay.and_then(|underlay| underlay.template(tunnel.kind, tunnel.local, tunnel.remote));
            }
        }
    }

    /// Puts a capture in place, or takes it away, and gives the one that was there.
    pub(crate) fn set_capture(
        &mut self,
        number: Option<u32>,
        capture: Option<Capture>,
    ) -> Result<Option<Capture>, SwitchError> {
        let place = match number {
            Some(number) => self.port(number).map(|port| &mut port.capture),
            None => self.underlay.as_mut().map(|underlay| &mut underlay.capture),
        };
        let place = place.ok_or(SwitchError::NoPort(number.unwrap_or(0)))?;
        Ok(std::mem::replace(place, capture))
    }

    /// Sends a frame out of a port; the drop reason's name where it was lost.
    #[inline]
    fn send(
        &mut self,
        number: u32,
        tunnel: Option<TunnelKey>,
        frame: &mut FrameBuf,
        offload: &Offload,
    ) -> Result<(), &'static str> {
        let Some(port) = self.ports.get_mut(number as usize).and_then(Option::as_mut) else {
            return Err("unknown-port");
        };
        port.record(frame.bytes());
        let length = frame.len();
        let result = match &port.link {
            Link::Tap(tap) => outcome(tap.send(frame.bytes(), offload)),
            Link::Packet(socket) => outcome(socket.send(frame.bytes(), offload)),
            Link::Tunnel(link) => match (&mut self.underlay, &link.template) {
                (Some(underlay), Some(template)) => {
                    let context = tunnel.map_or(0, |key| key.id);
                    underlay.send(link.kind, template, context, frame, offload, &mut self.scratch)
                }
                _ => {
                    self.outbox.tell(Event::NextHopNeeded(link.remote));
                    Err("no-next-hop")
                }
            },
        };
        match result {
            Ok(()) => port.counters.sent(length),
            Err(_) => port.counters.tx_dropped += 1,
        }
        result
    }
}

impl Effects for Wires {
    #[inline]
    fn output(&mut self, to: &Egress, frame: &mut FrameBuf, offload: &Offload, _: bool) {
        if let Err(reason) = self.send(to.port, to.tunnel.as_deref().copied(), frame, offload) {
            self.losses.count(to.port, reason);
        }
    }

    fn packet_in(&mut self, frame: &[u8], offload: &Offload, info: &PacketIn) {
        // Controllers hear of these only where they have asked for it (OpenFlow 1.3.5 section 7.3.10).
        if info.reason == PacketInReason::InvalidTtl {
            return;
        }
        let mut whole = frame.to_vec();
        if offload.needs_csum {
            let _ = finish_checksum(&mut whole, offload.csum_start, offload.csum_offset);
        }
        let total_len = whole.len();
        whole.truncate(usize::from(info.max_len));
        let (table, cookie, key) = (info.table, info.cookie, info.key);
        let packet = Arc::new(QueuedPacketIn { frame: whole, total_len, table, cookie, key });
        let mut lost = self.sessions.is_empty();
        for session in &self.sessions {
            lost |= !enqueue(session, &packet);
        }
        if lost {
            self.losses.count(0, "packet-in-lost");
        }
        self.outbox.tell(Event::PacketInQueued);
    }

    #[inline]
    fn dropped(&mut self, _: Drop, _: u32, _: usize) {
        // The datapath has counted it; `Switch::drops` puts both counts together.
    }
}
