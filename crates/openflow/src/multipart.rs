//! Multipart requests and replies: what a switch reports (OpenFlow 1.0 section 5.3.5, where they are called statistics,
//! 1.3.5 section 7.3.5, 1.4 section 7.3.5, 1.5.1 section 7.3.5).

mod description;
mod flow;
mod group;
mod head;
mod ipfix;
mod meter;
mod parts;
mod port;
mod queue;
mod reply;
mod request;
mod table;
mod table_features;

pub use description::Description;
pub use flow::{AggregateStats, FlowStats, FlowStatsRequest};
pub use group::{BucketStats, GroupFeatures, GroupStats};
pub use ipfix::IpfixStats;
pub use meter::{MeterFeatures, MeterStats};
pub use port::PortStats;
pub use queue::{QueueSelector, QueueStats};
pub use reply::MultipartReply;
pub use request::MultipartRequest;
pub use table::TableStats;
pub use table_features::{TableCapability, TableFeatures, TableFeaturesCommand, TableProperty};
