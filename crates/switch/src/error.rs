//! Why the switch refuses.

use std::io;

use thiserror::Error;

/// What can be wrong with a request to a switch; nothing has changed then.
#[derive(Debug, Error)]
pub enum SwitchError {
    /// The thread has ended.
    #[error("the switch is closed")]
    Closed,
    /// Port numbers are 1 to 65279, and OFPP_LOCAL (OpenFlow 1.3.5 section 7.2.1).
    #[error("port number {0} is neither within 1 to 65279 nor the local one")]
    BadNumber(u32),
    /// The number is taken.
    #[error("port {0} exists already")]
    PortExists(u32),
    /// No such port.
    #[error("no port {0}")]
    NoPort(u32),
    /// No such encapsulation.
    #[error("unknown encapsulation {0:?}; known are stt, vxlan, geneve, gre and nvgre")]
    UnknownEncapsulation(String),
    /// Two tunnels that the same packets would belong to.
    #[error("the same tunnel as port {0}")]
    TunnelExists(String),
    /// Two encapsulations that packets cannot be told apart by.
    #[error("{0} cannot share its port with {1}")]
    KindsMixed(&'static str, &'static str),
    /// A device that carries no Ethernet frames.
    #[error("{0} is no Ethernet device")]
    NotEthernet(String),
    /// Only the health of tunnels is watched.
    #[error("port {0} is no tunnel")]
    NotTunnel(u32),
    /// The port's health is not watched.
    #[error("port {0} has no BFD session")]
    NoSession(u32),
    /// A flow cannot be.
    #[error("flow refused: {0}")]
    FlowRefused(String),
    /// The bridge's map has no option for this field.
    #[error("{0} is not mapped to an option")]
    UnmappedOption(&'static str),
    /// A device cannot be opened.
    #[error("{name}: {source}")]
    Device {
        /// The device.
        name: String,
        /// What the kernel says.
        source: io::Error,
    },
    /// A file cannot be written, or a thread not started.
    #[error(transparent)]
    Io(#[from] io::Error),
}
