//! A running switch: one thread that joins the datapath, the devices, the tunnels and the OpenFlow sessions.
//!
//! How it works: the thread waits for devices and for jobs.  Frames go from a device or out of a tunnel
//! through [`tulle_datapath::Datapath`], whose effects are written to devices and tunnels at once.
//! Everything else (ports, flows, statistics, traces) reaches the thread as a job, so nothing on the
//! way of a packet is locked.
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
mod job;
mod notice;
mod outbox;
mod patch;
mod policing;
mod port;
mod report;
mod saved;
mod session;
mod sessions;
mod settings;
mod socket;
mod switch;
mod tunnels;
mod watch;
mod wires;

pub use bridging::{ConnectionCounts, Flush};
pub use counters::{Drop, PortCounters};
pub use error::SwitchError;
pub use handle::SwitchSession;
pub use outbox::Event;
pub use patch::PatchInbox;
pub use saved::Loaded;
pub use session::{SessionKind, SessionOptions};
pub use sessions::SessionInfo;
pub use settings::TableSettings;
pub use switch::{DeviceOptions, PortInfo, Switch, TapSettings, UnderlayOptions};
