use proptest::collection::vec;
use proptest::prelude::*;
use tulle_flow::{Field, Match, OptionValue};

/// How many bits the wire has for a field.
pub fn wire_bits(field: Field) -> u32 {
    match field {
        Field::IcmpType | Field::IcmpCode | Field::Icmpv6Type | Field::Icmpv6Code => 8,
        Field::Ipv6Label => 20,
        Field::TcpFlags => 12,
        Field::IpFrag => 2,
        Field::CtState => 8,
        _ => field.bits(),
    }
}

/// True of fields that no version has a name for.
pub fn is_nameless(field: Field) -> bool {
    matches!(
        field,
        Field::VlanTpid
            | Field::InnerVlanTci
            | Field::InnerVlanTpid
            | Field::MplsLse1
            | Field::MplsLse2
            | Field::TunTos
            | Field::TunTtl
    )
}

/// A field with a name on the wire.
pub fn any_field() -> impl Strategy<Value = Field> {
    let is_plain = |field: &Field| !is_nameless(*field) && !field.is_hidden() && field.option().is_none();
    let named: Vec<Field> = Field::EVERY.iter().copied().filter(is_plain).collect();
    prop::sample::select(named)
}

/// A value and a mask that is not zero; a mask of all that the wire has counts as the whole field.
pub fn masked(field: Field, value: u128, mask: u128, exact: bool) -> (u128, u128) {
    let wire = u128::MAX >> (128 - wire_bits(field));
    let mask = if exact || !field.is_maskable() { wire } else { (mask & wire) | 1 };
    // The states of connections have 24 bits on the wire that mean nothing.
    let whole = mask == wire && field != Field::CtState;
    (value & mask, if whole { field.ones() } else { mask })
}

/// A value of `tun_metadata`, of fewer bytes than that.
pub fn any_option(most: usize) -> impl Strategy<Value = OptionValue> {
    (0..64_u8, vec((any::<u8>(), any::<u8>()), 0..most), any::<bool>()).prop_map(|(index, bytes, masked)| {
        let value = bytes.iter().map(|(value, mask)| if masked { value & mask } else { *value });
        let mask = masked.then(|| bytes.iter().map(|(_, mask)| *mask).collect());
        OptionValue { index, value: value.collect(), mask }
    })
}

pub fn any_match() -> impl Strategy<Value = Match> {
    let protocol = prop::sample::select(vec![
        (None, None, None),
        (Some(0x0806), None, None),
        (Some(0x8847), None, None),
        (Some(0x88e7), None, None),
        (Some(0x0800), None, None),
        (Some(0x0800), Some(1), None),
        (Some(0x0800), Some(6), None),
        (Some(0x0800), Some(132), None),
        (Some(0x86dd), Some(17), None),
        (Some(0x86dd), Some(58), None),
        (Some(0x86dd), Some(58), Some(135)),
        (Some(0x86dd), Some(58), Some(136)),
    ]);
    let fields = vec((any_field(), any::<u128>(), any::<u128>(), any::<bool>()), 0..12);
    let options = vec(any_option(40), 0..3);
    (protocol, fields, options).prop_map(|((ethertype, proto, icmpv6_type), fields, options)| {
        let mut matching = Match::ANY;
        let exact = [(Field::EthType, ethertype), (Field::IpProto, proto), (Field::Icmpv6Type, icmpv6_type)];
        for (field, value) in exact {
            value.into_iter().for_each(|value| matching.require(field, value, u128::MAX));
        }
        for (field, value, mask, whole) in fields {
            let fixed = exact.iter().any(|(other, _)| *other == field);
            // Parts and wholes of the same bits are tried where nothing is required of them yet.
            let free = matching.mask().field(field) == 0 && field != Field::IpTos;
            if !fixed && free && matching.guarantees(field.prerequisite()) {
                let (value, mask) = masked(field, value, mask, whole);
                matching.require(field, value, mask);
            }
        }
        for option in options {
            // A second value of the same field is none.
            let _ = matching.require_option(&option);
        }
        matching
    })
}
