//! Several packet sockets of one device share its frames: each flow comes to one of them.
//!
//! The kernel chooses by a hash over addresses and ports, equal in both directions, so a flow stays in order.
//! Of fragments it hashes the addresses alone, the first one's too, so those of one datagram stay together; it is
//! not asked to put them together (PACKET_FANOUT_FLAG_DEFRAG), since a switch passes on what came.
//! Source: packet(7), net/packet/af_packet.c, net/core/flow_dissector.c.

use std::ffi::c_int;
use std::io;

use super::{PacketSocket, set_packet_option};
use crate::filter::Filter;
use crate::sys::option;

/// A group of packet sockets of one device in one network namespace; it lasts as long as any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fanout {
    id: u16,
}

/// The group must be told again that what the host sends itself is not wanted.
const KIND: u32 = libc::PACKET_FANOUT_HASH | libc::PACKET_FANOUT_FLAG_IGNORE_OUTGOING;

impl PacketSocket {
    /// Founds a group of which this socket is the only member, where it is in none yet.  It loses nothing.
    pub fn found_fanout(&self) -> io::Result<Fanout> {
        // Another process may have founded it by the same socket.
        if self.fanout()? == 0 {
            self.set_fanout(0, KIND | libc::PACKET_FANOUT_FLAG_UNIQUEID)?;
        }
        Ok(Fanout { id: self.fanout()? as u16 })
    }

    /// Number, kind and flags of its group; 0 where there is none, since our kind has a flag.
    fn fanout(&self) -> io::Result<c_int> {
        option(&self.socket, libc::SOL_PACKET, libc::PACKET_FANOUT)
    }

    /// Makes the socket, bound and deaf, a member, which hears its share from then on: what the kernel gives it
    /// before it hears is lost, rather than come twice.
    pub(super) fn join_fanout(&self, group: Fanout, filter: Option<&Filter>) -> io::Result<()> {
        self.set_fanout(group.id, KIND)?;
        match filter {
            Some(filter) => filter.attach(&self.socket),
            None => Filter::detach(&self.socket),
        }
    }

    fn set_fanout(&self, id: u16, kind: u32) -> io::Result<()> {
        set_packet_option(&self.socket, libc::PACKET_FANOUT, (u32::from(id) | kind << 16) as c_int)
    }
}
