//! What stands between a socket and its device, and would be passed by if frames went directly.
//!
//! A queueing discipline shapes or delays, a filter on the way out (clsact) drops or changes, somebody
//! with tcpdump wants to see, and several queues need one place that assigns flows to them.  Direct
//! sending is right only where there is none of these.  Looking takes the kernel's configuration lock,
//! so it is nothing for a thread that forwards packets.
//! Source: rtnetlink(7), linux/rtnetlink.h, linux/ethtool.h, net/packet (the format of /proc/net/packet).

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsRawFd, OwnedFd};

use crate::sys::{check_len, interface_ioctl, socket};

const MESSAGE_HEADER_LEN: usize = 16;
const LINK_LEN: usize = 16;
const DISCIPLINE_LEN: usize = 20;
const ATTRIBUTE_LEN: usize = 4;
/// The handle of what stands at the place for filters (linux/pkt_sched.h).
const FILTERS_HANDLE: u32 = 0xffff_0000;
/// The kind that filters the way out too; `ingress` filters only the way in.
const BOTH_WAYS: &[u8] = b"clsact\0";
const ETHTOOL_GCHANNELS: u32 = 0x3c;
const NO_QUEUE: &[u8] = b"noqueue\0";
/// Longer than any answer about one device without statistics.
const ANSWER_LEN: usize = 16 << 10;

/// Looks at devices of the network namespace that it was opened in.
#[derive(Debug)]
pub struct Egress {
    route: OwnedFd,
    control: OwnedFd,
    packet_sockets: File,
}

/// The way from a socket to the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Nothing but the driver stands between socket and device.
    pub is_plain: bool,
    /// The largest payload of an Ethernet frame, in bytes.
    pub mtu: u32,
}

/// Which devices somebody listens on with a packet socket, and so sees what is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listeners {
    everywhere: bool,
    devices: HashSet<u32>,
}

impl Listeners {
    /// Whether somebody listens on this device.
    #[must_use]
    pub fn listen_on(&self, ifindex: u32) -> bool {
        self.everywhere || self.devices.contains(&ifindex)
    }
}

impl Egress {
    /// For the network namespace of the calling thread.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            route: socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?,
            control: socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?,
            packet_sockets: File::open("/proc/thread-self/net/packet")?,
        })
    }

    /// What a device is like now.  Errors: ENODEV.
    pub fn look(&self, ifindex: u32) -> io::Result<Way> {
        let link = self.link(ifindex)?;
        let has_no_queue = attribute(&link, LINK_LEN, libc::IFLA_QDISC) == Some(NO_QUEUE);
        let is_plain = has_no_queue && self.queues(&link)? <= 1 && !self.has_filters(ifindex)?;
        let mtu = attribute(&link, LINK_LEN, libc::IFLA_MTU).and_then(|value| value.first_chunk());
        Ok(Way { is_plain, mtu: mtu.map_or(0, |bytes| u32::from_ne_bytes(*bytes)) })
    }

    /// Who listens, apart from the sockets with these inode numbers.
    pub fn listeners(&mut self, own: &HashSet<u64>) -> io::Result<Listeners> {
        let mut text = String::new();
        self.packet_sockets.rewind()?;
        self.packet_sockets.read_to_string(&mut text)?;
        let mut listeners = Listeners::default();
        for (device, inode) in text.lines().skip(1).filter_map(listening_socket) {
            if !own.contains(&inode) {
                listeners.everywhere |= device == 0;
                listeners.devices.insert(device);
            }
        }
        Ok(listeners)
    }

    /// The answer's body about a device.
    fn link(&self, ifindex: u32) -> io::Result<Vec<u8>> {
        let mut body = vec![0; LINK_LEN];
        body[4..8].copy_from_slice(&ifindex.to_ne_bytes());
        body.extend((ATTRIBUTE_LEN as u16 + 4).to_ne_bytes());
        body.extend(libc::IFLA_EXT_MASK.to_ne_bytes());
        body.extend((libc::RTEXT_FILTER_SKIP_STATS as u32).to_ne_bytes());
        self.ask(libc::RTM_GETLINK, &body)
    }

    fn has_filters(&self, ifindex: u32) -> io::Result<bool> {
        let mut body = [0; DISCIPLINE_LEN];
        body[4..8].copy_from_slice(&ifindex.to_ne_bytes());
        body[8..12].copy_from_slice(&FILTERS_HANDLE.to_ne_bytes());
        match self.ask(libc::RTM_GETQDISC, &body) {
            Ok(answer) => Ok(attribute(&answer, DISCIPLINE_LEN, libc::TCA_KIND) == Some(BOTH_WAYS)),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// How many queues the driver sends by; one where it does not say.
    fn queues(&self, link: &[u8]) -> io::Result<u32> {
        // Command, four maxima, then receiving, sending, other and combined channels.
        let mut channels = [0_u32; 9];
        channels[0] = ETHTOOL_GCHANNELS;
        // SAFETY: ifreq is a C struct of integers and integer unions; all zeroes is a value of it.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        let name = attribute(link, LINK_LEN, libc::IFLA_IFNAME).unwrap_or_default();
        for (to, from) in request.ifr_name.iter_mut().zip(name) {
            *to = *from as libc::c_char;
        }
        request.ifr_ifru.ifru_data = channels.as_mut_ptr().cast();
        // ETHTOOL_GCHANNELS writes a struct ethtool_channels, which is what `channels` is.
        match interface_ioctl(&self.control, libc::SIOCETHTOOL as libc::Ioctl, &mut request) {
            Ok(()) => Ok(channels[6].saturating_add(channels[8])),
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(1),
            Err(error) => Err(error),
        }
    }

    /// Asks the kernel about one thing and gives the body of the answer.  Errors: ENOENT without any.
    fn ask(&self, kind: u16, body: &[u8]) -> io::Result<Vec<u8>> {
        let mut request = Vec::with_capacity(MESSAGE_HEADER_LEN + body.len());
        request.extend(((MESSAGE_HEADER_LEN + body.len()) as u32).to_ne_bytes());
        request.extend(kind.to_ne_bytes());
        // The acknowledgement comes last; disciplines are only told to who wants an echo.
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_ECHO;
        request.extend((flags as u16).to_ne_bytes());
        request.extend([0; 8]);
        request.extend(body);
        // SAFETY: pointer and length describe `request`, which the call only reads.
        check_len(unsafe { libc::send(self.route.as_raw_fd(), request.as_ptr().cast(), request.len(), 0) })?;
        let mut answer = None;
        loop {
            let message = self.message()?;
            let body = message.get(MESSAGE_HEADER_LEN..).unwrap_or_default();
            if half(&message, 4) != Some(libc::NLMSG_ERROR as u16) {
                answer = Some(body.to_vec());
                continue;
            }
            return match body.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes)) {
                0 => answer.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT)),
                code => Err(io::Error::from_raw_os_error(-code)),
            };
        }
    }

    /// The next message; the kernel has put all of them there before the request returned.
    fn message(&self) -> io::Result<Vec<u8>> {
        let mut message = vec![0_u8; ANSWER_LEN];
        let fd = self.route.as_raw_fd();
        // SAFETY: pointer and length describe `message`, which outlives the call.
        let length = check_len(unsafe {
            libc::recv(fd, message.as_mut_ptr().cast(), message.len(), libc::MSG_DONTWAIT)
        })?;
        message.truncate(length);
        Ok(message)
    }
}

/// The device and the inode of a line of /proc/net/packet, if that socket sees what is sent: it is
/// bound to all protocols and running.
fn listening_socket(line: &str) -> Option<(u32, u64)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, _, _, protocol, device, running, .., inode] = words.as_slice() else { return None };
    let listens = u16::from_str_radix(protocol, 16) == Ok(libc::ETH_P_ALL as u16) && *running == "1";
    if listens { Some((device.parse().ok()?, inode.parse().ok()?)) } else { None }
}

/// The value of the first attribute of a kind behind a fixed part of `fixed` bytes.
fn attribute(body: &[u8], fixed: usize, kind: u16) -> Option<&[u8]> {
    let mut rest = body.get(fixed..)?;
    loop {
        let (length, found) = (usize::from(half(rest, 0)?), half(rest, 2)?);
        let value = rest.get(ATTRIBUTE_LEN..length)?;
        if found == kind {
            return Some(value);
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?.first_chunk()?;
    Some(u16::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: &str = "sk       RefCnt Type Proto  Iface R Rmem   User   Inode";

    #[test]
    fn only_running_sockets_of_all_protocols_listen() {
        let line = |protocol, running| format!("00000000 3 3 {protocol} 7 {running} 0 0 4711");
        assert_eq!(listening_socket(&line("0003", "1")), Some((7, 4711)));
        assert_eq!(listening_socket(&line("0003", "0")), None);
        assert_eq!(listening_socket(&line("0800", "1")), None);
        assert_eq!(listening_socket(HEADING), None);
        assert_eq!(listening_socket(""), None);
    }

    #[test]
    fn attributes_that_lie_about_their_length_are_not_found() {
        let mut body = vec![0; LINK_LEN];
        body.extend([6, 0, 9, 0, b'x', 0, 0, 0, 12, 0, 6, 0]);
        body.extend(NO_QUEUE);
        assert_eq!(attribute(&body, LINK_LEN, 6), Some(NO_QUEUE));
        assert_eq!(attribute(&body, LINK_LEN, 7), None);
        for length in 0..body.len() {
            assert_eq!(attribute(&body[..length], LINK_LEN, 6), None);
        }
        body[LINK_LEN] = 0;
        assert_eq!(attribute(&body, LINK_LEN, 6), None);
    }
}
