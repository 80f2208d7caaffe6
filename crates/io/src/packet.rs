//! Packet sockets: raw Ethernet frames of one device, with the virtio-net header.
//!
//! The underlay side of a switch, and ports that are veth devices. 64 KB super-frames arrive and
//! leave whole. Source: packet(7), linux/if_packet.h.

mod fanout;
mod receive;
pub(crate) mod ring;
mod send;
mod vlan;

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub use fanout::Fanout;
pub use receive::Arrival;

use self::ring::ReceiveRing;
use crate::filter::Filter;
use crate::outcome::Received;
use crate::sys::{bind, inode, namespace, option, own_address, set_option, socket};

/// That of the thread that opens it.
const NAMESPACE: &str = "/proc/thread-self/ns/net";

/// How a packet socket is made.
#[derive(Clone, Debug)]
pub struct PacketOptions {
    /// The device, by its interface index in the namespace of the calling thread.
    pub ifindex: u32,
    /// Which packets are received; all of them if there is none.
    pub filter: Option<Filter>,
    /// Bytes of frames that may wait to be received, as the kernel counts them.
    pub receive_buffer_bytes: u32,
    /// Bytes of frames that may wait to be sent.
    pub send_buffer_bytes: u32,
    /// Send past the queueing discipline. Only for devices that cut super-frames themselves: the
    /// kernel refuses them (`QueueFull`) where it would have to do that.
    pub qdisc_bypass: bool,
    /// Also receive frames for other hosts' MACs, on devices that filter them.
    pub promiscuous: bool,
    /// Share the device's frames with the other sockets of a group.
    pub fanout: Option<Fanout>,
}

impl PacketOptions {
    /// Everything of a device, with buffers that hold several hundred super-frames.
    #[must_use]
    pub fn device(ifindex: u32) -> Self {
        Self {
            ifindex,
            filter: None,
            receive_buffer_bytes: 32 << 20,
            send_buffer_bytes: 8 << 20,
            qdisc_bypass: false,
            promiscuous: false,
            fanout: None,
        }
    }
}

/// A packet socket bound to one device. Non-blocking. Does not see what this host itself sends.
#[derive(Debug)]
pub struct PacketSocket {
    socket: OwnedFd,
    priority: u32,
}

/// What a packet socket has counted since it was asked last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketCounters {
    /// Frames that passed the filter, the dropped ones too.
    pub frames: u32,
    /// Frames dropped because the receive buffer was full.
    pub drops: u32,
}

impl PacketSocket {
    /// Opens and binds. Errors: EPERM without CAP_NET_RAW, ENODEV if there is no such device.
    pub fn open(options: &PacketOptions) -> io::Result<Self> {
        let socket = Self::unbound(options)?;
        socket.bind(options)?;
        Ok(socket)
    }

    /// As [`open`](Self::open), with a ring in place of the queue.
    pub(crate) fn open_with_ring(options: &PacketOptions, slots: u32) -> io::Result<(Self, ReceiveRing)> {
        let socket = Self::unbound(options)?;
        let ring = ReceiveRing::open(&socket.socket, slots)?;
        socket.bind(options)?;
        Ok((socket, ring))
    }

    /// A socket that this or another process has opened for a device of the calling thread's network namespace; and
    /// its ring, where it has one of so many slots.  Errors: ENODEV if it is not that device's, or no more.
    pub(crate) fn adopt(
        socket: OwnedFd,
        ifindex: u32,
        slots: usize,
    ) -> io::Result<(Self, Option<ReceiveRing>)> {
        if bound_to(&socket)? != ifindex {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        let ring = if slots == 0 { None } else { Some(ReceiveRing::adopt(&socket, slots)?) };
        let priority = option(&socket, libc::SOL_SOCKET, libc::SO_PRIORITY)?;
        Ok((Self { socket, priority }, ring))
    }

    /// As [`open`](Self::open), with a socket that this or another process has opened for the device; its filter stays
    /// as it is.  Errors: ENODEV if it is not that device's, or no more.
    pub fn adopt_bound(socket: OwnedFd, ifindex: u32) -> io::Result<Self> {
        Self::adopt(socket, ifindex, 0).map(|(socket, _)| socket)
    }

    /// A socket that receives nothing yet.
    fn unbound(options: &PacketOptions) -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK;
        // Protocol 0 receives nothing yet: the filter must be there before the first frame.
        let socket = socket(libc::AF_PACKET, kind, 0)?;
        set_packet_option(&socket, libc::PACKET_VNET_HDR, 1)?;
        set_packet_option(&socket, libc::PACKET_AUXDATA, 1)?;
        set_packet_option(&socket, libc::PACKET_IGNORE_OUTGOING, 1)?;
        set_packet_option(&socket, libc::PACKET_QDISC_BYPASS, options.qdisc_bypass.into())?;
        set_buffer(&socket, libc::SO_RCVBUFFORCE, options.receive_buffer_bytes)?;
        set_buffer(&socket, libc::SO_SNDBUFFORCE, options.send_buffer_bytes)?;
        match (&options.fanout, &options.filter) {
            // Until it is a member of its group, it would get what others get, too.
            (Some(_), _) => Filter::drop_everything().attach(&socket)?,
            (None, Some(filter)) => filter.attach(&socket)?,
            (None, None) => {}
        }
        Ok(Self { socket, priority: 0 })
    }

    fn bind(&self, options: &PacketOptions) -> io::Result<()> {
        bind(&self.socket, &address(options.ifindex))?;
        if options.promiscuous {
            join_promiscuous(&self.socket, options.ifindex)?;
        }
        if let Some(group) = options.fanout {
            self.join_fanout(group, options.filter.as_ref())?;
        }
        Ok(())
    }

    /// Makes sure that the calling thread is in the socket's network namespace, where its device has its number.
    /// Errors: InvalidInput if it is elsewhere.
    pub fn check_namespace(&self) -> io::Result<()> {
        if inode(&namespace(&self.socket)?)? == inode(&File::open(NAMESPACE)?)? {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, "the device is in another network namespace"))
    }

    /// The failure that poll reports, which it goes on reporting until it is taken from here or met
    /// by a receive call.
    pub(crate) fn take_failure(&self) -> io::Result<Option<Received>> {
        let code: c_int = option(&self.socket, libc::SOL_SOCKET, libc::SO_ERROR)?;
        if code == 0 { Ok(None) } else { Received::from_error(io::Error::from_raw_os_error(code)).map(Some) }
    }

    /// Gives what is sent from now on another priority, by which a queueing discipline chooses its class:
    /// `SO_PRIORITY` of socket(7).  It stays as it was where the kernel does not allow it.
    #[inline]
    pub(crate) fn set_priority(&mut self, priority: u32) {
        if self.priority != priority {
            self.priority = priority;
            let _ = set_option(&self.socket, libc::SOL_SOCKET, libc::SO_PRIORITY, &priority);
        }
    }

    /// Replaces the filter; frames that wait already stay.
    pub fn set_filter(&self, filter: &Filter) -> io::Result<()> {
        filter.attach(&self.socket)
    }

    /// Counts since the last call; reading sets them to zero.
    pub fn counters(&self) -> io::Result<PacketCounters> {
        let [frames, drops]: [u32; 2] = option(&self.socket, libc::SOL_PACKET, libc::PACKET_STATISTICS)?;
        Ok(PacketCounters { frames, drops })
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn set_packet_option(socket: &OwnedFd, name: c_int, value: c_int) -> io::Result<()> {
    set_option(socket, libc::SOL_PACKET, name, &value)
}

/// The kernel doubles the value and caps it at INT_MAX / 2.
fn set_buffer(socket: &OwnedFd, name: c_int, bytes: u32) -> io::Result<()> {
    let bytes = c_int::try_from(bytes).unwrap_or(c_int::MAX);
    set_option(socket, libc::SOL_SOCKET, name, &bytes)
}

fn address(ifindex: u32) -> libc::sockaddr_ll {
    // SAFETY: sockaddr_ll is a C struct of integers; all zeroes is a value of it.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as libc::sa_family_t;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = ifindex as c_int;
    address
}

/// The index of the device that a packet socket receives from; 0 if it is no packet socket or not bound.
fn bound_to(socket: &OwnedFd) -> io::Result<u32> {
    let address: libc::sockaddr_ll = own_address(socket)?;
    let is_bound = address.sll_family == libc::AF_PACKET as libc::sa_family_t;
    Ok(if is_bound { u32::try_from(address.sll_ifindex).unwrap_or(0) } else { 0 })
}

fn join_promiscuous(socket: &OwnedFd, ifindex: u32) -> io::Result<()> {
    let request = libc::packet_mreq {
        mr_ifindex: ifindex as c_int,
        mr_type: libc::PACKET_MR_PROMISC as libc::c_ushort,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set_option(socket, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &request)
}
