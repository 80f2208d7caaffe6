//! Copies of a port's frames in a pcap file.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

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

/// A place for a capture that several threads write to.
#[derive(Debug, Default)]
pub(crate) struct SharedCapture {
    is_on: AtomicBool,
    capture: Mutex<Option<Capture>>,
}

impl SharedCapture {
    /// Puts a capture in place, or takes it away, and gives the one that was there.
    pub(crate) fn replace(&self, capture: Option<Capture>) -> Option<Capture> {
        let mut place = self.capture.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_on.store(capture.is_some(), Ordering::Relaxed);
        std::mem::replace(&mut place, capture)
    }

    /// Writes one frame, where there is a capture.
    #[inline]
    pub(crate) fn write(&self, frame: &[u8]) {
        if self.is_on.load(Ordering::Relaxed) {
            let mut place = self.capture.lock().unwrap_or_else(PoisonError::into_inner);
            place.iter_mut().for_each(|capture| capture.write(frame));
        }
    }
}
