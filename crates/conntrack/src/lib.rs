//! Connection tracking and address translation for the switch's `ct()` action.

mod config;
mod connection;
mod conntrack;
mod drop_reason;
mod expectation;
mod fragments;
mod hashing;
mod headers;
mod list;
mod nat;
mod packet;
mod request;
mod rewrite;
mod sequence;
mod stats;
mod store;
mod table;
mod tcp;
mod track;
mod tuple;
mod wheel;
mod zones;

pub use config::{Config, SECOND_NS, Timeout, Timeouts};
pub use conntrack::Conntrack;
pub use drop_reason::DropReason;
pub use fragments::{Datagram, FragmentLimits, Fragments, Piece};
pub use headers::{Fragment, Headers};
pub use request::{Alg, Masked, Nat, NatRange, Outcome, Packet, PortChoice, Request, state};
pub use stats::Stats;
pub use tuple::{Direction, Endpoints, Family};
