//! Limits and timeouts.

/// Nanoseconds in a second.
pub const SECOND_NS: u64 = 1_000_000_000;

/// What a connection is waiting for, and so how long it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timeout {
    /// A SYN without an answer.
    TcpSynSent,
    /// A SYN and an answer, not confirmed.
    TcpSynReceived,
    /// Open.
    TcpEstablished,
    /// One side has closed.
    TcpFinWait,
    /// Both sides have closed; not all is acknowledged.
    TcpLastAck,
    /// Closed by both sides.
    TcpTimeWait,
    /// Reset.
    TcpClose,
    /// Datagrams one way only.
    UdpFirst,
    /// Datagrams both ways.
    UdpStream,
    /// A query.
    IcmpFirst,
    /// A query and its answer.
    IcmpReply,
    /// Any other protocol, one way only.
    OtherFirst,
    /// Any other protocol, both ways.
    OtherStream,
    /// An association that is asked for.
    SctpOpening,
    /// Open.
    SctpOpen,
    /// One side has asked for the end.
    SctpClosing,
    /// Over.
    SctpClosed,
}

/// Seconds by [`Timeout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    seconds: [u32; 17],
}

impl Timeouts {
    /// Changes one.
    pub fn set(&mut self, which: Timeout, seconds: u32) {
        self.seconds[which as usize] = seconds;
    }

    /// One, in seconds.
    #[must_use]
    pub fn seconds(&self, which: Timeout) -> u32 {
        self.seconds[which as usize]
    }

    #[inline]
    pub(crate) fn ns(&self, which: Timeout) -> u64 {
        u64::from(self.seconds[which as usize]) * SECOND_NS
    }
}

impl Default for Timeouts {
    /// Those of Linux (`net.netfilter.nf_conntrack_*_timeout*`), in the order of [`Timeout`].
    fn default() -> Self {
        Self { seconds: [120, 60, 432_000, 120, 30, 120, 10, 30, 120, 30, 30, 600, 600, 10, 210, 3, 10] }
    }
}

/// What a tracker may use, and how long it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Connections in all zones together.
    pub connections: usize,
    /// Connections of each zone without a limit of its own; `None`: no limit.
    pub zone_limit: Option<u32>,
    /// How long each kind lives without a packet.
    pub timeouts: Timeouts,
    /// Announced connections that have not come yet.
    pub expectations: usize,
}

impl Default for Config {
    /// A million connections, no limit for zones, 4096 expectations.
    fn default() -> Self {
        Self { connections: 1_000_000, zone_limit: None, timeouts: Timeouts::default(), expectations: 4096 }
    }
}
