//! VLAN tags in a match: the whole control field, or VID and priority apart (`ovs-fields(7)`).

use super::TextError;
use super::values::parse_number;
use crate::field::Field;
use crate::matching::Match;

/// Says that there is a tag.
const PRESENT: u128 = 0x1000;
const VID: u128 = 0x0fff;
const PCP: u128 = 0xe000;
/// OpenFlow 1.0's "no tag" (`OFP_VLAN_NONE`).
const NONE: u128 = 0xffff;

/// Takes `dl_vlan` and `dl_vlan_pcp`; nothing where the name is another's.
pub(super) fn require(matching: &mut Match, name: &str, text: &str) -> Option<Result<(), TextError>> {
    let (most, shift) = match name {
        "dl_vlan" => (VID, 0),
        "dl_vlan_pcp" | "vlan_pcp" => (7, 13),
        _ => return None,
    };
    let value = parse_number(text).filter(|value| *value <= most || (shift == 0 && *value == NONE));
    let Some(value) = value else {
        return Some(Err(TextError::BadValue {
            field: name.to_owned(),
            expected: "a number in range",
            got: text.to_owned(),
        }));
    };
    let (tci, mask) =
        if value == NONE { (0, 0xffff) } else { (PRESENT | value << shift, PRESENT | most << shift) };
    let before = (matching.key().field(Field::VlanTci), matching.mask().field(Field::VlanTci));
    matching.require(Field::VlanTci, before.0 & !mask | tci, before.1 | mask);
    Some(Ok(()))
}

/// Emits VID and priority by name where the match looks at nothing else.
pub(super) fn emit(parts: &mut Vec<String>, value: u128, mask: u128) {
    let named = value & PRESENT != 0 && [PRESENT | VID, PRESENT | PCP, PRESENT | VID | PCP].contains(&mask);
    if !named {
        parts.push(match mask {
            0xffff => format!("vlan_tci={value:#06x}"),
            _ => format!("vlan_tci={value:#06x}/{mask:#06x}"),
        });
        return;
    }
    if mask & VID != 0 {
        parts.push(format!("dl_vlan={}", value & VID));
    }
    if mask & PCP != 0 {
        parts.push(format!("dl_vlan_pcp={}", value >> 13));
    }
}
