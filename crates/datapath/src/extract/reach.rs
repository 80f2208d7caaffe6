//! How far into a frame the key and the tracker look.

use super::*;

/// The end of what is told of a frame by its key, or judged by the tracker; what lies behind is only carried.
pub(crate) fn reach(frame: &[u8], layout: &Layout) -> usize {
    match layout.ethertype {
        ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => ip(frame, layout),
        ETHERTYPE_ARP | ETHERTYPE_RARP if layout.l3 > 0 => layout.l3 + ARP_LEN,
        ETHERTYPE_MPLS | ETHERTYPE_MPLS_MULTICAST => layout.payload + 4 * tags::MOST_LABELS,
        ETHERTYPE_PBB => layout.payload + CUSTOMER_TYPE + 2,
        _ => layout.payload,
    }
}

fn ip(frame: &[u8], layout: &Layout) -> usize {
    match layout.proto {
        TCP if layout.l4 > 0 => layout.l4 + usize::from(frame[layout.l4 + 12] >> 4).max(5) * 4,
        UDP if layout.l4 > 0 => layout.l4 + 8,
        // Of these all is read: chunks, options, packets that an error quotes.  Of a header that is cut off, too.
        TCP | UDP | SCTP | ICMPV4 | ICMPV6 if layout.fragment & 2 == 0 => layout.end,
        _ => network(frame, layout),
    }
}

/// The end of the network header, with all extensions.
fn network(frame: &[u8], layout: &Layout) -> usize {
    let at = layout.l3;
    if layout.ethertype == ETHERTYPE_IPV4 {
        return at + usize::from(frame[at] & 15) * 4;
    }
    let walked = extensions::walk(&frame[..layout.end], at + 40, frame[at + 6]);
    walked.ok().and_then(|found| found.l4).unwrap_or(layout.end)
}
