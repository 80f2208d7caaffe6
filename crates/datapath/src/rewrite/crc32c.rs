//! SCTP's checksum, changed together with what it covers (RFC 9260 appendix A).

use crate::extract::Layout;

/// Where the checksum lies in the SCTP header.
const CHECKSUM: usize = 8;
/// Castagnoli's polynomial, bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut value, mut bit) = (byte as u32, 0);
        while bit < 8 {
            value = (value >> 1) ^ (POLYNOMIAL & (value & 1).wrapping_neg());
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
}

/// Writes bits of a 16-bit word.  The CRC is linear, so the checksum changes by the CRC (begun with zero) of the
/// change: a wrong checksum stays wrong.
pub(super) fn write(frame: &mut [u8], layout: &Layout, at: usize, value: u16, mask: u16) {
    let Some(packet) = frame.get_mut(layout.l4..layout.end).filter(|packet| packet.len() >= CHECKSUM + 4)
    else {
        return;
    };
    let at = at - layout.l4;
    let old = u16::from_be_bytes([packet[at], packet[at + 1]]);
    let new = (old & !mask) | (value & mask);
    packet[at..at + 2].copy_from_slice(&new.to_be_bytes());
    let mut crc = 0;
    for byte in (old ^ new).to_be_bytes() {
        crc = step(crc, byte);
    }
    for _ in at + 2..packet.len() {
        crc = step(crc, 0);
    }
    for (slot, byte) in packet[CHECKSUM..CHECKSUM + 4].iter_mut().zip(crc.to_le_bytes()) {
        *slot ^= byte;
    }
}

fn step(crc: u32, byte: u8) -> u32 {
    (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)]
}
