//! Where a thread runs.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use crate::sys::check;

/// Pins the calling thread to one CPU. Errors: EINVAL if there is no such CPU or it is not allowed.
pub fn pin_to_cpu(cpu: usize) -> io::Result<()> {
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: a cpu_set_t is a plain bit set for which all zeroes is the empty set, `cpu` was
    // checked to be inside it, and the pointer passed on is to that set with its own size.
    check(unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    })?;
    Ok(())
}

/// Moves the calling thread into a network namespace, given as an open file such as
/// `/run/netns/NAME`.  Sockets and devices that it opens from now on are there.  Errors: EPERM, EINVAL
/// if the file is none.
pub fn enter_network_namespace(namespace: &impl AsFd) -> io::Result<()> {
    // SAFETY: integers only; the descriptor is open.
    check(unsafe { libc::setns(namespace.as_fd().as_raw_fd(), libc::CLONE_NEWNET) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_stays_on_its_cpu() {
        let seen = std::thread::spawn(|| {
            pin_to_cpu(0).expect("CPU 0 exists");
            // SAFETY: takes no arguments.
            unsafe { libc::sched_getcpu() }
        });
        assert_eq!(seen.join().expect("thread"), 0);
    }

    #[test]
    fn a_file_that_is_no_namespace_is_refused() {
        let file = std::fs::File::open("/dev/null").expect("a file");
        assert!(enter_network_namespace(&file).is_err());
    }

    #[test]
    fn a_cpu_that_does_not_exist_is_refused() {
        assert!(pin_to_cpu(usize::MAX).is_err());
    }
}
