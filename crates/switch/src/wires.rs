//! Everything that carries frames away from the datapath: ports, tunnels, the controllers.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use tulle_datapath::{Drop, Effects, Egress, PacketIn, TunnelKey};
use tulle_io::{DevicePort, Outgoing};
use tulle_wire::vnet::Offload;
use tulle_wire::{FrameBuf, finish_checksum};

use crate::capture::Capture;
use crate::counters::Losses;
use crate::error::SwitchError;
use crate::notice::{Notice, PacketNotice};
use crate::outbox::{Event, Outbox};
use crate::patch::{PatchInbox, PatchPeer};
use crate::port::{Link, Port, number_in, outcome, slot};
use crate::sessions::Sessions;
use crate::tunnels::{Kind, Underlay};
use crate::watch::DirectPort;

/// The ports by number, and what they share.
#[derive(Debug)]
pub(crate) struct Wires {
    pub ports: Vec<Option<Port>>,
    pub underlay: Option<Underlay>,
    pub peers: HashMap<(Kind, Ipv4Addr), u32>,
    pub sessions: Sessions,
    pub losses: Losses,
    pub outbox: Outbox,
    pub inbox: Arc<PatchInbox>,
    /// Patch ports that the present frame has crossed.
    pub crossings: u8,
    /// Ports that have frames to flush.
    unflushed: Vec<u32>,
    scratch: FrameBuf,
}

impl Wires {
    pub(crate) fn new(outbox: Outbox, inbox: Arc<PatchInbox>) -> Wires {
        Wires {
            ports: Vec::new(),
            underlay: None,
            peers: HashMap::new(),
            sessions: Sessions::default(),
            losses: Losses::default(),
            outbox,
            inbox,
            crossings: 0,
            unflushed: Vec::new(),
            scratch: FrameBuf::new(),
        }
    }

    #[inline]
    pub(crate) fn port(&mut self, number: u32) -> Option<&mut Port> {
        self.ports.get_mut(slot(number))?.as_mut()
    }

    /// All ports with their numbers.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (u32, &Port)> {
        self.ports.iter().enumerate().filter_map(|(at, port)| Some((number_in(at), port.as_ref()?)))
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
        let Some(port) = self.ports.get_mut(slot(number)).and_then(Option::as_mut) else {
            return Err("unknown-port");
        };
        port.record(frame.bytes());
        let length = frame.len();
        let was_flushed = port.is_flushed();
        let result = match &mut port.link {
            Link::Tap(tap) => outcome(tap.send(frame.bytes(), offload)),
            Link::Device(device) => outcome(device.send(frame.bytes(), offload)),
            Link::Patch(Some(peer)) => PatchPeer::send(peer, self.crossings, frame, offload),
            Link::Patch(None) => Err("patch-no-peer"),
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
        if was_flushed && !port.is_flushed() {
            self.unflushed.push(number);
        }
        result
    }

    /// Sends what waits at the ports.  To be called after each batch of frames.
    pub(crate) fn flush(&mut self) {
        while let Some(number) = self.unflushed.pop() {
            let Some(port) = self.port(number) else { continue };
            if let Err((frames, reason)) = port.flush() {
                self.losses.count_many(number, reason, u64::from(frames));
            }
        }
    }

    /// Counts what the kernel has dropped because the switch was too slow.
    pub(crate) fn count_missed(&mut self) {
        let Self { ports, losses, .. } = self;
        for (at, port) in ports.iter_mut().enumerate() {
            match port.as_mut().map_or(0, Port::missed) {
                0 => {}
                missed => losses.count_many(number_in(at), "device-queue-overflow", u64::from(missed)),
            }
        }
    }

    /// The ports that may send directly.
    pub(crate) fn direct_ports(&self) -> Vec<DirectPort> {
        self.numbered().filter_map(|(number, port)| port.direct_port(number)).collect()
    }

    /// Changes how a port sends, if it is still the same device.  Gives what is no longer needed.
    pub(crate) fn replace_outgoing(&mut self, which: DirectPort, outgoing: Outgoing) -> Outgoing {
        self.flush();
        match self.same_device(which) {
            Some(device) => device.replace_outgoing(outgoing),
            None => outgoing,
        }
    }

    /// Tells a port what its device takes, if it is still the same device.
    pub(crate) fn set_mtu(&mut self, which: DirectPort, mtu: u32) {
        if let Some(device) = self.same_device(which) {
            device.set_mtu(mtu);
        }
    }

    fn same_device(&mut self, which: DirectPort) -> Option<&mut DevicePort> {
        match &mut self.port(which.number)?.link {
            Link::Device(device) if device.inode().ok() == Some(which.inode) => Some(device),
            _ => None,
        }
    }

    /// The slots of all receive rings.
    pub(crate) fn ring_slots(&self) -> usize {
        self.ports.iter().flatten().map(Port::ring_slots).sum()
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
        if self.sessions.is_empty() {
            return self.losses.count(0, "packet-in-lost");
        }
        let mut whole = frame.to_vec();
        if offload.needs_csum {
            let _ = finish_checksum(&mut whole, offload.csum_start, offload.csum_offset);
        }
        let total_len = whole.len();
        let notice = Notice::PacketIn(Arc::new(PacketNotice {
            frame: whole,
            total_len,
            max_len: info.max_len,
            table: info.table,
            cookie: info.cookie,
            reason: info.reason,
            key: info.key,
            options: info.options.clone(),
            controller: info.controller,
            userdata: info.userdata.clone(),
            pause: info.pause.clone(),
        }));
        if let Some(place) = &info.pause {
            self.sessions.pause(place);
        }
        if !self.sessions.tell(notice) {
            self.losses.count(0, "packet-in-lost");
        }
    }

    #[inline]
    fn dropped(&mut self, _: Drop, _: u32, _: usize) {
        // The datapath has counted it; `Switch::drops` puts both counts together.
    }
}
