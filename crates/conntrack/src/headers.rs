//! Where the headers of a frame lie.

use tulle_wire::Layers;

use crate::tuple::Family;

/// Whether a packet is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fragment {
    /// It is.
    No,
    /// The first piece of a datagram.
    First,
    /// Another piece, without the transport header.
    Later,
}

/// Where the headers of an IP packet lie, counted from the first byte of the frame.
///
/// Offsets that do not fit the frame make the packet invalid, nothing worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers {
    /// IPv4 or IPv6.
    pub family: Family,
    /// The network header.
    pub l3: usize,
    /// The transport header; 0 where there is none, or not all of it.
    pub l4: usize,
    /// The end of the network packet, without what pads the frame.
    pub end: usize,
    /// The protocol of the transport header, behind all extension headers.
    pub protocol: u8,
    /// Whether it is a fragment.
    pub fragment: Fragment,
}

impl Headers {
    /// Finds the headers of an Ethernet frame; `None` for anything but well-formed IPv4 or IPv6.
    #[must_use]
    pub fn find(frame: &[u8]) -> Option<Self> {
        let layers = Layers::parse(frame)?;
        Some(Self {
            family: if layers.is_v4() { Family::V4 } else { Family::V6 },
            l3: layers.network,
            l4: if layers.later_fragment { 0 } else { layers.transport },
            end: layers.end,
            protocol: layers.protocol,
            fragment: match (layers.fragment, layers.later_fragment) {
                (false, _) => Fragment::No,
                (true, false) => Fragment::First,
                (true, true) => Fragment::Later,
            },
        })
    }
}
