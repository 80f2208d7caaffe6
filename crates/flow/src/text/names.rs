//! The names that Nicira's extensions and OpenFlow give to fields (`NXM_OF_ETH_SRC`, `OXM_OF_IPV4_DST`).
//!
//! They are understood wherever a field may be named; emitted are the short ones.

use crate::field::Field;

/// Finds a field by any of its names.
pub(super) fn field(name: &str) -> Option<Field> {
    Field::from_name(name).or_else(|| extended(name)).filter(|field| !field.is_hidden())
}

fn extended(name: &str) -> Option<Field> {
    let rest = ["NXM_OF_", "NXM_NX_", "OXM_OF_", "NXOXM_ET_", "ERICOXM_OF_"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))?;
    let found = OTHER_NAMES.iter().find(|(other, _)| *other == rest);
    found.map(|(_, field)| *field).or_else(|| {
        let lower = rest.to_ascii_lowercase();
        Field::from_name(&lower)
    })
}

/// Those that are not the short name in capitals.
const OTHER_NAMES: &[(&str, Field)] = &[
    ("IPV4_SRC", Field::IpSrc),
    ("IPV4_DST", Field::IpDst),
    ("IP_SRC", Field::IpSrc),
    ("IP_DST", Field::IpDst),
    ("TUN_IPV4_SRC", Field::TunSrc),
    ("TUN_IPV4_DST", Field::TunDst),
    ("IPV6_FLABEL", Field::Ipv6Label),
    ("IPV6_ND_TARGET", Field::NdTarget),
    ("IPV6_ND_SLL", Field::NdSll),
    ("IPV6_ND_TLL", Field::NdTll),
    ("ICMPV6_ND_RESERVED", Field::NdReserved),
    ("ICMPV6_ND_OPTIONS_TYPE", Field::NdOptionsType),
    ("ICMPV4_TYPE", Field::IcmpType),
    ("ICMPV4_CODE", Field::IcmpCode),
    ("TUNNEL_ID", Field::TunId),
    ("CT_IPV6_SRC", Field::CtIpv6Src),
    ("CT_IPV6_DST", Field::CtIpv6Dst),
    ("ETH_TYPE", Field::EthType),
    ("IP_TTL", Field::IpTtl),
    ("NW_TTL", Field::IpTtl),
];
