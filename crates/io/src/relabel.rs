//! Tells the kernel that a super-frame is in a GRE tunnel, which the header in front of it has no words for.
//!
//! What is written to a TAP device is to the kernel a TCP super-frame with strange bytes in front.  The program takes
//! these bytes away, and puts them back as the headers of a tunnel, by the one call that makes such headers.  From then
//! on the packet is as if the kernel's own GRE had made it: who cuts, cuts within it.
//! Source: linux/bpf.h (`bpf_skb_adjust_room`).

use crate::instruction::{
    Instruction, Width, add, add_register, call_kernel, copy, jump, jump_if, jump_unless, leave, load,
    load_behind, mask, negate, or, or_register, put, shift_left, shift_right,
};

const STORE_BYTES: i32 = 9;
const LOAD_BYTES: i32 = 26;
const ADJUST_ROOM: i32 = 50;
/// Room is made and taken behind the Ethernet header.
const BEHIND_ETHERNET: i32 = 1;

/// Flags of `bpf_skb_adjust_room`.
const FIXED_GSO: i32 = 1;
const INTO_IPV4: i32 = 1 << 1;
const INTO_IPV6: i32 = 1 << 2;
const INTO_GRE: i32 = 1 << 3;
const INTO_ETHERNET: i32 = 1 << 6;
const OUT_TO_IPV4: i32 = 1 << 7;
const OUT_TO_IPV6: i32 = 1 << 8;
/// Where the length of the inner Ethernet header stands in them.
const ETHERNET_LEN_AT: i32 = 56;

const ETHERNET_LEN: i32 = 14;
const ETHERTYPE_AT: i32 = 12;
const IPV4: i32 = 0x0800;
const IPV4_LEN: i32 = 20;
const IPV4_PROTOCOL_AT: i32 = 23;
const IPV6: i32 = 0x86dd;
const IPV6_LEN: i32 = 40;
const IPV6_PROTOCOL_AT: i32 = 20;
const GRE: i32 = 47;
const GRE_LEN: i32 = 4;
/// In the first byte; a key has 4 bytes, and no other option is in what is sent so.
const GRE_HAS_KEY: i32 = 0x20;
/// All that may be between the outer Ethernet header and the inner IP header: IPv6, GRE with a key, Ethernet.
const MOST_HEADERS: i32 = IPV6_LEN + GRE_LEN + 4 + ETHERNET_LEN;

/// `TC_ACT_SHOT`.
const DROP: i32 = 2;

/// Registers that survive a call.
const CONTEXT: u8 = 6;
const HEADERS_LEN: u8 = 7;
const INTO: u8 = 8;
const OUT_TO: u8 = 9;
const STACK: u8 = 10;
const STACK_ROOM: i32 = 64;

/// For the front of a program that begins with its context in register 1: what is in GRE is marked as such, or dropped
/// where that fails; all else goes on as it is.
pub(crate) fn relabel_gre() -> Vec<Instruction> {
    let work = work();
    let look = look(work.len() as i16);
    [look, work].concat()
}

/// Finds out of which families outer and inner packet are and how long the headers between, or jumps over the rest.
fn look(rest: i16) -> Vec<Instruction> {
    let inner = inner_family(rest);
    let key = [
        mask(0, GRE_HAS_KEY),
        shift_right(0, 3),
        add_register(HEADERS_LEN, 0),
        add(HEADERS_LEN, GRE_LEN + ETHERNET_LEN),
    ];
    let to_end = (key.len() + inner.len()) as i16 + rest;
    let ipv6 = outer_family(IPV6_PROTOCOL_AT, IPV6_LEN, INTO_IPV6, to_end);
    let to_key = ipv6.len() as i16 + 1;
    let ipv4 = outer_family(IPV4_PROTOCOL_AT, IPV4_LEN, INTO_IPV4, to_end + to_key + 1);
    let mut all = vec![copy(CONTEXT, 1), load(Width::Half, ETHERTYPE_AT)];
    all.push(jump_unless(0, IPV4, ipv4.len() as i16 + 1));
    all.extend(ipv4);
    all.push(jump(to_key));
    all.push(jump_unless(0, IPV6, ipv6.len() as i16 + to_end));
    all.extend(ipv6);
    all.extend(key);
    all.extend(inner);
    all
}

/// Leaves the first byte behind the IP header in register 0.
fn outer_family(protocol_at: i32, len: i32, into: i32, to_end: i16) -> Vec<Instruction> {
    let rest = [put(HEADERS_LEN, len), put(INTO, into), load(Width::Byte, ETHERNET_LEN + len)];
    let mut all = vec![load(Width::Byte, protocol_at), jump_unless(0, GRE, rest.len() as i16 + to_end)];
    all.extend(rest);
    all
}

fn inner_family(rest: i16) -> Vec<Instruction> {
    vec![
        load_behind(Width::Half, HEADERS_LEN, ETHERTYPE_AT),
        put(OUT_TO, OUT_TO_IPV4),
        jump_if(0, IPV4, 2),
        put(OUT_TO, OUT_TO_IPV6),
        jump_unless(0, IPV6, rest),
    ]
}

/// Takes the headers off and puts them on again.  As many bytes are kept as the headers may have at most: what is behind
/// them comes back to where it was.
fn work() -> Vec<Instruction> {
    let kept = [put(2, ETHERNET_LEN), copy(3, STACK), add(3, -STACK_ROOM), put(4, MOST_HEADERS)];
    let keep = [&kept[..], &[call_kernel(LOAD_BYTES)]].concat();
    let take_off = vec![
        copy(2, HEADERS_LEN),
        negate(2),
        put(3, BEHIND_ETHERNET),
        copy(4, OUT_TO),
        or(4, FIXED_GSO),
        put(5, 0),
        call_kernel(ADJUST_ROOM),
    ];
    let put_on = vec![
        copy(2, HEADERS_LEN),
        put(3, BEHIND_ETHERNET),
        put(4, ETHERNET_LEN),
        shift_left(4, ETHERNET_LEN_AT),
        or_register(4, INTO),
        or(4, FIXED_GSO | INTO_GRE | INTO_ETHERNET),
        put(5, 0),
        call_kernel(ADJUST_ROOM),
    ];
    let give_back = [&kept[..], &[put(5, 0), call_kernel(STORE_BYTES)]].concat();
    [keep, take_off, put_on, give_back].into_iter().flat_map(or_drop).collect()
}

/// A call for the packet, and what follows where it fails.
fn or_drop(call: Vec<Instruction>) -> Vec<Instruction> {
    let mut all = vec![copy(1, CONTEXT)];
    all.extend(call);
    all.extend([jump_if(0, 0, 2), put(0, DROP), leave()]);
    all
}
