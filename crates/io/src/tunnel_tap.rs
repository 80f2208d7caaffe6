//! A way to send super-frames that are in a tunnel over UDP or GRE, for the kernel to cut within the tunnel.
//!
//! A packet socket refuses such a frame, a TAP device of Linux 6.17 and later takes it.  So there is one that nobody
//! else uses, and a program on it that redirects all that is written to it to the device that carries the tunnels,
//! before routing or a firewall has looked at it; packet sockets see it there too.  There a device that cuts tunnels gets the frame whole, and for any
//! other the kernel cuts it at the last moment.  Nothing is received by it.  It is gone with its last descriptor.
//! Source: linux/virtio_net.h (`virtio_net_hdr_v1_hash_tunnel`), linux/if_tun.h, bpf-helpers(7) (`bpf_redirect`).

use std::ffi::{c_int, c_uint};
use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::fd::{AsRawFd, OwnedFd};

use tulle_wire::vnet::{Offload, TUNNEL_HDR_LEN, Tunnel, emit_in_tunnel};

use crate::bpf;
use crate::device::Device;
use crate::instruction::{call_kernel, leave, put};
use crate::outcome::Sent;
use crate::relabel::relabel_gre;
use crate::sys::{check, interface_ioctl, interface_request};
use crate::tap::{open_control, set_offloads};

/// `BPF_PROG_TYPE_SCHED_CLS`.
const SCHED_CLS: u32 = 3;
/// `BPF_TCX_INGRESS`.
const TCX_INGRESS: u32 = 46;
/// `BPF_FUNC_redirect`.
const REDIRECT: i32 = 23;
pub(crate) const TUN_F_UDP_TUNNEL_GSO: c_uint = 0x80;
pub(crate) const TUN_F_UDP_TUNNEL_GSO_CSUM: c_uint = 0x100;
/// linux/if_tun.h
const TUNSETSNDBUF: libc::Ioctl = 0x4004_54d4;
/// Bytes of frames that may be on their way to the device, as the kernel counts them; as a packet socket has.
const SEND_BUFFER_BYTES: c_int = 8 << 20;
/// The kernel puts a number in the place of %d.
const NAME: &str = "tulleup%d";
/// Less than IPv6 needs, so that the kernel has no address there and sends nothing by it; what is written may be longer.
const MTU: u32 = 1000;

/// The TAP device in front of one device.
#[derive(Debug)]
pub struct TunnelTap {
    file: File,
    /// Has the program run.
    _link: OwnedFd,
}

impl TunnelTap {
    /// In front of a device of the calling thread's network namespace.  Errors: EINVAL where the kernel does not know of
    /// such frames or of such programs, EPERM without CAP_NET_ADMIN and CAP_BPF.
    pub fn open(ifindex: u32) -> io::Result<Self> {
        let file = open_control()?;
        let mut request = interface_request(NAME)?;
        request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as i16;
        interface_ioctl(&file, libc::TUNSETIFF, &mut request)?;
        let header_len = TUNNEL_HDR_LEN as c_int;
        // SAFETY: TUNSETVNETHDRSZ reads one int, which outlives the call.
        check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETVNETHDRSZ, &raw const header_len) })?;
        let tcp = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6;
        set_offloads(&file, tcp | TUN_F_UDP_TUNNEL_GSO | TUN_F_UDP_TUNNEL_GSO_CSUM)?;
        let most = SEND_BUFFER_BYTES;
        // SAFETY: TUNSETSNDBUF reads one int, which outlives the call.
        check(unsafe { libc::ioctl(file.as_raw_fd(), TUNSETSNDBUF, &raw const most) })?;
        let device = Device::open(&name_in(&request))?;
        device.set_mtu(MTU)?;
        let link = bpf::attach(&redirection(ifindex)?, device.index(), TCX_INGRESS)?;
        device.set_up()?;
        Ok(Self { file, _link: link })
    }

    /// Sends a super-frame.  Never waits.  What becomes of it behind the device's queueing discipline nobody hears.
    /// Errors: EBADFD once the device is deleted.
    pub fn send(&self, frame: &[u8], offload: &Offload, tunnel: &Tunnel) -> io::Result<Sent> {
        let mut header = [0; TUNNEL_HDR_LEN];
        emit_in_tunnel(offload, tunnel, &mut header);
        let written = (&self.file).write_vectored(&[IoSlice::new(&header), IoSlice::new(frame)]);
        written.map(|_| Sent::Sent).or_else(Sent::from_error)
    }
}

/// Sends all that comes to another device; what is in GRE with the marks that the kernel's own has.
fn redirection(ifindex: u32) -> io::Result<OwnedFd> {
    let to = i32::try_from(ifindex).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut program = relabel_gre();
    program.extend([put(1, to), put(2, 0), call_kernel(REDIRECT), leave()]);
    bpf::load(SCHED_CLS, &program)
}

/// The name that the kernel has chosen.
fn name_in(request: &libc::ifreq) -> String {
    let bytes = request.ifr_name.iter().map(|byte| *byte as u8).take_while(|byte| *byte != 0);
    String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned()
}
