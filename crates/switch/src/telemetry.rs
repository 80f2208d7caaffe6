//! What collectors are told of a bridge's packets: exporters of `tulle-telemetry` with sockets.
//!
//! Where nothing is set, packets take the way that they take without this file.  Where something is, they are looked
//! at as they come in, and the ports by which they leave are noted on the way.

mod collectors;
mod exporters;
mod settings;
mod tick;
mod watched;

use tulle_datapath::{Datapath, Metadata};
use tulle_flow::{Sample, SampleDirection, port};
use tulle_io::clock::monotonic_ns;
use tulle_telemetry::{Direction, Headers, Observation, Packet};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

use crate::error::SwitchError;
use crate::switch::Switch;
use crate::wires::Wires;
use exporters::Making;
pub(crate) use exporters::Telemetry;
pub use settings::{BridgeIpfixSettings, IpfixSettings, NetflowSettings, SflowSettings, TelemetrySettings};
pub use tick::TelemetryCounts;

impl Switch {
    /// Says what collectors are told, all of it anew; exporters whose settings stay keep what they have gathered.
    /// Sockets are opened in the network namespace of the calling thread; `seed` keeps tenants from knowing which
    /// packets are sampled and which flows share a hash bucket.
    pub fn configure_telemetry(&self, settings: TelemetrySettings, seed: u64) -> Result<(), SwitchError> {
        let sockets = settings.open_sockets()?;
        self.call(move |engine| {
            let before = engine.wires.telemetry.take();
            let making = Making::new(&sockets, engine.datapath_id, seed, monotonic_ns());
            engine.wires.telemetry = Telemetry::replace(before, settings, making);
        })
    }

    /// What the exporters have done.
    pub fn telemetry_counts(&self) -> Result<Vec<TelemetryCounts>, SwitchError> {
        self.call(|engine| engine.wires.telemetry.as_ref().map(|one| one.counts()).unwrap_or_default())
    }
}

/// Sends a frame through the datapath, and tells collectors of it where that is asked for.
#[inline]
pub(crate) fn process(
    datapath: &mut Datapath,
    frame: &mut FrameBuf,
    offload: &Offload,
    metadata: &Metadata,
    options: &[u8],
    now: u64,
    wires: &mut Wires,
) {
    if wires.telemetry.is_none() {
        return datapath.process_with_options(frame, offload, metadata, options, now, wires);
    }
    watched::process(datapath, frame, offload, metadata, options, now, wires);
}

/// A packet that the action `sample` has chosen.
#[cold]
pub(crate) fn sampled(
    telemetry: &mut Telemetry,
    wires: &Wires,
    sample: &Sample,
    frame: &[u8],
    in_port: u32,
    now_ns: u64,
) {
    let (Some(exporter), Some(headers)) =
        (telemetry.collector_sets.get_mut(&sample.collector_set), Headers::parse(frame))
    else {
        return;
    };
    let direction = direction_of(sample, in_port);
    let out_port = if direction == Direction::Egress { sample.sampling_port } else { port::NONE };
    let (domain, point) = (sample.observation_domain, sample.observation_point);
    let at = Observation { domain, point, direction, out_ifindex: wires.ifindex(out_port) };
    let in_ifindex = wires.ifindex(in_port);
    let packet = Packet { frame, headers, in_port, in_ifindex, tunnel: None, now_ns };
    exporter.packet(&packet, None, &at);
}

/// Where the action does not say it, a packet is on its way out at any port but the one that it came in by
/// (`ovs-actions(7)`, `sample`).
fn direction_of(sample: &Sample, in_port: u32) -> Direction {
    let is_out = match sample.direction {
        SampleDirection::Ingress => false,
        SampleDirection::Egress => true,
        SampleDirection::Default => ![in_port, port::NONE].contains(&sample.sampling_port),
    };
    if is_out { Direction::Egress } else { Direction::Ingress }
}
