//! Copies of a port's frames in a pcap file.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use tulle_io::PcapWriter;
use tulle_io::clock::realtime_ns;

/// Frames are kept whole: the longest that a buffer holds.
const SNAP_LEN: u32 = 65_557;

/// A capture under way.
#[derive(Debug)]
pub(crate) struct Capture {
    writer: PcapWriter<BufWriter<File>>,
}

impl Capture {
    pub(crate) fn create(path: &Path) -> io::Result<Capture> {
        let file = BufWriter::new(File::create(path)?);
        Ok(Capture { writer: PcapWriter::new(file, SNAP_LEN)? })
    }

    /// Writes one frame; a full disk ends in a shorter file, never in a stopped switch.
    pub(crate) fn write(&mut self, frame: &[u8]) {
        let _ = self.writer.write(realtime_ns(), frame, frame.len());
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
