//! What a change of some 16-bit words does to a one's complement sum.

/// The difference that changed words make to a sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change(u32);

impl Change {
    /// Old and new values of the same words, as whole 16-bit words.
    pub fn between(old: u128, new: u128) -> Change {
        Change(u32::from(fold(words(new) + words(!old))))
    }

    /// The new value of a complemented checksum (RFC 1624, equation 3).
    pub fn apply(self, checksum: u16) -> u16 {
        !fold(u32::from(!checksum) + self.0)
    }

    /// The new value of a sum that has not been complemented.
    pub fn apply_partial(self, sum: u16) -> u16 {
        fold(u32::from(sum) + self.0)
    }
}

fn words(value: u128) -> u32 {
    (0..8).map(|i| (value >> (16 * i)) as u32 & 0xffff).sum()
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
