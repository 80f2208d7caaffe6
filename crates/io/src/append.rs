//! A file that is appended to without a system call: through memory that is shared with the kernel.
//!
//! It begins with a mark of 8 bytes and the length of what follows that has been appended (64 bits, in the order of the
//! network); behind that there may be room.  The length is written last: what was being appended when the process was
//! killed is not there, what was appended before is.  Nothing is forced to a disk.
//!
//! The kernel kills a process (SIGBUS) that writes to a shared page which its file has no room for.  So room is
//! reserved before it is mapped, an old file is removed rather than cut, and nobody else may cut a file that is being
//! written.  A disk that fails to give a page back has the same end; files that are in memory cannot.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::Ordering;

use crate::mapping::Mapping;

/// Bytes before what is appended: the mark and the length.
pub const HEAD_LEN: usize = 16;
const LENGTH_AT: usize = 8;
/// Room is reserved and mapped by a multiple of this, which is one of any page size.
const GRAIN: u64 = 64 << 10;
/// Room that a file gets at a time which has become longer than this.
const MOST_AT_ONCE: u64 = 256 << 10;

/// A file that only grows.  When it is dropped, what it has reserved is given back.
#[derive(Debug)]
pub struct AppendFile {
    file: File,
    head: Mapping,
    /// The part that is being written, and where in the file it starts.
    window: Mapping,
    start: u64,
    /// Where the next byte goes.
    end: u64,
}

impl AppendFile {
    /// Makes an empty file in place of whatever is there.  Errors: those of opening, `ENOSPC`.
    pub fn create(path: &Path, mark: &[u8; LENGTH_AT]) -> io::Result<AppendFile> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        let window = map(&file, 0, GRAIN)?;
        let head = Mapping::shared(&file, 0, HEAD_LEN)?;
        // SAFETY: nobody else maps a file that has just been made.
        unsafe { head.write(0, mark) };
        Ok(AppendFile { file, head, window, start: 0, end: HEAD_LEN as u64 })
    }

    /// Where in the file the next byte will stand.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Appends all parts, one after the other.  Errors: `ENOSPC` and others of reserving room; then none of them is
    /// there.
    #[inline]
    pub fn append(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let end = parts.iter().try_fold(self.end, |at, part| self.copy(at, part))?;
        let length = end - HEAD_LEN as u64;
        // What was copied is seen by whoever sees the length.
        self.head.long(LENGTH_AT).store(length.to_be(), Ordering::Release);
        self.end = end;
        Ok(())
    }

    fn copy(&mut self, mut at: u64, mut bytes: &[u8]) -> io::Result<u64> {
        while !bytes.is_empty() {
            let (offset, room) = self.place(at)?;
            let (some, rest) = bytes.split_at(room.min(bytes.len()));
            // SAFETY: behind what has been appended, where nobody reads; `bytes` are not of this file's memory.
            unsafe { self.window.write(offset, some) };
            (at, bytes) = (at + some.len() as u64, rest);
        }
        Ok(at)
    }

    /// Where in the window a byte of the file stands, and the room from there on; never none.
    #[inline]
    fn place(&mut self, at: u64) -> io::Result<(usize, usize)> {
        let is_inside = |offset: &u64| *offset < self.window.length() as u64;
        if at.checked_sub(self.start).filter(is_inside).is_none() {
            self.move_window(at)?;
        }
        let offset = (at - self.start) as usize;
        Ok((offset, self.window.length() - offset))
    }

    #[cold]
    fn move_window(&mut self, at: u64) -> io::Result<()> {
        let start = at - at % GRAIN;
        let length = if start < MOST_AT_ONCE { GRAIN } else { MOST_AT_ONCE };
        (self.window, self.start) = (map(&self.file, start, length)?, start);
        Ok(())
    }
}

impl Drop for AppendFile {
    fn drop(&mut self) {
        // Nothing is written to what is mapped any more.  Where it fails, room stays reserved.
        let _ = self.file.set_len(self.end);
    }
}

fn map(file: &File, start: u64, length: u64) -> io::Result<Mapping> {
    reserve(file, start, length)?;
    Mapping::shared(file, start as libc::off_t, length as usize)
}

/// Makes sure that there is room in the file, which becomes so long.
fn reserve(file: &File, start: u64, length: u64) -> io::Result<()> {
    loop {
        let (start, length) = (start as libc::off_t, length as libc::off_t);
        // SAFETY: plain integers in; the descriptor is open.
        match unsafe { libc::posix_fallocate(file.as_raw_fd(), start, length) } {
            0 => return Ok(()),
            libc::EINTR => {}
            number => return Err(io::Error::from_raw_os_error(number)),
        }
    }
}
