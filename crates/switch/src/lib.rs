//! A running switch: threads that join the datapath, the devices, the tunnels and the OpenFlow sessions.
//!
//! How it works: each thread waits for its share of the devices, and receives a batch of frames.  Then it has the
//! engine, by a lock that is taken once a batch: frames go through [`tulle_datapath::Datapath`], and what comes out
//! is staged.  Then it sends, without the lock.  Everything else (ports, flows, statistics, traces) reaches the
//! first thread as a job.
//!
//! What it is not: it knows nothing of Python, databases or configuration.

mod bridging;
mod capture;
mod controls;
mod counters;
mod engine;
mod error;
mod handed_over;
mod handle;
mod health;
mod job;
mod journal;
mod lane;
mod moving;
mod notice;
mod outbox;
mod patch;
mod policing;
mod port;
mod queueing;
mod report;
mod saved;
mod sender;
mod session;
mod sessions;
mod settings;
mod snoopers;
mod socket;
mod switch;
mod talk;
mod telemetry;
mod threading;
mod threads;
mod too_big;
mod tunnels;
mod underlay;
mod watch;
mod wires;
mod worker;

pub use bridging::{ConnectionCounts, Flush};
pub use counters::{Drop, PortCounters};
pub use error::SwitchError;
pub use handle::SwitchSession;
pub use health::{HealthSettings, HealthStatus};
pub use journal::Unsaved;
pub use outbox::Event;
pub use patch::PatchInbox;
pub use policing::Limit;
pub use queueing::{PortQueues, QueueCounters, QueueSettings};
pub use saved::{JournalFile, Loaded};
pub use session::{SessionKind, SessionOptions};
pub use sessions::SessionInfo;
pub use settings::TableSettings;
pub use switch::{DeviceOptions, PortInfo, Switch, TapSettings};
pub use telemetry::{
    BridgeIpfixSettings, IpfixSettings, NetflowSettings, SflowSettings, TelemetryCounts, TelemetrySettings,
};
pub use tulle_bfd;
pub use tulle_io::Guarded;
pub use tulle_telemetry::{IpfixConfig, NetflowConfig};
pub use tunnels::{Kind, LocalAddress, TunnelConfig, TunnelNumber, Way};
