//! Bidirectional forwarding detection (RFC 5880 and 5881), asynchronous mode: whether the far end of a tunnel hears
//! this one and is heard.
//!
//! How it works: each end sends control packets at a rate that both have agreed on.  A [`Session`] takes those that
//! come, and says what to send and when; where several in a row have not come, it is down.  [`Encapsulation`] puts
//! packets into frames as Open vSwitch does, so that they travel like the tunnel's own.
//!
//! What it is not: there is no I/O, no clock and no random source; time is an argument, in nanoseconds since any
//! moment, and so is the seed.  Demand mode is obeyed where the far end asks for it and not asked for; there is neither
//! the echo function nor authentication.

mod frame;
mod jitter;
mod packet;
mod session;
mod settings;
mod state;

pub use frame::{DESTINATION_PORT, Encapsulation, FRAME_LEN, MAC, payload};
pub use packet::{ControlPacket, Discard, PACKET_LEN};
pub use session::{Session, Status};
pub use settings::Settings;
pub use state::{Diagnostic, State};
