//! The fields that a flow may match or set: one table with name, place in the key, width and prerequisite.
//!
//! Fields of different protocols that can never appear together share a place in the key
//! (ARP addresses with IPv4 addresses, ICMP type and code with ports); the prerequisite tells them apart.

/// How a field's value is written for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Decimal.
    Decimal,
    /// Hexadecimal with `0x`.
    Hex,
    /// Six bytes with colons.
    Mac,
    /// Dotted quad.
    Ipv4,
    /// RFC 5952.
    Ipv6,
    /// An OpenFlow port number or reserved name.
    Port,
    /// Names of TCP flags (`+syn-ack`).
    TcpFlags,
    /// Names of connection states (`+trk+est`).
    CtState,
    /// Names of tunnel flags (`df`, `csum`, `key`, `oam`).
    TunFlags,
    /// Names of fragment kinds (`no`, `yes`, `first`, `later`, `not_later`).
    Frag,
}

/// What must be true of a packet for a field to exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prerequisite {
    /// Always there.
    None,
    /// IPv4 (Ethernet type 0x0800).
    Ipv4,
    /// IPv6 (Ethernet type 0x86dd).
    Ipv6,
    /// IPv4 or IPv6.
    Ip,
    /// ARP (Ethernet type 0x0806).
    Arp,
    /// TCP over IPv4 or IPv6.
    Tcp,
    /// UDP over IPv4 or IPv6.
    Udp,
    /// SCTP over IPv4 or IPv6.
    Sctp,
    /// ICMP over IPv4.
    Icmpv4,
    /// ICMPv6 over IPv6.
    Icmpv6,
    /// ICMPv6 neighbour solicitation or advertisement (RFC 4861).
    Nd,
    /// ICMPv6 neighbour solicitation.
    NdSolicitation,
    /// ICMPv6 neighbour advertisement.
    NdAdvertisement,
    /// A VLAN tag.
    Vlan,
    /// MPLS (Ethernet type 0x8847 or 0x8848).
    Mpls,
    /// A connection tracked over IPv4 or IPv6.
    CtIp,
    /// A connection tracked over IPv4.
    CtIpv4,
    /// A connection tracked over IPv6.
    CtIpv6,
    /// A connection tracked over a transport protocol.
    CtTp,
}

pub(crate) struct Spec {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub word: u8,
    pub shift: u8,
    pub bits: u8,
    pub format: Format,
    pub prerequisite: Prerequisite,
    pub is_writable: bool,
    pub is_maskable: bool,
    pub is_part: bool,
}

macro_rules! flag {
    (rw) => {
        true
    };
    (ro) => {
        false
    };
    (masked) => {
        true
    };
    (exact) => {
        false
    };
    (part) => {
        true
    };
    (own) => {
        false
    };
}

macro_rules! fields {
    ($($variant:ident $name:literal $aliases:tt @ $word:literal:$shift:literal x $bits:literal
       $format:ident $pre:ident $write:ident $mask:ident $part:ident;)*) => {
        /// A field of the flow key.  `Display` and `FromStr` use the names of `ovs-fields(7)`.
        #[allow(missing_docs)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Field { $($variant),* }

        /// Every name: the fields that own their bits, and those that name bits of others.
        static EVERY: &[Field] = &[$(Field::$variant),*];

        static SPECS: &[Spec] = &[$(Spec {
            name: $name,
            aliases: &$aliases,
            word: $word,
            shift: $shift,
            bits: $bits,
            format: Format::$format,
            prerequisite: Prerequisite::$pre,
            is_writable: flag!($write),
            is_maskable: flag!($mask),
            is_part: flag!($part),
        }),*];
    };
}

// name, other names, place in the key as word:shift x bits, format, prerequisite,
// whether actions may write it, whether a match may mask it, whether it owns its bits or names part of others.
fields! {
    InPort "in_port" ["in_port_oxm"] @ 0:32 x 32 Port None rw exact own;
    PktMark "pkt_mark" [] @ 0:0 x 32 Hex None rw masked own;
    TunId "tun_id" ["tunnel_id"] @ 1:0 x 64 Hex None rw masked own;
    TunSrc "tun_src" [] @ 2:32 x 32 Ipv4 None rw masked own;
    TunDst "tun_dst" [] @ 2:0 x 32 Ipv4 None rw masked own;
    TunIpv6Src "tun_ipv6_src" [] @ 22:0 x 128 Ipv6 None rw masked own;
    TunIpv6Dst "tun_ipv6_dst" [] @ 24:0 x 128 Ipv6 None rw masked own;
    TunGbpId "tun_gbp_id" [] @ 17:48 x 16 Decimal None rw masked own;
    TunGbpFlags "tun_gbp_flags" [] @ 17:40 x 8 Hex None rw masked own;
    TunTos "tun_tos" [] @ 17:32 x 8 Decimal None rw exact own;
    TunTtl "tun_ttl" [] @ 17:24 x 8 Decimal None rw exact own;
    TunFlags "tun_flags" [] @ 13:0 x 16 TunFlags None rw masked own;
    Metadata "metadata" [] @ 3:0 x 64 Hex None rw masked own;
    Reg0 "reg0" [] @ 4:32 x 32 Hex None rw masked own;
    Reg1 "reg1" [] @ 4:0 x 32 Hex None rw masked own;
    Reg2 "reg2" [] @ 5:32 x 32 Hex None rw masked own;
    Reg3 "reg3" [] @ 5:0 x 32 Hex None rw masked own;
    Reg4 "reg4" [] @ 6:32 x 32 Hex None rw masked own;
    Reg5 "reg5" [] @ 6:0 x 32 Hex None rw masked own;
    Reg6 "reg6" [] @ 7:32 x 32 Hex None rw masked own;
    Reg7 "reg7" [] @ 7:0 x 32 Hex None rw masked own;
    Reg8 "reg8" [] @ 8:32 x 32 Hex None rw masked own;
    Reg9 "reg9" [] @ 8:0 x 32 Hex None rw masked own;
    Reg10 "reg10" [] @ 9:32 x 32 Hex None rw masked own;
    Reg11 "reg11" [] @ 9:0 x 32 Hex None rw masked own;
    Reg12 "reg12" [] @ 10:32 x 32 Hex None rw masked own;
    Reg13 "reg13" [] @ 10:0 x 32 Hex None rw masked own;
    Reg14 "reg14" [] @ 11:32 x 32 Hex None rw masked own;
    Reg15 "reg15" [] @ 11:0 x 32 Hex None rw masked own;
    XReg0 "xreg0" [] @ 4:0 x 64 Hex None rw masked part;
    XReg1 "xreg1" [] @ 5:0 x 64 Hex None rw masked part;
    XReg2 "xreg2" [] @ 6:0 x 64 Hex None rw masked part;
    XReg3 "xreg3" [] @ 7:0 x 64 Hex None rw masked part;
    XReg4 "xreg4" [] @ 8:0 x 64 Hex None rw masked part;
    XReg5 "xreg5" [] @ 9:0 x 64 Hex None rw masked part;
    XReg6 "xreg6" [] @ 10:0 x 64 Hex None rw masked part;
    XReg7 "xreg7" [] @ 11:0 x 64 Hex None rw masked part;
    XxReg0 "xxreg0" [] @ 4:0 x 128 Hex None rw masked part;
    XxReg1 "xxreg1" [] @ 6:0 x 128 Hex None rw masked part;
    XxReg2 "xxreg2" [] @ 8:0 x 128 Hex None rw masked part;
    XxReg3 "xxreg3" [] @ 10:0 x 128 Hex None rw masked part;
    ResumeId "recirc_id" [] @ 12:32 x 32 Hex None ro exact own;
    ActsetOutput "actset_output" [] @ 12:0 x 32 Port None ro exact own;
    CtState "ct_state" [] @ 13:32 x 32 CtState None ro masked own;
    CtZone "ct_zone" [] @ 13:16 x 16 Decimal None ro exact own;
    CtMark "ct_mark" [] @ 14:32 x 32 Hex None rw masked own;
    ConjId "conj_id" [] @ 14:0 x 32 Decimal None ro exact own;
    CtLabel "ct_label" [] @ 15:0 x 128 Hex None rw masked own;
    CtProto "ct_nw_proto" [] @ 17:0 x 8 Decimal CtIp ro exact own;
    CtIpSrc "ct_nw_src" [] @ 18:32 x 32 Ipv4 CtIpv4 ro masked own;
    CtIpDst "ct_nw_dst" [] @ 18:0 x 32 Ipv4 CtIpv4 ro masked own;
    CtIpv6Src "ct_ipv6_src" [] @ 18:0 x 128 Ipv6 CtIpv6 ro masked own;
    CtIpv6Dst "ct_ipv6_dst" [] @ 20:0 x 128 Ipv6 CtIpv6 ro masked own;
    CtTpSrc "ct_tp_src" [] @ 26:48 x 16 Decimal CtTp ro masked own;
    CtTpDst "ct_tp_dst" [] @ 26:32 x 16 Decimal CtTp ro masked own;
    EthDst "dl_dst" ["eth_dst"] @ 28:16 x 48 Mac None rw masked own;
    EthSrc "dl_src" ["eth_src"] @ 29:16 x 48 Mac None rw masked own;
    EthType "dl_type" ["eth_type"] @ 28:0 x 16 Hex None ro exact own;
    VlanTci "vlan_tci" [] @ 29:0 x 16 Hex None rw masked own;
    VlanVid "vlan_vid" [] @ 29:0 x 13 Hex None rw masked part;
    VlanPcp "vlan_pcp" ["dl_vlan_pcp"] @ 29:13 x 3 Decimal Vlan rw exact part;
    VlanTpid "vlan_tpid" [] @ 30:48 x 16 Hex None ro exact own;
    InnerVlanTci "inner_vlan_tci" [] @ 30:32 x 16 Hex None ro exact own;
    InnerVlanTpid "inner_vlan_tpid" [] @ 30:16 x 16 Hex None ro exact own;
    MplsLabel "mpls_label" [] @ 31:44 x 20 Decimal Mpls rw exact own;
    MplsTc "mpls_tc" [] @ 31:41 x 3 Decimal Mpls rw exact own;
    MplsBos "mpls_bos" [] @ 31:40 x 1 Decimal Mpls ro exact own;
    MplsTtl "mpls_ttl" [] @ 31:32 x 8 Decimal Mpls rw exact own;
    MplsLse1 "mpls_lse1" [] @ 31:0 x 32 Hex Mpls ro masked own;
    MplsLse2 "mpls_lse2" [] @ 32:32 x 32 Hex Mpls ro masked own;
    IpProto "nw_proto" ["ip_proto"] @ 38:56 x 8 Decimal Ip ro exact own;
    IpTos "nw_tos" ["ip_tos"] @ 38:48 x 8 Decimal Ip rw masked own;
    IpDscp "ip_dscp" [] @ 38:50 x 6 Decimal Ip rw exact part;
    IpEcn "nw_ecn" ["ip_ecn"] @ 38:48 x 2 Decimal Ip rw exact part;
    IpTtl "nw_ttl" [] @ 38:40 x 8 Decimal Ip rw exact own;
    IpFrag "ip_frag" ["nw_frag"] @ 38:32 x 8 Frag Ip ro masked own;
    IpSrc "nw_src" ["ip_src"] @ 33:32 x 32 Ipv4 Ipv4 rw masked own;
    IpDst "nw_dst" ["ip_dst"] @ 33:0 x 32 Ipv4 Ipv4 rw masked own;
    Ipv6Src "ipv6_src" [] @ 34:0 x 128 Ipv6 Ipv6 rw masked own;
    Ipv6Dst "ipv6_dst" [] @ 36:0 x 128 Ipv6 Ipv6 rw masked own;
    Ipv6Label "ipv6_label" [] @ 39:0 x 32 Hex Ipv6 rw masked own;
    ArpOp "arp_op" [] @ 39:32 x 16 Decimal Arp rw exact own;
    ArpSpa "arp_spa" [] @ 33:32 x 32 Ipv4 Arp rw masked own;
    ArpTpa "arp_tpa" [] @ 33:0 x 32 Ipv4 Arp rw masked own;
    ArpSha "arp_sha" [] @ 42:16 x 48 Mac Arp rw masked own;
    ArpTha "arp_tha" [] @ 43:16 x 48 Mac Arp rw masked own;
    TcpSrc "tcp_src" [] @ 38:16 x 16 Decimal Tcp rw masked own;
    TcpDst "tcp_dst" [] @ 38:0 x 16 Decimal Tcp rw masked own;
    TcpFlags "tcp_flags" [] @ 39:48 x 16 TcpFlags Tcp ro masked own;
    UdpSrc "udp_src" [] @ 38:16 x 16 Decimal Udp rw masked own;
    UdpDst "udp_dst" [] @ 38:0 x 16 Decimal Udp rw masked own;
    SctpSrc "sctp_src" [] @ 38:16 x 16 Decimal Sctp rw masked own;
    SctpDst "sctp_dst" [] @ 38:0 x 16 Decimal Sctp rw masked own;
    IcmpType "icmp_type" [] @ 38:16 x 16 Decimal Icmpv4 rw exact own;
    IcmpCode "icmp_code" [] @ 38:0 x 16 Decimal Icmpv4 rw exact own;
    Icmpv6Type "icmpv6_type" [] @ 38:16 x 16 Decimal Icmpv6 rw exact own;
    Icmpv6Code "icmpv6_code" [] @ 38:0 x 16 Decimal Icmpv6 rw exact own;
    NdTarget "nd_target" [] @ 40:0 x 128 Ipv6 Nd rw masked own;
    NdReserved "nd_reserved" [] @ 44:32 x 32 Hex Nd rw masked own;
    NdOptionsType "nd_options_type" [] @ 42:8 x 8 Decimal Nd rw exact own;
    NdSll "nd_sll" [] @ 42:16 x 48 Mac NdSolicitation rw masked own;
    NdTll "nd_tll" [] @ 43:16 x 48 Mac NdAdvertisement rw masked own;
}

/// Words of the key below this one hold metadata; from here on, headers.
const FIRST_HEADER_WORD: u8 = 28;

const PARTS: usize = count_parts();

const fn count_parts() -> usize {
    let (mut i, mut parts) = (0, 0);
    while i < SPECS.len() {
        parts += SPECS[i].is_part as usize;
        i += 1;
    }
    parts
}

/// The fields that own their bits, in the order of the table.
const fn owners() -> [Field; SPECS.len() - PARTS] {
    let mut found = [Field::InPort; SPECS.len() - PARTS];
    let (mut i, mut at) = (0, 0);
    while i < SPECS.len() {
        if !SPECS[i].is_part {
            found[at] = EVERY[i];
            at += 1;
        }
        i += 1;
    }
    found
}

static OWNERS: [Field; SPECS.len() - PARTS] = owners();

impl Field {
    /// The fields that own their bits, in the order in which they are written.
    pub const ALL: &'static [Field] = &OWNERS;

    /// All fields, those that name bits of others (`xreg0`, `vlan_vid`) included.
    pub const EVERY: &'static [Field] = EVERY;

    pub(crate) fn spec(self) -> &'static Spec {
        &SPECS[self as usize]
    }

    /// The name in `ovs-fields(7)`.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// Width in bits.
    pub fn bits(self) -> u32 {
        u32::from(self.spec().bits)
    }

    /// The value with all bits of this field set.
    pub fn ones(self) -> u128 {
        ones(self.bits())
    }

    /// How values are written.
    pub fn format(self) -> Format {
        self.spec().format
    }

    /// What a packet must be for this field to exist.
    pub fn prerequisite(self) -> Prerequisite {
        self.spec().prerequisite
    }

    /// True where the field describes the packet's way through the switch rather than its bytes.
    pub fn is_metadata(self) -> bool {
        self.spec().word < FIRST_HEADER_WORD
    }

    /// True where actions may write the field.
    pub fn is_writable(self) -> bool {
        self.spec().is_writable
    }

    /// True where a match may look at some bits of the field and not at others.
    pub fn is_maskable(self) -> bool {
        self.spec().is_maskable
    }

    /// True where the field only names bits that other fields own (`xreg0`, `vlan_vid`, `ip_dscp`).
    pub fn is_part(self) -> bool {
        self.spec().is_part
    }

    /// Finds a field by its name or an alias.
    pub fn from_name(name: &str) -> Option<Field> {
        Field::EVERY.iter().copied().find(|field| {
            let spec = field.spec();
            spec.name == name || spec.aliases.contains(&name)
        })
    }
}

/// The value with the lowest `bits` bits set.
pub(crate) fn ones(bits: u32) -> u128 {
    if bits >= 128 { u128::MAX } else { (1 << bits) - 1 }
}
