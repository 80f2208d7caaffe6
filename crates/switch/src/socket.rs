//! A connected stream socket of a session: reads what is there, keeps what could not be written.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Bytes read at a time: a bounded turn, so that a busy controller does not keep packets waiting.
const READ_LEN: usize = 64 << 10;

/// How an exchange went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// The connection goes on.
    Done,
    /// The peer has gone.
    Over,
}

/// A non-blocking socket with the bytes that wait for room.
#[derive(Debug)]
pub(crate) struct Socket {
    file: File,
    unsent: Vec<u8>,
    sent: usize,
    was_blocked: bool,
    buffer: Box<[u8]>,
}

impl Socket {
    /// Takes over a connected stream socket of any family.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Socket> {
        let stream = UnixStream::from(socket);
        stream.set_nonblocking(true)?;
        let file = File::from(OwnedFd::from(stream));
        Ok(Socket { file, unsent: Vec::new(), sent: 0, was_blocked: false, buffer: vec![0; READ_LEN].into() })
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// True while bytes wait for room; nothing more is to be read from such a peer.
    pub(crate) fn is_blocked(&self) -> bool {
        self.sent < self.unsent.len()
    }

    /// How many bytes wait for room.
    pub(crate) fn unsent_len(&self) -> usize {
        self.unsent.len() - self.sent
    }

    /// Whether it is blocked, where that has changed since it was asked last.
    pub(crate) fn change(&mut self) -> Option<bool> {
        let blocked = self.is_blocked();
        (std::mem::replace(&mut self.was_blocked, blocked) != blocked).then_some(blocked)
    }

    /// Reads once and hands over what came.
    pub(crate) fn receive(&mut self, take: impl FnOnce(&[u8])) -> Transfer {
        match (&self.file).read(&mut self.buffer) {
            Ok(0) => Transfer::Over,
            Ok(length) => {
                take(&self.buffer[..length]);
                Transfer::Done
            }
            Err(error) if is_temporary(&error) => Transfer::Done,
            Err(_) => Transfer::Over,
        }
    }

    /// Sends bytes after those that wait already; what has no room waits.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Transfer {
        self.unsent.extend_from_slice(bytes);
        while self.is_blocked() {
            match (&self.file).write(&self.unsent[self.sent..]) {
                Ok(0) => return Transfer::Over,
                Ok(length) => self.sent += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_temporary(&error) => return Transfer::Done,
                Err(_) => return Transfer::Over,
            }
        }
        self.unsent.clear();
        self.sent = 0;
        Transfer::Done
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
