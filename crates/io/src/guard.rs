//! Keeps the kernel quiet about tunnel packets that are served by packet sockets.
//!
//! Without a socket on the port, the kernel answers every STT segment with a TCP RST, every VXLAN or
//! Geneve datagram with ICMP port unreachable, and GRE with ICMP protocol unreachable. A guard holds
//! a listening TCP, a bound UDP or a raw socket whose filter drops everything: the packet finds a
//! socket, the filter runs before anything could be answered, and neither netfilter nor tc rules of
//! the user are touched. It also reserves the port against other programs. Packet sockets get their
//! copy earlier and notice nothing.
//!
//! A guard is for all addresses of the host, of both families where the kernel has IPv6. Where the
//! kernel's own GRE module is loaded, that one answers packets of unknown tunnels all the same.

use std::io;
use std::net::Ipv6Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::filter::Filter;
use crate::sys::{bind, check, set_option, socket};

/// SOL_UDP option: let merged datagrams reach the socket whole (linux/udp.h).
const UDP_GRO: libc::c_int = 104;

/// What is guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Guarded {
    /// A TCP port, for STT.
    Tcp(u16),
    /// A UDP port, for VXLAN and Geneve.
    Udp(u16),
    /// IP protocol 47.
    Gre,
}

/// Held for as long as this value lives.
#[derive(Debug)]
pub struct PortGuard {
    sockets: Vec<OwnedFd>,
}

impl PortGuard {
    /// Guards in the network namespace of the calling thread. Errors: EADDRINUSE if a program or a
    /// kernel tunnel device has the port.
    pub fn new(what: Guarded) -> io::Result<Self> {
        let sockets = match what {
            Guarded::Tcp(port) => vec![hold_tcp(port)?],
            Guarded::Udp(port) => vec![hold_udp(port)?],
            Guarded::Gre => hold_gre()?,
        };
        Ok(Self { sockets })
    }

    /// Goes on with what another process has guarded by: copies of its [`sockets`](Self::sockets).
    #[must_use]
    pub fn adopt(sockets: Vec<OwnedFd>) -> Self {
        Self { sockets }
    }

    /// Copies of what it guards by, which go on guarding when this value is gone.
    pub fn sockets(&self) -> io::Result<Vec<OwnedFd>> {
        self.sockets.iter().map(OwnedFd::try_clone).collect()
    }
}

fn hold_tcp(port: u16) -> io::Result<OwnedFd> {
    let (socket, family) = silent_socket(libc::SOCK_STREAM)?;
    // A guard of a program that was killed a moment ago must not be in the way.
    set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, &1_i32)?;
    bind_everywhere(&socket, family, port)?;
    // SAFETY: integers only. Only sockets that listen are found by segments of no connection.
    check(unsafe { libc::listen(socket.as_raw_fd(), 1) })?;
    Ok(socket)
}

fn hold_udp(port: u16) -> io::Result<OwnedFd> {
    let (socket, family) = silent_socket(libc::SOCK_DGRAM)?;
    set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, &0_i32)?;
    // Else the kernel cuts a merged datagram into its parts just to have each dropped.
    set_option(&socket, libc::IPPROTO_UDP, UDP_GRO, &1_i32)?;
    bind_everywhere(&socket, family, port)?;
    Ok(socket)
}

/// A raw socket is of one family only.
fn hold_gre() -> io::Result<Vec<OwnedFd>> {
    let open = |family| -> io::Result<OwnedFd> {
        let socket = socket(family, libc::SOCK_RAW, libc::IPPROTO_GRE)?;
        Filter::drop_everything().attach(&socket)?;
        set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, &0_i32)?;
        Ok(socket)
    };
    let mut sockets = vec![open(libc::AF_INET)?];
    match open(libc::AF_INET6) {
        Ok(socket) => sockets.push(socket),
        Err(error) if has_no_ipv6(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(sockets)
}

/// The filter is there before the port is, so that no packet slips in between.
fn silent_socket(kind: libc::c_int) -> io::Result<(OwnedFd, libc::c_int)> {
    let (socket, family) = match socket(libc::AF_INET6, kind, 0) {
        Ok(socket) => (socket, libc::AF_INET6),
        Err(error) if has_no_ipv6(&error) => (socket(libc::AF_INET, kind, 0)?, libc::AF_INET),
        Err(error) => return Err(error),
    };
    Filter::drop_everything().attach(&socket)?;
    Ok((socket, family))
}

fn has_no_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT))
}

fn bind_everywhere(socket: &OwnedFd, family: libc::c_int, port: u16) -> io::Result<()> {
    if family == libc::AF_INET {
        return bind(socket, &ipv4_any(port));
    }
    set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, &0_i32)?;
    bind(socket, &ipv6_any(port))
}

fn ipv4_any(port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: libc::INADDR_ANY },
        sin_zero: [0; 8],
    }
}

fn ipv6_any(port: u16) -> libc::sockaddr_in6 {
    libc::sockaddr_in6 {
        sin6_family: libc::AF_INET6 as libc::sa_family_t,
        sin6_port: port.to_be(),
        sin6_flowinfo: 0,
        sin6_addr: libc::in6_addr { s6_addr: Ipv6Addr::UNSPECIFIED.octets() },
        sin6_scope_id: 0,
    }
}
