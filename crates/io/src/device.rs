//! Index, MAC, MTU and up/down state of an existing network device, by name.
//!
//! A [`Device`] keeps a socket, so it goes on meaning the network namespace that it was opened in.

use std::io;
use std::os::fd::OwnedFd;

use crate::sys::{change_flags, interface_ioctl, interface_request, socket};

/// A network device of one network namespace.
#[derive(Debug)]
pub struct Device {
    socket: OwnedFd,
    name: String,
    index: u32,
}

impl Device {
    /// Finds a device in the namespace of the calling thread. Errors: ENODEV if there is none of that name.
    pub fn open(name: &str) -> io::Result<Self> {
        let socket = socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
        let mut request = interface_request(name)?;
        interface_ioctl(&socket, libc::SIOCGIFINDEX, &mut request)?;
        // SAFETY: SIOCGIFINDEX has just filled this member.
        let index = unsafe { request.ifr_ifru.ifru_ifindex } as u32;
        let name = name.to_owned();
        Ok(Self { socket, name, index })
    }

    /// The name that it was opened by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The interface index, unique in its namespace.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The Ethernet address. Errors: ENODEV once the device is gone or has moved away.
    pub fn mac(&self) -> io::Result<[u8; 6]> {
        let request = self.ask(libc::SIOCGIFHWADDR)?;
        // SAFETY: SIOCGIFHWADDR has just filled this member.
        let data = unsafe { request.ifr_ifru.ifru_hwaddr.sa_data };
        Ok(std::array::from_fn(|i| data[i] as u8))
    }

    /// Whether its frames are Ethernet's.
    pub fn is_ethernet(&self) -> io::Result<bool> {
        let request = self.ask(libc::SIOCGIFHWADDR)?;
        // SAFETY: SIOCGIFHWADDR has just filled this member.
        let family = unsafe { request.ifr_ifru.ifru_hwaddr.sa_family };
        Ok(family == libc::ARPHRD_ETHER)
    }

    /// The largest payload of an Ethernet frame, in bytes.
    pub fn mtu(&self) -> io::Result<u32> {
        let request = self.ask(libc::SIOCGIFMTU)?;
        // SAFETY: SIOCGIFMTU has just filled this member.
        Ok(unsafe { request.ifr_ifru.ifru_mtu } as u32)
    }

    /// Whether it is set up (IFF_UP).
    pub fn is_up(&self) -> io::Result<bool> {
        self.has_flag(libc::IFF_UP)
    }

    /// Whether it has a carrier (IFF_RUNNING).
    pub fn has_carrier(&self) -> io::Result<bool> {
        self.has_flag(libc::IFF_RUNNING)
    }

    /// Sets it up.
    pub fn set_up(&self) -> io::Result<()> {
        let mut request = interface_request(&self.name)?;
        change_flags(&self.socket, &mut request, libc::IFF_UP as i16, 0)
    }

    /// Sets it down.
    pub fn set_down(&self) -> io::Result<()> {
        let mut request = interface_request(&self.name)?;
        change_flags(&self.socket, &mut request, 0, libc::IFF_UP as i16)
    }

    /// Sets the MTU. Errors: EINVAL outside what the driver takes.
    pub fn set_mtu(&self, mtu: u32) -> io::Result<()> {
        let mut request = interface_request(&self.name)?;
        request.ifr_ifru.ifru_mtu = i32::try_from(mtu).unwrap_or(i32::MAX);
        interface_ioctl(&self.socket, libc::SIOCSIFMTU, &mut request)
    }

    /// Sets the Ethernet address. Errors: EADDRNOTAVAIL if it is a multicast address.
    pub fn set_mac(&self, mac: [u8; 6]) -> io::Result<()> {
        let mut request = self.ask(libc::SIOCGIFHWADDR)?;
        // SAFETY: SIOCGIFHWADDR has just filled this member, so sa_family stays the device's own.
        let data = unsafe { &mut request.ifr_ifru.ifru_hwaddr.sa_data };
        for (to, from) in data.iter_mut().zip(mac) {
            *to = from as libc::c_char;
        }
        interface_ioctl(&self.socket, libc::SIOCSIFHWADDR, &mut request)
    }

    fn has_flag(&self, flag: libc::c_int) -> io::Result<bool> {
        let request = self.ask(libc::SIOCGIFFLAGS)?;
        // SAFETY: SIOCGIFFLAGS has just filled this member.
        let flags = unsafe { request.ifr_ifru.ifru_flags };
        Ok(flags & flag as i16 != 0)
    }

    fn ask(&self, code: libc::Ioctl) -> io::Result<libc::ifreq> {
        let mut request = interface_request(&self.name)?;
        interface_ioctl(&self.socket, code, &mut request)?;
        Ok(request)
    }
}
