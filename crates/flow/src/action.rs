//! What a flow does with a packet.

mod learn;

use crate::field::{Field, ones};
use crate::key::Key;
use crate::option::OptionValue;

pub use learn::{Learn, LearnSource, LearnSpec};

/// Reserved OpenFlow port numbers (OpenFlow 1.3.5 section 7.2.1).
pub mod port {
    /// The port the packet came in by.
    pub const IN_PORT: u32 = 0xffff_fff8;
    /// Forward as a learning switch would.
    pub const NORMAL: u32 = 0xffff_fffa;
    /// All ports but the ingress port, as a switch floods.
    pub const FLOOD: u32 = 0xffff_fffb;
    /// All ports but the ingress port.
    pub const ALL: u32 = 0xffff_fffc;
    /// Start over in the first table; only a packet-out may send here.
    pub const TABLE: u32 = 0xffff_fff9;
    /// The controller.
    pub const CONTROLLER: u32 = 0xffff_fffd;
    /// The bridge's own port.
    pub const LOCAL: u32 = 0xffff_fffe;
    /// No port.
    pub const NONE: u32 = 0xffff_ffff;

    /// The name of a reserved port.
    pub fn name(port: u32) -> Option<&'static str> {
        NAMES.iter().find(|(number, _)| *number == port).map(|(_, name)| *name)
    }

    /// The number of a reserved port's name, in any case of letters.
    pub fn from_name(text: &str) -> Option<u32> {
        NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(number, _)| *number)
    }

    const NAMES: [(u32, &str); 8] = [
        (IN_PORT, "IN_PORT"),
        (TABLE, "TABLE"),
        (NORMAL, "NORMAL"),
        (FLOOD, "FLOOD"),
        (ALL, "ALL"),
        (CONTROLLER, "CONTROLLER"),
        (LOCAL, "LOCAL"),
        (NONE, "NONE"),
    ];
}

/// Some consecutive bits of a field; bit 0 is the least significant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubField {
    /// The field.
    pub field: Field,
    /// Lowest bit.
    pub offset: u32,
    /// How many bits; never 0, and never reaching beyond the field.
    pub bits: u32,
}

impl SubField {
    /// A part of a field, or nothing where the field has no such bits.
    pub fn new(field: Field, offset: u32, bits: u32) -> Option<SubField> {
        let fits = bits > 0 && offset.checked_add(bits)? <= field.bits();
        fits.then_some(SubField { field, offset, bits })
    }

    /// The whole field.
    pub fn whole(field: Field) -> SubField {
        SubField { field, offset: 0, bits: field.bits() }
    }

    /// The mask of these bits within the field, which is no `tun_metadata`.
    pub fn mask(self) -> u128 {
        ones(self.bits).checked_shl(self.offset).unwrap_or(0)
    }

    /// The action that writes a value to these bits.
    pub fn setting(self, value: u128) -> Action {
        if let Some(index) = self.field.option() {
            let option = OptionValue::of_bits(index, self.offset, self.bits, value);
            return Action::SetOption(Box::new(option));
        }
        let mask = self.mask();
        Action::Set { field: self.field, value: value << self.offset & mask, mask }
    }

    /// The bits' value in a key.
    #[inline]
    pub fn value(self, key: &Key) -> u128 {
        (key.field(self.field) >> self.offset) & ones(self.bits)
    }

    /// Writes the bits in a key.
    #[inline]
    pub fn write(self, key: &mut Key, value: u128) {
        let kept = key.field(self.field) & !self.mask();
        key.set(self.field, kept | ((value & ones(self.bits)) << self.offset));
    }
}

/// One action.  An empty list drops the packet.
///
/// The instructions of OpenFlow 1.1 and later stand in the same list, in the order of their execution:
/// [`Meter`](Action::Meter), the applied actions, [`ClearActions`](Action::ClearActions),
/// [`WriteActions`](Action::WriteActions), [`WriteMetadata`](Action::WriteMetadata), [`GotoTable`](Action::GotoTable).
/// What is rare or large is boxed, so that a flow stays small.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Send out of a port, a number or one of [`port`].
    Output(u32),
    /// As [`Output`](Action::Output).  OpenFlow lets a controller say a length that counts for the controller's port
    /// only, and wants it back when it asks for the flow.
    OutputNoting {
        /// The port, any but the controller's.
        port: u32,
        /// What the controller said; never 0.
        max_len: u16,
    },
    /// Send at most `max_len` bytes out of a port (`output(port=N,max_len=M)`).
    OutputTruncated {
        /// The port.
        port: u32,
        /// Bytes to send, at least 14.
        max_len: u32,
    },
    /// Send out of the port whose number these bits hold.
    OutputField(SubField),
    /// Send to the controller, at most `max_len` bytes of the packet.
    Controller {
        /// Bytes to send; 0xffff means all.
        max_len: u16,
    },
    /// Send to a controller, with more said (`controller(...)` of `ovs-actions(7)`).
    ControllerWith(Box<ToController>),
    /// Send out of a port, through one of its queues (OpenFlow 1.0).
    Enqueue {
        /// The port.
        port: u32,
        /// The queue.
        queue: u32,
    },
    /// Use this queue for what is sent from here on.
    SetQueue(u32),
    /// Use the default queue again.
    PopQueue,
    /// Set the bits of `mask` in a field to `value`.
    Set {
        /// Which field.
        field: Field,
        /// New value, no bit outside the mask.
        value: u128,
        /// Which bits.
        mask: u128,
    },
    /// Set a `tun_metadata` field, or some bits of it, and with it the option that it stands for.
    SetOption(Box<OptionValue>),
    /// Copy bits from one field to another.
    Move {
        /// From where.
        source: SubField,
        /// To where, as many bits.
        target: SubField,
    },
    /// Push bits of a field on the stack.
    Push(SubField),
    /// Pop bits from the stack into a field.
    Pop(SubField),
    /// Push a VLAN tag with this Ethernet type (0x8100 or 0x88a8); it copies the present tag's VID and PCP.
    PushVlan(u16),
    /// Take the outermost VLAN tag away, if there is one.
    PopVlan,
    /// Set the VLAN id, adding a tag where there is none (OpenFlow 1.0).
    SetVlanVid(u16),
    /// Set the VLAN priority, adding a tag where there is none (OpenFlow 1.0).
    SetVlanPcp(u8),
    /// Push an MPLS label stack entry, with this Ethernet type (0x8847 or 0x8848).
    PushMpls(u16),
    /// Take the outermost label stack entry away; what follows has this Ethernet type.
    PopMpls(u16),
    /// Push a provider backbone header (IEEE 802.1ah) with this Ethernet type (0x88e7): the packet's own Ethernet header
    /// becomes that of the customer, behind a service tag and a copy of the two addresses.
    PushPbb(u16),
    /// Take the provider backbone header away; the customer's addresses become the packet's.  Backbone VLAN tags stay.
    PopPbb,
    /// Set the TTL of the outermost label.
    SetMplsTtl(u8),
    /// Decrement the TTL of the outermost label; the packet ends here when it is used up.
    DecMplsTtl,
    /// Copy the TTL from the second outermost header to the outermost one (OpenFlow 1.3.5 section 5.12).
    CopyTtlOut,
    /// Copy the TTL from the outermost header to the second outermost one.
    CopyTtlIn,
    /// Set the IPv4 TTL or IPv6 hop limit.
    SetTtl(u8),
    /// Decrement the IPv4 TTL or IPv6 hop limit; the packet ends here when it is used up.
    DecTtl,
    /// As [`DecTtl`](Action::DecTtl), telling these controllers of packets that end here.
    DecTtlTelling(Box<[u16]>),
    /// Look up again in a table, as if from `port` where given, then go on with the next action.
    Resubmit {
        /// The ingress port to look up with; `None` keeps the present one.
        port: Option<u16>,
        /// The table; `None` means the present one.
        table: Option<u8>,
    },
    /// As [`Resubmit`](Action::Resubmit), looking up with the connection's original addresses.
    ResubmitTracked {
        /// The ingress port to look up with; `None` keeps the present one.
        port: Option<u16>,
        /// The table; `None` means the present one.
        table: Option<u8>,
    },
    /// Execute a group.
    Group(u32),
    /// Add or change a flow made from this packet.
    Learn(Box<Learn>),
    /// This flow is one clause of a conjunctive match; no other action but `note` may stand beside it.
    Conjunction {
        /// Which conjunctive match.
        id: u32,
        /// Which clause of it, from 0.
        clause: u8,
        /// How many clauses it has, 2 to 64.
        clauses: u8,
    },
    /// Does nothing; for the controller's own use.
    Note(Box<[u8]>),
    /// Execute these actions; what they change is undone after them.
    Clone(Box<[Action]>),
    /// Track the packet's connection.
    Ct(Box<Ct>),
    /// Forget what is known of the packet's connection.
    CtClear,
    /// Choose a link by a hash (`multipath` of `ovs-actions(7)`).
    Multipath(Box<Multipath>),
    /// Choose a port by a hash or as the first that is live (`bundle`, `bundle_load`).
    Bundle(Box<Bundle>),
    /// Copy some packets to a collector (`sample`).
    Sample(Box<Sample>),
    /// Set a bit where the packet is longer than so many bytes, Ethernet header included.
    CheckPacketLarger {
        /// Bytes.
        length: u16,
        /// One bit.
        target: SubField,
    },
    /// Give new timeouts to the flow once a TCP FIN or RST passes.
    FinTimeout {
        /// Seconds; 0 leaves the idle timeout as it is.
        idle: u16,
        /// Seconds; 0 leaves the hard timeout as it is.
        hard: u16,
    },
    /// Execute no further action, here and in those who resubmitted to here.
    Exit,
    /// Pass a meter, or be dropped by it.
    Meter(u32),
    /// Forget the action set.
    ClearActions,
    /// Put these actions into the action set.
    WriteActions(Box<[Action]>),
    /// Set the bits of `mask` in the metadata field (an instruction; `Set` is the action).
    WriteMetadata {
        /// New value, no bit outside the mask.
        value: u64,
        /// Which bits.
        mask: u64,
    },
    /// Go on in a later table (an instruction of OpenFlow; always the last action).
    GotoTable(u8),
}

/// What goes to a controller besides the packet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ToController {
    /// Bytes to send; 0xffff means all.
    pub max_len: u16,
    /// Which controllers; 0 stands for those that have set no id.
    pub controller: u16,
    /// The reason to state, an `ofp_packet_in_reason` of OpenFlow 1.4: 0 no match, 1 action, 2 invalid TTL.
    pub reason: u8,
    /// Opaque bytes for the controller.
    pub userdata: Box<[u8]>,
    /// The packet waits for the controller to let it go on.
    pub pause: bool,
    /// The meter that limits these packets.
    pub meter: Option<u32>,
}

/// How a hash over a packet's headers is taken (`nx_hash_fields`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashFields {
    /// The source Ethernet address.
    EthSrc,
    /// Addresses, VLAN, type, and ports: the same in both directions.
    SymmetricL4,
    /// As `SymmetricL4`, and addresses and ports only where the packet is TCP or UDP.
    SymmetricL3L4,
    /// As `SymmetricL3L4`, with UDP ports.
    SymmetricL3L4Udp,
    /// As `SymmetricL3`, addresses only.
    SymmetricL3,
    /// The source IP address.
    IpSrc,
    /// The destination IP address.
    IpDst,
}

/// How a hash chooses a link (`nx_mp_algorithm`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MultipathAlgorithm {
    /// Hash modulo the number of links.
    ModuloN,
    /// Hash scaled to the number of links.
    HashThreshold,
    /// Highest random weight.
    Hrw,
    /// Iterative hash.
    IterHash,
}

/// Choose a link by a hash and write its number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Multipath {
    /// What is hashed.
    pub fields: HashFields,
    /// Added to the hash.
    pub basis: u16,
    /// How the hash chooses.
    pub algorithm: MultipathAlgorithm,
    /// How many links, less one.
    pub max_link: u16,
    /// For `IterHash`.
    pub argument: u32,
    /// Where the link's number goes.
    pub target: SubField,
}

/// How a bundle chooses a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BundleAlgorithm {
    /// The first that is live.
    ActiveBackup,
    /// The live one of the highest random weight.
    Hrw,
}

/// Choose a port and send to it, or write its number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bundle {
    /// What is hashed.
    pub fields: HashFields,
    /// Added to the hash.
    pub basis: u16,
    /// How the hash chooses.
    pub algorithm: BundleAlgorithm,
    /// The ports to choose from.
    pub members: Box<[u32]>,
    /// Where the port's number goes; none sends to it (`bundle` rather than `bundle_load`).
    pub target: Option<SubField>,
}

/// On which way a sample is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SampleDirection {
    /// Decided by whether a sampling port is given.
    Default,
    /// On the way in.
    Ingress,
    /// On the way out.
    Egress,
}

/// Copy some packets to an IPFIX collector.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sample {
    /// Of 65535 packets, how many; never 0.
    pub probability: u16,
    /// The `Flow_Sample_Collector_Set`.
    pub collector_set: u32,
    /// IPFIX observation domain.
    pub observation_domain: u32,
    /// IPFIX observation point.
    pub observation_point: u32,
    /// The port that is sampled; `port::NONE` where not said.
    pub sampling_port: u32,
    /// On which way.
    pub direction: SampleDirection,
}

/// Track a connection (`ct` of `ovs-actions(7)`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ct {
    /// Confirm the connection.
    pub commit: bool,
    /// With `commit`: a new connection in this direction, replacing one of the other.
    pub force: bool,
    /// The zone.
    pub zone: CtZone,
    /// Go on in this table with what is known of the connection; none goes on with the next action without.
    pub table: Option<u8>,
    /// Translate addresses.
    pub nat: Option<Nat>,
    /// The protocol helper's port: 21 for `ftp`, 69 for `tftp`, 0 for none.
    pub alg: u16,
    /// With `commit`: `Set` and `Move` on `ct_mark` and `ct_label`.
    pub exec: Box<[Action]>,
}

/// Where a connection's zone comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CtZone {
    /// This one.
    Fixed(u16),
    /// These 16 bits.
    Field(SubField),
}

impl Default for CtZone {
    fn default() -> Self {
        CtZone::Fixed(0)
    }
}

/// Which address is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NatKind {
    /// None anew: what the connection has already.
    Existing,
    /// The source.
    Source,
    /// The destination.
    Destination,
}

/// Address translation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Nat {
    /// Which address.
    pub kind: NatKind,
    /// First and last address; none where only ports are translated.
    pub addresses: Option<(std::net::IpAddr, std::net::IpAddr)>,
    /// First and last port.
    pub ports: Option<(u16, u16)>,
    /// The same translation after a restart.
    pub persistent: bool,
    /// Choose the port by a hash.
    pub hash: bool,
    /// Choose the port at random.
    pub random: bool,
}
