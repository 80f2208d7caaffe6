//! Reads the golden frames of this folder, for the tests of several crates.

use std::collections::HashMap;
use std::path::Path;

/// One block: its keys and values.
pub struct Vector(HashMap<String, String>);

impl Vector {
    pub fn text(&self, key: &str) -> &str {
        self.0.get(key).unwrap_or_else(|| panic!("no {key} in {:?}", self.0.get("name")))
    }

    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub fn number(&self, key: &str) -> u64 {
        let text = self.text(key);
        match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).expect(key),
            None => text.parse().expect(key),
        }
    }

    /// Hexadecimal words; `61*20` is the byte 61 twenty times.
    pub fn bytes(&self, key: &str) -> Vec<u8> {
        self.text(key).split_whitespace().flat_map(word).collect()
    }
}

fn word(word: &str) -> Vec<u8> {
    let (digits, count) = word.split_once('*').unwrap_or((word, "1"));
    let pairs = (0..digits.len()).step_by(2);
    let bytes: Vec<u8> =
        pairs.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal")).collect();
    bytes.repeat(count.parse().expect("a count"))
}

/// All blocks of a file.
pub fn vectors(file: &str) -> Vec<Vector> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let blocks = text.split("\n\n").map(block).filter(|block| !block.is_empty());
    let vectors: Vec<_> = blocks.map(Vector).collect();
    assert!(!vectors.is_empty(), "{path:?} holds no vector");
    vectors
}

fn block(text: &str) -> HashMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once(" = "));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
