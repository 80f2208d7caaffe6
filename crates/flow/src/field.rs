//! The fields that a flow may match or set: one table with name, place in the key, width and prerequisite.
//!
//! Fields of different protocols that can never appear together share a place in the key
//! (ARP addresses with IPv4 addresses, ARP's operation with IPv6's extension headers, ICMP type and code with ports); the prerequisite tells them apart.

use crate::option::{OPTION_BYTES, OPTION_FIELDS};

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
    /// A provider backbone service tag (Ethernet type 0x88e7, IEEE 802.1ah).
    Pbb,
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
        const EVERY: &[Field] = &[$(Field::$variant),*];

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
    InPort "in_port" ["in_port_oxm"] @ 17:32 x 32 Port None rw exact own;
    PktMark "pkt_mark" [] @ 17:0 x 32 Hex None rw masked own;
    TunId "tun_id" ["tunnel_id"] @ 18:0 x 64 Hex None rw masked own;
    TunSrc "tun_src" [] @ 19:32 x 32 Ipv4 None rw masked own;
    TunDst "tun_dst" [] @ 19:0 x 32 Ipv4 None rw masked own;
    TunIpv6Src "tun_ipv6_src" [] @ 39:0 x 128 Ipv6 None rw masked own;
    TunIpv6Dst "tun_ipv6_dst" [] @ 41:0 x 128 Ipv6 None rw masked own;
    TunGbpId "tun_gbp_id" [] @ 34:48 x 16 Decimal None rw masked own;
    TunGbpFlags "tun_gbp_flags" [] @ 34:40 x 8 Hex None rw masked own;
    TunTos "tun_tos" [] @ 34:32 x 8 Decimal None rw exact own;
    TunTtl "tun_ttl" [] @ 34:24 x 8 Decimal None rw exact own;
    TunFlags "tun_flags" [] @ 30:0 x 16 TunFlags None rw masked own;
    TunPresent "tun_metadata_present" [] @ 0:0 x 64 Hex None rw masked own;
    TunSpace0 "tun_space0" [] @ 1:0 x 128 Hex None rw masked own;
    TunSpace1 "tun_space1" [] @ 3:0 x 128 Hex None rw masked own;
    TunSpace2 "tun_space2" [] @ 5:0 x 128 Hex None rw masked own;
    TunSpace3 "tun_space3" [] @ 7:0 x 128 Hex None rw masked own;
    TunSpace4 "tun_space4" [] @ 9:0 x 128 Hex None rw masked own;
    TunSpace5 "tun_space5" [] @ 11:0 x 128 Hex None rw masked own;
    TunSpace6 "tun_space6" [] @ 13:0 x 128 Hex None rw masked own;
    TunSpace7 "tun_space7" [] @ 15:0 x 128 Hex None rw masked own;
    TunMetadata0 "tun_metadata0" [] @ 0:0 x 1 Hex None rw masked part;
    TunMetadata1 "tun_metadata1" [] @ 0:1 x 1 Hex None rw masked part;
    TunMetadata2 "tun_metadata2" [] @ 0:2 x 1 Hex None rw masked part;
    TunMetadata3 "tun_metadata3" [] @ 0:3 x 1 Hex None rw masked part;
    TunMetadata4 "tun_metadata4" [] @ 0:4 x 1 Hex None rw masked part;
    TunMetadata5 "tun_metadata5" [] @ 0:5 x 1 Hex None rw masked part;
    TunMetadata6 "tun_metadata6" [] @ 0:6 x 1 Hex None rw masked part;
    TunMetadata7 "tun_metadata7" [] @ 0:7 x 1 Hex None rw masked part;
    TunMetadata8 "tun_metadata8" [] @ 0:8 x 1 Hex None rw masked part;
    TunMetadata9 "tun_metadata9" [] @ 0:9 x 1 Hex None rw masked part;
    TunMetadata10 "tun_metadata10" [] @ 0:10 x 1 Hex None rw masked part;
    TunMetadata11 "tun_metadata11" [] @ 0:11 x 1 Hex None rw masked part;
    TunMetadata12 "tun_metadata12" [] @ 0:12 x 1 Hex None rw masked part;
    TunMetadata13 "tun_metadata13" [] @ 0:13 x 1 Hex None rw masked part;
    TunMetadata14 "tun_metadata14" [] @ 0:14 x 1 Hex None rw masked part;
    TunMetadata15 "tun_metadata15" [] @ 0:15 x 1 Hex None rw masked part;
    TunMetadata16 "tun_metadata16" [] @ 0:16 x 1 Hex None rw masked part;
    TunMetadata17 "tun_metadata17" [] @ 0:17 x 1 Hex None rw masked part;
    TunMetadata18 "tun_metadata18" [] @ 0:18 x 1 Hex None rw masked part;
    TunMetadata19 "tun_metadata19" [] @ 0:19 x 1 Hex None rw masked part;
    TunMetadata20 "tun_metadata20" [] @ 0:20 x 1 Hex None rw masked part;
    TunMetadata21 "tun_metadata21" [] @ 0:21 x 1 Hex None rw masked part;
    TunMetadata22 "tun_metadata22" [] @ 0:22 x 1 Hex None rw masked part;
    TunMetadata23 "tun_metadata23" [] @ 0:23 x 1 Hex None rw masked part;
    TunMetadata24 "tun_metadata24" [] @ 0:24 x 1 Hex None rw masked part;
    TunMetadata25 "tun_metadata25" [] @ 0:25 x 1 Hex None rw masked part;
    TunMetadata26 "tun_metadata26" [] @ 0:26 x 1 Hex None rw masked part;
    TunMetadata27 "tun_metadata27" [] @ 0:27 x 1 Hex None rw masked part;
    TunMetadata28 "tun_metadata28" [] @ 0:28 x 1 Hex None rw masked part;
    TunMetadata29 "tun_metadata29" [] @ 0:29 x 1 Hex None rw masked part;
    TunMetadata30 "tun_metadata30" [] @ 0:30 x 1 Hex None rw masked part;
    TunMetadata31 "tun_metadata31" [] @ 0:31 x 1 Hex None rw masked part;
    TunMetadata32 "tun_metadata32" [] @ 0:32 x 1 Hex None rw masked part;
    TunMetadata33 "tun_metadata33" [] @ 0:33 x 1 Hex None rw masked part;
    TunMetadata34 "tun_metadata34" [] @ 0:34 x 1 Hex None rw masked part;
    TunMetadata35 "tun_metadata35" [] @ 0:35 x 1 Hex None rw masked part;
    TunMetadata36 "tun_metadata36" [] @ 0:36 x 1 Hex None rw masked part;
    TunMetadata37 "tun_metadata37" [] @ 0:37 x 1 Hex None rw masked part;
    TunMetadata38 "tun_metadata38" [] @ 0:38 x 1 Hex None rw masked part;
    TunMetadata39 "tun_metadata39" [] @ 0:39 x 1 Hex None rw masked part;
    TunMetadata40 "tun_metadata40" [] @ 0:40 x 1 Hex None rw masked part;
    TunMetadata41 "tun_metadata41" [] @ 0:41 x 1 Hex None rw masked part;
    TunMetadata42 "tun_metadata42" [] @ 0:42 x 1 Hex None rw masked part;
    TunMetadata43 "tun_metadata43" [] @ 0:43 x 1 Hex None rw masked part;
    TunMetadata44 "tun_metadata44" [] @ 0:44 x 1 Hex None rw masked part;
    TunMetadata45 "tun_metadata45" [] @ 0:45 x 1 Hex None rw masked part;
    TunMetadata46 "tun_metadata46" [] @ 0:46 x 1 Hex None rw masked part;
    TunMetadata47 "tun_metadata47" [] @ 0:47 x 1 Hex None rw masked part;
    TunMetadata48 "tun_metadata48" [] @ 0:48 x 1 Hex None rw masked part;
    TunMetadata49 "tun_metadata49" [] @ 0:49 x 1 Hex None rw masked part;
    TunMetadata50 "tun_metadata50" [] @ 0:50 x 1 Hex None rw masked part;
    TunMetadata51 "tun_metadata51" [] @ 0:51 x 1 Hex None rw masked part;
    TunMetadata52 "tun_metadata52" [] @ 0:52 x 1 Hex None rw masked part;
    TunMetadata53 "tun_metadata53" [] @ 0:53 x 1 Hex None rw masked part;
    TunMetadata54 "tun_metadata54" [] @ 0:54 x 1 Hex None rw masked part;
    TunMetadata55 "tun_metadata55" [] @ 0:55 x 1 Hex None rw masked part;
    TunMetadata56 "tun_metadata56" [] @ 0:56 x 1 Hex None rw masked part;
    TunMetadata57 "tun_metadata57" [] @ 0:57 x 1 Hex None rw masked part;
    TunMetadata58 "tun_metadata58" [] @ 0:58 x 1 Hex None rw masked part;
    TunMetadata59 "tun_metadata59" [] @ 0:59 x 1 Hex None rw masked part;
    TunMetadata60 "tun_metadata60" [] @ 0:60 x 1 Hex None rw masked part;
    TunMetadata61 "tun_metadata61" [] @ 0:61 x 1 Hex None rw masked part;
    TunMetadata62 "tun_metadata62" [] @ 0:62 x 1 Hex None rw masked part;
    TunMetadata63 "tun_metadata63" [] @ 0:63 x 1 Hex None rw masked part;
    Metadata "metadata" [] @ 20:0 x 64 Hex None rw masked own;
    Reg0 "reg0" [] @ 21:32 x 32 Hex None rw masked own;
    Reg1 "reg1" [] @ 21:0 x 32 Hex None rw masked own;
    Reg2 "reg2" [] @ 22:32 x 32 Hex None rw masked own;
    Reg3 "reg3" [] @ 22:0 x 32 Hex None rw masked own;
    Reg4 "reg4" [] @ 23:32 x 32 Hex None rw masked own;
    Reg5 "reg5" [] @ 23:0 x 32 Hex None rw masked own;
    Reg6 "reg6" [] @ 24:32 x 32 Hex None rw masked own;
    Reg7 "reg7" [] @ 24:0 x 32 Hex None rw masked own;
    Reg8 "reg8" [] @ 25:32 x 32 Hex None rw masked own;
    Reg9 "reg9" [] @ 25:0 x 32 Hex None rw masked own;
    Reg10 "reg10" [] @ 26:32 x 32 Hex None rw masked own;
    Reg11 "reg11" [] @ 26:0 x 32 Hex None rw masked own;
    Reg12 "reg12" [] @ 27:32 x 32 Hex None rw masked own;
    Reg13 "reg13" [] @ 27:0 x 32 Hex None rw masked own;
    Reg14 "reg14" [] @ 28:32 x 32 Hex None rw masked own;
    Reg15 "reg15" [] @ 28:0 x 32 Hex None rw masked own;
    XReg0 "xreg0" [] @ 21:0 x 64 Hex None rw masked part;
    XReg1 "xreg1" [] @ 22:0 x 64 Hex None rw masked part;
    XReg2 "xreg2" [] @ 23:0 x 64 Hex None rw masked part;
    XReg3 "xreg3" [] @ 24:0 x 64 Hex None rw masked part;
    XReg4 "xreg4" [] @ 25:0 x 64 Hex None rw masked part;
    XReg5 "xreg5" [] @ 26:0 x 64 Hex None rw masked part;
    XReg6 "xreg6" [] @ 27:0 x 64 Hex None rw masked part;
    XReg7 "xreg7" [] @ 28:0 x 64 Hex None rw masked part;
    XxReg0 "xxreg0" [] @ 21:0 x 128 Hex None rw masked part;
    XxReg1 "xxreg1" [] @ 23:0 x 128 Hex None rw masked part;
    XxReg2 "xxreg2" [] @ 25:0 x 128 Hex None rw masked part;
    XxReg3 "xxreg3" [] @ 27:0 x 128 Hex None rw masked part;
    ResumeId "recirc_id" [] @ 29:32 x 32 Hex None ro exact own;
    ActsetOutput "actset_output" [] @ 29:0 x 32 Port None ro exact own;
    CtState "ct_state" [] @ 30:32 x 32 CtState None ro masked own;
    CtZone "ct_zone" [] @ 30:16 x 16 Decimal None ro exact own;
    CtMark "ct_mark" [] @ 31:32 x 32 Hex None rw masked own;
    ConjId "conj_id" [] @ 31:0 x 32 Decimal None ro exact own;
    CtLabel "ct_label" [] @ 32:0 x 128 Hex None rw masked own;
    CtProto "ct_nw_proto" [] @ 34:0 x 8 Decimal CtIp ro exact own;
    CtIpSrc "ct_nw_src" [] @ 35:32 x 32 Ipv4 CtIpv4 ro masked own;
    CtIpDst "ct_nw_dst" [] @ 35:0 x 32 Ipv4 CtIpv4 ro masked own;
    CtIpv6Src "ct_ipv6_src" [] @ 35:0 x 128 Ipv6 CtIpv6 ro masked own;
    CtIpv6Dst "ct_ipv6_dst" [] @ 37:0 x 128 Ipv6 CtIpv6 ro masked own;
    CtTpSrc "ct_tp_src" [] @ 43:48 x 16 Decimal CtTp ro masked own;
    CtTpDst "ct_tp_dst" [] @ 43:32 x 16 Decimal CtTp ro masked own;
    EthDst "dl_dst" ["eth_dst"] @ 45:16 x 48 Mac None rw masked own;
    EthSrc "dl_src" ["eth_src"] @ 46:16 x 48 Mac None rw masked own;
    EthType "dl_type" ["eth_type"] @ 45:0 x 16 Hex None ro exact own;
    VlanTci "vlan_tci" [] @ 46:0 x 16 Hex None rw masked own;
    VlanVid "vlan_vid" [] @ 46:0 x 13 Hex None rw masked part;
    VlanPcp "vlan_pcp" ["dl_vlan_pcp"] @ 46:13 x 3 Decimal Vlan rw exact part;
    VlanTpid "vlan_tpid" [] @ 47:48 x 16 Hex None ro exact own;
    InnerVlanTci "inner_vlan_tci" [] @ 47:32 x 16 Hex None ro exact own;
    InnerVlanTpid "inner_vlan_tpid" [] @ 47:16 x 16 Hex None ro exact own;
    MplsLabel "mpls_label" [] @ 48:44 x 20 Decimal Mpls rw exact own;
    MplsTc "mpls_tc" [] @ 48:41 x 3 Decimal Mpls rw exact own;
    MplsBos "mpls_bos" [] @ 48:40 x 1 Decimal Mpls ro exact own;
    MplsTtl "mpls_ttl" [] @ 48:32 x 8 Decimal Mpls rw exact own;
    MplsLse1 "mpls_lse1" [] @ 48:0 x 32 Hex Mpls ro masked own;
    MplsLse2 "mpls_lse2" [] @ 49:32 x 32 Hex Mpls ro masked own;
    PbbIsid "pbb_isid" [] @ 49:0 x 24 Decimal Pbb rw masked own;
    PbbUca "pbb_uca" [] @ 49:24 x 1 Decimal Pbb rw exact own;
    IpProto "nw_proto" ["ip_proto"] @ 55:56 x 8 Decimal Ip ro exact own;
    IpTos "nw_tos" ["ip_tos"] @ 55:48 x 8 Decimal Ip rw masked own;
    IpDscp "ip_dscp" [] @ 55:50 x 6 Decimal Ip rw exact part;
    IpEcn "nw_ecn" ["ip_ecn"] @ 55:48 x 2 Decimal Ip rw exact part;
    IpTtl "nw_ttl" [] @ 55:40 x 8 Decimal Ip rw exact own;
    IpFrag "ip_frag" ["nw_frag"] @ 55:32 x 8 Frag Ip ro masked own;
    IpSrc "nw_src" ["ip_src"] @ 50:32 x 32 Ipv4 Ipv4 rw masked own;
    IpDst "nw_dst" ["ip_dst"] @ 50:0 x 32 Ipv4 Ipv4 rw masked own;
    Ipv6Src "ipv6_src" [] @ 51:0 x 128 Ipv6 Ipv6 rw masked own;
    Ipv6Dst "ipv6_dst" [] @ 53:0 x 128 Ipv6 Ipv6 rw masked own;
    Ipv6Label "ipv6_label" [] @ 56:0 x 32 Hex Ipv6 rw masked own;
    Ipv6Exthdr "ipv6_exthdr" [] @ 56:32 x 9 Hex Ipv6 ro masked own;
    ArpOp "arp_op" [] @ 56:32 x 16 Decimal Arp rw exact own;
    ArpSpa "arp_spa" [] @ 50:32 x 32 Ipv4 Arp rw masked own;
    ArpTpa "arp_tpa" [] @ 50:0 x 32 Ipv4 Arp rw masked own;
    ArpSha "arp_sha" [] @ 59:16 x 48 Mac Arp rw masked own;
    ArpTha "arp_tha" [] @ 60:16 x 48 Mac Arp rw masked own;
    TcpSrc "tcp_src" [] @ 55:16 x 16 Decimal Tcp rw masked own;
    TcpDst "tcp_dst" [] @ 55:0 x 16 Decimal Tcp rw masked own;
    TcpFlags "tcp_flags" [] @ 56:48 x 16 TcpFlags Tcp ro masked own;
    UdpSrc "udp_src" [] @ 55:16 x 16 Decimal Udp rw masked own;
    UdpDst "udp_dst" [] @ 55:0 x 16 Decimal Udp rw masked own;
    SctpSrc "sctp_src" [] @ 55:16 x 16 Decimal Sctp rw masked own;
    SctpDst "sctp_dst" [] @ 55:0 x 16 Decimal Sctp rw masked own;
    IcmpType "icmp_type" [] @ 55:16 x 16 Decimal Icmpv4 rw exact own;
    IcmpCode "icmp_code" [] @ 55:0 x 16 Decimal Icmpv4 rw exact own;
    Icmpv6Type "icmpv6_type" [] @ 55:16 x 16 Decimal Icmpv6 rw exact own;
    Icmpv6Code "icmpv6_code" [] @ 55:0 x 16 Decimal Icmpv6 rw exact own;
    NdTarget "nd_target" [] @ 57:0 x 128 Ipv6 Nd rw masked own;
    NdReserved "nd_reserved" [] @ 61:32 x 32 Hex Nd rw masked own;
    NdOptionsType "nd_options_type" [] @ 59:8 x 8 Decimal Nd rw exact own;
    NdSll "nd_sll" [] @ 59:16 x 48 Mac NdSolicitation rw masked own;
    NdTll "nd_tll" [] @ 60:16 x 48 Mac NdAdvertisement rw masked own;
}

/// Words of the key below this one hold metadata; from here on, headers.
const FIRST_HEADER_WORD: u8 = 45;

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

const fn tun_metadata() -> [Field; OPTION_FIELDS] {
    let mut found = [Field::TunMetadata0; OPTION_FIELDS];
    let mut i = 0;
    while i < OPTION_FIELDS {
        found[i] = EVERY[Field::TunMetadata0 as usize + i];
        i += 1;
    }
    found
}

impl Field {
    /// The fields that own their bits, in the order in which they are written.
    pub const ALL: &'static [Field] = &OWNERS;

    /// All fields, those that name bits of others (`xreg0`, `vlan_vid`) included.
    pub const EVERY: &'static [Field] = EVERY;

    pub(crate) const fn spec(self) -> &'static Spec {
        &SPECS[self as usize]
    }

    /// The word of a key in which the field lies, or begins.
    pub const fn word(self) -> usize {
        self.spec().word as usize
    }

    /// The name in `ovs-fields(7)`.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// Width in bits: of a `tun_metadata` field the most that it may have.
    pub fn bits(self) -> u32 {
        if self.option().is_some() { 8 * OPTION_BYTES as u32 } else { u32::from(self.spec().bits) }
    }

    /// The fields of Geneve options by number.  In a key each has a bit that says whether it is there; where its value
    /// is, a bridge's map says.
    pub const TUN_METADATA: [Field; OPTION_FIELDS] = tun_metadata();

    /// Which of the `tun_metadata` fields this is.
    #[inline]
    pub fn option(self) -> Option<u8> {
        let index = (self as u8).wrapping_sub(Field::TunMetadata0 as u8);
        (index < OPTION_FIELDS as u8).then_some(index)
    }

    /// True of the fields that hold `tun_metadata` in a key: no flow names them.
    #[inline]
    pub fn is_hidden(self) -> bool {
        (Field::TunPresent as u8..Field::TunMetadata0 as u8).contains(&(self as u8))
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
