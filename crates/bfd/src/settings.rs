//! What is set of a session (ovs-vswitchd.conf.db(5), table Interface, column `bfd`).

/// All of it; times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The shortest interval at which to receive.
    pub min_rx_ms: u32,
    /// The shortest interval at which to send.
    pub min_tx_ms: u32,
    /// A longer interval at which to receive as long as next to no packets come but those of the session; 0: none.
    pub decay_min_rx_ms: u32,
    /// Intervals without a packet after which the far end is to take this one for dead.
    pub multiplier: u8,
    /// Packets of any kind are as good as those of the session.
    pub forwarding_if_rx: bool,
    /// Tell the far end that what the path goes on to is down.
    pub cpath_down: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            min_rx_ms: 1000,
            min_tx_ms: 100,
            decay_min_rx_ms: 0,
            multiplier: 3,
            forwarding_if_rx: false,
            cpath_down: false,
        }
    }
}

/// Microseconds, as packets have them.
pub(crate) fn microseconds(milliseconds: u32) -> u32 {
    milliseconds.saturating_mul(1000)
}
