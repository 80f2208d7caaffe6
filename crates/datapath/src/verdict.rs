//! What is to be done with a packet: the outcome of a walk through the tables.
//!
//! A verdict holds for every packet that agrees with the one it was made for in the bits of its mask.

use std::fmt;

use crate::drop::DropReason;
use crate::metadata::TunnelKey;
use crate::rules::RuleId;
use crate::versions::SharedSet;
use tulle_flow::{Field, Format, Key};

/// Why a packet goes to the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketInReason {
    /// By the table's miss flow (priority 0, matching everything).
    NoMatch,
    /// By an action of any other flow, or of a packet-out.
    Action,
}

/// What the controller is told about a packet besides its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketIn {
    /// Bytes of the packet to send; 0xffff means all.
    pub max_len: u16,
    /// The table of the flow that sent it.
    pub table: u8,
    /// The cookie of that flow; all ones for a packet-out.
    pub cookie: u64,
    /// Why.
    pub reason: PacketInReason,
    /// The metadata fields of the packet: `in_port`, `tun_*`, `metadata`, registers; all others are zero.
    pub key: Key,
}

/// Where and why a packet, or one copy of it, was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drop {
    /// Why.
    pub reason: DropReason,
    /// The table in which it happened, where there is one.
    pub table: Option<u8>,
    /// The cookie of the flow that did it, where there is one.
    pub cookie: Option<u64>,
}

impl From<DropReason> for Drop {
    fn from(reason: DropReason) -> Self {
        Drop { reason, table: None, cookie: None }
    }
}

/// One step of what is to be done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Write the bits of `mask` in a header field.
    Set {
        /// Which field; never metadata.
        field: Field,
        /// The new bits, none outside the mask.
        value: u128,
        /// Which bits.
        mask: u128,
    },
    /// Send the packet as it is now.
    Output {
        /// The port, which exists.
        port: u32,
        /// What a tunnel port is to put into its header.
        tunnel: Option<TunnelKey>,
    },
    /// Send the packet as it is now to the controller.
    Controller(Box<PacketIn>),
    /// Count a loss.
    Drop(Drop),
}

/// A verdict, and for which packets it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Translation {
    /// What is to be done.
    pub verdict: Verdict,
    /// The bits of the key that it depends on.
    pub mask: Key,
}

/// What is to be done, and by which rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What to do; never empty.
    pub ops: Box<[Op]>,
    /// The rules that matched, in order; one that matched twice is there twice.
    pub rules: Box<[RuleId]>,
    /// The tables looked up, in order.
    pub tables: Box<[u8]>,
    /// What it depends on besides the tables.
    pub(crate) depends: SharedSet,
    /// The last operation that sends.
    pub(crate) last_send: usize,
}

impl Verdict {
    pub(crate) fn new(ops: Vec<Op>, rules: Vec<RuleId>, tables: Vec<u8>, depends: SharedSet) -> Verdict {
        let sends = |op: &Op| matches!(op, Op::Output { .. } | Op::Controller(_));
        let last_send = ops.iter().rposition(sends).unwrap_or(0);
        Verdict { ops: ops.into(), rules: rules.into(), tables: tables.into(), depends, last_send }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Set { field, value, mask } if *mask == field.ones() => {
                write!(f, "set({}={})", field.name(), Value(*field, *value))
            }
            Op::Set { field, value, mask } => {
                write!(f, "set({}={}/{})", field.name(), Value(*field, *value), Value(*field, *mask))
            }
            Op::Output { port, tunnel: None } => write!(f, "output:{port}"),
            Op::Output { port, tunnel: Some(tunnel) } => {
                let TunnelKey { id, src, dst } = tunnel;
                write!(f, "output:{port}(tun_id={id:#x},tun_src={src},tun_dst={dst})")
            }
            Op::Controller(packet_in) => write!(f, "controller(max_len={})", packet_in.max_len),
            Op::Drop(drop) => write!(f, "drop({})", drop.reason.name()),
        }
    }
}

struct Value(Field, u128);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Value(field, value) = *self;
        match field.format() {
            Format::Decimal | Format::Port => write!(f, "{value}"),
            Format::Hex | Format::TcpFlags | Format::CtState | Format::TunFlags | Format::Frag => {
                write!(f, "{value:#x}")
            }
            Format::Ipv4 => write!(f, "{}", std::net::Ipv4Addr::from(value as u32)),
            Format::Ipv6 => write!(f, "{}", std::net::Ipv6Addr::from(value)),
            Format::Mac => {
                let bytes: Vec<_> = value.to_be_bytes()[10..].iter().map(|b| format!("{b:02x}")).collect();
                write!(f, "{}", bytes.join(":"))
            }
        }
    }
}
