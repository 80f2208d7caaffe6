//! Answers to frames that are too long for the path of their tunnel: "fragmentation needed" (RFC 1191) and "packet
//! too big" (RFC 8201), as a bridge gives them that has a tunnel among its ports.
//!
//! The answer seems to come from where the frame wanted to go, since a switch has no address of its own, and quotes
//! the frame as its sender knows it, whatever flows have made of it since.  It leaves by the port that the frame came
//! in by and by no other, past all tables: no ACL can be in its way, and nobody can cause one for somebody else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use tulle_datapath::Egress;
use tulle_io::clock::monotonic_ns;
use tulle_wire::vnet::{GsoKind, Offload};
use tulle_wire::{FrameBuf, IcmpErrorKind, Layers, TcpCutter, ethernet, icmp_error, ipv4};

use crate::policing::{Limit, Policer};
use crate::wires::Wires;

/// Bytes of a frame that are remembered: up to the ports behind IPv6 and two tags, all that flows write to.
const HEAD_LEN: usize = 80;
/// Answers that a port gets (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4 (f)); as the agent's for routers.
const LIMIT: Limit = Limit { rate: 100, burst: 50 };
/// No path worth the name is too narrow for frames shorter than this, so they need not be remembered: IPv4 wants 576
/// bytes to be receivable (RFC 791 section 3.2), less what tunnels add.
const SHORTEST: usize = 400;
const MACS_LEN: usize = ethernet::MACS_LEN;

/// How a frame looked, and where it came in, before flows could change it.
#[derive(Debug)]
pub(crate) struct Origin {
    /// `None` where nobody is to be answered.
    port: Option<u32>,
    len: usize,
    head: [u8; HEAD_LEN],
}

impl Origin {
    pub(crate) fn nobody() -> Origin {
        Origin { port: None, len: 0, head: [0; HEAD_LEN] }
    }

    /// The frame that is processed from now on.
    #[inline]
    pub(crate) fn note(&mut self, port: u32, frame: &[u8]) {
        if frame.len() < SHORTEST {
            return;
        }
        self.port = Some(port);
        if let Some(head) = frame.first_chunk::<HEAD_LEN>() {
            (self.head, self.len) = (*head, HEAD_LEN);
        }
    }

    /// It has been processed.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.port = None;
    }

    fn head(&self) -> &[u8] {
        &self.head[..self.len]
    }
}

/// Whether a frame, or one of those that it is to be cut into, is longer than so many bytes.
#[inline]
pub(crate) fn exceeds(frame: &FrameBuf, offload: &Offload, longest: usize) -> bool {
    if frame.len() <= longest {
        return false;
    }
    match offload.gso {
        GsoKind::None => true,
        // What cannot be cut is refused for that reason.
        GsoKind::UdpL4 => false,
        GsoKind::TcpV4 | GsoKind::TcpV6 => {
            TcpCutter::new(frame.bytes(), offload.gso_size).is_ok_and(|cutter| cutter.full_len() > longest)
        }
    }
}

impl Wires {
    /// Tells the sender of the present frame, which now is `frame`, that only `longest` bytes of it pass.
    #[cold]
    pub(crate) fn answer_too_big(&mut self, frame: &[u8], longest: usize) {
        let Some((port, due)) = self.origin.port.zip(answer_due(&self.origin, frame, longest)) else {
            return;
        };
        // However many ways a frame is too long for: once.
        self.origin.clear();
        let errors = &mut self.port(port).map(|port| port.errors.get_or_insert_with(bucket));
        if !errors.as_mut().is_some_and(|errors| errors.admits(0, monotonic_ns())) {
            return;
        }
        let whole = as_it_came(&self.origin, frame, &due);
        let Some(answer) = error_about(&whole, due.mtu) else { return };
        let to = Egress {
            port,
            queue: None,
            max_len: u32::MAX,
            tunnel: None,
            options: Box::default(),
            is_mirrored: false,
        };
        let mut buffer = FrameBuf::new();
        buffer.fill(&answer);
        if let Err(reason) = self.send(&to, &mut buffer, &Offload::default()) {
            self.losses.count(port, reason);
        }
    }
}

fn bucket() -> Box<Policer> {
    Box::new(Policer::packets(LIMIT))
}

/// What an answer is made of.
struct Due {
    /// Where the IP header is in the frame as it came.
    network: usize,
    /// Where the packet is in the frame as it is now.
    packet: Range<usize>,
    /// The longest IP packet in its place that passes.
    mtu: u32,
}

/// `None` where no answer is due: not IP any more or never, a later fragment, an IPv4 packet that may be cut, more than
/// one receiver.
fn answer_due(origin: &Origin, now: &[u8], longest: usize) -> Option<Due> {
    let (head, layers) = (origin.head(), Layers::parse(now)?);
    let network = network_of(head, layers.ether_type)?;
    let to_many = ethernet::is_multicast(*head.first_chunk()?);
    if to_many || layers.later_fragment || (layers.is_v4() && !may_not_be_cut(&head[network..])) {
        return None;
    }
    let mtu = u32::try_from(longest.checked_sub(layers.network)?).ok()?;
    Some(Due { network, packet: layers.network..layers.end, mtu })
}

/// Puts the first bytes of a frame, as they came, before the rest of what flows have made of it.
fn as_it_came(origin: &Origin, now: &[u8], due: &Due) -> Vec<u8> {
    let (head, packet) = (origin.head(), &now[due.packet.clone()]);
    let known = packet.len().min(head.len() - due.network);
    let mut frame = head[..due.network + known].to_vec();
    frame.extend_from_slice(&packet[known..]);
    frame
}

/// Where the IP header of an untagged or tagged frame begins, if it is of this kind.
fn network_of(head: &[u8], wanted: u16) -> Option<usize> {
    use ethernet::ether_type::{SERVICE_VLAN, VLAN};
    let kind = |at: usize| Some(u16::from_be_bytes(*head.get(at..)?.first_chunk()?));
    let mut at = MACS_LEN;
    while matches!(kind(at)?, VLAN | SERVICE_VLAN) {
        at += ethernet::TAG_LEN;
    }
    (kind(at)? == wanted).then_some(at + 2)
}

fn may_not_be_cut(header: &[u8]) -> bool {
    let flags = header.get(6..8).map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
    flags & ipv4::DONT_FRAGMENT != 0
}

/// The error about a frame, from its own destination.
fn error_about(frame: &[u8], mtu: u32) -> Option<Vec<u8>> {
    let layers = Layers::parse(frame)?;
    let addresses = layers.addresses(frame);
    let destination: IpAddr = match addresses.len() {
        8 => Ipv4Addr::from(*addresses.last_chunk::<4>()?).into(),
        _ => Ipv6Addr::from(*addresses.last_chunk::<16>()?).into(),
    };
    icmp_error(frame, IcmpErrorKind::TooBig { mtu }, *frame.first_chunk()?, destination)
}

#[cfg(test)]
mod tests;
