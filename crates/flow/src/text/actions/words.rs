//! Arguments of actions: `name=value` pairs, numbers, bytes.

use super::super::values::parse_number;
use super::super::{TextError, split_list};

/// Parses a number into the type that its place has.
pub(super) fn number<T: TryFrom<u128>>(field: &str, text: &str) -> Result<T, TextError> {
    parse_number(text).and_then(|value| T::try_from(value).ok()).ok_or_else(|| TextError::BadValue {
        field: field.to_owned(),
        expected: "a number in range",
        got: text.to_owned(),
    })
}

/// `name=value` and `name(value)` pairs and plain words.
pub(super) struct Words<'a> {
    pairs: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    /// Splits at commas; each name must be among `known`.
    pub fn parse(text: &'a str, known: &[&str]) -> Result<Self, TextError> {
        let pairs: Vec<_> = split_list(text).into_iter().map(split_pair).collect();
        match pairs.iter().find(|(name, _)| !known.contains(name)) {
            Some((name, _)) => Err(TextError::UnknownAction((*name).to_owned())),
            None => Ok(Words { pairs }),
        }
    }

    /// The value of a name, empty where only the word stands.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.pairs.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// True where the word stands.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The number of a name.
    pub fn number<T: TryFrom<u128>>(&self, name: &str) -> Result<Option<T>, TextError> {
        self.value(name).map(|value| number(name, value)).transpose()
    }
}

/// Splits at the first `=`, or at a parenthesis that the end closes.
fn split_pair(text: &str) -> (&str, &str) {
    match (text.find('='), text.find('(')) {
        (Some(equals), paren) if paren.is_none_or(|paren| equals < paren) => {
            (&text[..equals], &text[equals + 1..])
        }
        (_, Some(paren)) => {
            let value = &text[paren + 1..];
            (&text[..paren], value.strip_suffix(')').unwrap_or(value))
        }
        _ => (text, ""),
    }
}

/// Bytes in hexadecimal, with or without dots.
pub(super) fn bytes(text: &str) -> Option<Box<[u8]>> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| *c != '.')
        .map(|c| c.to_digit(16).map(|digit| digit as u8))
        .collect::<Option<_>>()?;
    (digits.len() % 2 == 0).then(|| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// Bytes in hexadecimal with dots between them.
pub(super) fn dotted(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(".")
}
