//! Descriptors that another part of the process hands over by their number.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use crate::sys::check;

/// A descriptor of our own for the same open file.  The caller keeps its own, and closes it when it likes.
/// Errors: EBADF if there is no such descriptor.
pub fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: integers in; the descriptor that comes out is new and owned by nobody else.
    unsafe {
        let own = check(libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0))?;
        Ok(OwnedFd::from_raw_fd(own))
    }
}

#[cfg(test)]
mod tests {
    use super::duplicate;
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_duplicate_outlives_the_original() {
        let (mut near, far) = UnixStream::pair().expect("a pair");
        let own = duplicate(far.as_raw_fd()).expect("open");
        drop(far);
        near.write_all(b"x").expect("still open");
        let mut byte = [0];
        UnixStream::from(own).read_exact(&mut byte).expect("a byte");
        assert_eq!(&byte, b"x");
    }

    #[test]
    fn a_number_without_an_open_file_is_refused() {
        assert!(duplicate(-1).is_err());
    }
}
