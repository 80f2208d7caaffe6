//! OpenFlow 1.3 with the Nicira extensions: codec and connection.
//!
//! What it is: bytes in, messages, events and bytes out (OpenFlow Switch Specification 1.3.5; `ovs-fields(7)`
//! and `ovs-actions(7)` for the extensions).  The values are those of [`tulle_flow`].
//!
//! What it is not: it opens no socket, keeps no flow and forwards nothing.
//! Nothing that a peer sends can panic; it ends in a message or in an [`OfError`].

mod actions;
mod bytes;
mod connection;
mod error;
mod features;
mod flow_mod;
mod flow_removed;
mod header;
mod hello;
mod instructions;
mod matching;
mod message;
mod multipart;
mod nicira;
mod oxm;
mod packet_in;
mod packet_out;
mod port;
mod role;

pub use connection::{CloseReason, Connection, Event};
pub use error::{EmitError, ErrorCode, ErrorReport, OfError};
pub use features::{Config, Features};
pub use flow_mod::{FlowMod, FlowModCommand, flow_mod_flags};
pub use flow_removed::{FlowRemoved, RemovedReason};
pub use header::{HEADER_LEN, Header, VERSION};
pub use hello::Hello;
pub use message::{Message, Xid};
pub use multipart::{
    AggregateStats, Description, FlowStats, FlowStatsRequest, MultipartReply, MultipartRequest, PortStats,
    TableFeatures, TableStats,
};
pub use packet_in::{PacketIn, PacketInReason};
pub use packet_out::PacketOut;
pub use port::{Port, PortStatus, PortStatusReason};
pub use role::{Role, RoleState};

/// Stands for every table in a request to delete flows or to report them.
pub const TABLE_ALL: u8 = 0xff;

/// Stands for "whole packet, nothing buffered" (OpenFlow 1.3.5 section 7.1: `OFP_NO_BUFFER`).
pub const NO_BUFFER: u32 = 0xffff_ffff;
