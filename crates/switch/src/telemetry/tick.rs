//! What exporters do as time passes, and what they have done.

use tulle_io::clock::realtime_ns;
use tulle_openflow::IpfixStats;
use tulle_telemetry::PortReport;

use super::Telemetry;
use super::collectors::Collectors;
use super::exporters::{IpfixExporter, SflowExporter};
use crate::wires::Wires;

/// What one exporter has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryCounts {
    /// `sflow`, `netflow`, `ipfix`, or `ipfix-` and the number of the collector set.
    pub exporter: String,
    /// Flows that are gathered now.
    pub flows: u64,
    /// Flows that were told early because there were too many.
    pub evicted: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams that could not be sent.
    pub unsent: u64,
}

impl Wires {
    /// Tells collectors what is due.
    pub(crate) fn tick_telemetry(&mut self, datapath_id: u64, now_ns: u64) {
        let Some(mut telemetry) = self.telemetry.take() else { return };
        telemetry.set_epoch(realtime_ns().saturating_sub(now_ns));
        if let Some(sflow) = &mut telemetry.sflow {
            sflow.tick(self, datapath_id, now_ns);
        }
        telemetry.tick(now_ns);
        self.telemetry = Some(telemetry);
    }
}

impl SflowExporter {
    /// Tells counters of all ports that the kernel has an index for, where they are due.
    fn tick(&mut self, wires: &Wires, datapath_id: u64, now_ns: u64) {
        let Self { agent, collectors } = self;
        if agent.is_polled(now_ns) {
            for (number, port) in wires.numbered().filter(|(_, port)| port.ifindex != 0) {
                let counters = port.counters;
                let report = PortReport {
                    ifindex: port.ifindex,
                    number,
                    datapath_id,
                    name: &port.name,
                    speed_bps: 0,
                    is_up: port.is_up,
                    has_link: port.has_link,
                    rx_packets: counters.rx_packets,
                    rx_bytes: counters.rx_bytes,
                    rx_dropped: counters.rx_dropped,
                    tx_packets: counters.tx_packets,
                    tx_bytes: counters.tx_bytes,
                    tx_dropped: counters.tx_dropped,
                };
                agent.port(&report, now_ns, &mut |datagram| collectors.send(datagram));
            }
        }
        agent.flush(now_ns, &mut |datagram| collectors.send(datagram));
    }
}

impl IpfixExporter {
    /// As `ovs-ofctl dump-ipfix-bridge` and `dump-ipfix-flow` show it.
    pub(crate) fn stats(&self, collector_set: u32) -> IpfixStats {
        let counts = self.ipfix.counts();
        IpfixStats {
            total_flows: counts.total_flows,
            current_flows: counts.current_flows,
            packets: counts.packets,
            ipv4_packets: counts.ipv4_packets,
            ipv6_packets: counts.ipv6_packets,
            sent_packets: self.collectors.sent,
            send_errors: self.collectors.unsent,
            collector_set,
            ..IpfixStats::default()
        }
    }

    fn counts(&self, exporter: String) -> TelemetryCounts {
        let counts = self.ipfix.counts();
        count(exporter, counts.current_flows, counts.evicted, &self.collectors)
    }
}

impl Telemetry {
    fn set_epoch(&mut self, epoch_ns: u64) {
        if let Some(sflow) = &mut self.sflow {
            sflow.agent.set_epoch(epoch_ns);
        }
        if let Some(netflow) = &mut self.netflow {
            netflow.netflow.set_epoch(epoch_ns);
        }
        self.exporters().for_each(|exporter| exporter.ipfix.set_epoch(epoch_ns));
    }

    fn tick(&mut self, now_ns: u64) {
        if let Some(exporter) = &mut self.netflow {
            let collectors = &mut exporter.collectors;
            exporter.netflow.tick(now_ns, &mut |datagram| collectors.send(datagram));
        }
        for IpfixExporter { ipfix, collectors } in self.exporters() {
            ipfix.tick(now_ns, &mut |message| collectors.send(message));
        }
    }

    /// Tells all that has been gathered.
    pub(crate) fn finish(&mut self, now_ns: u64) {
        if let Some(SflowExporter { agent, collectors }) = &mut self.sflow {
            agent.flush(now_ns, &mut |datagram| collectors.send(datagram));
        }
        if let Some(exporter) = &mut self.netflow {
            let collectors = &mut exporter.collectors;
            exporter.netflow.finish(now_ns, &mut |datagram| collectors.send(datagram));
        }
        for IpfixExporter { ipfix, collectors } in self.exporters() {
            ipfix.finish(now_ns, &mut |message| collectors.send(message));
        }
    }

    fn exporters(&mut self) -> impl Iterator<Item = &mut IpfixExporter> {
        self.ipfix.iter_mut().map(|bridge| &mut bridge.exporter).chain(self.collector_sets.values_mut())
    }

    pub(crate) fn counts(&self) -> Vec<TelemetryCounts> {
        let sflow = self.sflow.iter().map(|one| count("sflow".to_owned(), 0, 0, &one.collectors));
        let netflow = self.netflow.iter().map(|one| {
            let counts = one.netflow.counts();
            count("netflow".to_owned(), counts.current_flows as u64, counts.evicted, &one.collectors)
        });
        let bridge = self.ipfix.iter().map(|one| one.exporter.counts("ipfix".to_owned()));
        let sets = self.collector_sets.iter().map(|(number, one)| one.counts(format!("ipfix-{number}")));
        sflow.chain(netflow).chain(bridge).chain(sets).collect()
    }
}

fn count(exporter: String, flows: u64, evicted: u64, collectors: &Collectors) -> TelemetryCounts {
    TelemetryCounts { exporter, flows, evicted, sent: collectors.sent, unsent: collectors.unsent }
}
