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
}

pub(crate) struct Spec {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub word: u8,
    pub shift: u8,
    pub bits: u8,
    pub format: Format,
    pub prerequisite: Prerequisite,
}

macro_rules! fields {
    ($($variant:ident $name:literal $aliases:tt @ $word:literal:$shift:literal x $bits:literal $format:ident $pre:ident;)*) => {
        /// A field of the flow key.  `Display` and `FromStr` use the names of `ovs-fields(7)`.
        #[allow(missing_docs)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Field { $($variant),* }

        impl Field {
            /// All fields, in the order in which they are written.
            pub const ALL: &'static [Field] = &[$(Field::$variant),*];
        }

        static SPECS: &[Spec] = &[$(Spec {
            name: $name,
            aliases: &$aliases,
            word: $word,
            shift: $shift,
            bits: $bits,
            format: Format::$format,
            prerequisite: Prerequisite::$pre,
        }),*];
    };
}

fields! {
    InPort "in_port" [] @ 0:32 x 32 Port None;
    TunId "tun_id" ["tunnel_id"] @ 1:0 x 64 Hex None;
    TunSrc "tun_src" [] @ 2:32 x 32 Ipv4 None;
    TunDst "tun_dst" [] @ 2:0 x 32 Ipv4 None;
    Metadata "metadata" [] @ 3:0 x 64 Hex None;
    Reg0 "reg0" [] @ 4:32 x 32 Hex None;
    Reg1 "reg1" [] @ 4:0 x 32 Hex None;
    Reg2 "reg2" [] @ 5:32 x 32 Hex None;
    Reg3 "reg3" [] @ 5:0 x 32 Hex None;
    Reg4 "reg4" [] @ 6:32 x 32 Hex None;
    Reg5 "reg5" [] @ 6:0 x 32 Hex None;
    Reg6 "reg6" [] @ 7:32 x 32 Hex None;
    Reg7 "reg7" [] @ 7:0 x 32 Hex None;
    Reg8 "reg8" [] @ 8:32 x 32 Hex None;
    Reg9 "reg9" [] @ 8:0 x 32 Hex None;
    Reg10 "reg10" [] @ 9:32 x 32 Hex None;
    Reg11 "reg11" [] @ 9:0 x 32 Hex None;
    Reg12 "reg12" [] @ 10:32 x 32 Hex None;
    Reg13 "reg13" [] @ 10:0 x 32 Hex None;
    Reg14 "reg14" [] @ 11:32 x 32 Hex None;
    Reg15 "reg15" [] @ 11:0 x 32 Hex None;
    EthDst "dl_dst" ["eth_dst"] @ 12:16 x 48 Mac None;
    EthSrc "dl_src" ["eth_src"] @ 13:16 x 48 Mac None;
    EthType "dl_type" ["eth_type"] @ 12:0 x 16 Hex None;
    VlanTci "vlan_tci" [] @ 13:0 x 16 Hex None;
    IpProto "nw_proto" ["ip_proto"] @ 19:56 x 8 Decimal Ip;
    IpTos "nw_tos" ["ip_tos"] @ 19:48 x 8 Decimal Ip;
    IpTtl "nw_ttl" [] @ 19:40 x 8 Decimal Ip;
    IpFrag "ip_frag" ["nw_frag"] @ 19:32 x 8 Hex Ip;
    IpSrc "nw_src" ["ip_src"] @ 14:32 x 32 Ipv4 Ipv4;
    IpDst "nw_dst" ["ip_dst"] @ 14:0 x 32 Ipv4 Ipv4;
    Ipv6Src "ipv6_src" [] @ 15:0 x 128 Ipv6 Ipv6;
    Ipv6Dst "ipv6_dst" [] @ 17:0 x 128 Ipv6 Ipv6;
    Ipv6Label "ipv6_label" [] @ 20:0 x 32 Hex Ipv6;
    ArpOp "arp_op" [] @ 20:32 x 16 Decimal Arp;
    ArpSpa "arp_spa" [] @ 14:32 x 32 Ipv4 Arp;
    ArpTpa "arp_tpa" [] @ 14:0 x 32 Ipv4 Arp;
    ArpSha "arp_sha" [] @ 23:16 x 48 Mac Arp;
    ArpTha "arp_tha" [] @ 24:16 x 48 Mac Arp;
    TcpSrc "tcp_src" [] @ 19:16 x 16 Decimal Tcp;
    TcpDst "tcp_dst" [] @ 19:0 x 16 Decimal Tcp;
    TcpFlags "tcp_flags" [] @ 20:48 x 16 Hex Tcp;
    UdpSrc "udp_src" [] @ 19:16 x 16 Decimal Udp;
    UdpDst "udp_dst" [] @ 19:0 x 16 Decimal Udp;
    IcmpType "icmp_type" [] @ 19:16 x 16 Decimal Icmpv4;
    IcmpCode "icmp_code" [] @ 19:0 x 16 Decimal Icmpv4;
    Icmpv6Type "icmpv6_type" [] @ 19:16 x 16 Decimal Icmpv6;
    Icmpv6Code "icmpv6_code" [] @ 19:0 x 16 Decimal Icmpv6;
    NdTarget "nd_target" [] @ 21:0 x 128 Ipv6 Nd;
    NdReserved "nd_reserved" [] @ 25:32 x 32 Hex Nd;
    NdOptionsType "nd_options_type" [] @ 23:8 x 8 Decimal Nd;
    NdSll "nd_sll" [] @ 23:16 x 48 Mac NdSolicitation;
    NdTll "nd_tll" [] @ 24:16 x 48 Mac NdAdvertisement;
}

impl Field {
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
        self <= Field::Reg15
    }

    /// Finds a field by its name or an alias.
    pub fn from_name(name: &str) -> Option<Field> {
        Field::ALL.iter().copied().find(|field| {
            let spec = field.spec();
            spec.name == name || spec.aliases.contains(&name)
        })
    }
}

/// The value with the lowest `bits` bits set.
pub(crate) fn ones(bits: u32) -> u128 {
    if bits >= 128 { u128::MAX } else { (1 << bits) - 1 }
}
