//! VLAN tags, MPLS labels and provider backbone service tags.

use super::{ETHERTYPE_QINQ, ETHERTYPE_VLAN, Layout, VLAN_PRESENT, half, word};
use crate::drop::DropReason;
use tulle_flow::{Field, Key};

/// The key holds two tags; further ones count as payload, and the Ethernet type says so.
const TAGS: [(Field, Field); 2] =
    [(Field::VlanTpid, Field::VlanTci), (Field::InnerVlanTpid, Field::InnerVlanTci)];
/// The key holds three labels.
pub(super) const MOST_LABELS: usize = 3;
/// The bit of a label stack entry that says that it is the last (RFC 3032).
const BOTTOM: u32 = 0x100;

/// From a service tag to the customer's Ethernet type: the tag, and the customer's two addresses.
pub(crate) const CUSTOMER_TYPE: usize = 16;
/// Bits of a service tag below the one that says to use the customer's addresses.
pub(crate) const UCA_SHIFT: u32 = 27;

/// VLAN tags (IEEE 802.1Q).
#[cold]
pub(super) fn vlan(frame: &[u8], key: &mut Key, layout: &mut Layout) -> Result<(), DropReason> {
    for (tpid, tci) in TAGS {
        if !matches!(layout.ethertype, ETHERTYPE_VLAN | ETHERTYPE_QINQ) {
            return Ok(());
        }
        let at = layout.payload;
        let Some(tag) = frame.get(at..at + 4) else { return Err(DropReason::VlanTruncated) };
        key.set(tpid, u128::from(layout.ethertype));
        key.set(tci, u128::from(half(tag, 0) | VLAN_PRESENT));
        layout.ethertype = half(tag, 2);
        layout.payload += 4;
    }
    Ok(())
}

/// MPLS labels.  What follows them is not looked at: nothing says what it is.
#[cold]
pub(super) fn mpls(frame: &[u8], key: &mut Key, layout: &mut Layout) -> Result<(), DropReason> {
    let mut labels = [0; MOST_LABELS];
    for (i, slot) in labels.iter_mut().enumerate() {
        let at = layout.payload + 4 * i;
        let Some(entry) = frame.get(at..at + 4) else { return Err(DropReason::MplsTruncated) };
        *slot = word(entry, 0);
        if *slot & BOTTOM != 0 {
            break;
        }
    }
    set_first_label(key, labels[0]);
    key.set(Field::MplsLse1, u128::from(labels[1]));
    key.set(Field::MplsLse2, u128::from(labels[2]));
    Ok(())
}

/// The service tag of a provider backbone (IEEE 802.1ah).  The customer's frame behind it is not looked at.
#[cold]
pub(super) fn pbb(frame: &[u8], key: &mut Key, layout: &mut Layout) -> Result<(), DropReason> {
    let at = layout.payload;
    let Some(header) = frame.get(at..at + CUSTOMER_TYPE + 2) else { return Err(DropReason::PbbTruncated) };
    let tag = word(header, 0);
    key.set(Field::PbbIsid, u128::from(tag));
    key.set(Field::PbbUca, u128::from(tag >> UCA_SHIFT));
    Ok(())
}

/// Writes a label stack entry into the fields of the outermost one.
pub(crate) fn set_first_label(key: &mut Key, entry: u32) {
    key.set(Field::MplsLabel, u128::from(entry >> 12));
    key.set(Field::MplsTc, u128::from(entry >> 9));
    key.set(Field::MplsBos, u128::from(entry >> 8));
    key.set(Field::MplsTtl, u128::from(entry));
}

/// The outermost label stack entry of a key.
pub(crate) fn first_label(key: &Key) -> u32 {
    let part = |field| key.field(field) as u32;
    part(Field::MplsLabel) << 12 | part(Field::MplsTc) << 9 | part(Field::MplsBos) << 8 | part(Field::MplsTtl)
}
