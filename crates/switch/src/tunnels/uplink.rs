//! A thread's own way into the underlay: a packet socket, which shares the device's frames with others by flow.

use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock};

use tulle_encap::{Outers, Pushed};
use tulle_io::{Fanout, Filter, PacketOptions, PacketSocket, Sent};
use tulle_wire::vnet::{Offload, Tunnel};
use tulle_wire::{FrameBuf, flow_hash};

use super::kind::Senders;
use super::port::Leaving;
use super::uncut::Uncut;
use crate::capture::SharedCapture;
use crate::port::outcome;

/// One of them.
#[derive(Debug)]
pub(crate) struct Uplink {
    pub socket: PacketSocket,
    pub capture: Arc<SharedCapture>,
    /// For what is to be cut within its tunnel.
    uncut: Arc<Uncut>,
    senders: Arc<Senders>,
    options: PacketOptions,
    /// The group of all uplinks of the device, once there are several.
    fanout: OnceLock<Fanout>,
}

impl Uplink {
    /// Opens the first one of a device; it gets everything, until there is another.
    pub(super) fn open(
        options: PacketOptions,
        capture: Arc<SharedCapture>,
        uncut: Arc<Uncut>,
    ) -> std::io::Result<Uplink> {
        let socket = PacketSocket::open(&options)?;
        let (senders, fanout) = (Arc::new(Senders::new()), OnceLock::new());
        Ok(Uplink { socket, capture, uncut, senders, options, fanout })
    }

    /// As [`open`](Self::open), with a socket that another process has opened.
    pub(super) fn adopt(
        socket: OwnedFd,
        options: PacketOptions,
        capture: Arc<SharedCapture>,
        uncut: Arc<Uncut>,
    ) -> std::io::Result<Uplink> {
        let socket = PacketSocket::adopt_bound(socket, options.ifindex)?;
        let (senders, fanout) = (Arc::new(Senders::new()), OnceLock::new());
        Ok(Uplink { socket, capture, uncut, senders, options, fanout })
    }

    /// The index of the device.
    pub(crate) fn device(&self) -> u32 {
        self.options.ifindex
    }

    /// Opens another one, with a filter.  Errors: InvalidInput if the calling thread is in another network namespace.
    pub(crate) fn open_share(&self, filter: Filter) -> std::io::Result<Arc<Uplink>> {
        self.socket.check_namespace()?;
        let group = self.fanout.get().copied().map_or_else(|| self.socket.found_fanout(), Ok)?;
        let _ = self.fanout.set(group);
        let options = PacketOptions { fanout: Some(group), filter: Some(filter), ..self.options.clone() };
        let socket = PacketSocket::open(&options)?;
        let (capture, uncut) = (Arc::clone(&self.capture), Arc::clone(&self.uncut));
        let (senders, fanout) = (Arc::clone(&self.senders), self.fanout.clone());
        Ok(Arc::new(Uplink { socket, capture, uncut, senders, options, fanout }))
    }

    /// Puts a frame into a tunnel and sends it; the name of the drop reason where it was lost.
    #[inline]
    pub(crate) fn send(
        &self,
        leaving: &Leaving,
        frame: &mut FrameBuf,
        offload: &Offload,
        scratch: &mut FrameBuf,
        frame_id: &mut u32,
    ) -> Result<(), &'static str> {
        let mut sent = Ok(());
        let mut emit = |outers: Outers<'_>| sent = sent.and(self.send_outers(outers));
        let ready = &leaving.ready;
        let encap = self.senders.of(ready.config.kind, ready.config.gbp);
        // Sent within, since another thread must not send a later sequence number before.
        let pushed = leaving.with_passage(flow_hash(frame.bytes()), frame_id, |mut passage| {
            passage.takes_uncut = self.uncut.takes(ready.config.kind);
            let pushed = encap.push(&ready.template, passage, frame, offload, scratch, &mut emit);
            if let Ok(Pushed::Whole(offload)) = &pushed {
                emit(Outers::whole(frame.bytes(), offload));
            }
            pushed
        });
        match pushed {
            Ok(_) => sent,
            Err(reason) => Err(reason.name()),
        }
    }

    /// Several go by one system call. Those behind one that is lost are not tried: queue or device will not take them.
    #[inline]
    fn send_outers(&self, outers: Outers<'_>) -> Result<(), &'static str> {
        if let Some(tunnel) = &outers.tunnel {
            return self.send_uncut(&outers, tunnel);
        }
        let mut frames = [(&[][..], *outers.offload); Outers::MOST];
        let mut count = 0;
        for (place, frame) in frames.iter_mut().zip(outers.frames()) {
            self.capture.write(frame);
            place.0 = frame;
            count += 1;
        }
        let result = match count {
            1 => self.socket.send(frames[0].0, outers.offload),
            _ => self.socket.send_batch(&frames[..count]).map(|(_, sent)| sent),
        };
        outcome(result)
    }

    fn send_uncut(&self, outers: &Outers<'_>, tunnel: &Tunnel) -> Result<(), &'static str> {
        let tap = self.uncut.tap().ok_or("device-down")?;
        let mut sent = Ok(());
        for frame in outers.frames() {
            self.capture.write(frame);
            let result = tap.send(frame, outers.offload, tunnel);
            if matches!(result, Err(_) | Ok(Sent::DeviceDown)) {
                self.uncut.give_up();
            }
            sent = sent.and(outcome(result));
        }
        sent
    }
}
