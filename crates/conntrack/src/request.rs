//! What the datapath asks of the tracker, and what it is told.

use std::net::IpAddr;

use tulle_wire::vnet::Offload;

use crate::headers::Headers;
use crate::tuple::Endpoints;

/// Bits of `ct_state` (ovs-fields(7)).
pub mod state {
    /// The connection is not committed, or no reply has been seen.
    pub const NEW: u32 = 0x01;
    /// Packets of a committed connection have been seen in both directions.
    pub const EST: u32 = 0x02;
    /// Related to a committed connection.
    pub const REL: u32 = 0x04;
    /// In the reply direction of a committed connection.
    pub const RPL: u32 = 0x08;
    /// Not a packet of any connection.
    pub const INV: u32 = 0x10;
    /// It has been through the tracker.
    pub const TRK: u32 = 0x20;
    /// Its source has been translated.
    pub const SNAT: u32 = 0x40;
    /// Its destination has been translated.
    pub const DNAT: u32 = 0x80;

    pub(crate) const TRANSLATED: u32 = SNAT | DNAT;
}

/// What is known of a frame beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where its headers lie.
    pub headers: Headers,
    /// What is left undone on it.
    pub offload: Offload,
    /// `ct_state` of an earlier call about the same frame, 0 if there was none or `ct_clear` since.
    pub state: u32,
    /// `ct_zone` of that call.
    pub zone: u16,
}

impl Packet {
    /// A frame that has not been tracked.
    #[must_use]
    pub fn untracked(headers: Headers, offload: Offload) -> Self {
        Self { headers, offload, state: 0, zone: 0 }
    }
}

/// Some bits to set: those of `mask`, to what they are in `value`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Masked<T> {
    /// The bits.
    pub value: T,
    /// Which of them count.
    pub mask: T,
}

/// A control protocol that announces connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alg {
    /// RFC 959 and RFC 2428.
    Ftp,
    /// RFC 1350.
    Tftp,
}

impl Alg {
    /// As it is written in `alg=` and in dumps.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ftp => "ftp",
            Self::Tftp => "tftp",
        }
    }
}

/// How the port is chosen where there is a choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PortChoice {
    /// The packet's own port where that is possible, else as `Hash`.
    #[default]
    Keep,
    /// From a hash of the connection on, in order.
    Hash,
    /// From a number that nobody can foretell on, in order.
    Random,
}

/// Addresses and ports to translate to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NatRange {
    /// Lowest and highest address; both unspecified (0.0.0.0, ::) means the packet's own.
    pub addresses: (IpAddr, IpAddr),
    /// Lowest and highest port. Without, the port is changed only where it has to be.
    pub ports: Option<(u16, u16)>,
    /// How a port is chosen.
    pub choice: PortChoice,
    /// The address depends on the source address only, so it is the same after a restart.
    pub persistent: bool,
}

impl NatRange {
    /// One address and any port.
    #[must_use]
    pub fn to(address: impl Into<IpAddr>) -> Self {
        let address = address.into();
        Self { addresses: (address, address), ports: None, choice: PortChoice::Keep, persistent: false }
    }
}

/// What to do about addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Nat {
    /// Nothing.
    #[default]
    None,
    /// Translate as the connection has been set up to.
    Existing,
    /// The same, and set a new connection up to translate its source.
    Source(NatRange),
    /// The same, and set a new connection up to translate its destination.
    Destination(NatRange),
}

/// One `ct()` action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The zone to look in.
    pub zone: u16,
    /// Keep the connection if it is new.
    pub commit: bool,
    /// Replace a connection that was opened from the other side; with `commit` only.
    pub force: bool,
    /// Bits of `ct_mark` to set.
    pub mark: Masked<u32>,
    /// Bits of `ct_label` to set.
    pub label: Masked<u128>,
    /// Address translation.
    pub nat: Nat,
    /// The control protocol to listen to.
    pub alg: Option<Alg>,
}

/// What the tracker says of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// `ct_state`, see [`state`].
    pub state: u32,
    /// `ct_zone`.
    pub zone: u16,
    /// `ct_mark`.
    pub mark: u32,
    /// `ct_label`.
    pub label: u128,
    /// The original direction: `ct_nw_src`, `ct_nw_dst`, `ct_nw_proto`, `ct_tp_src`, `ct_tp_dst` and
    /// the IPv6 ones. `None` for an invalid packet.
    pub original: Option<Endpoints>,
    /// The bytes of the frame have changed: its headers are to be read again.
    pub rewritten: bool,
}

impl Outcome {
    /// Of a packet that belongs to no connection and cannot open one; also of what is not IP.
    #[must_use]
    pub fn invalid(zone: u16) -> Self {
        let state = state::TRK | state::INV;
        Self { state, zone, mark: 0, label: 0, original: None, rewritten: false }
    }
}
