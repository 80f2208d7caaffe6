//! The exporters of one bridge.

use std::collections::BTreeMap;
use std::io;

use tulle_io::clock::realtime_ns;
use tulle_telemetry::{
    Clock, Direction, Ipfix, Netflow, Observation, Outputs, Packet, Sampler, Sflow, SflowConfig, TunnelInfo,
};

use super::collectors::{Collectors, Sockets};
use super::settings::{
    BridgeIpfixSettings, IpfixSettings, NetflowSettings, SflowSettings, TelemetrySettings,
};

const SECOND_NS: u64 = 1_000_000_000;

/// All exporters that there are.
#[derive(Debug)]
pub(crate) struct Telemetry {
    pub settings: TelemetrySettings,
    pub sflow: Option<SflowExporter>,
    pub netflow: Option<NetflowExporter>,
    pub ipfix: Option<BridgeExporter>,
    pub collector_sets: BTreeMap<u32, IpfixExporter>,
}

/// sFlow's agent and its collectors.
#[derive(Debug)]
pub(crate) struct SflowExporter {
    pub agent: Sflow,
    pub collectors: Collectors,
}

/// NetFlow's exporter and its collectors.
#[derive(Debug)]
pub(crate) struct NetflowExporter {
    pub netflow: Netflow,
    pub collectors: Collectors,
}

/// An IPFIX exporter and its collectors.
#[derive(Debug)]
pub(crate) struct IpfixExporter {
    pub ipfix: Ipfix,
    pub collectors: Collectors,
}

/// An IPFIX exporter of packets that the bridge samples by itself.
#[derive(Debug)]
pub(crate) struct BridgeExporter {
    pub exporter: IpfixExporter,
    pub settings: BridgeIpfixSettings,
    inputs: Sampler,
    outputs: Sampler,
}

impl TelemetrySettings {
    fn is_empty(&self) -> bool {
        *self == TelemetrySettings::default()
    }

    /// Opens what is needed to reach all collectors.
    pub(crate) fn open_sockets(&self) -> io::Result<Sockets> {
        let sflow = self.sflow.iter().flat_map(|one| &one.targets);
        let netflow = self.netflow.iter().flat_map(|one| &one.targets);
        let ipfix = self.ipfix.iter().map(|one| &one.exporter).chain(self.collector_sets.values());
        Sockets::open(sflow.chain(netflow).chain(ipfix.flat_map(|one| &one.targets)))
    }
}

/// What exporters of one bridge are made with.
#[derive(Clone, Copy)]
pub(super) struct Making<'a> {
    sockets: &'a Sockets,
    datapath_id: u64,
    seed: u64,
    clock: Clock,
}

impl Telemetry {
    /// The exporters for some settings; what those before them have gathered is told, or kept where the settings are
    /// the same.  None where nothing is to be told.
    pub(super) fn replace(
        before: Option<Box<Telemetry>>,
        settings: TelemetrySettings,
        making: Making<'_>,
    ) -> Option<Box<Telemetry>> {
        let mut old = before.map(|old| *old).unwrap_or_else(Telemetry::none);
        let mut new = old.take_same(&settings);
        old.finish(making.clock.start_ns);
        new.use_sockets(making.sockets);
        new.make_missing(settings, making);
        (!new.settings.is_empty()).then(|| Box::new(new))
    }

    /// Takes the exporters out whose settings stay.
    fn take_same(&mut self, settings: &TelemetrySettings) -> Telemetry {
        let (old, mut new) = (self, Telemetry::none());
        if settings.sflow == old.settings.sflow {
            new.sflow = old.sflow.take();
        }
        if settings.netflow == old.settings.netflow {
            new.netflow = old.netflow.take();
        }
        if settings.ipfix == old.settings.ipfix {
            new.ipfix = old.ipfix.take();
        }
        for (number, wanted) in &settings.collector_sets {
            if old.settings.collector_sets.get(number) == Some(wanted)
                && let Some(kept) = old.collector_sets.remove(number)
            {
                new.collector_sets.insert(*number, kept);
            }
        }
        new
    }

    fn none() -> Telemetry {
        let (settings, collector_sets) = (TelemetrySettings::default(), BTreeMap::new());
        Telemetry { settings, sflow: None, netflow: None, ipfix: None, collector_sets }
    }

    fn make_missing(&mut self, settings: TelemetrySettings, making: Making<'_>) {
        let TelemetrySettings { sflow, netflow, ipfix, collector_sets } = &settings;
        self.sflow = self.sflow.take().or_else(|| sflow.as_ref().map(|one| making.sflow(one)));
        self.netflow = self.netflow.take().or_else(|| netflow.as_ref().map(|one| making.netflow(one)));
        self.ipfix = self.ipfix.take().or_else(|| ipfix.as_ref().map(|one| making.bridge_ipfix(one)));
        for (number, wanted) in collector_sets {
            self.collector_sets.entry(*number).or_insert_with(|| making.ipfix(wanted));
        }
        self.settings = settings;
    }

    fn use_sockets(&mut self, sockets: &Sockets) {
        self.all_collectors().for_each(|collectors| collectors.use_sockets(sockets));
    }

    fn all_collectors(&mut self) -> impl Iterator<Item = &mut Collectors> {
        let sflow = self.sflow.iter_mut().map(|one| &mut one.collectors);
        let netflow = self.netflow.iter_mut().map(|one| &mut one.collectors);
        let bridge = self.ipfix.iter_mut().map(|one| &mut one.exporter.collectors);
        let sets = self.collector_sets.values_mut().map(|one| &mut one.collectors);
        sflow.chain(netflow).chain(bridge).chain(sets)
    }
}

impl<'a> Making<'a> {
    pub fn new(sockets: &'a Sockets, datapath_id: u64, seed: u64, now_ns: u64) -> Making<'a> {
        let clock = Clock { start_ns: now_ns, epoch_ns: realtime_ns().saturating_sub(now_ns) };
        Making { sockets, datapath_id, seed, clock }
    }

    fn sflow(&self, settings: &SflowSettings) -> SflowExporter {
        let polling_ns = (settings.polling_s > 0).then(|| u64::from(settings.polling_s) * SECOND_NS);
        let SflowSettings { agent, sampling, header_len, .. } = *settings;
        // The bridge is a sub-agent: others of the host have the same address.
        let sub_agent = self.datapath_id as u32;
        let config = SflowConfig { agent, sub_agent, sampling, header_len, polling_ns };
        let collectors = Collectors::new(&settings.targets, self.sockets);
        SflowExporter { agent: Sflow::new(config, self.clock, self.seed), collectors }
    }

    fn netflow(&self, settings: &NetflowSettings) -> NetflowExporter {
        let collectors = Collectors::new(&settings.targets, self.sockets);
        NetflowExporter { netflow: Netflow::new(settings.config, self.clock, self.seed), collectors }
    }

    fn ipfix(&self, settings: &IpfixSettings) -> IpfixExporter {
        let collectors = Collectors::new(&settings.targets, self.sockets);
        IpfixExporter { ipfix: Ipfix::new(&settings.config, self.clock, self.seed), collectors }
    }

    fn bridge_ipfix(&self, settings: &BridgeIpfixSettings) -> BridgeExporter {
        BridgeExporter {
            exporter: self.ipfix(&settings.exporter),
            inputs: Sampler::new(settings.sampling, self.seed.rotate_left(32)),
            outputs: Sampler::new(settings.sampling, self.seed.rotate_left(16)),
            settings: settings.clone(),
        }
    }
}

impl SflowExporter {
    /// Begins a sample, where the packet is one.
    #[inline]
    pub(super) fn sample(&mut self, packet: &Packet<'_>) -> bool {
        let Self { agent, collectors } = self;
        let is_taken = agent.takes();
        if is_taken {
            agent.sample(packet, &mut |datagram| collectors.send(datagram));
        }
        is_taken
    }
}

impl NetflowExporter {
    #[inline]
    pub(super) fn packet(&mut self, packet: &Packet<'_>, outputs: Outputs) {
        let Self { netflow, collectors } = self;
        netflow.packet(packet, outputs, &mut |datagram| collectors.send(datagram));
    }
}

impl IpfixExporter {
    pub(super) fn packet(&mut self, packet: &Packet<'_>, tunnel: Option<TunnelInfo>, at: &Observation) {
        let Self { ipfix, collectors } = self;
        ipfix.packet(packet, tunnel, at, &mut |message| collectors.send(message));
    }
}

impl BridgeExporter {
    /// Whether a packet that comes in, or one that leaves, is a sample.
    #[inline]
    pub(super) fn takes(&mut self, direction: Direction) -> bool {
        match direction {
            Direction::Ingress => self.settings.samples_input && self.inputs.takes(),
            Direction::Egress => self.settings.samples_output && self.outputs.takes(),
        }
    }

    pub(super) fn packet(
        &mut self,
        packet: &Packet<'_>,
        tunnel: Option<TunnelInfo>,
        direction: Direction,
        out_ifindex: u32,
    ) {
        let BridgeIpfixSettings { domain, point, tells_tunnels, .. } = self.settings;
        let at = Observation { domain, point, direction, out_ifindex };
        self.exporter.packet(packet, tunnel.filter(|_| tells_tunnels), &at);
    }
}
