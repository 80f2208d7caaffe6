//! Memory that is mapped into the process, shared with the kernel or merely page-aligned.
//!
//! Whoever holds a [`Mapping`] has to know at each moment which parts are his and which the kernel's.

use std::ffi::c_int;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU32, AtomicU64};

/// Mapped memory, unmapped when dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the memory belongs to the value, whichever thread holds that.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Zeroed memory of the process itself; a page takes up room when it is first touched.
    pub(crate) fn anonymous(length: usize) -> io::Result<Self> {
        Self::map(length, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
    }

    /// Memory that the kernel shares through a descriptor, from `offset` on.
    pub(crate) fn shared(fd: &impl AsRawFd, offset: libc::off_t, length: usize) -> io::Result<Self> {
        Self::map(length, libc::MAP_SHARED | libc::MAP_POPULATE, fd.as_raw_fd(), offset)
    }

    fn map(length: usize, flags: c_int, fd: c_int, offset: libc::off_t) -> io::Result<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the kernel chooses the address, so no memory in use is touched.
        let start = unsafe { libc::mmap(null_mut(), length, access, flags, fd, offset) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, length })
    }

    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// The address of a byte.  Panics outside: offsets come from this crate, never from a packet.
    #[inline]
    pub(crate) fn at(&self, offset: usize, length: usize) -> NonNull<u8> {
        assert!(offset <= self.length && length <= self.length - offset, "outside of the mapping");
        // SAFETY: just checked to lie inside the mapping.
        unsafe { self.start.add(offset) }
    }

    /// A word by which process and kernel tell each other whose the rest is.
    #[inline]
    pub(crate) fn word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset % align_of::<AtomicU32>() == 0, "a word that is not aligned");
        let word = self.at(offset, size_of::<AtomicU32>()).cast::<u32>();
        // SAFETY: inside the mapping, aligned, alive as long as `self`, and only used atomically.
        unsafe { AtomicU32::from_ptr(word.as_ptr()) }
    }

    /// As [`word`](Self::word), with 64 bits.
    #[inline]
    pub(crate) fn long(&self, offset: usize) -> &AtomicU64 {
        assert!(offset % align_of::<AtomicU64>() == 0, "a word that is not aligned");
        let word = self.at(offset, size_of::<AtomicU64>()).cast::<u64>();
        // SAFETY: inside the mapping, aligned, alive as long as `self`, and only used atomically.
        unsafe { AtomicU64::from_ptr(word.as_ptr()) }
    }

    /// Bytes to read.
    ///
    /// # Safety
    /// Neither the kernel nor anybody else writes them while the slice is alive.
    #[inline]
    pub(crate) unsafe fn bytes(&self, offset: usize, length: usize) -> &[u8] {
        let start = self.at(offset, length);
        // SAFETY: inside the mapping, alive as long as `self`; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), length) }
    }

    /// Writes bytes.
    ///
    /// # Safety
    /// Neither the kernel nor anybody else reads or writes them meanwhile.
    #[inline]
    pub(crate) unsafe fn write(&self, offset: usize, bytes: &[u8]) {
        let to = self.at(offset, bytes.len());
        // SAFETY: inside the mapping and, a mapping being new memory, apart from `bytes` unless the
        // caller has them from this very place, which would break the promise.
        unsafe { to.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `map`, and all borrows end with `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}
