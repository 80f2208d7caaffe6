//! Small programs for the kernel: loading, attaching.
//!
//! Source: linux/bpf.h.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::instruction::Instruction;
use crate::sys::check;

const PROG_LOAD: c_int = 5;
const LINK_CREATE: c_int = 28;

/// `bpf_attr` of `BPF_PROG_LOAD`, up to the last field that is given here; what is behind counts as zero.
#[repr(C)]
struct LoadAttribute {
    kind: u32,
    instructions: u32,
    at: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
}

/// `bpf_attr` of `BPF_LINK_CREATE`, for devices: behind all programs that are there.
#[repr(C)]
struct LinkAttribute {
    program: u32,
    device: u32,
    place: u32,
    flags: u32,
    relative_to: u32,
    padding: u32,
    expected_revision: u64,
}

/// Loads a program of a kind.  Errors: EPERM without CAP_BPF or CAP_SYS_ADMIN, ENOSYS if the kernel has no BPF.
pub(crate) fn load(kind: u32, instructions: &[Instruction]) -> io::Result<OwnedFd> {
    let attribute = LoadAttribute {
        kind,
        instructions: instructions.len() as u32,
        at: instructions.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
    };
    // SAFETY: the attribute, the instructions and the license outlive the call, which only reads them.
    unsafe { call(PROG_LOAD, &attribute) }
}

/// Has a device of the calling thread's network namespace run a program, until the link is closed.  `place` is one of
/// `bpf_attach_type`.  Errors: EINVAL before Linux 6.6, ENODEV.
pub(crate) fn attach(program: &OwnedFd, device: u32, place: u32) -> io::Result<OwnedFd> {
    let program = program.as_raw_fd() as u32;
    let (flags, relative_to, padding, expected_revision) = (0, 0, 0, 0);
    let attribute = LinkAttribute { program, device, place, flags, relative_to, padding, expected_revision };
    // SAFETY: the attribute outlives the call, which only reads it.
    unsafe { call(LINK_CREATE, &attribute) }
}

/// # Safety
/// The attribute is that of the command, which gives a new descriptor, and all that it points to outlives the call.
unsafe fn call<T>(command: c_int, attribute: &T) -> io::Result<OwnedFd> {
    // SAFETY: the caller's promise; the descriptor that comes out is new and owned by nobody else.
    unsafe {
        let fd = libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attribute), size_of::<T>());
        Ok(OwnedFd::from_raw_fd(check(fd as c_int)?))
    }
}
