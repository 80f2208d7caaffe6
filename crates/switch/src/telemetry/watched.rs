//! A packet's way through the datapath while somebody looks.

use std::net::{IpAddr, Ipv4Addr};

use tulle_datapath::{Datapath, Drop, Effects, Egress, Metadata, PacketIn, TunnelKey};
use tulle_flow::Sample;
use tulle_telemetry::{Direction, Headers, Outputs, Packet, TunnelInfo};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

use super::Telemetry;
use crate::port::Link;
use crate::tunnels::{Kind, LocalAddress};
use crate::wires::Wires;

/// The end of a tunnel that its port does not say.
const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// What packets do, with a note of the ports by which they leave.
struct Watched<'a> {
    wires: &'a mut Wires,
    telemetry: &'a mut Telemetry,
    in_port: u32,
    now_ns: u64,
    outputs: Outputs,
}

/// Sends a frame through the datapath and tells the exporters of it.
#[inline(never)]
pub(super) fn process(
    datapath: &mut Datapath,
    frame: &mut FrameBuf,
    offload: &Offload,
    metadata: &Metadata,
    options: &[u8],
    now_ns: u64,
    wires: &mut Wires,
) {
    // Out of the wires, so that both can be changed at once.
    let Some(mut telemetry) = wires.telemetry.take() else { return };
    let headers = Headers::parse(frame.bytes());
    let in_port = metadata.in_port;
    let (in_ifindex, tunnel) = (wires.ifindex(in_port), tunnel_of(wires, in_port, metadata.tunnel.as_ref()));
    let mut is_sampled = false;
    if let Some(headers) = headers {
        let packet = Packet { frame: frame.bytes(), headers, in_port, in_ifindex, tunnel, now_ns };
        is_sampled = arrives(&mut telemetry, &packet);
    }
    let outputs = Outputs::default();
    let mut watched = Watched { wires, telemetry: &mut telemetry, in_port, now_ns, outputs };
    datapath.process_with_options(frame, offload, metadata, options, now_ns, &mut watched);
    let outputs = watched.outputs;
    if let Some(sflow) = telemetry.sflow.as_mut().filter(|_| is_sampled) {
        sflow.agent.complete(outputs);
    }
    if let (Some(netflow), Some(headers)) = (&mut telemetry.netflow, headers) {
        // The frame itself may be gone; its headers say all that is asked for.
        netflow.packet(&Packet { frame: &[], headers, in_port, in_ifindex, tunnel, now_ns }, outputs);
    }
    wires.telemetry = Some(telemetry);
}

/// Tells of a packet as it comes in; true where sFlow wants to know what becomes of it.
#[inline]
fn arrives(telemetry: &mut Telemetry, packet: &Packet<'_>) -> bool {
    if let Some(ipfix) = &mut telemetry.ipfix
        && ipfix.takes(Direction::Ingress)
    {
        ipfix.packet(packet, packet.tunnel, Direction::Ingress, 0);
    }
    telemetry.sflow.as_mut().is_some_and(|sflow| sflow.sample(packet))
}

impl Watched<'_> {
    /// Tells of a packet as it leaves.
    fn leaves(&mut self, to: &Egress, frame: &[u8], out_ifindex: u32) {
        let Some(ipfix) = &mut self.telemetry.ipfix else { return };
        let (true, Some(headers)) = (ipfix.takes(Direction::Egress), Headers::parse(frame)) else { return };
        let (in_port, now_ns) = (self.in_port, self.now_ns);
        let in_ifindex = self.wires.ifindex(in_port);
        let tunnel = tunnel_of(self.wires, to.port, to.tunnel.as_deref());
        let packet = Packet { frame, headers, in_port, in_ifindex, tunnel, now_ns };
        ipfix.packet(&packet, tunnel, Direction::Egress, out_ifindex);
    }
}

impl Effects for Watched<'_> {
    #[inline]
    fn output(&mut self, to: &Egress, frame: &mut FrameBuf, offload: &Offload, last: bool) {
        let out_ifindex = self.wires.ifindex(to.port);
        self.outputs.add(to.port, out_ifindex, tag_of(frame.bytes()));
        self.leaves(to, frame.bytes(), out_ifindex);
        self.wires.output(to, frame, offload, last);
    }

    fn packet_in(&mut self, frame: &[u8], offload: &Offload, info: &PacketIn) {
        self.wires.packet_in(frame, offload, info);
    }

    fn dropped(&mut self, drop: Drop, in_port: u32, length_bytes: usize) {
        self.wires.dropped(drop, in_port, length_bytes);
    }

    fn sampled(&mut self, sample: &Sample, frame: &[u8], _: &Offload, in_port: u32) {
        super::sampled(self.telemetry, self.wires, sample, frame, in_port, self.now_ns);
    }
}

/// The VLAN tag of a frame; 0 is none.
fn tag_of(frame: &[u8]) -> u16 {
    match frame {
        [_, _, _, _, _, _, _, _, _, _, _, _, 0x81, 0x00, high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    }
}

/// The tunnel behind a port; what the packet says of it comes before what the port has.
fn tunnel_of(wires: &Wires, port: u32, key: Option<&TunnelKey>) -> Option<TunnelInfo> {
    let Link::Tunnel(link) = &wires.port_at(port)?.link else { return None };
    let key = key.copied().unwrap_or_default();
    let end = |own: Ipv4Addr, other: IpAddr| match (own.is_unspecified(), other) {
        (true, IpAddr::V4(other)) => other,
        _ => own,
    };
    let config = &link.config;
    let local = if let LocalAddress::Fixed(local) = config.local { local } else { UNKNOWN };
    let (src, dst) = (end(key.src, local), end(key.dst, config.remote.unwrap_or(UNKNOWN)));
    let (protocol, kind) = carrier(config.kind);
    Some(TunnelInfo { src, dst, protocol, port: config.dst_port, id: key.id, kind })
}

/// What carries an encapsulation: IP protocol, and its number among Open vSwitch's IPFIX elements (`tunnelType`).
fn carrier(kind: Kind) -> (u8, u8) {
    match kind {
        Kind::Vxlan => (17, 1),
        Kind::Gre | Kind::Nvgre => (47, 2),
        Kind::Stt => (6, 4),
        Kind::Geneve => (17, 7),
    }
}
