//! What became of one receive or send: the ordinary results that a caller counts, as values.
//!
//! Anything else (the device was deleted, a bad descriptor) is an `io::Error`: the port is dead.

use std::io;

/// What one receive gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A whole frame.
    Frame,
    /// A frame longer than the buffer; what is in the buffer is only its beginning.
    Truncated,
    /// Nothing is waiting.
    Nothing,
    /// A super-frame of a kind that has no description here; it is lost.
    Undescribable,
    /// The device is down; it may come up again.
    DeviceDown,
}

/// What became of one frame that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The kernel took it.
    Sent,
    /// The device or socket queue is full (EAGAIN, ENOBUFS).
    QueueFull,
    /// The device is down (ENETDOWN, EIO of a TAP).
    DeviceDown,
    /// Longer than the device takes (EMSGSIZE).
    TooLong,
    /// The kernel refuses the frame or its offload description (EINVAL).
    Refused,
}

impl Received {
    /// Sorts the error of a receive into a value to count or a real error.
    pub(crate) fn from_error(error: io::Error) -> io::Result<Self> {
        match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EINTR) => Ok(Self::Nothing),
            Some(libc::EINVAL) => Ok(Self::Undescribable),
            Some(libc::ENETDOWN | libc::EIO) => Ok(Self::DeviceDown),
            _ => Err(error),
        }
    }
}

impl Sent {
    /// Sorts the error of a send into a value to count or a real error.
    pub(crate) fn from_error(error: io::Error) -> io::Result<Self> {
        match error.raw_os_error() {
            Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) => Ok(Self::QueueFull),
            Some(libc::ENETDOWN | libc::EIO) => Ok(Self::DeviceDown),
            Some(libc::EMSGSIZE) => Ok(Self::TooLong),
            Some(libc::EINVAL | libc::EFAULT) => Ok(Self::Refused),
            _ => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: i32) -> io::Error {
        io::Error::from_raw_os_error(code)
    }

    #[test]
    fn ordinary_send_failures_are_values() {
        let sorted = |code| Sent::from_error(error(code)).expect("a value");
        assert_eq!(sorted(libc::ENOBUFS), Sent::QueueFull);
        assert_eq!(sorted(libc::EAGAIN), Sent::QueueFull);
        assert_eq!(sorted(libc::ENETDOWN), Sent::DeviceDown);
        assert_eq!(sorted(libc::EMSGSIZE), Sent::TooLong);
        assert_eq!(sorted(libc::EINVAL), Sent::Refused);
    }

    #[test]
    fn a_dead_descriptor_is_an_error() {
        assert!(Sent::from_error(error(libc::EBADFD)).is_err());
        assert!(Received::from_error(error(libc::EBADF)).is_err());
    }
}
