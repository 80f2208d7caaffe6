//! A set of prefixes, and how many bits of a value must be seen to know which of them it has.
//!
//! A binary tree without nodes that decide nothing: each node is a prefix that is in the set, or at which two
//! prefixes part.  Its shape depends on the prefixes only.

use std::ops::BitXor;

/// A value whose first bit is the most significant one.
pub(crate) trait Value: Copy + Default + PartialEq + BitXor<Output = Self> + std::fmt::Debug {
    fn leading_zeros(self) -> u32;
    fn bit(self, at: u8) -> usize;
}

impl Value for u32 {
    fn leading_zeros(self) -> u32 {
        self.leading_zeros()
    }

    fn bit(self, at: u8) -> usize {
        (self >> (31 - at) & 1) as usize
    }
}

impl Value for u128 {
    fn leading_zeros(self) -> u32 {
        self.leading_zeros()
    }

    fn bit(self, at: u8) -> usize {
        (self >> (127 - at) & 1) as usize
    }
}

const NONE: u32 = u32::MAX;
const ROOT: u32 = 0;

#[derive(Clone, Copy, Debug, Default)]
struct Node<V> {
    prefix: V,
    children: [u32; 2],
    /// How many times this prefix is in the set; 0 where others part.
    count: u32,
    length: u8,
}

/// What the set knows of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prefixes {
    /// Bit n - 1 is set where the value has a prefix of n bits that is in the set.
    pub lengths: u128,
    /// Values that agree in so many bits have the same prefixes.
    pub needed: u8,
}

/// A set of prefixes of at least one bit, counted.
#[derive(Debug)]
pub(crate) struct Trie<V> {
    nodes: Vec<Node<V>>,
    free: Vec<u32>,
}

impl<V: Value> Trie<V> {
    pub fn new() -> Self {
        Trie { nodes: vec![Node { children: [NONE; 2], ..Node::default() }], free: Vec::new() }
    }

    /// Which prefixes in the set a value has.
    #[inline]
    pub fn find(&self, value: V) -> Prefixes {
        let mut found = Prefixes::default();
        let mut node = &self.nodes[ROOT as usize];
        loop {
            if node.count > 0 {
                found.lengths |= 1 << (node.length - 1);
            }
            if node.children == [NONE; 2] {
                found.needed = node.length;
                return found;
            }
            let child = node.children[value.bit(node.length)];
            if child == NONE {
                found.needed = node.length + 1;
                return found;
            }
            let next = &self.nodes[child as usize];
            let common = (value ^ next.prefix).leading_zeros();
            if common < u32::from(next.length) {
                found.needed = common as u8 + 1;
                return found;
            }
            node = next;
        }
    }

    /// Adds a prefix; bits of `prefix` beyond `length` are zero.
    pub fn insert(&mut self, prefix: V, length: u8) {
        let mut at = ROOT;
        while self.nodes[at as usize].length < length {
            let side = prefix.bit(self.nodes[at as usize].length);
            let child = self.nodes[at as usize].children[side];
            if child == NONE {
                let leaf = self.allocate(prefix, length);
                self.nodes[at as usize].children[side] = leaf;
                at = leaf;
                break;
            }
            let next = self.nodes[child as usize];
            let common = ((prefix ^ next.prefix).leading_zeros() as u8).min(length);
            if common < next.length {
                at = self.split(at, side, prefix, common);
            } else {
                at = child;
            }
        }
        self.nodes[at as usize].count += 1;
    }

    /// Puts a node of `length` bits between a node and its child.
    fn split(&mut self, at: u32, side: usize, prefix: V, length: u8) -> u32 {
        let child = self.nodes[at as usize].children[side];
        let lower_side = self.nodes[child as usize].prefix.bit(length);
        let middle = self.allocate(prefix, length);
        self.nodes[middle as usize].children[lower_side] = child;
        self.nodes[at as usize].children[side] = middle;
        middle
    }

    /// Takes a prefix away that was added.
    pub fn remove(&mut self, prefix: V, length: u8) {
        let (mut above, mut at) = ([NONE; 2], ROOT);
        while self.nodes[at as usize].length < length {
            let child = self.nodes[at as usize].children[prefix.bit(self.nodes[at as usize].length)];
            if child == NONE {
                return;
            }
            (above, at) = ([above[1], at], child);
        }
        let node = &mut self.nodes[at as usize];
        node.count = node.count.saturating_sub(1);
        self.tidy(at, above[1]);
        if above[1] != NONE {
            self.tidy(above[1], above[0]);
        }
    }

    /// Takes a node out that decides nothing any more.
    fn tidy(&mut self, at: u32, parent: u32) {
        let Node { count, children, .. } = self.nodes[at as usize];
        if parent == NONE || count > 0 || children.iter().all(|child| *child != NONE) {
            return;
        }
        let only = children.into_iter().find(|child| *child != NONE).unwrap_or(NONE);
        for child in &mut self.nodes[parent as usize].children {
            if *child == at {
                *child = only;
            }
        }
        self.free.push(at);
    }

    fn allocate(&mut self, prefix: V, length: u8) -> u32 {
        // A node at which others part keeps the bits of one of them beyond its length: they are never compared.
        let node = Node { prefix, children: [NONE; 2], count: 0, length };
        if let Some(place) = self.free.pop() {
            self.nodes[place as usize] = node;
            return place;
        }
        self.nodes.push(node);
        (self.nodes.len() - 1) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefix() -> impl Strategy<Value = (u32, u8)> {
        let value = prop_oneof![any::<u32>(), (0..4_u32).prop_map(|top| top << 30), Just(u32::MAX)];
        (value, 1..=32_u8).prop_map(|(value, length)| (value & u32::MAX << (32 - length), length))
    }

    fn has(value: u32, (prefix, length): (u32, u8)) -> bool {
        (value ^ prefix).leading_zeros() >= u32::from(length)
    }

    proptest! {
        #[test]
        fn finds_what_a_list_finds(
            prefixes in prop::collection::vec(prefix(), 0..30),
            gone in any::<[bool; 30]>(),
            values in prop::collection::vec(any::<u32>(), 1..10),
        ) {
            let mut trie = Trie::<u32>::new();
            prefixes.iter().for_each(|(prefix, length)| trie.insert(*prefix, *length));
            let is_gone = |i: &usize| gone[*i];
            (0..prefixes.len()).filter(is_gone).for_each(|i| trie.remove(prefixes[i].0, prefixes[i].1));
            let left: Vec<_> = (0..prefixes.len()).filter(|i| !is_gone(i)).map(|i| prefixes[i]).collect();
            let near = left.iter().map(|(prefix, length)| prefix ^ (1 << (32 - *length)) | 5);
            let near: Vec<u32> = near.chain(left.iter().map(|prefix| prefix.0 | 1)).collect();
            for value in values.into_iter().chain(near) {
                let found = trie.find(value);
                let expected = left.iter().filter(|prefix| has(value, **prefix));
                let expected = expected.fold(0_u128, |lengths, prefix| lengths | 1 << (prefix.1 - 1));
                prop_assert_eq!(found.lengths, expected);
                if found.needed < 32 {
                    prop_assert_eq!(trie.find(value ^ (u32::MAX >> found.needed)), found);
                }
                // No bit beyond the first that differs from all prefixes.
                let common = |prefix: &(u32, u8)| (value ^ prefix.0).leading_zeros().min(u32::from(prefix.1));
                let most = left.iter().map(common).max().map_or(0, |most| most + 1);
                prop_assert!(u32::from(found.needed) <= most);
            }
        }

        #[test]
        fn a_trie_emptied_is_as_new(prefixes in prop::collection::vec(prefix(), 0..30)) {
            let mut trie = Trie::<u32>::new();
            prefixes.iter().for_each(|(prefix, length)| trie.insert(*prefix, *length));
            prefixes.iter().for_each(|(prefix, length)| trie.remove(*prefix, *length));
            prop_assert_eq!(trie.nodes.len() - trie.free.len(), 1);
            prop_assert_eq!(trie.nodes[0].children, [NONE; 2]);
        }
    }
}
