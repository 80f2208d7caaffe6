//! Connection tracking and address translation for the switch's `ct()` action.
//!
//! **What it is.** A [`Conntrack`] is told of frames, one [`Request`] (one `ct()`) at a time, and says
//! what `ct_state`, `ct_mark` and their kin are from then on ([`Outcome`]); it translates the frame in
//! place where that is asked for; or it says why the frame must be dropped ([`DropReason`]).
//! The words are those of ovs-fields(7) and ovs-actions(7).
//!
//! **How a packet goes.** The bytes are checked (lengths, checksums) and become a tuple: zone, protocol,
//! addresses, ports. A seeded hash finds the connection and the direction in one lookup: a connection
//! is in the table twice, by the tuple of each direction as its packets *arrive*, so that a reply to a
//! translated packet is found as it comes. The protocol says whether the packet fits (TCP: numbers,
//! windows, flags; SCTP: tags; others always). Then the connection lives on, and the packet is translated to the
//! reverse of the other direction's tuple: translation is no more than two tuples that are not each
//! other's mirror. Nothing is allocated on this path.
//!
//! A packet of no connection is `new` and leaves no trace, unless the request says `commit`. Then the
//! reply tuple is chosen (by a NAT range, or the mirror image) such that no other connection of the zone
//! has it, and the connection is kept.
//!
//! An ICMP error belongs to the connection of the packet that it quotes, and the quoted packet is
//! translated with it. [`Fragments`] are held by a table of their own until their datagram is whole.
//!
//! **Time.** `now_ns` is an argument, monotonic, from any beginning. A packet only writes a number into its
//! connection; a wheel looks at connections lazily, in bounded steps ([`Conntrack::expire`], to be called
//! every second or so, and two steps with each new connection). What has expired is never found,
//! whether it has been looked at or not.
//!
//! **What must hold.**
//! - Each tuple is in the table once: before a tuple is inserted, it has been looked up in vain.
//! - A connection is in the wheel exactly once, and in the list of expendable ones exactly if
//!   `Connection::is_expendable` says so.
//! - Numbers in lists and table are those of living connections; `remove` takes them out of all three.
//! - A packet that is refused, invalid or to be dropped has not been changed.
//!
//! **Under attack.** Without `commit` nothing is stored. When the table is full, the oldest connection
//! that is half open (one side only has spoken, or a TCP handshake is not complete) or closed gives way;
//! those in use never do, and the newcomer is refused if there are none but such. A zone has a limit
//! of its own, so one tenant cannot fill the table. Buckets cannot be aimed at without the seed. A search
//! for a port ends after 512 tries an address (256 in a larger range), four addresses at most. Resets
//! must be exact, and what an announcement opens is one port of the announcer's own.
//!
//! **Memory.** [`MEMORY_PER_CONNECTION`] bytes each (of SCTP, and a few others, [`MEMORY_BESIDES`] more),
//! allocated in chunks as connections come, given back only by [`Conntrack::flush`]; fragments as
//! [`FragmentLimits`] say.
//!
//! **How it differs from Open vSwitch's userspace tracker.** `est` is set only when both directions have
//! been seen, as ovs-fields(7) and Linux have it (Open vSwitch: from the second TCP segment on). A commit
//! that finds no room, no port or an ambiguous reply drops the frame, as Linux does, and does not let it
//! pass uncommitted. Timeouts are those of Linux.
//!
//! **What it does not do.** Everything but TCP, UDP, SCTP and ICMP is tracked by addresses alone.
//! Neighbour discovery and multicast listener messages are invalid. IPv6 packets with a routing header
//! that is not used up are invalid, as their checksum is over another address. Translation of one IP
//! version into the other; timeout policies by zone; FTP commands that two segments share, and
//! announcements that name a third party. One thread: each has a tracker of its own.

mod alg;
mod commit;
mod config;
mod connection;
mod conntrack;
mod drop_reason;
mod entry;
mod expectation;
mod fragments;
mod ftp;
mod hashing;
mod headers;
mod list;
mod management;
mod moving;
mod nat;
mod packet;
mod payload;
mod record;
mod request;
mod rewrite;
mod sctp;
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
pub use conntrack::{Conntrack, MEMORY_BESIDES, MEMORY_PER_CONNECTION};
pub use drop_reason::DropReason;
pub use entry::Entry;
pub use fragments::{Datagram, FragmentLimits, Fragments, Piece};
pub use headers::{Fragment, Headers};
pub use moving::Imported;
pub use record::{LONGEST_RECORD, Record, RecordError};
pub use request::{Alg, Masked, Nat, NatRange, Outcome, Packet, PortChoice, Request, state};
pub use stats::Stats;
pub use tuple::{Direction, Endpoints, Family};
