//! What queues counted (OpenFlow 1.0 section 5.3.5, 1.3.5 section 7.3.5.8, 1.4 section 7.3.5.8).

use std::time::Duration;

use tulle_flow::port;

use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::flow_removed::{emit_duration, parse_duration};
use crate::port_number::{emit_short_port, parse_port, parse_short_port};
use crate::queue::QUEUE_ALL;
use crate::version::Version;

/// Which queues to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSelector {
    /// The port; `port::NONE` means all.
    pub port: u32,
    /// The queue, or [`QUEUE_ALL`].
    pub queue: u32,
}

impl Default for QueueSelector {
    /// All queues of all ports.
    fn default() -> Self {
        QueueSelector { port: port::NONE, queue: QUEUE_ALL }
    }
}

impl QueueSelector {
    pub(super) fn parse(body: &mut Reader<'_>) -> Parsed<QueueSelector> {
        let port = match body.version() {
            Version::V10 => {
                let port = parse_short_port(body)?;
                body.skip(2)?;
                // OpenFlow 1.0 says "all ports" by another reserved number.
                if port == port::ALL { port::NONE } else { port }
            }
            _ => parse_port(body)?,
        };
        Ok(QueueSelector { port, queue: body.u32()? })
    }

    pub(super) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        if out.version() == Version::V10 {
            let all = self.port == port::NONE;
            emit_short_port(if all { port::ALL } else { self.port }, out)?;
            out.zeros(2);
        } else {
            out.u32(self.port);
        }
        out.u32(self.queue);
        Ok(())
    }
}

/// What a queue counted; all ones stand for "not counted".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// The port.
    pub port: u32,
    /// The queue.
    pub queue: u32,
    /// Bytes sent.
    pub bytes: u64,
    /// Packets sent.
    pub packets: u64,
    /// Packets dropped.
    pub errors: u64,
    /// How long the queue has been there; OpenFlow 1.0 does not say.
    pub duration: Duration,
}

impl QueueStats {
    pub(super) fn parse(body: &mut Reader<'_>) -> Parsed<QueueStats> {
        let short = ErrorCode::BadRequestLength;
        let version = body.version();
        if version < Version::V14 {
            return QueueStats::parse_fields(body);
        }
        let length = usize::from(body.u16()?).checked_sub(2).ok_or(short)?;
        let mut entry = body.part(length, short)?;
        entry.skip(6)?;
        QueueStats::parse_fields(&mut entry)
    }

    fn parse_fields(body: &mut Reader<'_>) -> Parsed<QueueStats> {
        let old = body.version() == Version::V10;
        let port = parse_port(body)?;
        body.skip(if old { 2 } else { 0 })?;
        let queue = body.u32()?;
        let (bytes, packets, errors) = (body.u64()?, body.u64()?, body.u64()?);
        let duration = if old { Duration::ZERO } else { parse_duration(body)? };
        Ok(QueueStats { port, queue, bytes, packets, errors, duration })
    }

    pub(super) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        let start = out.len();
        let version = out.version();
        out.zeros(if version < Version::V14 { 0 } else { 8 });
        if version == Version::V10 {
            emit_short_port(self.port, out)?;
            out.zeros(2);
        } else {
            out.u32(self.port);
        }
        out.u32(self.queue);
        [self.bytes, self.packets, self.errors].into_iter().for_each(|count| out.u64(count));
        if version > Version::V10 {
            emit_duration(self.duration, out);
        }
        if version >= Version::V14 {
            out.set_length(start, start);
        }
        Ok(())
    }
}
