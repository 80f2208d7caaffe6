//! Counters of ports, and of what was lost on the way between devices and datapath.

use std::collections::HashMap;

use tulle_datapath::DropCount;

/// What went in and out of a port, as the Open_vSwitch schema names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortCounters {
    /// Frames received.
    pub rx_packets: u64,
    /// Bytes of them.
    pub rx_bytes: u64,
    /// Frames received and lost before the datapath.
    pub rx_dropped: u64,
    /// Frames sent.
    pub tx_packets: u64,
    /// Bytes of them.
    pub tx_bytes: u64,
    /// Frames that the device or the tunnel did not take.
    pub tx_dropped: u64,
}

impl PortCounters {
    #[inline]
    pub(crate) fn received(&mut self, bytes: usize) {
        self.rx_packets += 1;
        self.rx_bytes += bytes as u64;
    }

    #[inline]
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.tx_packets += 1;
        self.tx_bytes += bytes as u64;
    }

    /// Frames that counted as sent when they were staged; by another port of this number, perhaps.
    pub(crate) fn lost_after_all(&mut self, packets: u64, bytes: u64) {
        self.tx_packets = self.tx_packets.saturating_sub(packets);
        self.tx_bytes = self.tx_bytes.saturating_sub(bytes);
        self.tx_dropped += packets;
    }
}

/// How many packets were lost at a port for a reason, in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drop {
    /// The port; 0 stands for the underlay.
    pub port: u32,
    /// The reason's stable name.
    pub reason: &'static str,
    /// The table in which it happened; none where no flow had to do with it.
    pub table: Option<u8>,
    /// How many.
    pub packets: u64,
}

impl From<DropCount> for Drop {
    fn from(count: DropCount) -> Self {
        let DropCount { port, reason, table, packets } = count;
        Drop { port, reason: reason.name(), table, packets }
    }
}

/// Losses at devices and tunnels.  Bounded: one entry a port and reason.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    counts: HashMap<(u32, &'static str), u64>,
}

impl Losses {
    pub(crate) fn count(&mut self, port: u32, reason: &'static str) {
        self.count_many(port, reason, 1);
    }

    pub(crate) fn count_many(&mut self, port: u32, reason: &'static str, packets: u64) {
        *self.counts.entry((port, reason)).or_default() += packets;
    }

    pub(crate) fn forget_port(&mut self, port: u32) {
        self.counts.retain(|(number, _), _| *number != port);
    }

    pub(crate) fn drops(&self) -> impl Iterator<Item = Drop> + '_ {
        let drop = |((port, reason), packets): (&(u32, &'static str), &u64)| Drop {
            port: *port,
            reason,
            table: None,
            packets: *packets,
        };
        self.counts.iter().map(drop)
    }
}
