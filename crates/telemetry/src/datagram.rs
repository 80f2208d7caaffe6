//! A datagram while it is written.

/// The longest datagram: what any path takes whole, with IPv6 and UDP headers.
pub(crate) const LONGEST: usize = 1400;

/// Bytes in network order, in memory that is taken once.  What does not fit is left out, so that nothing that is
/// written can make it grow; who writes asks [`room`](Self::room) first.
#[derive(Debug)]
pub(crate) struct Datagram {
    bytes: Vec<u8>,
}

impl Datagram {
    pub fn new() -> Datagram {
        Datagram { bytes: Vec::with_capacity(LONGEST) }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many bytes still fit.
    pub fn room(&self) -> usize {
        LONGEST - self.bytes.len()
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    pub fn put(&mut self, bytes: &[u8]) {
        let fitting = bytes.len().min(self.room());
        self.bytes.extend_from_slice(&bytes[..fitting]);
    }

    pub fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    pub fn u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    pub fn u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.put(&value.to_be_bytes());
    }

    /// Several numbers of 32 bits.
    pub fn words<const N: usize>(&mut self, values: [u32; N]) {
        values.into_iter().for_each(|value| self.u32(value));
    }

    pub fn zeros(&mut self, count: usize) {
        (0..count).for_each(|_| self.u8(0));
    }

    /// Overwrites 16 bits.
    pub fn set_u16(&mut self, place: usize, value: u16) {
        self.set(place, &value.to_be_bytes());
    }

    /// Overwrites 32 bits.
    pub fn set_u32(&mut self, place: usize, value: u32) {
        self.set(place, &value.to_be_bytes());
    }

    fn set(&mut self, place: usize, value: &[u8]) {
        if let Some(slot) = self.bytes.get_mut(place..place + value.len()) {
            slot.copy_from_slice(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_left_out_and_nothing_grows() {
        let mut datagram = Datagram::new();
        let capacity = datagram.bytes.capacity();
        datagram.put(&[7; LONGEST - 2]);
        datagram.u32(0x0102_0304);
        datagram.u64(5);
        assert_eq!((datagram.len(), datagram.room(), datagram.bytes.capacity()), (LONGEST, 0, capacity));
        assert_eq!(datagram.bytes()[LONGEST - 2..], [1, 2]);
    }

    #[test]
    fn overwriting_beyond_the_end_changes_nothing() {
        let mut datagram = Datagram::new();
        datagram.u32(1);
        datagram.set_u32(1, 9);
        datagram.set_u16(2, 9);
        assert_eq!(datagram.bytes(), [0, 0, 0, 9]);
    }
}
