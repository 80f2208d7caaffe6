//! OpenFlow 1.0, 1.3, 1.4 and 1.5 with the extensions of Nicira and Open vSwitch: codec and connection.
//!
//! What it is: bytes in, messages, events and bytes out.  One [`Message`] stands for the message of any version; each
//! structure's file knows the forms that it has.  Sources: the OpenFlow Switch Specifications 1.0, 1.3.5, 1.4.0 and
//! 1.5.1; `ovs-fields(7)`, `ovs-actions(7)` and `ovs-ofctl(8)` for the extensions.
//! The values that flows are made of are those of [`tulle_flow`].
//!
//! What it is not: it opens no socket, keeps no flow and forwards nothing.
//! Nothing that a peer sends can panic; it ends in a message or in an [`OfError`].

mod actions;
mod async_config;
mod bundle;
mod bytes;
mod connection;
mod ct_flush;
mod error;
mod error_code;
mod experimenter;
mod features;
mod flow_mod;
mod flow_monitor;
mod flow_removed;
mod group;
mod header;
mod hello;
mod instructions;
mod match_v10;
mod matching;
mod message;
mod meter;
mod multipart;
mod oxm;
mod oxs;
mod packet_in;
mod packet_out;
mod port;
mod port_number;
mod property;
mod queue;
mod role;
mod table_mod;
mod tlv_table;
mod version;

pub use actions::{actions_from_bytes, actions_to_bytes, check_actions};
pub use async_config::{AsyncConfig, AsyncMasks};
pub use bundle::{BundleAdd, BundleControl, BundleControlKind, RequestForward, bundle_flags};
pub use connection::{CloseReason, Connection, Event, Wire, WireRange};
pub use ct_flush::{CtFlush, CtTuple};
pub use error::{EmitError, ErrorCode, ErrorReport, OfError};
pub use features::{Config, Features};
pub use flow_mod::{FlowMod, FlowModCommand, flow_mod_flags};
pub use flow_monitor::{
    FlowMonitor, FlowMonitorCommand, FlowUpdate, FlowUpdateEvent, FlowUpdateFull, flow_monitor_flags,
};
pub use flow_removed::{FlowRemoved, RemovedReason};
pub use group::{
    Bucket, Group, GroupCommand, GroupKind, GroupMod, Selection, SelectionMethod, bucket_id, group_id,
};
pub use header::{HEADER_LEN, Header};
pub use hello::Hello;
pub use message::{Message, Xid};
pub use meter::{Meter, MeterBand, MeterBandKind, MeterCommand, MeterMod, meter_flags, meter_id};
pub use multipart::{
    AggregateStats, BucketStats, Description, FlowStats, FlowStatsRequest, GroupFeatures, GroupStats,
    IpfixStats, MeterFeatures, MeterStats, MultipartReply, MultipartRequest, PortStats, QueueSelector,
    QueueStats, TableCapability, TableFeatures, TableFeaturesCommand, TableProperty, TableStats,
};
pub use packet_in::{PacketIn, PacketInFormat, PacketInReason};
pub use packet_out::PacketOut;
pub use port::{Port, PortMod, PortStatus, PortStatusReason};
pub use queue::{QUEUE_ALL, Queue, QueueConfig};
pub use role::{Role, RoleState, RoleStatus, RoleStatusReason};
pub use table_mod::{TableConfig, TableStatus, TableStatusReason, Vacancy, table_config};
pub use tlv_table::{TlvMap, TlvTable, TlvTableCommand, TlvTableMod};
pub use version::{Dialect, Version, Versions};

/// Stands for every table in a request to delete flows or to report them.
pub const TABLE_ALL: u8 = 0xff;

/// Stands for "whole packet, nothing buffered" (OpenFlow 1.3.5 section 7.1: `OFP_NO_BUFFER`).
pub const NO_BUFFER: u32 = 0xffff_ffff;
