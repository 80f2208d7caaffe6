//! Writes captures in the classic pcap format with nanosecond time stamps, which Wireshark, tshark
//! and tcpdump read. Never reads a clock: the caller hands over each time stamp.
//!
//! Format: draft-ietf-opsawg-pcap, sections 4 and 5. Written little-endian on every machine.

use std::io::{self, Write};

/// Magic number of nanosecond captures.
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const LINKTYPE_ETHERNET: u32 = 1;
const VERSION: (u16, u16) = (2, 4);
const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;

/// A capture that is being written to `W`.
#[derive(Debug)]
pub struct PcapWriter<W: Write> {
    output: W,
    snap_len: u32,
}

impl<W: Write> PcapWriter<W> {
    /// Starts a capture that keeps at most `snap_len` bytes of each frame.
    pub fn new(mut output: W, snap_len: u32) -> io::Result<Self> {
        let mut header = [0; 24];
        header[0..4].copy_from_slice(&MAGIC_NANOSECONDS.to_le_bytes());
        header[4..6].copy_from_slice(&VERSION.0.to_le_bytes());
        header[6..8].copy_from_slice(&VERSION.1.to_le_bytes());
        header[16..20].copy_from_slice(&snap_len.to_le_bytes());
        header[20..24].copy_from_slice(&LINKTYPE_ETHERNET.to_le_bytes());
        output.write_all(&header)?;
        Ok(Self { output, snap_len })
    }

    /// Appends one Ethernet frame. `timestamp_ns` counts from 1970 UTC; `wire_len` is the frame's
    /// length before it was cut, if it was.
    pub fn write(&mut self, timestamp_ns: u64, frame: &[u8], wire_len: usize) -> io::Result<()> {
        let kept = frame.len().min(self.snap_len as usize);
        let seconds = (timestamp_ns / NANOSECONDS_PER_SECOND) as u32;
        let nanoseconds = (timestamp_ns % NANOSECONDS_PER_SECOND) as u32;
        let wire_len = u32::try_from(wire_len.max(frame.len())).unwrap_or(u32::MAX);
        for field in [seconds, nanoseconds, kept as u32, wire_len] {
            self.output.write_all(&field.to_le_bytes())?;
        }
        self.output.write_all(&frame[..kept])
    }

    /// Writes out what the output has buffered.
    pub fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    /// Ends the capture and gives the output back.
    #[must_use]
    pub fn into_inner(self) -> W {
        self.output
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_is_the_bytes_of_the_format() {
        let mut writer = PcapWriter::new(Vec::new(), 4).expect("header");
        writer.write(1_500_000_000_000_000_009, b"abcdef", 6).expect("frame");
        let bytes = writer.into_inner();
        let words = |range: std::ops::Range<usize>| -> Vec<u32> {
            let words = bytes[range].chunks_exact(4);
            words.map(|word| u32::from_le_bytes(word.try_into().expect("4 bytes"))).collect()
        };
        assert_eq!(words(0..24), [0xa1b2_3c4d, 0x0004_0002, 0, 0, 4, 1]);
        assert_eq!(words(24..40), [1_500_000_000, 9, 4, 6]);
        assert_eq!(&bytes[40..], b"abcd");
    }
}
