//! The fields of a frame that collectors are told.

/// An IP address, as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// IPv4.
    V4([u8; 4]),
    /// IPv6.
    V6([u8; 16]),
}

/// What is behind the IP header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Nothing that is read: another protocol, a later fragment, or cut off.
    #[default]
    None,
    /// TCP, UDP or SCTP: source and destination port.
    Ports(u16, u16),
    /// ICMP or ICMPv6: type and code.
    Icmp(u8, u8),
}

/// The IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip {
    /// Source.
    pub src: Address,
    /// Destination.
    pub dst: Address,
    /// The protocol behind all extension headers that are known.
    pub protocol: u8,
    /// Type of service or traffic class.
    pub tos: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Length of the packet with its header, in bytes: what the header says, as far as the frame has it.
    pub length: u32,
    /// IPv6's flow label.
    pub flow_label: u32,
}

/// The headers of a frame, as far as they could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers {
    /// Destination Ethernet address.
    pub mac_dst: [u8; 6],
    /// Source Ethernet address.
    pub mac_src: [u8; 6],
    /// What follows the last VLAN tag.
    pub ethertype: u16,
    /// The outermost VLAN tag: priority and VLAN id.
    pub vlan: Option<u16>,
    /// Bytes of the Ethernet header with all tags.
    pub ethernet_len: u8,
    /// The IP header.
    pub ip: Option<Ip>,
    /// What is behind it.
    pub transport: Transport,
    /// TCP's flags; 0 for others.
    pub tcp_flags: u8,
}

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const TAGS: [u16; 2] = [0x8100, 0x88a8];
const MOST_TAGS: usize = 2;
const MOST_EXTENSIONS: usize = 8;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;

impl Headers {
    /// Reads what can be read; none for what is shorter than an Ethernet header.
    pub fn parse(frame: &[u8]) -> Option<Headers> {
        let mac_dst = bytes(frame, 0)?;
        let mac_src = bytes(frame, 6)?;
        let (mut at, mut vlan) = (12, None);
        let mut ethertype = u16_at(frame, at)?;
        for _ in 0..MOST_TAGS {
            let (true, Some(tci)) = (TAGS.contains(&ethertype), u16_at(frame, at + 2)) else { break };
            let Some(next) = u16_at(frame, at + 4) else { break };
            vlan = vlan.or(Some(tci));
            (ethertype, at) = (next, at + 4);
        }
        let ethernet_len = (at + 2) as u8;
        let (ip, transport, tcp_flags) = (None, Transport::None, 0);
        let mut headers =
            Headers { mac_dst, mac_src, ethertype, vlan, ethernet_len, ip, transport, tcp_flags };
        let packet = frame.get(at + 2..).unwrap_or_default();
        let _ = match ethertype {
            IPV4 => headers.ipv4(packet),
            IPV6 => headers.ipv6(packet),
            _ => None,
        };
        Some(headers)
    }

    fn ipv4(&mut self, packet: &[u8]) -> Option<()> {
        let first = *packet.first()?;
        let header_len = usize::from(first & 0xf) * 4;
        if first >> 4 != 4 || header_len < 20 || packet.len() < header_len {
            return None;
        }
        let protocol = packet[9];
        self.ip = Some(Ip {
            src: Address::V4(bytes(packet, 12)?),
            dst: Address::V4(bytes(packet, 16)?),
            protocol,
            tos: packet[1],
            ttl: packet[8],
            length: told_len(u32::from(u16_at(packet, 2)?), packet),
            flow_label: 0,
        });
        let is_later_fragment = u16_at(packet, 6)? & 0x1fff != 0;
        if is_later_fragment { None } else { self.behind_ip(protocol, &packet[header_len..]) }
    }

    fn ipv6(&mut self, packet: &[u8]) -> Option<()> {
        let first = u32::from_be_bytes(bytes(packet, 0)?);
        let (mut protocol, mut rest) = (*packet.get(6)?, packet.get(40..)?);
        if first >> 28 != 6 {
            return None;
        }
        let mut is_later_fragment = false;
        for _ in 0..MOST_EXTENSIONS {
            let Some((next, length, is_later)) = extension(protocol, rest) else { break };
            is_later_fragment |= is_later;
            (protocol, rest) = (next, rest.get(length..).unwrap_or_default());
        }
        self.ip = Some(Ip {
            src: Address::V6(bytes(packet, 8)?),
            dst: Address::V6(bytes(packet, 24)?),
            protocol,
            tos: (first >> 20) as u8,
            ttl: packet[7],
            length: told_len(u32::from(u16_at(packet, 4)?) + 40, packet),
            flow_label: first & 0xf_ffff,
        });
        if is_later_fragment { None } else { self.behind_ip(protocol, rest) }
    }

    fn behind_ip(&mut self, protocol: u8, segment: &[u8]) -> Option<()> {
        match protocol {
            TCP | UDP | SCTP => self.transport = Transport::Ports(u16_at(segment, 0)?, u16_at(segment, 2)?),
            ICMP | ICMPV6 => self.transport = Transport::Icmp(*segment.first()?, *segment.get(1)?),
            _ => {}
        }
        if protocol == TCP {
            self.tcp_flags = *segment.get(13)?;
        }
        Some(())
    }
}

/// A length that a sender claims; nobody is to make totals grow by lying.
fn told_len(claimed: u32, packet: &[u8]) -> u32 {
    claimed.min(u32::try_from(packet.len()).unwrap_or(u32::MAX))
}

/// An IPv6 extension header (RFC 8200 section 4): what follows, its length in bytes, and whether what follows is a
/// later piece of a fragmented packet.
fn extension(kind: u8, header: &[u8]) -> Option<(u8, usize, bool)> {
    const FRAGMENT: u8 = 44;
    const AUTHENTICATION: u8 = 51;
    let (next, length) = (*header.first()?, usize::from(*header.get(1)?));
    match kind {
        0 | 43 | 60 => Some((next, 8 + 8 * length, false)),
        FRAGMENT => Some((next, 8, u16_at(header, 2)? & 0xfff8 != 0)),
        AUTHENTICATION => Some((next, 8 + 4 * length, false)),
        _ => None,
    }
}

fn bytes<const N: usize>(from: &[u8], at: usize) -> Option<[u8; N]> {
    from.get(at..at + N)?.try_into().ok()
}

fn u16_at(from: &[u8], at: usize) -> Option<u16> {
    bytes(from, at).map(u16::from_be_bytes)
}
