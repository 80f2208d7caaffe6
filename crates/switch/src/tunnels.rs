//! Tunnels and the underlay that carries them: a packet socket for each thread, a next hop for each remote.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};

use tulle_encap::stt::Limits;
use tulle_encap::{Encap, Endpoints, Pushed, Stt, Template, TunnelOptions, Vxlan};
use tulle_io::{Device, Fanout, Filter, GuardOptions, PacketOptions, PacketSocket, PortGuard};
use tulle_wire::vnet::Offload;
use tulle_wire::{FrameBuf, Mac, flow_hash};

use crate::capture::SharedCapture;
use crate::error::SwitchError;
use crate::port::outcome;
use crate::sender::Passage;
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
        Encapsulations::on_ports(options.stt_port, options.vxlan_port)
    }

    fn on_ports(stt_port: u16, vxlan_port: u16) -> Encapsulations {
        let (stt, vxlan) = (Stt::new(stt_port, Limits::default()), Vxlan::new(vxlan_port, true));
        Encapsulations { stt, vxlan, stt_port, vxlan_port }
    }

    /// The same, having received nothing yet.
    fn anew(&self) -> Encapsulations {
        Encapsulations::on_ports(self.stt_port, self.vxlan_port)
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
    pub template: Option<Arc<Template>>,
}

/// A thread's own way into the underlay.
#[derive(Debug)]
pub(crate) struct Uplink {
    pub socket: PacketSocket,
    pub capture: Arc<SharedCapture>,
    senders: Arc<Encapsulations>,
    options: PacketOptions,
    /// The group of all uplinks of the device, once there are several.
    fanout: OnceLock<Fanout>,
}

impl Uplink {
    /// Opens the device; it gets everything, until there is another one.
    fn open(options: PacketOptions, senders: Encapsulations) -> std::io::Result<Uplink> {
        let socket = PacketSocket::open(&options)?;
        let (capture, senders, fanout) = (Arc::default(), Arc::new(senders), OnceLock::new());
        Ok(Uplink { socket, capture, senders, options, fanout })
    }

    /// Opens it once more: from now on each outer flow comes by one of them.  Errors: InvalidInput if the calling
    /// thread is in another network namespace.
    pub(crate) fn open_share(&self) -> std::io::Result<Arc<Uplink>> {
        self.socket.check_namespace()?;
        let group = self.fanout.get().copied().map_or_else(|| self.socket.found_fanout(), Ok)?;
        let options = PacketOptions { fanout: Some(group), ..self.options.clone() };
        let socket = PacketSocket::open(&options)?;
        let (capture, senders) = (Arc::clone(&self.capture), Arc::clone(&self.senders));
        let fanout = self.fanout.clone();
        let _ = self.fanout.set(group);
        Ok(Arc::new(Uplink { socket, capture, senders, options, fanout }))
    }

    /// What takes apart the frames that come by it.
    pub(crate) fn receivers(&self) -> Encapsulations {
        self.senders.anew()
    }

    /// Puts a frame into a tunnel and sends it; the name of the drop reason where it was lost.
    #[inline]
    pub(crate) fn send(
        &self,
        passage: &Passage,
        frame: &mut FrameBuf,
        offload: &Offload,
        scratch: &mut FrameBuf,
        frame_id: &mut u32,
    ) -> Result<(), &'static str> {
        let Passage { kind, template, context, .. } = passage;
        let entropy = flow_hash(frame.bytes());
        let along = tulle_encap::Passage { context: *context, entropy, frame_id };
        let mut sent = Ok(());
        let mut emit = |outer: &[u8], offload: &Offload| {
            self.capture.write(outer);
            let one = outcome(self.socket.send(outer, offload));
            sent = sent.and(one);
        };
        let (encap, _) = self.senders.sender(*kind);
        match encap.push(template, along, frame, offload, scratch, &mut emit) {
            Ok(Pushed::Whole(offload)) => emit(frame.bytes(), &offload),
            Ok(Pushed::Cut(_)) => {}
            Err(reason) => return Err(reason.name()),
        }
        sent
    }
}

/// The device that carries the tunnels.
#[derive(Debug)]
pub(crate) struct Underlay {
    pub options: UnderlayOptions,
    pub capture: Arc<SharedCapture>,
    /// One for each thread.
    pub uplinks: Vec<Arc<Uplink>>,
    ifindex: u32,
    mac: Mac,
    senders: Arc<Encapsulations>,
    next_hops: HashMap<Ipv4Addr, Mac>,
    _guard: PortGuard,
}

impl Underlay {
    /// Opens the device in the network namespace of the calling thread, for so many threads of the switch.
    pub(crate) fn open(options: UnderlayOptions, threads: usize) -> Result<Underlay, SwitchError> {
        let wrap = |source| SwitchError::Device { name: options.device.clone(), source };
        let device = Device::open(&options.device).map_err(wrap)?;
        let (tcp, udp) = ([options.stt_port], [options.vxlan_port]);
        let guard_options =
            GuardOptions { local: options.local, tcp_ports: tcp.to_vec(), udp_ports: udp.to_vec() };
        let mut packet_options = PacketOptions::device(device.index());
        packet_options.filter = Some(Filter::tunnel_packets(options.local, &tcp, &udp));
        let first = Uplink::open(packet_options, Encapsulations::new(&options)).map_err(wrap)?;
        let mut uplinks = vec![Arc::new(first)];
        while uplinks.len() < threads {
            uplinks.push(uplinks[0].open_share().map_err(wrap)?);
        }
        Ok(Underlay {
            capture: Arc::clone(&uplinks[0].capture),
            senders: Arc::clone(&uplinks[0].senders),
            uplinks,
            ifindex: device.index(),
            mac: device.mac().map_err(wrap)?,
            next_hops: HashMap::new(),
            _guard: PortGuard::new(&guard_options).map_err(wrap)?,
            options,
        })
    }

    /// The uplink of a thread; several share one where there are fewer.
    #[inline]
    pub(crate) fn uplink(&self, thread: usize) -> Option<&Arc<Uplink>> {
        self.uplinks.get(thread).or_else(|| self.uplinks.first())
    }

    /// True where these options would open the very same device again; one made anew has another index.
    pub(crate) fn is(&self, options: &UnderlayOptions, ifindex: u32) -> bool {
        self.options == *options && self.ifindex == ifindex
    }

    /// The headers towards a peer, where its next hop is known.
    pub(crate) fn template(&self, kind: Kind, local: Ipv4Addr, remote: Ipv4Addr) -> Option<Arc<Template>> {
        let remote_mac = *self.next_hops.get(&remote)?;
        let (encap, port) = self.senders.sender(kind);
        let ends = Endpoints { local, remote, local_mac: self.mac, remote_mac };
        Some(Arc::new(encap.template(&ends, &TunnelOptions::new(self.options.mtu, port))))
    }

    pub(crate) fn set_next_hop(&mut self, remote: Ipv4Addr, mac: Option<Mac>) {
        match mac {
            Some(mac) => self.next_hops.insert(remote, mac),
            None => self.next_hops.remove(&remote),
        };
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
