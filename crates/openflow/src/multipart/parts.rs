//! Cuts a reply into messages of at most 65535 bytes.

use super::head::{Kind, emit_head, mark_more};
use crate::bytes::{Emitted, Put, Writer};
use crate::error::EmitError;
use crate::header::Header;
use crate::message::{Xid, multipart_reply_kind};
use crate::version::Dialect;

/// The messages of one reply under way.
pub(super) struct Parts<'a> {
    kind: Kind,
    xid: Xid,
    out: Writer<'a>,
    /// Where the present message starts.
    start: usize,
}

impl<'a> Parts<'a> {
    pub fn start(kind: Kind, xid: Xid, dialect: Dialect, out: &'a mut Vec<u8>) -> Parts<'a> {
        let start = out.len();
        let mut parts = Parts { kind, xid, out: Writer::new(out, dialect), start };
        parts.head();
        parts
    }

    fn head(&mut self) {
        self.start = self.out.len();
        let version = self.out.version();
        let kind = multipart_reply_kind(version);
        Header { version: version.wire(), kind, length: 0, xid: self.xid }.emit(&mut self.out);
        emit_head(self.kind, false, &mut self.out);
    }

    /// Adds one entry; where the message has no room for it, it starts the next one.
    fn entry<T>(&mut self, entry: &T, emit: impl FnOnce(&T, &mut Writer<'_>) -> Emitted) -> Emitted {
        let at = self.out.len();
        emit(entry, &mut self.out)?;
        let end = self.out.len();
        if end - self.start <= usize::from(u16::MAX) {
            return Ok(());
        }
        let entry = self.out.split_off(at);
        self.close(true);
        self.head();
        self.out.extend_from_slice(&entry);
        let length = self.out.len() - self.start;
        if length > usize::from(u16::MAX) { Err(EmitError::TooLong(length)) } else { Ok(()) }
    }

    pub fn entries<T>(&mut self, entries: &[T], emit: impl Fn(&T, &mut Writer<'_>) -> Emitted) -> Emitted {
        entries.iter().try_for_each(|entry| self.entry(entry, &emit))
    }

    fn close(&mut self, more: bool) {
        let start = self.start;
        self.out.set_length(start + 2, start);
        if more {
            mark_more(&mut self.out, start);
        }
    }

    pub fn finish(mut self, more: bool) {
        self.close(more);
    }
}
