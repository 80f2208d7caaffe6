//! What this kernel can do, each tried on a socket or device made for the purpose.
//!
//! The trials are made in a network namespace of their own, which nobody else sees and which ends with them.  Where
//! none can be made, they are made in the caller's, on its loopback device.
//! Source: udp(7), linux/if_tun.h, linux/virtio_net.h (Linux 6.17 for tunnels), packet(7),
//! Documentation/networking/xsk-tx-metadata.rst.

use std::ffi::{c_int, c_uint};
use std::fs::{File, OpenOptions};
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::device::Device;
use crate::outgoing::Outgoing;
use crate::packet::{PacketOptions, PacketSocket};
use crate::sys::{check, interface_ioctl, interface_request, set_option};
use crate::tap::CONTROL_FILE;
use crate::tunnel_tap::{TUN_F_UDP_TUNNEL_GSO, TUN_F_UDP_TUNNEL_GSO_CSUM, TunnelTap};

/// SOL_UDP options (linux/udp.h).
const UDP_SEGMENT: c_int = 103;
const UDP_GRO: c_int = 104;
/// `virtio_net_hdr_v1_hash_tunnel`.
const TUNNEL_HEADER_LEN: c_int = 24;
/// The kernel puts a number in the place of %d.
const TAP_NAME: &str = "tulletry%d";
const LOOPBACK: &str = "lo";
const DATAGRAM_LEN: c_int = 100;
const PATIENCE: Duration = Duration::from_millis(200);
const RING_SLOTS: u32 = 32;

/// What is possible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// One send call makes several datagrams (`UDP_SEGMENT`).
    pub udp_segmentation: bool,
    /// One receive call takes several datagrams (`UDP_GRO`).
    pub udp_merging: bool,
    /// TAP devices hand over long UDP packets to be cut (`TUN_F_USO4`, `TUN_F_USO6`).
    pub tap_udp_segmentation: bool,
    /// TAP devices hand over and take tunnel packets to be cut inside (`TUN_F_UDP_TUNNEL_GSO`, 24-byte header).
    pub tap_tunnel_segmentation: bool,
    /// What is in a tunnel over UDP reaches a device uncut ([`TunnelTap`]: the above, and programs of Linux 6.6).
    pub tunnel_tap: bool,
    /// Packets are received through shared memory (`TPACKET_V2`).
    pub packet_ring: bool,
    /// Frames are sent in batches without a copy to the socket's queue (AF_XDP in copy mode).
    pub direct_sending: bool,
    /// These frames may leave their checksum to the device (AF_XDP's transmit metadata).
    pub direct_checksums: bool,
}

impl Capabilities {
    /// Tries all of them; what cannot be tried is not possible.
    #[must_use]
    pub fn probe() -> Capabilities {
        let trial = std::thread::Builder::new().name("try".into()).spawn(|| {
            enter_own_namespace();
            try_all()
        });
        trial.ok().and_then(|trial| trial.join().ok()).unwrap_or_default()
    }
}

/// The calling thread ends in it; without the right to make one it stays where it is.
fn enter_own_namespace() {
    // SAFETY: an integer only; it changes the network namespace of this thread alone.
    if check(unsafe { libc::unshare(libc::CLONE_NEWNET) }).is_ok() {
        let _ = Device::open(LOOPBACK).and_then(|loopback| loopback.set_up());
    }
}

fn try_all() -> Capabilities {
    let direct = Device::open(LOOPBACK).and_then(|loopback| Outgoing::direct(loopback.index()));
    Capabilities {
        udp_segmentation: received_at_once(false).is_ok_and(|len| len == DATAGRAM_LEN as usize),
        udp_merging: received_at_once(true).is_ok_and(|len| len == 2 * DATAGRAM_LEN as usize),
        tap_udp_segmentation: try_tap(None, libc::TUN_F_USO4 | libc::TUN_F_USO6).is_ok(),
        tap_tunnel_segmentation: try_tunnel().is_ok(),
        tunnel_tap: Device::open(LOOPBACK).and_then(|loopback| TunnelTap::open(loopback.index())).is_ok(),
        packet_ring: try_ring().is_ok(),
        direct_sending: direct.is_ok(),
        direct_checksums: direct.is_ok_and(|direct| direct.takes_checksums()),
    }
}

/// Sends two datagrams by one call, and gives the length that the first receive call takes.
fn received_at_once(merging: bool) -> io::Result<usize> {
    let [from, to] = [UdpSocket::bind(("127.0.0.1", 0))?, UdpSocket::bind(("127.0.0.1", 0))?];
    set_option(&from, libc::IPPROTO_UDP, UDP_SEGMENT, &DATAGRAM_LEN)?;
    set_option(&to, libc::IPPROTO_UDP, UDP_GRO, &c_int::from(merging))?;
    to.set_read_timeout(Some(PATIENCE))?;
    let mut room = [0; 4 * DATAGRAM_LEN as usize];
    from.send_to(&room[..2 * DATAGRAM_LEN as usize], to.local_addr()?)?;
    to.recv(&mut room)
}

/// A TAP device that may hand over, besides TCP super-frames, what `flags` say; it goes with the file.
fn try_tap(header_len: Option<c_int>, flags: c_uint) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open(CONTROL_FILE)?;
    let mut request = interface_request(TAP_NAME)?;
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as i16;
    interface_ioctl(&file, libc::TUNSETIFF, &mut request)?;
    if let Some(len) = header_len {
        // SAFETY: TUNSETVNETHDRSZ reads one int, which outlives the call.
        check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETVNETHDRSZ, &raw const len) })?;
    }
    let flags = flags | libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6;
    // SAFETY: TUNSETOFFLOAD takes its flags by value.
    check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETOFFLOAD, libc::c_ulong::from(flags)) })?;
    Ok(file)
}

fn try_tunnel() -> io::Result<File> {
    let udp = libc::TUN_F_USO4 | libc::TUN_F_USO6;
    try_tap(Some(TUNNEL_HEADER_LEN), udp | TUN_F_UDP_TUNNEL_GSO | TUN_F_UDP_TUNNEL_GSO_CSUM)
}

fn try_ring() -> io::Result<()> {
    let loopback = Device::open(LOOPBACK)?;
    PacketSocket::open_with_ring(&PacketOptions::device(loopback.index()), RING_SLOTS).map(drop)
}
