//! Keeps the kernel quiet about tunnel ports that are served by packet sockets.
//!
//! Without a socket on the port, the kernel answers every STT segment with a TCP RST and every VXLAN
//! datagram with ICMP port unreachable. A guard holds a listening TCP socket and a bound UDP socket
//! whose filter drops everything: the packet finds a socket, the filter runs before anything could
//! be answered, and neither netfilter nor tc rules of the user are touched. It also reserves the
//! ports against other programs. Packet sockets get their copy earlier and notice nothing.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::filter::Filter;
use crate::sys::{bind, check, set_option, socket};

/// SOL_UDP option: let merged datagrams reach the socket whole (linux/udp.h).
const UDP_GRO: libc::c_int = 104;

/// Which ports of which address are guarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardOptions {
    /// The underlay address. It need not exist yet.
    pub local: Ipv4Addr,
    /// TCP ports, for STT.
    pub tcp_ports: Vec<u16>,
    /// UDP ports, for VXLAN.
    pub udp_ports: Vec<u16>,
}

/// Ports held for as long as this value lives.
#[derive(Debug)]
pub struct PortGuard {
    _sockets: Vec<OwnedFd>,
}

impl PortGuard {
    /// Takes all the ports, in the network namespace of the calling thread. Errors: EADDRINUSE if a
    /// program or a kernel tunnel device has one of them; then none is held.
    pub fn new(options: &GuardOptions) -> io::Result<Self> {
        let mut sockets = Vec::new();
        for &port in &options.tcp_ports {
            sockets.push(hold_tcp(options.local, port)?);
        }
        for &port in &options.udp_ports {
            sockets.push(hold_udp(options.local, port)?);
        }
        Ok(Self { _sockets: sockets })
    }
}

fn hold_tcp(local: Ipv4Addr, port: u16) -> io::Result<OwnedFd> {
    let socket = silent_socket(libc::SOCK_STREAM)?;
    // A guard of a program that was killed a moment ago must not be in the way.
    set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, &1_i32)?;
    bind(&socket, &address(local, port))?;
    // SAFETY: integers only. Only sockets that listen are found by segments of no connection.
    check(unsafe { libc::listen(socket.as_raw_fd(), 1) })?;
    Ok(socket)
}

fn hold_udp(local: Ipv4Addr, port: u16) -> io::Result<OwnedFd> {
    let socket = silent_socket(libc::SOCK_DGRAM)?;
    set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, &0_i32)?;
    // Else the kernel cuts a merged datagram into its parts just to have each dropped.
    set_option(&socket, libc::IPPROTO_UDP, UDP_GRO, &1_i32)?;
    bind(&socket, &address(local, port))?;
    Ok(socket)
}

/// The filter is there before the port is, so that no packet slips in between.
fn silent_socket(kind: libc::c_int) -> io::Result<OwnedFd> {
    let socket = socket(libc::AF_INET, kind, 0)?;
    Filter::drop_everything().attach(&socket)?;
    set_option(&socket, libc::IPPROTO_IP, libc::IP_FREEBIND, &1_i32)?;
    Ok(socket)
}

fn address(ip: Ipv4Addr, port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: ip.to_bits().to_be() },
        sin_zero: [0; 8],
    }
}
