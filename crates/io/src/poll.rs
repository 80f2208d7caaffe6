//! Waiting for descriptors: epoll and the eventfd that wakes another thread's wait.
//!
//! Level-triggered, because ports are drained a bounded batch at a time: what is left over has to
//! be reported again.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use crate::sys::check;

const MOST_EVENTS: usize = 64;

/// One descriptor that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The token that the descriptor was added with.
    pub token: u64,
    /// A read gives something (or an error) at once.
    pub readable: bool,
    /// A write takes something at once.
    pub writable: bool,
    /// Error or hang-up: the descriptor is to be read for its error, then removed.
    pub failed: bool,
}

/// A set of descriptors to wait for.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    /// An empty set.
    pub fn new() -> io::Result<Self> {
        // SAFETY: an integer in; the descriptor that comes out is new and owned by nobody else.
        let epoll = unsafe { OwnedFd::from_raw_fd(check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?) };
        Ok(Self { epoll })
    }

    /// Waits for `fd` to be readable from now on. Closing the descriptor removes it.
    pub fn add(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, libc::EPOLLIN)
    }

    /// Chooses anew what to wait for. With neither, only failures are reported.
    pub fn modify(&self, fd: BorrowedFd<'_>, token: u64, readable: bool, writable: bool) -> io::Result<()> {
        let input = if readable { libc::EPOLLIN } else { 0 };
        let output = if writable { libc::EPOLLOUT } else { 0 };
        self.control(libc::EPOLL_CTL_MOD, fd, token, input | output)
    }

    /// Stops waiting for `fd`.
    pub fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, 0)
    }

    /// Replaces the contents of `events` by what is ready, waiting at most `timeout` (`None`: for
    /// ever) for the first. An interrupted wait gives no events. Milliseconds, rounded up.
    pub fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        let mut ready = [libc::epoll_event { events: 0, u64: 0 }; MOST_EVENTS];
        let fd = self.epoll.as_raw_fd();
        let timeout = milliseconds(timeout);
        // SAFETY: the array has room for MOST_EVENTS events and outlives the call.
        let result =
            check(unsafe { libc::epoll_wait(fd, ready.as_mut_ptr(), MOST_EVENTS as c_int, timeout) });
        let count = match result {
            Ok(count) => count as usize,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        events.extend(ready[..count].iter().map(event));
        Ok(())
    }

    fn control(&self, action: c_int, fd: BorrowedFd<'_>, token: u64, mask: c_int) -> io::Result<()> {
        let mut event = libc::epoll_event { events: mask as u32, u64: token };
        let epoll = self.epoll.as_raw_fd();
        // SAFETY: both descriptors are open and `event` outlives the call.
        check(unsafe { libc::epoll_ctl(epoll, action, fd.as_raw_fd(), &raw mut event) })?;
        Ok(())
    }
}

fn milliseconds(timeout: Option<Duration>) -> c_int {
    timeout.map_or(-1, |time| {
        let rounded_up = time.as_nanos().div_ceil(1_000_000);
        c_int::try_from(rounded_up).unwrap_or(c_int::MAX)
    })
}

fn event(ready: &libc::epoll_event) -> Event {
    let has = |flags: c_int| ready.events & flags as u32 != 0;
    Event {
        token: ready.u64,
        readable: has(libc::EPOLLIN),
        writable: has(libc::EPOLLOUT),
        failed: has(libc::EPOLLERR | libc::EPOLLHUP),
    }
}

/// Wakes a thread that waits in a [`Poller`] to which the waker was added. Shared by reference.
#[derive(Debug)]
pub struct Waker {
    counter: OwnedFd,
}

impl Waker {
    /// A waker that is not set.
    pub fn new() -> io::Result<Self> {
        let flags = libc::EFD_CLOEXEC | libc::EFD_NONBLOCK;
        // SAFETY: integers in; the descriptor that comes out is new and owned by nobody else.
        let counter = unsafe { OwnedFd::from_raw_fd(check(libc::eventfd(0, flags))?) };
        Ok(Self { counter })
    }

    /// Sets it: the waiting thread sees it readable until it calls [`Waker::drain`].
    pub fn wake(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: eight bytes, as an eventfd wants. EAGAIN (counter full) means that it is set.
        unsafe { libc::write(self.counter.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Clears it. True if it was set.
    pub fn drain(&self) -> bool {
        let mut count = [0_u8; 8];
        // SAFETY: eight bytes, as an eventfd wants. EAGAIN means that it was not set.
        let result = unsafe { libc::read(self.counter.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
        result == 8
    }
}

impl std::os::fd::AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.counter.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    fn poller_with(waker: &Waker, token: u64) -> Poller {
        let poller = Poller::new().expect("epoll");
        poller.add(waker.as_fd(), token).expect("add");
        poller
    }

    #[test]
    fn a_waker_ends_the_wait_of_another_thread() {
        let waker = Waker::new().expect("eventfd");
        let poller = poller_with(&waker, u64::MAX);
        let mut events = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| waker.wake());
            poller.wait(&mut events, None).expect("wait");
        });
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(events[0].token, u64::MAX);
        assert!(events[0].readable && !events[0].failed, "{events:?}");
    }

    #[test]
    fn a_wake_is_reported_until_it_is_drained() {
        let waker = Waker::new().expect("eventfd");
        let poller = poller_with(&waker, 7);
        let mut events = Vec::new();
        waker.wake();
        waker.wake();
        for _ in 0..2 {
            poller.wait(&mut events, None).expect("wait");
            assert_eq!(events.len(), 1, "{events:?}");
        }
        assert!(waker.drain());
        assert!(!waker.drain());
        poller.wait(&mut events, Some(Duration::ZERO)).expect("wait");
        assert_eq!(events, []);
    }

    #[test]
    fn a_removed_descriptor_is_reported_no_more() {
        let waker = Waker::new().expect("eventfd");
        let poller = poller_with(&waker, 7);
        poller.modify(waker.as_fd(), 8, true, true).expect("modify");
        let mut events = Vec::new();
        poller.wait(&mut events, None).expect("wait");
        assert!(events[0].writable && !events[0].readable, "{events:?}");
        assert_eq!(events[0].token, 8);
        poller.remove(waker.as_fd()).expect("remove");
        poller.wait(&mut events, Some(Duration::ZERO)).expect("wait");
        assert_eq!(events, []);
    }

    #[test]
    fn short_timeouts_are_rounded_up_and_long_ones_cut() {
        assert_eq!(milliseconds(Some(Duration::from_nanos(1))), 1);
        assert_eq!(milliseconds(Some(Duration::ZERO)), 0);
        assert_eq!(milliseconds(Some(Duration::MAX)), c_int::MAX);
        assert_eq!(milliseconds(None), -1);
    }
}
