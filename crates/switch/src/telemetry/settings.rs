//! What the owner of a switch has told to collectors.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use tulle_telemetry::{IpfixConfig, NetflowConfig};

/// Everything that is told of one bridge (`ovs-vswitchd.conf.db(5)`, tables `sFlow`, `NetFlow`, `IPFIX` and
/// `Flow_Sample_Collector_Set`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// Samples and counters.
    pub sflow: Option<SflowSettings>,
    /// Flows of IPv4.
    pub netflow: Option<NetflowSettings>,
    /// Flows of any kind, of packets that the bridge samples by itself.
    pub ipfix: Option<BridgeIpfixSettings>,
    /// The same of packets that the action `sample` chooses, by number of the collector set.
    pub collector_sets: BTreeMap<u32, IpfixSettings>,
}

/// What is set of sFlow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SflowSettings {
    /// The collectors.
    pub targets: Vec<SocketAddr>,
    /// By which address they know the switch.
    pub agent: IpAddr,
    /// One packet in so many is a sample.
    pub sampling: u32,
    /// How many bytes of it are told.
    pub header_len: usize,
    /// How often counters are told, in seconds; 0 is never.
    pub polling_s: u32,
}

/// What is set of NetFlow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetflowSettings {
    /// The collectors.
    pub targets: Vec<SocketAddr>,
    /// The exporter.
    pub config: NetflowConfig,
}

/// What is set of an IPFIX exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpfixSettings {
    /// The collectors.
    pub targets: Vec<SocketAddr>,
    /// The exporter.
    pub config: IpfixConfig,
}

/// What is set of a bridge's own IPFIX exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeIpfixSettings {
    /// The exporter.
    pub exporter: IpfixSettings,
    /// One packet in so many is a sample.
    pub sampling: u32,
    /// Observation domain.
    pub domain: u32,
    /// Observation point.
    pub point: u32,
    /// Packets are sampled as they come in.
    pub samples_input: bool,
    /// Packets are sampled as they leave.
    pub samples_output: bool,
    /// Packets of tunnels are told with the tunnel's header.
    pub tells_tunnels: bool,
}
