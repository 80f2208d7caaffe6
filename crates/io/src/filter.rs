//! Classic BPF programs for socket filters, built by code.
//!
//! A filter decides in the kernel which packets a socket gets, so that an underlay socket does not
//! wake up for traffic of others. It drops silently and uncounted: only what is none of ours.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

use crate::sys::set_option;

const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
const LOAD_HALF: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const LOAD_HALF_BEHIND_X: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_IND) as u16;
/// X = 4 * (byte & 0x0f): the length of an IPv4 header.
const LOAD_X_HEADER_LENGTH: u16 = (libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH) as u16;
const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const JUMP_SET: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Loads from these offsets read metadata, not bytes of the packet (linux/filter.h).
const METADATA: u32 = -0x1000_i32 as u32;
const PACKET_TYPE: u32 = METADATA + 4;
const VLAN_TAG_PRESENT: u32 = METADATA + 48;

const ETHER_TYPE_AT: u32 = 12;
const IPV4_AT: u32 = 14;
const FRAGMENT_AT: u32 = IPV4_AT + 6;
const PROTOCOL_AT: u32 = IPV4_AT + 9;
const DESTINATION_AT: u32 = IPV4_AT + 16;
/// Of a TCP or UDP header; both have the destination port at the same place.
const DESTINATION_PORT_AT: u32 = IPV4_AT + 2;
const FRAGMENT_OFFSET_BITS: u32 = 0x1fff;
const ETHER_TYPE_IPV4: u32 = 0x0800;
const WHOLE_PACKET: u32 = u32::MAX;

/// A program that says of each packet whether the socket gets it.
#[derive(Clone)]
pub struct Filter {
    instructions: Vec<libc::sock_filter>,
}

impl Filter {
    /// Drops everything.
    #[must_use]
    pub fn drop_everything() -> Self {
        Self { instructions: vec![instruction(RETURN, 0)] }
    }

    /// Tunnel packets to `local`, for a packet socket on an Ethernet device: IPv4, addressed to
    /// this host's MAC, without a VLAN tag, to a TCP port of `tcp_ports` or a UDP port of
    /// `udp_ports`. Fragments other than the first have no ports and are left out; a first fragment
    /// passes, so that the caller can count it.
    #[must_use]
    pub fn tunnel_packets(local: Ipv4Addr, tcp_ports: &[u16], udp_ports: &[u16]) -> Self {
        let mut builder = Builder::default();
        builder.require(LOAD_HALF, VLAN_TAG_PRESENT, 0);
        builder.require(LOAD_HALF, PACKET_TYPE, u32::from(libc::PACKET_HOST));
        builder.require(LOAD_HALF, ETHER_TYPE_AT, ETHER_TYPE_IPV4);
        builder.require(LOAD_WORD, DESTINATION_AT, local.to_bits());
        builder.refuse_bits(LOAD_HALF, FRAGMENT_AT, FRAGMENT_OFFSET_BITS);
        builder.load(LOAD_X_HEADER_LENGTH, IPV4_AT);
        builder.accept_ports(libc::IPPROTO_TCP as u32, tcp_ports);
        builder.accept_ports(libc::IPPROTO_UDP as u32, udp_ports);
        builder.finish()
    }

    /// UDP over IPv4 to one port, whoever it is addressed to; no fragments other than the first, and
    /// nothing behind a VLAN tag that is in the packet's bytes.
    #[must_use]
    pub fn udp_packets(port: u16) -> Self {
        let mut builder = Builder::default();
        builder.require(LOAD_HALF, ETHER_TYPE_AT, ETHER_TYPE_IPV4);
        builder.refuse_bits(LOAD_HALF, FRAGMENT_AT, FRAGMENT_OFFSET_BITS);
        builder.load(LOAD_X_HEADER_LENGTH, IPV4_AT);
        builder.accept_ports(libc::IPPROTO_UDP as u32, &[port]);
        builder.finish()
    }

    /// Attaches it to a socket, replacing the filter that it had. Errors: EINVAL if the program is
    /// longer than the kernel takes (4096 instructions).
    pub fn attach(&self, socket: &impl AsRawFd) -> io::Result<()> {
        let too_long = |_| io::Error::from_raw_os_error(libc::EINVAL);
        let program = libc::sock_fprog {
            len: u16::try_from(self.instructions.len()).map_err(too_long)?,
            filter: self.instructions.as_ptr().cast_mut(),
        };
        set_option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
    }

    /// Takes the filter off a socket. Errors: ENOENT if it has none.
    pub fn detach(socket: &impl AsRawFd) -> io::Result<()> {
        set_option(socket, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, &0_i32)
    }
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Filter({} instructions)", self.instructions.len())
    }
}

/// Assembles straight-line checks. Classic jumps only go forward and at most 255 instructions, so
/// a failed check returns at once instead of jumping to a common end.
#[derive(Default)]
struct Builder {
    instructions: Vec<libc::sock_filter>,
}

impl Builder {
    fn load(&mut self, code: u16, offset: u32) {
        self.instructions.push(instruction(code, offset));
    }

    fn give(&mut self, length: u32) {
        self.instructions.push(instruction(RETURN, length));
    }

    /// Skips the next `if_true` instructions when the loaded value passes the test, else `if_false`.
    fn test(&mut self, code: u16, value: u32, if_true: u8, if_false: u8) {
        self.instructions.push(libc::sock_filter { code, jt: if_true, jf: if_false, k: value });
    }

    fn require(&mut self, load: u16, offset: u32, value: u32) {
        self.load(load, offset);
        self.test(JUMP_EQUAL, value, 1, 0);
        self.give(0);
    }

    fn refuse_bits(&mut self, load: u16, offset: u32, bits: u32) {
        self.load(load, offset);
        self.test(JUMP_SET, bits, 0, 1);
        self.give(0);
    }

    /// Two instructions a port, each of which must be skipped by one jump; ports beyond 100 would
    /// not fit into its 8 bits, so they get a check of their own.
    fn accept_ports(&mut self, protocol: u32, ports: &[u16]) {
        for ports in ports.chunks(100) {
            self.load(LOAD_BYTE, PROTOCOL_AT);
            self.test(JUMP_EQUAL, protocol, 0, 1 + 2 * ports.len() as u8);
            self.load(LOAD_HALF_BEHIND_X, DESTINATION_PORT_AT);
            for port in ports {
                self.test(JUMP_EQUAL, u32::from(*port), 0, 1);
                self.give(WHOLE_PACKET);
            }
        }
    }

    fn finish(mut self) -> Filter {
        self.give(0);
        Filter { instructions: self.instructions }
    }
}

fn instruction(code: u16, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt: 0, jf: 0, k }
}
