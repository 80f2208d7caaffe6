//! Tunnels and the underlay that carries them: one packet socket for all, a next hop for each remote.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use tulle_encap::stt::Limits;
use tulle_encap::{Encap, Endpoints, Passage, Pushed, Stt, Template, TunnelOptions, Vxlan};
use tulle_io::clock::realtime_ns;
use tulle_io::{Device, Filter, GuardOptions, PacketOptions, PacketSocket, PortGuard};
use tulle_wire::vnet::Offload;
use tulle_wire::{FrameBuf, Mac, flow_hash};

use crate::capture::Capture;
use crate::error::SwitchError;
use crate::port::outcome;
use crate::switch::UnderlayOptions;

/// The encapsulations that exist; the place to name a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Stt,
    Vxlan,
}

impl Kind {
    pub(crate) fn from_name(name: &str) -> Result<Kind, SwitchError> {
        match name {
            "stt" => Ok(Kind::Stt),
            "vxlan" => Ok(Kind::Vxlan),
            _ => Err(SwitchError::UnknownEncapsulation(name.to_owned())),
        }
    }
}

/// Every encapsulation once.  Sending uses one set, receiving another: only receiving has state.
pub(crate) struct Encapsulations {
    stt: Stt,
    vxlan: Vxlan,
    stt_port: u16,
    vxlan_port: u16,
}

impl Encapsulations {
    pub(crate) fn new(options: &UnderlayOptions) -> Encapsulations {
        Encapsulations {
            stt: Stt::new(options.stt_port, Limits::default()),
            vxlan: Vxlan::new(options.vxlan_port, true),
            stt_port: options.stt_port,
            vxlan_port: options.vxlan_port,
        }
    }

    pub(crate) fn of(&mut self, kind: Kind) -> &mut dyn Encap {
        match kind {
            Kind::Stt => &mut self.stt,
            Kind::Vxlan => &mut self.vxlan,
        }
    }

    fn sender(&self, kind: Kind) -> (&dyn Encap, u16) {
        match kind {
            Kind::Stt => (&self.stt, self.stt_port),
            Kind::Vxlan => (&self.vxlan, self.vxlan_port),
        }
    }
}

impl std::fmt::Debug for Encapsulations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encapsulations").finish_non_exhaustive()
    }
}

/// A tunnel port: the peer, and its headers once the next hop is known.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub kind: Kind,
    pub local: Ipv4Addr,
    pub remote: Ipv4Addr,
    pub template: Option<Template>,
}

/// The device that carries the tunnels.
#[derive(Debug)]
pub(crate) struct Underlay {
    pub socket: PacketSocket,
    pub options: UnderlayOptions,
    pub capture: Option<Capture>,
    ifindex: u32,
    mac: Mac,
    senders: Encapsulations,
    next_hops: HashMap<Ipv4Addr, Mac>,
    frame_id: u32,
    _guard: PortGuard,
}

impl Underlay {
    /// Opens the device in the network namespace of the calling thread.
    pub(crate) fn open(options: UnderlayOptions) -> Result<Underlay, SwitchError> {
        let wrap = |source| SwitchError::Device { name: options.device.clone(), source };
        let device = Device::open(&options.device).map_err(wrap)?;
        let (tcp, udp) = ([options.stt_port], [options.vxlan_port]);
        let guard_options =
            GuardOptions { local: options.local, tcp_ports: tcp.to_vec(), udp_ports: udp.to_vec() };
        let mut packet_options = PacketOptions::device(device.index());
        packet_options.filter = Some(Filter::tunnel_packets(options.local, &tcp, &udp));
        Ok(Underlay {
            socket: PacketSocket::open(&packet_options).map_err(wrap)?,
            ifindex: device.index(),
            mac: device.mac().map_err(wrap)?,
            _guard: PortGuard::new(&guard_options).map_err(wrap)?,
            senders: Encapsulations::new(&options),
            capture: None,
            next_hops: HashMap::new(),
            // After a restart, ids must not meet those of frames that are still being put together.
            frame_id: realtime_ns() as u32,
            options,
        })
    }

    /// True where these options would open the very same device again; one made anew has another index.
    pub(crate) fn is(&self, options: &UnderlayOptions, ifindex: u32) -> bool {
        self.options == *options && self.ifindex == ifindex
    }

    /// The headers towards a peer, where its next hop is known.
    pub(crate) fn template(&self, kind: Kind, local: Ipv4Addr, remote: Ipv4Addr) -> Option<Template> {
        let remote_mac = *self.next_hops.get(&remote)?;
        let (encap, port) = self.senders.sender(kind);
        let (local, remote) = (local.into(), remote.into());
        let ends = Endpoints { local, remote, local_mac: self.mac, remote_mac };
        encap.template(&ends, &TunnelOptions::new(self.options.mtu, port)).ok()
    }

    pub(crate) fn set_next_hop(&mut self, remote: Ipv4Addr, mac: Option<Mac>) {
        match mac {
            Some(mac) => self.next_hops.insert(remote, mac),
            None => self.next_hops.remove(&remote),
        };
    }

    /// Puts a frame into a tunnel and sends it; the name of the drop reason where it was lost.
    #[inline]
    pub(crate) fn send(
        &mut self,
        kind: Kind,
        template: &Template,
        context: u64,
        frame: &mut FrameBuf,
        offload: &Offload,
        scratch: &mut FrameBuf,
    ) -> Result<(), &'static str> {
        let Self { socket, capture, senders, frame_id, .. } = self;
        let passage = Passage::new(context, flow_hash(frame.bytes()), frame_id);
        let mut sent = Ok(());
        let mut emit = |outer: &[u8], offload: &Offload| {
            if let Some(capture) = capture.as_mut() {
                capture.write(outer);
            }
            let one = outcome(socket.send(outer, offload));
            sent = sent.and(one);
        };
        let (encap, _) = senders.sender(kind);
        match encap.push(template, passage, frame, offload, scratch, &mut emit) {
            Ok(Pushed::Whole(offload)) => emit(frame.bytes(), &offload),
            Ok(Pushed::Cut(_)) => {}
            Err(reason) => return Err(reason.name()),
        }
        sent
    }
}

/// Which encapsulation an outer frame that passed the socket's filter belongs to.
#[inline]
pub(crate) fn kind_of(outer: &[u8]) -> Option<Kind> {
    match outer.get(23) {
        Some(6) => Some(Kind::Stt),
        Some(17) => Some(Kind::Vxlan),
        _ => None,
    }
}
