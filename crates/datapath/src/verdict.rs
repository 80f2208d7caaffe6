//! What is to be done with a packet: the outcome of a walk through the tables.
//!
//! A verdict holds for every packet that agrees with the one it was made for in the bits of its mask.

mod display;

use std::sync::Arc;

use crate::consequence::Consequence;
use crate::continuation::Continuation;
use crate::drop::DropReason;
use crate::metadata::TunnelKey;
use crate::rules::RuleId;
use crate::versions::SharedSet;
use tulle_flow::{Field, Key, OptionValue, Sample};

/// Why a packet goes to the controller (`ofp_packet_in_reason` of OpenFlow 1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PacketInReason {
    /// By the table's miss flow (priority 0, matching everything).
    NoMatch = 0,
    /// By an action of any other flow.
    Action = 1,
    /// Its TTL or hop limit is used up.
    InvalidTtl = 2,
    /// By the action set.
    ActionSet = 3,
    /// By a bucket of a group.
    Group = 4,
    /// By an action of a packet-out.
    PacketOut = 5,
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
    /// Its `tun_metadata` fields, which the key has in places that are the bridge's own.
    pub options: Vec<OptionValue>,
    /// Which controllers; 0 stands for those that have set no id.
    pub controller: u16,
    /// Opaque bytes for the controller.
    pub userdata: Box<[u8]>,
    /// The meter that limits these packets.
    pub meter: Option<u32>,
    /// Where the packet goes on once the controller lets it ([`Datapath::resume`](crate::Datapath::resume)); the
    /// packet waits until then.
    pub pause: Option<Arc<Continuation>>,
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

/// How a frame leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Egress {
    /// The port, which exists.
    pub port: u32,
    /// The queue, where one was asked for.
    pub queue: Option<u32>,
    /// Bytes that are sent of the frame, which is cut already when an effect sees it; `u32::MAX` means all.
    pub max_len: u32,
    /// What a tunnel port is to put into its header.
    pub tunnel: Option<Box<TunnelKey>>,
    /// The options that a Geneve port is to put behind its header, as they stand on the wire.
    pub options: Box<[u8]>,
    /// It is a mirror's copy: its sender did not send it there.
    pub is_mirrored: bool,
}

/// A packet that is tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    /// What the tracker is asked.
    pub request: tulle_conntrack::Request,
    /// Where in the tables, for a loss.
    pub drop: Drop,
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
    /// Put a VLAN tag around the frame.
    PushVlan {
        /// Its Ethernet type.
        tpid: u16,
        /// Priority and VLAN id.
        tci: u16,
    },
    /// Take the outermost VLAN tag off.
    PopVlan,
    /// Put an MPLS label on.
    PushMpls {
        /// The frame's Ethernet type from here on.
        ethertype: u16,
        /// The label stack entry.
        entry: u32,
    },
    /// Take the outermost MPLS label off; what follows has this Ethernet type.
    PopMpls(u16),
    /// Put a provider backbone header with this service tag in front of the frame.
    PushPbb(u32),
    /// Take the provider backbone header off.
    PopPbb,
    /// Copy the TTL of the second outermost header to the outermost label.
    CopyTtlOut,
    /// Copy the TTL of the outermost label to the second outermost header.
    CopyTtlIn,
    /// Send the packet as it is now.
    Output(Egress),
    /// Send the packet as it is now to the controller.
    Controller(Box<PacketIn>),
    /// Count a loss.
    Drop(Drop),
    /// Pass a meter, or be dropped by it: then none of the operations after this one is done.
    Meter {
        /// The meter.
        meter: u32,
        /// Where in the tables, for a loss.
        drop: Drop,
    },
    /// Do this with a copy of the packet.
    Clone(Branch),
    /// Track the packet's connection.
    Track(Box<Track>),
    /// Forget what is known of the packet's connection.
    CtClear,
    /// Send the packet as it is now through the switch again, from where the walk was interrupted.
    Resume(Arc<Continuation>),
    /// Resume in one place or another, as the packet is longer than so many bytes or not.
    ResumeByLength {
        /// Bytes, Ethernet header included.
        length: u16,
        /// Where longer packets go on.
        longer: Arc<Continuation>,
        /// Where others go on.
        others: Arc<Continuation>,
    },
    /// Copy some packets to a collector.
    Sample(Box<Sample>),
}

/// Operations, and which of them may have the frame itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    pub(crate) ops: Box<[Op]>,
    /// The last operation that needs the packet.
    pub(crate) last_send: usize,
}

impl Branch {
    pub(crate) fn new(mut ops: Vec<Op>) -> Branch {
        // Nothing comes after the last operation, so it needs no copy of its own.
        while let Some(Op::Clone(_)) = ops.last() {
            if let Some(Op::Clone(branch)) = ops.pop() {
                ops.extend(branch.ops);
            }
        }
        let last_send = ops.iter().rposition(Op::needs_packet).unwrap_or(0);
        // Changes after the packet has gone are seen by nobody, and the frame may be gone with it.
        let mut place = 0;
        ops.retain(|op| {
            place += 1;
            place <= last_send + 1 || matches!(op, Op::Drop(_) | Op::Meter { .. })
        });
        Branch { ops: ops.into(), last_send }
    }
}

impl Op {
    fn needs_packet(&self) -> bool {
        matches!(
            self,
            Op::Output(_)
                | Op::Controller(_)
                | Op::Clone(_)
                | Op::Track(_)
                | Op::Resume(_)
                | Op::ResumeByLength { .. }
                | Op::Sample(_)
        )
    }

    /// True where the packet goes somewhere by this, or is counted as lost.
    pub(crate) fn is_effect(&self) -> bool {
        match self {
            Op::Output(_) | Op::Controller(_) | Op::Drop(_) | Op::Resume(_) | Op::ResumeByLength { .. } => {
                true
            }
            Op::Clone(branch) => branch.ops.iter().any(Op::is_effect),
            Op::Set { .. }
            | Op::PushVlan { .. }
            | Op::PopVlan
            | Op::PushMpls { .. }
            | Op::PopMpls(_)
            | Op::PushPbb(_)
            | Op::PopPbb
            | Op::CopyTtlOut
            | Op::CopyTtlIn
            | Op::Meter { .. }
            | Op::Track(_)
            | Op::CtClear
            | Op::Sample(_) => false,
        }
    }

    /// True where operations after this one see it: it changes the packet, or may end it.
    pub(crate) fn is_seen_later(&self) -> bool {
        match self {
            Op::Set { .. }
            | Op::PushVlan { .. }
            | Op::PopVlan
            | Op::PushMpls { .. }
            | Op::PopMpls(_)
            | Op::PushPbb(_)
            | Op::PopPbb
            | Op::CopyTtlOut
            | Op::CopyTtlIn
            | Op::Meter { .. }
            | Op::Track(_)
            | Op::CtClear => true,
            Op::Output(_)
            | Op::Controller(_)
            | Op::Drop(_)
            | Op::Clone(_)
            | Op::Resume(_)
            | Op::ResumeByLength { .. }
            | Op::Sample(_) => false,
        }
    }
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
    /// What packets with this verdict do to the switch itself, whenever they are counted.
    pub consequences: Box<[Consequence]>,
    /// False where another packet like this one may be treated differently, for want of room.
    pub is_lasting: bool,
    /// What it depends on besides the tables.
    pub(crate) depends: SharedSet,
    /// The last operation that needs the packet.
    pub(crate) last_send: usize,
}

impl Verdict {
    /// Different for most verdicts that differ: by the rules, and by what is written and where it is sent.
    pub(crate) fn digest(&self) -> u64 {
        let mut digest = self.ops.len() as u64;
        let mut add =
            |value: u64| digest = (digest ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        self.rules.iter().for_each(|id| add(u64::from(id.0)));
        for op in &self.ops {
            match op {
                Op::Set { value, .. } => add(*value as u64),
                Op::Output(to) => add(u64::from(to.port)),
                Op::Resume(to) => add(u64::from(to.id())),
                _ => {}
            }
        }
        digest ^ digest >> 32
    }
}
