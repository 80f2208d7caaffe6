//! Further queues of a TAP device that is open: each thread reads and writes its own.
//!
//! Source: Documentation/networking/tuntap.rst ("Multiqueue tuntap interface"), linux/if_tun.h.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::steering;
use crate::sys::{check, inode, interface_ioctl, interface_request};
use crate::tap::{Queues, Tap, attach, open_control, set_offloads};
use crate::thread::enter_network_namespace;

impl Tap {
    /// Whether it was made for several queues, which cannot be changed afterwards.
    #[must_use]
    pub fn is_shareable(&self) -> bool {
        self.queues == Queues::Several
    }

    /// Opens one more queue of the device, wherever that is meanwhile and whatever its name.  `queues` is how many
    /// there are; only they get frames, until [`steer`](Self::steer) says otherwise.  Errors: Unsupported if it was
    /// made for one queue, EPERM, E2BIG beyond 256 queues, ENODEV if it moves at this moment.
    pub fn open_share(&self, queues: usize) -> io::Result<Self> {
        if !self.is_shareable() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.steer(queues)?;
        let (name, namespace) = (self.present_name()?, self.namespace()?);
        let file = inside(&namespace, || {
            let file = open_control()?;
            attach(&file, &name, Queues::Several)?;
            Ok(file)
        })?;
        let share = Self { file, name: self.name.clone(), offloads: self.offloads, queues: Queues::Several };
        // The kernel makes a device where there is none of the name: it goes with the share.
        if share.place()? != self.place()? {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        set_offloads(&share.file, share.offloads)?;
        Ok(share)
    }

    /// Has the frames of the device come by its first so many queues, each flow by one of them.  What waits in the
    /// others stays there to be received.  Errors: EPERM without CAP_BPF or CAP_SYS_ADMIN, ENOSYS without BPF.
    pub fn steer(&self, queues: usize) -> io::Result<()> {
        steering::steer(&self.file, queues)
    }

    /// Name and namespace, by which there is one device at a time.
    fn place(&self) -> io::Result<(String, u64)> {
        Ok((self.present_name()?, inode(&self.namespace()?)?))
    }

    fn present_name(&self) -> io::Result<String> {
        let mut request = interface_request(&self.name)?;
        interface_ioctl(&self.file, libc::TUNGETIFF, &mut request)?;
        let bytes = request.ifr_name.map(|byte| byte as u8);
        let name = CStr::from_bytes_until_nul(&bytes).map_err(|_| io::ErrorKind::InvalidData)?;
        Ok(name.to_string_lossy().into_owned())
    }

    fn namespace(&self) -> io::Result<OwnedFd> {
        // SAFETY: TUNGETDEVNETNS takes no argument; the descriptor that comes out is new and owned by nobody else.
        unsafe {
            let fd = check(libc::ioctl(self.file.as_raw_fd(), libc::TUNGETDEVNETNS))?;
            Ok(OwnedFd::from_raw_fd(fd))
        }
    }
}

/// Does something in another network namespace; the calling thread stays where it is.
fn inside<T: Send>(namespace: &OwnedFd, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let moved = std::thread::Builder::new().spawn_scoped(scope, || {
            enter_network_namespace(namespace)?;
            work()
        })?;
        moved.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
    })
}
