//! Big-endian reading with bounds checked, and writing.

use std::ops::{Deref, DerefMut};

use crate::error::{EmitError, ErrorCode};
use crate::version::{Dialect, Version};

pub(crate) type Parsed<T> = Result<T, ErrorCode>;

/// Reads from the front of some bytes; what is missing is reported with the error of the structure read.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    short: ErrorCode,
    dialect: Dialect,
    /// How many structures that may hold one another lie around this one.
    depth: u8,
}

/// Structures that may hold one another (`clone` in `clone`, messages in bundles) nest no deeper.
const MOST_DEPTH: u8 = 16;

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], short: ErrorCode, dialect: Dialect) -> Self {
        Reader { rest: bytes, short, dialect, depth: 0 }
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub fn version(&self) -> Version {
        self.dialect.version
    }

    /// The same bytes as the content of one more structure that may hold its like; `deep` where there are too many.
    pub fn nested(mut self, deep: ErrorCode) -> Parsed<Reader<'a>> {
        self.depth += 1;
        if self.depth > MOST_DEPTH { Err(deep) } else { Ok(self) }
    }

    /// The same bytes, with another error for what is missing.
    pub fn blaming(mut self, short: ErrorCode) -> Reader<'a> {
        self.short = short;
        self
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn len(&self) -> usize {
        self.rest.len()
    }

    pub fn take(&mut self, count: usize) -> Parsed<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(self.short)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `count` bytes as a reader of their own, with its own error.
    pub fn part(&mut self, count: usize, short: ErrorCode) -> Parsed<Reader<'a>> {
        Ok(Reader { rest: self.take(count)?, short, dialect: self.dialect, depth: self.depth })
    }

    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub fn skip(&mut self, count: usize) -> Parsed<()> {
        self.take(count).map(|_| ())
    }

    /// Refuses anything but zeros up to the end, and more than 7 of them.
    pub fn padding(self, wrong: ErrorCode) -> Parsed<()> {
        if self.rest.len() >= 8 {
            return Err(self.short);
        }
        if self.rest.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(wrong) }
    }

    /// Refuses bytes left over.
    pub fn finish(self) -> Parsed<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.short) }
    }

    pub fn array<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub fn u8(&mut self) -> Parsed<u8> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub fn u16(&mut self) -> Parsed<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Parsed<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Parsed<u64> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// A number of 0 to 16 bytes.
    pub fn number(&mut self, count: usize) -> Parsed<u128> {
        Ok(self.take(count)?.iter().fold(0, |value, byte| (value << 8) | u128::from(*byte)))
    }

    /// Text in a field of fixed size, up to its first NUL, which its last byte always counts as; what is not
    /// UTF-8 becomes a question mark.
    pub fn text(&mut self, size: usize) -> Parsed<String> {
        let field = &self.take(size)?[..size - 1];
        let text = field.split(|byte| *byte == 0).next().unwrap_or_default();
        let mut out = String::new();
        for chunk in text.utf8_chunks() {
            out.push_str(chunk.valid());
            out.push_str(if chunk.invalid().is_empty() { "" } else { "?" });
        }
        Ok(out)
    }
}

/// Where a message is written: the bytes so far, and the dialect.
pub(crate) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    dialect: Dialect,
}

impl<'a> Writer<'a> {
    pub fn new(out: &'a mut Vec<u8>, dialect: Dialect) -> Self {
        Writer { out, dialect }
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub fn version(&self) -> Version {
        self.dialect.version
    }

    /// The error for what this version has no form for.
    pub fn lacks<T>(&self, what: &'static str) -> Emitted<T> {
        Err(EmitError::NoForm { what, version: self.dialect.version })
    }
}

pub(crate) type Emitted<T = ()> = Result<T, EmitError>;

impl Deref for Writer<'_> {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        self.out
    }
}

impl DerefMut for Writer<'_> {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        self.out
    }
}

/// Appends big-endian values.
pub(crate) trait Put {
    fn u8(&mut self, value: u8);
    fn u16(&mut self, value: u16);
    fn u32(&mut self, value: u32);
    fn u64(&mut self, value: u64);
    /// The lowest `count` bytes (at most 16) of a number.
    fn number(&mut self, value: u128, count: usize);
    fn zeros(&mut self, count: usize);
    /// Zeros until what began at `start` is a multiple of 8 bytes.
    fn align(&mut self, start: usize);
    /// Text in a field of fixed size, cut at a character so that a NUL always ends it.
    fn text(&mut self, text: &str, size: usize);
    /// Writes the length of what began at `start` at `at`; one that does not fit is caught with the whole message.
    fn set_length(&mut self, at: usize, start: usize);
}

impl Put for Vec<u8> {
    fn u8(&mut self, value: u8) {
        self.push(value);
    }

    fn u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn number(&mut self, value: u128, count: usize) {
        self.extend_from_slice(&value.to_be_bytes()[16 - count..]);
    }

    fn zeros(&mut self, count: usize) {
        self.resize(self.len() + count, 0);
    }

    fn align(&mut self, start: usize) {
        self.zeros((self.len() - start).next_multiple_of(8) - (self.len() - start));
    }

    fn text(&mut self, text: &str, size: usize) {
        let mut end = text.len().min(size - 1);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.extend_from_slice(&text.as_bytes()[..end]);
        self.zeros(size - end);
    }

    fn set_length(&mut self, at: usize, start: usize) {
        let length = u16::try_from(self.len() - start).unwrap_or(u16::MAX);
        self[at..at + 2].copy_from_slice(&length.to_be_bytes());
    }
}
