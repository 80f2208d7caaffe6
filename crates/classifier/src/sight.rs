//! Which bits of a key a lookup has looked at.

use tulle_flow::Key;

/// Takes the bits that are looked at, but for those that are known without a look.
pub(crate) struct Sight<'a> {
    pub known: &'a Key,
    pub looked_at: &'a mut Key,
}

impl Sight<'_> {
    /// Adds bits of a word.
    #[inline]
    pub fn show(&mut self, word: usize, bits: u64) {
        self.looked_at.words[word] |= bits & !self.known.words[word];
    }
}
