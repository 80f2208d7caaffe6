//! Keeps what the datapath wants done, and makes flows from text.

use tulle_datapath::{
    Command, Datapath, Drop, DropReason, Effects, Egress, FlowFilter, FlowMod, Metadata, PacketIn, TunnelKey,
};
use tulle_flow::Sample;
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // a test keeps few of them
pub enum Effect {
    Output { port: u32, queue: Option<u32>, tunnel: Option<TunnelKey>, frame: Vec<u8>, offload: Offload },
    PacketIn { frame: Vec<u8>, info: Box<PacketIn> },
    Dropped { drop: Drop, in_port: u32, bytes: usize },
    Sampled { sample: Sample, frame: Vec<u8>, in_port: u32 },
}

#[derive(Debug, Default)]
pub struct Recorder(pub Vec<Effect>);

impl Effects for Recorder {
    fn output(&mut self, to: &Egress, frame: &mut FrameBuf, offload: &Offload, _: bool) {
        let Egress { port, queue, tunnel, .. } = to.clone();
        let tunnel = tunnel.map(|tunnel| *tunnel);
        let (frame_bytes, offload) = (frame.bytes().to_vec(), *offload);
        self.0.push(Effect::Output { port, queue, tunnel, frame: frame_bytes, offload });
        // What a tunnel may do to its buffer: push a header, and write all over the frame.
        frame.push_front(64).expect("headroom for a tunnel header");
        frame.bytes_mut().fill(0xee);
    }

    fn packet_in(&mut self, frame: &[u8], _: &Offload, info: &PacketIn) {
        self.0.push(Effect::PacketIn { frame: frame.to_vec(), info: Box::new(info.clone()) });
    }

    fn dropped(&mut self, drop: Drop, in_port: u32, bytes: usize) {
        self.0.push(Effect::Dropped { drop, in_port, bytes });
    }

    fn sampled(&mut self, sample: &Sample, frame: &[u8], _: &Offload, in_port: u32) {
        let (sample, frame) = (sample.clone(), frame.to_vec());
        self.0.push(Effect::Sampled { sample, frame, in_port });
    }
}

impl Recorder {
    pub fn ports(&self) -> Vec<u32> {
        let port = |effect: &Effect| match effect {
            Effect::Output { port, .. } => Some(*port),
            _ => None,
        };
        self.0.iter().filter_map(port).collect()
    }

    pub fn frames(&self) -> Vec<&[u8]> {
        let mut frames = Vec::new();
        for effect in &self.0 {
            if let Effect::Output { frame, .. } = effect {
                frames.push(&frame[..]);
            }
        }
        frames
    }

    pub fn offloads(&self) -> Vec<Offload> {
        let offload = |effect: &Effect| match effect {
            Effect::Output { offload, .. } => Some(*offload),
            _ => None,
        };
        self.0.iter().filter_map(offload).collect()
    }

    pub fn packet_ins(&self) -> Vec<&PacketIn> {
        let mut infos = Vec::new();
        for effect in &self.0 {
            if let Effect::PacketIn { info, .. } = effect {
                infos.push(&**info);
            }
        }
        infos
    }

    pub fn reasons(&self) -> Vec<DropReason> {
        let reason = |effect: &Effect| match effect {
            Effect::Dropped { drop, .. } => Some(drop.reason),
            _ => None,
        };
        self.0.iter().filter_map(reason).collect()
    }
}

/// A switch with ports 1 to 4 and these flows.
pub fn switch(flows: &[&str]) -> Datapath {
    let mut datapath = Datapath::new(1);
    (1..=4).for_each(|port| datapath.add_port(port));
    for flow in flows {
        add(&mut datapath, flow, 0);
    }
    datapath
}

pub fn flow_mod(command: Command, text: &str) -> FlowMod {
    let flow = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    FlowMod { command, flow, ..FlowMod::default() }
}

pub fn add(datapath: &mut Datapath, text: &str, now: u64) {
    datapath.flow_mod(&flow_mod(Command::Add, text), now).unwrap_or_else(|error| panic!("{text}: {error}"));
}

pub fn from_port(in_port: u32) -> Metadata {
    Metadata { in_port, tunnel: None }
}

pub fn send(datapath: &mut Datapath, frame: &[u8], in_port: u32) -> Recorder {
    send_with(datapath, frame, &Offload::default(), &from_port(in_port), 0)
}

pub fn send_with(
    datapath: &mut Datapath,
    frame: &[u8],
    offload: &Offload,
    metadata: &Metadata,
    now: u64,
) -> Recorder {
    let mut recorder = Recorder::default();
    datapath.process(&mut FrameBuf::copied(frame), offload, metadata, now, &mut recorder);
    assert!(!recorder.0.is_empty(), "a packet without an effect: {frame:02x?}");
    recorder
}

/// Packets and bytes of each flow, in order.
pub fn counts(datapath: &mut Datapath) -> Vec<(u64, u64)> {
    let flows = datapath.flows(&FlowFilter::default(), 0);
    flows.iter().map(|flow| (flow.packets, flow.bytes)).collect()
}
