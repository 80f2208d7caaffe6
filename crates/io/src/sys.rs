//! Thin wrappers over system calls that several files share: results, socket options, ioctl.

use std::ffi::{c_int, c_short, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// Turns the -1 of a system call into its errno.
pub(crate) fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// As [`check`], for calls that return a length.
pub(crate) fn check_len(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// A new close-on-exec socket.
pub(crate) fn socket(domain: c_int, kind: c_int, protocol: c_int) -> io::Result<OwnedFd> {
    // SAFETY: plain integers in; the descriptor that comes out is new and owned by nobody else.
    unsafe {
        let fd = check(libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Sets a socket option to the bytes of `value`, a C struct or integer.
pub(crate) fn set_option<T: Copy>(fd: &impl AsRawFd, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let pointer = std::ptr::from_ref(value).cast::<c_void>();
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: pointer and length describe `value`, which outlives the call.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, pointer, length) })?;
    Ok(())
}

/// Reads a socket option, a C struct of integers or an integer; what the kernel does not fill is zero.
pub(crate) fn option<T: Copy>(fd: &impl AsRawFd, level: c_int, name: c_int) -> io::Result<T> {
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    let mut length = size_of::<T>() as libc::socklen_t;
    let pointer = value.as_mut_ptr().cast::<c_void>();
    // SAFETY: pointer and length describe `value`, which outlives the call.
    check(unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, pointer, &raw mut length) })?;
    // SAFETY: every caller asks for integers, of which any bits are a value.
    Ok(unsafe { value.assume_init() })
}

/// The inode number of an open file or socket.
pub(crate) fn inode(fd: &impl AsFd) -> io::Result<u64> {
    let mut status = std::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the descriptor is open, and the kernel fills the struct, which outlives the call.
    check(unsafe { libc::fstat(fd.as_fd().as_raw_fd(), status.as_mut_ptr()) })?;
    // SAFETY: filled by the call, and zeroed before.
    Ok(unsafe { status.assume_init() }.st_ino)
}

/// Binds a socket to a socket address given as its C struct.
pub(crate) fn bind<T: Copy>(fd: &impl AsRawFd, address: &T) -> io::Result<()> {
    let pointer = std::ptr::from_ref(address).cast::<libc::sockaddr>();
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: pointer and length describe `address`, which outlives the call.
    check(unsafe { libc::bind(fd.as_raw_fd(), pointer, length) })?;
    Ok(())
}

/// The socket address of a socket as the C struct of its family; what the kernel does not fill is zero.
pub(crate) fn own_address<T: Copy>(fd: &impl AsRawFd) -> io::Result<T> {
    let mut address = std::mem::MaybeUninit::<T>::zeroed();
    let mut length = size_of::<T>() as libc::socklen_t;
    let pointer = address.as_mut_ptr().cast::<libc::sockaddr>();
    // SAFETY: pointer and length describe `address`, which outlives the call.
    check(unsafe { libc::getsockname(fd.as_raw_fd(), pointer, &raw mut length) })?;
    // SAFETY: every caller asks for a struct of integers, of which any bits are a value.
    Ok(unsafe { address.assume_init() })
}

/// An `ifreq` for the named device. Errors: InvalidInput if the name is empty, longer than 15 bytes or holds NUL.
pub(crate) fn interface_request(name: &str) -> io::Result<libc::ifreq> {
    if name.is_empty() || name.len() >= libc::IFNAMSIZ || name.contains('\0') {
        let text = format!("expected a device name of 1 to 15 bytes, got {name:?}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    // SAFETY: ifreq is a C struct of integers and integer unions; all zeroes is a value of it.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}

/// An ioctl whose argument is an `ifreq`: read, written or both.
pub(crate) fn interface_ioctl(
    fd: &impl AsRawFd,
    code: libc::Ioctl,
    request: &mut libc::ifreq,
) -> io::Result<()> {
    // SAFETY: every caller passes a code of the SIOC*IF* / TUNSETIFF family, which touch no more
    // than the ifreq pointed to.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), code, std::ptr::from_mut(request)) })?;
    Ok(())
}

/// Adds device flags to those that are set already, or removes them.
pub(crate) fn change_flags(
    fd: &impl AsRawFd,
    request: &mut libc::ifreq,
    add: c_short,
    remove: c_short,
) -> io::Result<()> {
    interface_ioctl(fd, libc::SIOCGIFFLAGS, request)?;
    // SAFETY: SIOCGIFFLAGS has just filled this member.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    request.ifr_ifru.ifru_flags = (flags | add) & !remove;
    interface_ioctl(fd, libc::SIOCSIFFLAGS, request)
}
