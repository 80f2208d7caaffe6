//! Frames for tests, with checksums summed up the slow and obvious way.

/// The one's complement sum of big-endian 16-bit words, an odd last byte padded with zero.
pub fn slow_sum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u64;
    for pair in bytes.chunks(2) {
        sum += u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Which checksum a frame has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Complete.
    Full,
    /// Only the pseudo-header's sum; the device is to complete it.
    Partial,
    /// UDP without one.
    Absent,
}

/// A transport packet before it has its checksum.
#[derive(Clone, Debug)]
pub struct Transport {
    pub proto: u8,
    pub bytes: Vec<u8>,
    /// Where in it the checksum lies.
    pub checksum_at: usize,
}

pub fn tcp(src: u16, dst: u16, payload: &[u8]) -> Transport {
    let mut bytes = [src.to_be_bytes(), dst.to_be_bytes()].concat();
    bytes.extend([0, 0, 0, 9, 0, 0, 0, 7, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend(payload);
    Transport { proto: 6, bytes, checksum_at: 16 }
}

pub fn udp(src: u16, dst: u16, payload: &[u8]) -> Transport {
    let mut bytes = [src.to_be_bytes(), dst.to_be_bytes()].concat();
    bytes.extend(((payload.len() + 8) as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(payload);
    Transport { proto: 17, bytes, checksum_at: 6 }
}

pub fn icmpv4(kind: u8, code: u8, payload: &[u8]) -> Transport {
    let bytes = [&[kind, code, 0, 0, 0, 1, 0, 2], payload].concat();
    Transport { proto: 1, bytes, checksum_at: 2 }
}

pub fn icmpv6(kind: u8, code: u8, payload: &[u8]) -> Transport {
    let bytes = [&[kind, code, 0, 0, 0, 1, 0, 2], payload].concat();
    Transport { proto: 58, bytes, checksum_at: 2 }
}

/// SCTP with the CRC32c that it should have, computed bit by bit.
pub fn sctp(src: u16, dst: u16, payload: &[u8]) -> Transport {
    let mut bytes = [src.to_be_bytes(), dst.to_be_bytes()].concat();
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 0]);
    bytes.extend(payload);
    let mut crc = u32::MAX;
    for byte in &bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    bytes[8..12].copy_from_slice(&(!crc).to_le_bytes());
    Transport { proto: 132, bytes, checksum_at: 10_000 }
}

/// A neighbour solicitation (135, option 1) or advertisement (136, option 2).
pub fn neighbour(kind: u8, target: [u8; 16], link_address: [u8; 6]) -> Transport {
    let option = if kind == 135 { 1 } else { 2 };
    let mut bytes = vec![kind, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend(target);
    bytes.extend([option, 1]);
    bytes.extend(link_address);
    Transport { proto: 58, bytes, checksum_at: 2 }
}

pub const MAC_A: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
pub const MAC_B: [u8; 6] = [2, 0, 0, 0, 0, 0xb];
pub const IP_A: [u8; 4] = [10, 0, 1, 11];
pub const IP_B: [u8; 4] = [10, 0, 1, 12];
pub const IP6_A: [u8; 16] = [0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11];
pub const IP6_B: [u8; 16] = [0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12];

pub fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&MAC_B[..], &MAC_A, &ethertype.to_be_bytes(), payload].concat()
}

fn with_checksum(transport: &Transport, addresses: &[u8], checksum: Checksum) -> Vec<u8> {
    let mut bytes = transport.bytes.clone();
    let pseudo = match transport.proto {
        1 => Vec::new(),
        proto => [addresses, &(bytes.len() as u32).to_be_bytes(), &[0, 0, 0, proto]].concat(),
    };
    let sum = match checksum {
        Checksum::Full => !slow_sum(&[&pseudo[..], &bytes].concat()),
        Checksum::Partial => slow_sum(&pseudo),
        Checksum::Absent => 0,
    };
    let sum = if transport.proto == 17 && sum == 0 && checksum == Checksum::Full { 0xffff } else { sum };
    if let Some(slot) = bytes.get_mut(transport.checksum_at..transport.checksum_at + 2) {
        slot.copy_from_slice(&sum.to_be_bytes());
    }
    bytes
}

pub fn ipv4(ttl: u8, transport: &Transport, checksum: Checksum) -> Vec<u8> {
    let payload = with_checksum(transport, &[IP_A, IP_B].concat(), checksum);
    let total = (20 + payload.len()) as u16;
    let mut header = vec![0x45, 0, 0, 0, 0, 7, 0x40, 0, ttl, transport.proto, 0, 0];
    header[2..4].copy_from_slice(&total.to_be_bytes());
    header.extend([IP_A, IP_B].concat());
    let sum = !slow_sum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    ethernet(0x0800, &[header, payload].concat())
}

pub fn ipv6(ttl: u8, transport: &Transport, checksum: Checksum) -> Vec<u8> {
    let payload = with_checksum(transport, &[IP6_A, IP6_B].concat(), checksum);
    let mut header = vec![0x60, 0, 0, 0, 0, 0, transport.proto, ttl];
    header[4..6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
    header.extend([IP6_A, IP6_B].concat());
    ethernet(0x86dd, &[header, payload].concat())
}

/// An IPv6 frame with extension headers of these kinds, of 8 bytes each, put in.
pub fn with_extensions(frame: &[u8], kinds: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    for kind in kinds.iter().rev() {
        let next = std::mem::replace(&mut frame[20], *kind);
        frame.splice(54..54, [next, 0, 1, 4, 0, 0, 0, 0]);
    }
    let length = (frame.len() - 54) as u16;
    frame[18..20].copy_from_slice(&length.to_be_bytes());
    frame
}

pub fn arp_request(target: [u8; 4]) -> Vec<u8> {
    let mut payload = vec![0, 1, 8, 0, 6, 4, 0, 1];
    payload.extend(MAC_A);
    payload.extend(IP_A);
    payload.extend([0; 6]);
    payload.extend(target);
    let mut frame = ethernet(0x0806, &payload);
    frame[..6].fill(0xff);
    frame
}

/// What is wrong with the checksums of an untagged IP frame without options or extension headers, if anything.
pub fn checksum_fault(frame: &[u8], checksum: Checksum, checksum_at: usize) -> Option<String> {
    let ipv4 = frame[12..14] == [8, 0];
    let l4 = if ipv4 { 34 } else { 54 };
    if ipv4 && slow_sum(&frame[14..34]) != 0xffff {
        return Some(format!("IPv4 header sums up to {:#x}", slow_sum(&frame[14..34])));
    }
    let (addresses, proto) = if ipv4 { (&frame[26..34], frame[23]) } else { (&frame[22..54], frame[20]) };
    let transport = Transport { proto, bytes: frame[l4..].to_vec(), checksum_at };
    let mut zeroed = transport.clone();
    zeroed.bytes[checksum_at..][..2].fill(0);
    let expected = with_checksum(&zeroed, addresses, checksum);
    // Zero and all ones are the same number in one's complement.
    let number = |bytes: &[u8]| u16::from_be_bytes([bytes[checksum_at], bytes[checksum_at + 1]]) % 0xffff;
    let (is, should) = (number(&transport.bytes), number(&expected));
    (is != should).then(|| format!("transport checksum is {is:#x}, should be {should:#x}"))
}
