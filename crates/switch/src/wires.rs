//! Everything that carries frames away from the datapath: ports, tunnels, the controllers.

use std::net::IpAddr;
use std::sync::Arc;

use tulle_datapath::{Drop, DropReason, Effects, Egress, PacketIn};
use tulle_flow::Sample;
use tulle_io::Outgoing;
use tulle_io::clock::monotonic_ns;
use tulle_wire::vnet::{GsoKind, Offload};
use tulle_wire::{FrameBuf, Layers, finish_checksum, tcp_segments_within};

use crate::capture::Capture;
use crate::counters::Losses;
use crate::error::SwitchError;
use crate::lane::Lane;
use crate::notice::{Notice, PacketNotice};
use crate::outbox::{Event, Outbox};
use crate::patch::PatchPeer;
use crate::port::{Link, Port, number_in, slot};
use crate::queueing::priority;
use crate::sender::Sender;
use crate::sessions::Sessions;
use crate::snoopers::Snoopers;
use crate::telemetry::{self, Telemetry};
use crate::too_big::{Origin, exceeds};
use crate::tunnels::{Lost, Underlay};
use crate::watch::DirectPort;

/// The ports by number, and what they share.
#[derive(Debug)]
pub(crate) struct Wires {
    pub ports: Vec<Option<Port>>,
    pub underlay: Underlay,
    pub sessions: Sessions,
    pub snoopers: Snoopers,
    pub losses: Losses,
    pub outbox: Outbox,
    /// What collectors are told of packets, where there are any.
    pub telemetry: Option<Box<Telemetry>>,
    /// The present frame as it came, where its sender is to hear of what it is too long for.
    pub origin: Origin,
    /// Patch ports that the present frame has crossed.
    pub crossings: u8,
    /// Of the thread that has the engine now.
    pub sender: Box<Sender>,
}

impl Wires {
    pub(crate) fn new(outbox: Outbox) -> Wires {
        Wires {
            ports: Vec::new(),
            underlay: Underlay::new(),
            sessions: Sessions::default(),
            snoopers: Snoopers::default(),
            losses: Losses::default(),
            outbox,
            telemetry: None,
            origin: Origin::nobody(),
            crossings: 0,
            sender: Sender::new(0),
        }
    }

    #[inline]
    pub(crate) fn port(&mut self, number: u32) -> Option<&mut Port> {
        self.ports.get_mut(slot(number))?.as_mut()
    }

    /// The same, to look at.
    #[inline]
    pub(crate) fn port_at(&self, number: u32) -> Option<&Port> {
        self.ports.get(slot(number))?.as_ref()
    }

    /// The kernel's index of a port's device; 0 where there is none.
    #[inline]
    pub(crate) fn ifindex(&self, number: u32) -> u32 {
        self.port_at(number).map_or(0, |port| port.ifindex)
    }

    /// All ports with their numbers.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (u32, &Port)> {
        self.ports.iter().enumerate().filter_map(|(at, port)| Some((number_in(at), port.as_ref()?)))
    }

    /// Makes the headers of tunnels anew, after the way to a remote has changed, or (`None`) any may have.
    pub(crate) fn refresh_tunnels(&mut self, changed: Option<IpAddr>) {
        for port in self.ports.iter_mut().flatten() {
            if let Link::Tunnel(tunnel) = &mut port.link {
                tunnel.refresh(&self.underlay, changed);
            }
        }
    }

    /// Puts a capture in place, or takes it away, and gives the one that was there.
    pub(crate) fn set_capture(
        &mut self,
        number: Option<u32>,
        capture: Option<Capture>,
    ) -> Result<Option<Capture>, SwitchError> {
        let before = match number {
            Some(number) => self.port(number).map(|port| std::mem::replace(&mut port.capture, capture)),
            None => Some(self.underlay.capture.replace(capture)),
        };
        before.ok_or(SwitchError::NoPort(number.unwrap_or(0)))
    }

    /// Stages a frame for a port; the drop reason's name where it was lost.
    #[inline]
    pub(crate) fn send(
        &mut self,
        to: &Egress,
        frame: &mut FrameBuf,
        offload: &Offload,
    ) -> Result<(), &'static str> {
        let (number, queue) = (to.port, to.queue);
        let Self { ports, underlay, sender, .. } = self;
        let Some(port) = ports.get_mut(slot(number)).and_then(Option::as_mut) else {
            return Err("unknown-port");
        };
        if offload.gso != GsoKind::None && !matches!(port.link, Link::Patch(_)) && is_hidden(frame.bytes()) {
            return self.send_cut(to, frame.bytes(), offload);
        }
        let length = frame.len();
        port.enqueue(queue, frame)?;
        port.record(frame.bytes());
        let mut too_long_for = None;
        let result = match &mut port.link {
            Link::Device(lanes) => {
                // Where there are fewer lanes than threads, several share one.
                match lanes.get(sender.thread).or_else(|| lanes.get(sender.thread % lanes.len().max(1))) {
                    Some(lane) => {
                        sender.stage(number, lane, frame, offload, priority(queue));
                        Ok(())
                    }
                    None => Err("device-failed"),
                }
            }
            Link::Patch(Some(peer)) => PatchPeer::send(peer, self.crossings, frame, offload),
            Link::Patch(None) => Err("patch-no-peer"),
            Link::Tunnel(link) => match link.leave(underlay, to, sender.thread) {
                Ok(leaving) if leaving.longest().is_some_and(|longest| exceeds(frame, offload, longest)) => {
                    too_long_for = leaving.longest();
                    Err("tunnel-too-big")
                }
                Ok(leaving) => {
                    sender.stage_tunnel(number, leaving, frame, offload);
                    Ok(())
                }
                Err(Lost::Reason(reason)) => Err(reason),
                Err(Lost::NoNextHop(remote)) => {
                    if underlay.may_ask(remote) {
                        self.outbox.tell(Event::NextHopNeeded(remote));
                    }
                    Err("no-next-hop")
                }
            },
        };
        match result {
            Ok(()) => port.counters.sent(length),
            Err(_) => port.counters.tx_dropped += 1,
        }
        // Nobody is to hear of the way of a mirror's copy.
        if let Some(longest) = too_long_for.filter(|_| !to.is_mirrored) {
            self.answer_too_big(frame.bytes(), longest);
        }
        result
    }

    /// Cuts a long frame here, and stages the pieces: behind such headers neither a kernel nor a tunnel would find what
    /// is to be cut.
    #[cold]
    #[inline(never)]
    fn send_cut(&mut self, to: &Egress, frame: &[u8], offload: &Offload) -> Result<(), &'static str> {
        let mut lost = Ok(());
        let done = match offload.gso {
            GsoKind::UdpL4 => Err(tulle_encap::DropReason::UdpSegmentation.name()),
            _ => tcp_segments_within(frame, offload.gso_size, &mut FrameBuf::new(), |piece| {
                // All but the last loss are counted here, that one by the caller.
                if let Err(reason) = std::mem::replace(&mut lost, self.send(to, piece, &Offload::default())) {
                    self.losses.count(to.port, reason);
                }
            })
            .map_err(|_| DropReason::BadOffload.name()),
        };
        if let (Err(_), Some(port)) = (done, self.port(to.port)) {
            port.counters.tx_dropped += 1;
        }
        done.and(lost)
    }

    /// Counts what was staged, and so counted as sent, and has been lost.
    pub(crate) fn settle(&mut self) {
        for lost in self.sender.take_lost() {
            let Some(number) = lost.port else {
                self.losses.count_many(0, lost.reason, lost.packets);
                continue;
            };
            // What was lost at a port that is gone went with its counters.
            if let Some(port) = self.port(number) {
                port.counters.lost_after_all(lost.packets, lost.bytes);
                self.losses.count_many(number, lost.reason, lost.packets);
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

    /// The lanes of ports that may send directly.
    pub(crate) fn direct_ports(&self) -> Vec<DirectPort> {
        self.numbered().flat_map(|(number, port)| port.direct_ports(number)).collect()
    }

    /// Changes how a port sends, if it is still the same device.  Gives what is no longer needed.
    pub(crate) fn replace_outgoing(&mut self, which: DirectPort, outgoing: Outgoing) -> Outgoing {
        // Meanwhile direct sending may have been forbidden.
        let allowed = !outgoing.is_direct() || self.port(which.number).is_some_and(|port| port.may_be_direct);
        match self.same_lane(which).and_then(|lane| lane.device()) {
            Some(mut device) if allowed => device.replace_outgoing(outgoing),
            _ => outgoing,
        }
    }

    /// Tells a port what its device takes, if it is still the same device.
    pub(crate) fn set_mtu(&mut self, which: DirectPort, mtu: u32) {
        if let Some(mut device) = self.same_lane(which).and_then(|lane| lane.device()) {
            device.set_mtu(mtu);
        }
    }

    fn same_lane(&mut self, which: DirectPort) -> Option<&Arc<Lane>> {
        let is_same =
            |lane: &&Arc<Lane>| lane.device().is_some_and(|device| device.inode().ok() == Some(which.inode));
        self.port(which.number)?.lanes().iter().find(is_same)
    }

    /// The slots of all receive rings.
    pub(crate) fn ring_slots(&self) -> usize {
        self.ports.iter().flatten().map(Port::ring_slots).sum()
    }
}

/// Whether a packet lies behind headers that those who cut long frames do not look behind.
#[inline]
fn is_hidden(frame: &[u8]) -> bool {
    Layers::parse(frame).is_none() && Layers::parse_within(frame).is_some()
}

impl Effects for Wires {
    #[inline]
    fn output(&mut self, to: &Egress, frame: &mut FrameBuf, offload: &Offload, _: bool) {
        if let Err(reason) = self.send(to, frame, offload) {
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

    fn sampled(&mut self, sample: &Sample, frame: &[u8], _: &Offload, in_port: u32) {
        let Some(mut telemetry) = self.telemetry.take() else { return };
        telemetry::sampled(&mut telemetry, self, sample, frame, in_port, monotonic_ns());
        self.telemetry = Some(telemetry);
    }
}
