//! TAP devices: the kernel end of a workload's network card, the other end read and written here.
//!
//! Frames go with the virtio-net header, so 64 KB TCP frames pass whole and without checksums. The
//! device may be moved to another network namespace while it is open; reading and writing go on.
//! Source: Documentation/networking/tuntap.rst, linux/if_tun.h.

use std::ffi::{c_int, c_uint};
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use tulle_wire::FrameBuf;
use tulle_wire::vnet::{Offload, VNET_HDR_LEN};

use crate::device::Device;
use crate::header;
use crate::outcome::{Received, Sent};
use crate::sys::{check, interface_ioctl, interface_request};

pub(crate) const CONTROL_FILE: &str = "/dev/net/tun";

/// How a TAP device is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapOptions {
    /// 1 to 15 bytes. A device of that name that nobody has open is taken over.
    pub name: String,
    /// Largest payload of an Ethernet frame, in bytes.
    pub mtu: u32,
    /// Ethernet address of the kernel's end; the kernel draws one if there is none.
    pub mac: Option<[u8; 6]>,
    /// Set it up; one that was there already stays as it is otherwise.
    pub set_up: bool,
    /// Also let the kernel hand over UDP super-frames (needs Linux 6.2; left out where refused).
    pub udp_segmentation: bool,
    /// Make it for several queues ([`Tap::open_share`]), which costs the kernel about 6 MB; one that was there already
    /// stays as it is.
    pub shareable: bool,
}

/// How many queues a device has been made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queues {
    One,
    Several,
}

impl TapOptions {
    /// A device with an MTU of 1500 and nothing special.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let name = name.to_owned();
        Self { name, mtu: 1500, mac: None, set_up: true, udp_segmentation: false, shareable: false }
    }
}

/// An open TAP device, or a queue of it. It disappears when the last such value is dropped.
#[derive(Debug)]
pub struct Tap {
    pub(crate) file: File,
    pub(crate) name: String,
    pub(crate) offloads: c_uint,
    pub(crate) queues: Queues,
}

impl Tap {
    /// Makes the device in the network namespace of the calling thread and sets it up. Errors: EPERM
    /// without CAP_NET_ADMIN, EBUSY if someone has it open, EINVAL if the name is another kind's.
    pub fn open(options: &TapOptions) -> io::Result<Self> {
        let file = open_control()?;
        let queues = make(&file, options)?;
        let offloads = negotiate(&file, options.udp_segmentation)?;
        configure(options)?;
        Ok(Self { file, name: options.name.clone(), offloads, queues })
    }

    /// Takes over a TAP device that this or another process has opened with the virtio-net header, wherever
    /// the device is meanwhile.  Errors: EBADFD if the descriptor is not a TAP device's.
    pub fn adopt(descriptor: OwnedFd, name: &str) -> io::Result<Self> {
        let file = File::from(descriptor);
        let mut request = interface_request(name)?;
        interface_ioctl(&file, libc::TUNGETIFF, &mut request)?;
        // SAFETY: TUNGETIFF has just filled this member.
        let flags = c_int::from(unsafe { request.ifr_ifru.ifru_flags });
        let queues = if flags & libc::IFF_MULTI_QUEUE == 0 { Queues::One } else { Queues::Several };
        let offloads = negotiate(&file, false)?;
        Ok(Self { file, name: name.to_owned(), offloads, queues })
    }

    /// The name that it was made with; whoever moves the device may rename it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the kernel may hand over TCP super-frames.
    #[must_use]
    pub fn tcp_segmentation(&self) -> bool {
        self.offloads & (libc::TUN_F_TSO4 | libc::TUN_F_TSO6) != 0
    }

    /// Whether the kernel may hand over UDP super-frames.
    #[must_use]
    pub fn udp_segmentation(&self) -> bool {
        self.offloads & libc::TUN_F_USO4 != 0
    }

    /// Reads one frame that the workload has sent. Never waits. Errors: EBADFD once the device is deleted.
    pub fn receive(&self, frame: &mut FrameBuf, offload: &mut Offload) -> io::Result<Received> {
        let mut header = [0; VNET_HDR_LEN];
        frame.reset();
        let room = frame.spare_mut();
        let room_len = room.len();
        let mut parts = [IoSliceMut::new(&mut header), IoSliceMut::new(room)];
        let length = match (&self.file).read_vectored(&mut parts) {
            Ok(length) => length.saturating_sub(VNET_HDR_LEN),
            Err(error) => return Received::from_error(error),
        };
        frame.set_len(length);
        let Some(parsed) = header::parse(&header) else {
            return Ok(Received::Undescribable);
        };
        *offload = parsed;
        // The kernel cuts what does not fit and says nothing: a full buffer counts as cut.
        Ok(if length < room_len { Received::Frame } else { Received::Truncated })
    }

    /// Writes one frame for the workload to receive. Never waits. Errors: EBADFD once the device is deleted.
    pub fn send(&self, frame: &[u8], offload: &Offload) -> io::Result<Sent> {
        let header = header::emit(offload);
        let parts = [IoSlice::new(&header), IoSlice::new(frame)];
        // A TAP takes a whole frame or nothing.
        let written = (&self.file).write_vectored(&parts);
        written.map(|_| Sent::Sent).or_else(Sent::from_error)
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

pub(crate) fn open_control() -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_CLOEXEC;
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(CONTROL_FILE)
}

/// Makes the device, or takes it over.  One for several queues never is: whoever has it open would lose frames to us.
fn make(file: &File, options: &TapOptions) -> io::Result<Queues> {
    if options.shareable {
        match attach_with(file, &options.name, libc::IFF_MULTI_QUEUE | libc::IFF_TUN_EXCL) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
            done => return done.map(|()| Queues::Several),
        }
    }
    attach(file, &options.name, Queues::One)?;
    Ok(Queues::One)
}

pub(crate) fn attach(file: &File, name: &str, queues: Queues) -> io::Result<()> {
    attach_with(file, name, if queues == Queues::Several { libc::IFF_MULTI_QUEUE } else { 0 })
}

fn attach_with(file: &File, name: &str, more: c_int) -> io::Result<()> {
    let mut request = interface_request(name)?;
    let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR | more;
    request.ifr_ifru.ifru_flags = flags as i16;
    interface_ioctl(file, libc::TUNSETIFF, &mut request)?;
    let header_len = VNET_HDR_LEN as c_int;
    // SAFETY: TUNSETVNETHDRSZ reads one int, which outlives the call.
    check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETVNETHDRSZ, &raw const header_len) })?;
    Ok(())
}

/// Asks for the most and then for less. Gives the flags that the kernel took.
fn negotiate(file: &File, udp_segmentation: bool) -> io::Result<c_uint> {
    let tcp = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6;
    // The kernel takes both USO flags or neither.
    let udp = tcp | libc::TUN_F_USO4 | libc::TUN_F_USO6;
    let wishes = [udp, tcp, libc::TUN_F_CSUM];
    let first = usize::from(!udp_segmentation);
    let mut refusal = None;
    for wish in &wishes[first..] {
        match set_offloads(file, *wish) {
            Ok(()) => return Ok(*wish),
            Err(error) => refusal = Some(error),
        }
    }
    refusal.map_or(Ok(0), Err)
}

pub(crate) fn set_offloads(file: &File, flags: c_uint) -> io::Result<()> {
    // SAFETY: TUNSETOFFLOAD takes its flags by value.
    check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETOFFLOAD, libc::c_ulong::from(flags)) })?;
    Ok(())
}

fn configure(options: &TapOptions) -> io::Result<()> {
    let device = Device::open(&options.name)?;
    if let Some(mac) = options.mac {
        device.set_mac(mac)?;
    }
    device.set_mtu(options.mtu)?;
    if options.set_up {
        device.set_up()?;
    }
    Ok(())
}
