//! What a flow does with a packet.

use crate::field::{Field, ones};
use crate::key::Key;

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

    const NAMES: [(u32, &str); 7] = [
        (IN_PORT, "IN_PORT"),
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

    /// The mask of these bits within the field.
    pub fn mask(self) -> u128 {
        ones(self.bits) << self.offset
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Send out of a port, a number or one of [`port`].
    Output(u32),
    /// Send out of the port whose number these bits hold.
    OutputField(SubField),
    /// Send to the controller, at most `max_len` bytes of the packet.
    Controller {
        /// Bytes to send; 0xffff means all.
        max_len: u16,
    },
    /// Set the bits of `mask` in a field to `value`.
    Set {
        /// Which field.
        field: Field,
        /// New value, no bit outside the mask.
        value: u128,
        /// Which bits.
        mask: u128,
    },
    /// Copy bits from one field to another.
    Move {
        /// From where.
        source: SubField,
        /// To where, as many bits.
        target: SubField,
    },
    /// Decrement the IPv4 TTL or IPv6 hop limit; the packet ends here when it is used up.
    DecTtl,
    /// Look up again in a table, as if from `port` where given, then go on with the next action.
    Resubmit {
        /// The ingress port to look up with; `None` keeps the present one.
        port: Option<u16>,
        /// The table; `None` means the present one.
        table: Option<u8>,
    },
    /// Go on in a later table (an instruction of OpenFlow; always the last action).
    GotoTable(u8),
}
