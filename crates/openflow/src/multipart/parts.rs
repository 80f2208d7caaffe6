//! Cuts a reply into messages of at most 65535 bytes.

use super::MORE;
use crate::bytes::Put;
use crate::error::EmitError;
use crate::header::{HEADER_LEN, Header, VERSION};
use crate::message::{MULTIPART_REPLY, Xid};

/// Header, type, flags and padding.
const HEAD_LEN: usize = HEADER_LEN + 8;

/// The messages of one reply under way.
pub(super) struct Parts<'a> {
    kind: u16,
    xid: Xid,
    out: &'a mut Vec<u8>,
    /// Where the present message starts.
    start: usize,
}

impl<'a> Parts<'a> {
    pub fn start(kind: u16, xid: Xid, out: &'a mut Vec<u8>) -> Parts<'a> {
        let start = out.len();
        let mut parts = Parts { kind, xid, out, start };
        parts.head();
        parts
    }

    fn head(&mut self) {
        self.start = self.out.len();
        Header { version: VERSION, kind: MULTIPART_REPLY, length: 0, xid: self.xid }.emit(self.out);
        self.out.u16(self.kind);
        self.out.zeros(6);
    }

    /// Adds one entry; where the message has no room for it, it starts the next one.
    pub fn entry<T>(
        &mut self,
        entry: &T,
        emit: impl FnOnce(&T, &mut Vec<u8>) -> Result<(), EmitError>,
    ) -> Result<(), EmitError> {
        let at = self.out.len();
        emit(entry, self.out)?;
        let length = HEAD_LEN + self.out.len() - at;
        if length > usize::from(u16::MAX) {
            return Err(EmitError::TooLong(length));
        }
        if self.out.len() - self.start > usize::from(u16::MAX) {
            let entry = self.out.split_off(at);
            self.close(true);
            self.head();
            self.out.extend_from_slice(&entry);
        }
        Ok(())
    }

    /// Adds entries that always have a wire form.
    pub fn entries<T>(&mut self, entries: &[T], emit: impl Fn(&T, &mut Vec<u8>)) -> Result<(), EmitError> {
        let emit = |entry: &T, out: &mut Vec<u8>| {
            emit(entry, out);
            Ok(())
        };
        entries.iter().try_for_each(|entry| self.entry(entry, emit))
    }

    fn close(&mut self, more: bool) {
        let start = self.start;
        self.out.set_length(start + 2, start);
        let flags = if more { MORE } else { 0 };
        self.out[start + HEADER_LEN + 2..start + HEADER_LEN + 4].copy_from_slice(&flags.to_be_bytes());
    }

    pub fn finish(mut self, more: bool) {
        self.close(more);
    }
}
