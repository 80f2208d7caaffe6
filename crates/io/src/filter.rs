//! Classic BPF programs for socket filters, built by code.
//!
//! A filter decides in the kernel which packets a socket gets, so that an underlay socket does not
//! wake up for traffic of others. It drops silently and uncounted: only what is none of ours.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

use crate::sys::set_option;

const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
const LOAD_HALF: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const LOAD_HALF_BEHIND_X: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_IND) as u16;
/// X = 4 * (byte & 0x0f): the length of an IPv4 header.
const LOAD_X_HEADER_LENGTH: u16 = (libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const JUMP_SET: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Loads from these offsets read metadata, not bytes of the packet (linux/filter.h).
const METADATA: u32 = -0x1000_i32 as u32;
const PACKET_TYPE: u32 = METADATA + 4;
const VLAN_TAG_PRESENT: u32 = METADATA + 48;

const ETHER_TYPE_AT: u32 = 12;
const NETWORK_AT: u32 = 14;
const ETHER_TYPE_IPV4: u32 = 0x0800;
const ETHER_TYPE_IPV6: u32 = 0x86dd;
const FRAGMENT_AT: u32 = NETWORK_AT + 6;
const FRAGMENT_OFFSET_BITS: u32 = 0x1fff;
const IPV4_PROTOCOL_AT: u32 = NETWORK_AT + 9;
const IPV4_DESTINATION_AT: u32 = NETWORK_AT + 16;
const IPV6_NEXT_HEADER_AT: u32 = NETWORK_AT + 6;
const IPV6_DESTINATION_AT: u32 = NETWORK_AT + 24;
const IPV6_HEADER_LEN: u32 = 40;
/// Of a TCP or UDP header; both have the destination port at the same place.
const DESTINATION_PORT_AT: u32 = 2;
const WHOLE_PACKET: u32 = u32::MAX;
/// Hosts with more addresses are rare.  The kernel counts the program as translated, the one before too while it is
/// replaced, and older kernels have room for 20 KB (`optmem_max`, socket(7)).
const MOST_IPV4_ADDRESSES: usize = 32;
/// An IPv6 address takes four comparisons.
const MOST_IPV6_ADDRESSES: usize = 8;

/// The tunnel packets that a host wants to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TunnelPackets {
    /// To which addresses. With more than 32 of IPv4 or 8 of IPv6, packets to all addresses of that family pass; with
    /// none, nothing.
    pub addresses: Vec<IpAddr>,
    /// TCP ports, for STT.
    pub tcp_ports: Vec<u16>,
    /// UDP ports, for VXLAN and Geneve.
    pub udp_ports: Vec<u16>,
    /// Whether GRE passes too.
    pub gre: bool,
}

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

    /// Tunnel packets, for a packet socket on an Ethernet device: IPv4 or IPv6, addressed to this
    /// host's MAC, without a VLAN tag. IPv4 fragments other than the first have no ports and are left
    /// out; a first fragment passes, so that the caller can count it. IPv6 with extension headers,
    /// which no tunnel sends, is left out.
    #[must_use]
    pub fn tunnel_packets(wanted: &TunnelPackets) -> Self {
        let mut builder = Builder::default();
        builder.require(LOAD_HALF, VLAN_TAG_PRESENT, 0);
        builder.require(LOAD_HALF, PACKET_TYPE, u32::from(libc::PACKET_HOST));
        builder.load(LOAD_HALF, ETHER_TYPE_AT);
        builder.when_equal(ETHER_TYPE_IPV4, ipv4_section(wanted));
        builder.when_equal(ETHER_TYPE_IPV6, ipv6_section(wanted));
        builder.finish()
    }

    /// UDP over IPv4 to one port, whoever it is addressed to; no fragments other than the first, and
    /// nothing behind a VLAN tag that is in the packet's bytes.
    #[must_use]
    pub fn udp_packets(port: u16) -> Self {
        let mut builder = Builder::default();
        builder.require(LOAD_HALF, ETHER_TYPE_AT, ETHER_TYPE_IPV4);
        builder.refuse_bits(LOAD_HALF, FRAGMENT_AT, FRAGMENT_OFFSET_BITS);
        builder.load(LOAD_X_HEADER_LENGTH, NETWORK_AT);
        builder.accept_ports(IPV4, libc::IPPROTO_UDP as u32, &[port]);
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

fn ipv4_section(wanted: &TunnelPackets) -> Builder {
    let mut builder = Builder::default();
    let addresses: Vec<Ipv4Addr> = wanted.addresses.iter().filter_map(as_ipv4).collect();
    if addresses.len() <= MOST_IPV4_ADDRESSES {
        let word = |address: &Ipv4Addr| vec![(IPV4_DESTINATION_AT, address.to_bits())];
        builder.require_one_of(addresses.iter().map(word));
    }
    builder.refuse_bits(LOAD_HALF, FRAGMENT_AT, FRAGMENT_OFFSET_BITS);
    builder.load(LOAD_X_HEADER_LENGTH, NETWORK_AT);
    builder.accept_tunnels(IPV4, wanted);
    builder
}

fn ipv6_section(wanted: &TunnelPackets) -> Builder {
    let mut builder = Builder::default();
    let addresses: Vec<Ipv6Addr> = wanted.addresses.iter().filter_map(as_ipv6).collect();
    if addresses.len() <= MOST_IPV6_ADDRESSES {
        builder.require_one_of(addresses.iter().map(ipv6_words));
    }
    builder.accept_tunnels(IPV6, wanted);
    builder
}

fn ipv6_words(address: &Ipv6Addr) -> Vec<(u32, u32)> {
    let words = address.octets();
    let word = |i: usize| u32::from_be_bytes(std::array::from_fn(|at| words[4 * i + at]));
    (0..4).map(|i| (IPV6_DESTINATION_AT + 4 * i as u32, word(i))).collect()
}

fn as_ipv4(address: &IpAddr) -> Option<Ipv4Addr> {
    if let IpAddr::V4(address) = address { Some(*address) } else { None }
}

fn as_ipv6(address: &IpAddr) -> Option<Ipv6Addr> {
    if let IpAddr::V6(address) = address { Some(*address) } else { None }
}

/// Where a family keeps the transport protocol, and how the destination port is loaded.
#[derive(Clone, Copy)]
struct Family {
    protocol_at: u32,
    load_port: (u16, u32),
}

/// X must be the length of the header.
const IPV4: Family = Family {
    protocol_at: IPV4_PROTOCOL_AT,
    load_port: (LOAD_HALF_BEHIND_X, NETWORK_AT + DESTINATION_PORT_AT),
};
const IPV6: Family = Family {
    protocol_at: IPV6_NEXT_HEADER_AT,
    load_port: (LOAD_HALF, NETWORK_AT + IPV6_HEADER_LEN + DESTINATION_PORT_AT),
};

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

    /// Goes on where, for one of the alternatives, all words at their places are those given.
    fn require_one_of(&mut self, alternatives: impl Iterator<Item = Vec<(u32, u32)>>) {
        let (mut jumps, mut loaded) = (Vec::new(), None);
        for words in alternatives {
            let mut left = words.len();
            // A load is long once translated, so alternatives of one word share it.
            loaded = loaded.filter(|_| left == 1);
            for (at, word) in words {
                left -= 1;
                if loaded.replace(at) != Some(at) {
                    self.load(LOAD_WORD, at);
                }
                // A word that differs skips the rest of its alternative: two instructions each, and the jump.
                self.test(JUMP_EQUAL, word, 0, 2 * left as u8 + 1);
            }
            jumps.push(self.instructions.len());
            self.instructions.push(instruction(JUMP, 0));
        }
        self.give(0);
        for at in jumps {
            self.instructions[at].k = (self.instructions.len() - at - 1) as u32;
        }
    }

    /// Lets `section`, which ends every way by itself, decide where the loaded value is this one.
    fn when_equal(&mut self, value: u32, mut section: Builder) {
        section.give(0);
        self.test(JUMP_EQUAL, value, 1, 0);
        self.instructions.push(instruction(JUMP, section.instructions.len() as u32));
        self.instructions.append(&mut section.instructions);
    }

    fn accept_tunnels(&mut self, family: Family, wanted: &TunnelPackets) {
        if wanted.gre {
            self.load(LOAD_BYTE, family.protocol_at);
            self.test(JUMP_EQUAL, libc::IPPROTO_GRE as u32, 0, 1);
            self.give(WHOLE_PACKET);
        }
        self.accept_ports(family, libc::IPPROTO_TCP as u32, &wanted.tcp_ports);
        self.accept_ports(family, libc::IPPROTO_UDP as u32, &wanted.udp_ports);
    }

    /// Two instructions a port, each of which must be skipped by one jump; ports beyond 100 would
    /// not fit into its 8 bits, so they get a check of their own.
    fn accept_ports(&mut self, family: Family, protocol: u32, ports: &[u16]) {
        for ports in ports.chunks(100) {
            self.load(LOAD_BYTE, family.protocol_at);
            self.test(JUMP_EQUAL, protocol, 0, 1 + 2 * ports.len() as u8);
            self.load(family.load_port.0, family.load_port.1);
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
