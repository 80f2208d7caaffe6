//! Which queue of a TAP device gets a frame: a small program that the kernel runs for each.
//!
//! Left to itself the kernel sends a flow to the queue that the last frame of its other direction was written to, and
//! by a hash where there was none within three seconds.  Then a flow changes its queue while it runs, and its frames
//! may overtake one another.  The program looks at nothing but the frame: the same flow comes by the same queue for
//! as long as their number stays the same, in both directions and at every device.
//! Source: linux/bpf.h, linux/if_tun.h (`TUNSETSTEERINGEBPF`), Documentation/bpf/standardization/instruction-set.rst.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::bpf;
use crate::instruction::{
    Instruction, Width, copy, exclusive_or, jump, jump_if, jump_unless, leave, load, load_behind, mask,
    multiply, multiply_long, put, shift_left, shift_right,
};
use crate::sys::check;

/// `BPF_PROG_TYPE_SOCKET_FILTER`.
const SOCKET_FILTER: u32 = 1;

/// Registers that survive a load from the frame.
const CONTEXT: u8 = 6;
const HASH: u8 = 7;
const OTHER: u8 = 8;
const HEADER_LEN: u8 = 9;

const ETHERTYPE_AT: i32 = 12;
const IPV4: i32 = 0x0800;
const IPV6: i32 = 0x86dd;
const TCP: i32 = 6;
const UDP: i32 = 17;
/// More fragments, or not the first.
const IS_FRAGMENT: i32 = 0x3fff;
/// An odd number, so that multiplying mixes low bits into high ones and loses none (2^32 over the golden ratio).
const MIX: i32 = 0x9e37_79b1_u32 as i32;

/// Loads the program that deals frames out among so many queues, at least 1.  Errors: EPERM without CAP_BPF or
/// CAP_SYS_ADMIN, ENOSYS if the kernel has no BPF.
pub(crate) fn program(queues: usize) -> io::Result<OwnedFd> {
    let instructions = instructions(i32::try_from(queues.max(1)).unwrap_or(i32::MAX));
    bpf::load(SOCKET_FILTER, &instructions)
}

/// Sets the program of a TAP device, by the descriptor of any of its queues.
pub(crate) fn steer(tap: &impl AsRawFd, queues: usize) -> io::Result<()> {
    let program = program(queues)?;
    let fd: c_int = program.as_raw_fd();
    // SAFETY: TUNSETSTEERINGEBPF reads one int, which outlives the call; the device keeps the program by itself.
    check(unsafe { libc::ioctl(tap.as_raw_fd(), libc::TUNSETSTEERINGEBPF, &raw const fd) })?;
    Ok(())
}

/// Waits until no frame is on its way any more whose queue was chosen before the call.  The kernel chooses and puts it
/// into the queue within one section that readers of RCU have, and this call ends when all of these have.
pub fn wait_for_steered() {
    const GLOBAL: c_int = 1;
    // SAFETY: integers only.  Where the kernel refuses, frames that are on their way may be lost with their queue.
    unsafe { libc::syscall(libc::SYS_membarrier, GLOBAL, 0, 0) };
}

/// The hash is that of addresses and ports, each pair in no order.  Fragments have no ports, so those of a datagram
/// stay together; what is not IP, and what has its VLAN tag in its bytes, comes by the first queue.
fn instructions(queues: i32) -> Vec<Instruction> {
    let ipv4 = ipv4();
    let ipv6 = ipv6();
    let ports = ports();
    let to_ports_from_ipv4 = ipv6.len() as i16;
    let end = ports.len() as i16;
    let mut all = vec![copy(CONTEXT, 1), put(HASH, 0), load(Width::Half, ETHERTYPE_AT)];
    all.push(jump_unless(0, IPV4, ipv4.len() as i16 + 1));
    all.extend(ipv4);
    all.push(jump(to_ports_from_ipv4 + 1));
    all.push(jump_unless(0, IPV6, ipv6.len() as i16 + end));
    all.extend(ipv6);
    all.extend(ports);
    all.extend([multiply(HASH, MIX), copy(0, HASH), multiply_long(0, queues), shift_right(0, 32), leave()]);
    all
}

/// Leaves the protocol, or 0 for a fragment, in one register and the header's length in another.
fn ipv4() -> Vec<Instruction> {
    let mut all = vec![load(Width::Word, 26), copy(HASH, 0), load(Width::Word, 30), exclusive_or(HASH, 0)];
    all.extend([load(Width::Byte, 14), mask(0, 15), shift_left(0, 2), copy(HEADER_LEN, 0)]);
    all.extend([load(Width::Half, 20), mask(0, IS_FRAGMENT), copy(OTHER, 0)]);
    all.extend([load(Width::Byte, 23), jump_unless(OTHER, 0, 2), copy(OTHER, 0), jump(1), put(OTHER, 0)]);
    all
}

/// The same.  A fragment, and what has other extension headers, has a next header that is no protocol with ports.
fn ipv6() -> Vec<Instruction> {
    let words = (22..54).step_by(4);
    let mut all: Vec<_> = words.flat_map(|at| [load(Width::Word, at), exclusive_or(HASH, 0)]).collect();
    all.extend([put(HEADER_LEN, 40), load(Width::Byte, 20), copy(OTHER, 0)]);
    all
}

fn ports() -> Vec<Instruction> {
    let mut both = vec![load_behind(Width::Word, HEADER_LEN, 14), copy(OTHER, 0), shift_right(OTHER, 16)];
    // The addresses first, or the ports would meet those bits of them that differ most often.
    both.extend([mask(0, 0xffff), exclusive_or(OTHER, 0), multiply(HASH, MIX), exclusive_or(HASH, OTHER)]);
    let mut all = vec![jump_if(OTHER, TCP, 1), jump_unless(OTHER, UDP, both.len() as i16)];
    all.extend(both);
    all
}
