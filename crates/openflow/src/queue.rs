//! Queues: their description (OpenFlow 1.0 section 5.3.4, 1.3.5 section 7.3.6, 1.4 section 7.3.5.18).

use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::port_number::{emit_short_port, parse_port, parse_short_port};
use crate::property::{emit_u16, next_property};
use crate::version::Version;

/// Every queue, in requests.
pub const QUEUE_ALL: u32 = 0xffff_ffff;

const MIN_RATE: u16 = 1;
const MAX_RATE: u16 = 2;
/// Type, length, padding, rate, padding: the form of OpenFlow 1.0 to 1.3.
const OLD_PROPERTY_LEN: u16 = 16;

/// A queue's description; rates are in tenths of a per cent of the link's, above 1000 not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// The port.
    pub port: u32,
    /// The queue.
    pub queue: u32,
    /// What the queue gets at least.
    pub min_rate: Option<u16>,
    /// What the queue gets at most.
    pub max_rate: Option<u16>,
}

impl Queue {
    fn rate(&mut self, kind: u16) -> Option<&mut Option<u16>> {
        match kind {
            MIN_RATE => Some(&mut self.min_rate),
            MAX_RATE => Some(&mut self.max_rate),
            _ => None,
        }
    }

    fn rates(&self) -> impl Iterator<Item = (u16, u16)> {
        let rates = [(MIN_RATE, self.min_rate), (MAX_RATE, self.max_rate)];
        rates.into_iter().filter_map(|(kind, rate)| Some((kind, rate?)))
    }

    /// Parses one description of OpenFlow 1.4.
    pub(crate) fn parse(body: &mut Reader<'_>) -> Parsed<Queue> {
        let short = ErrorCode::BadRequestLength;
        let mut queue = Queue { port: body.u32()?, queue: body.u32()?, ..Queue::default() };
        let length = usize::from(body.u16()?).checked_sub(10).ok_or(short)?;
        let mut entry = body.part(length, short)?;
        entry.skip(6)?;
        while let Some(property) = next_property(&mut entry)? {
            if let Some(rate) = queue.rate(property.kind) {
                *rate = Some(property.u16()?);
            }
        }
        Ok(queue)
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        let start = out.len();
        out.u32(self.port);
        out.u32(self.queue);
        out.zeros(8);
        self.rates().for_each(|(kind, rate)| emit_u16(kind, rate, out));
        out.set_length(start + 8, start);
        Ok(())
    }

    /// Parses one description of OpenFlow 1.0 to 1.3, of a queue of this port.
    fn parse_old(body: &mut Reader<'_>, port: u32) -> Parsed<Queue> {
        let short = ErrorCode::BadRequestLength;
        let old = body.version() == Version::V10;
        let mut queue = Queue { port, queue: body.u32()?, ..Queue::default() };
        if !old {
            queue.port = body.u32()?;
        }
        let head = if old { 6 } else { 10 };
        let length = usize::from(body.u16()?).checked_sub(head).ok_or(short)?;
        let mut entry = body.part(length, short)?;
        entry.skip(if old { 2 } else { 6 })?;
        while !entry.is_empty() {
            let (kind, length) = (entry.u16()?, usize::from(entry.u16()?));
            let mut property = entry.part(length.checked_sub(4).ok_or(short)?, short)?;
            property.skip(4)?;
            if let Some(rate) = queue.rate(kind) {
                *rate = Some(property.u16()?);
            }
        }
        Ok(queue)
    }

    fn emit_old(&self, out: &mut Writer<'_>) {
        let start = out.len();
        let old = out.version() == Version::V10;
        out.u32(self.queue);
        if !old {
            out.u32(self.port);
        }
        let at = out.len();
        out.zeros(if old { 4 } else { 8 });
        for (kind, rate) in self.rates() {
            out.u16(kind);
            out.u16(OLD_PROPERTY_LEN);
            out.zeros(4);
            out.u16(rate);
            out.zeros(6);
        }
        out.set_length(at, start);
    }
}

/// The queues of a port, as OpenFlow 1.0 to 1.3 report them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// The port asked for.
    pub port: u32,
    /// Its queues.
    pub queues: Vec<Queue>,
}

impl QueueConfig {
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<QueueConfig> {
        let old = body.version() == Version::V10;
        let port = parse_port(&mut body)?;
        body.skip(if old { 6 } else { 4 })?;
        let mut queues = Vec::new();
        while !body.is_empty() {
            queues.push(Queue::parse_old(&mut body, port)?);
        }
        Ok(QueueConfig { port, queues })
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        emit_queue_request(self.port, out)?;
        let padding = if out.version() == Version::V10 { 4 } else { 0 };
        out.zeros(padding);
        self.queues.iter().for_each(|queue| queue.emit_old(out));
        Ok(())
    }
}

/// The port whose queues are asked for.
pub(crate) fn parse_queue_request(mut body: Reader<'_>) -> Parsed<u32> {
    let old = body.version() == Version::V10;
    let port = if old { parse_short_port(&mut body)? } else { body.u32()? };
    body.skip(if old { 2 } else { 4 })?;
    body.finish()?;
    Ok(port)
}

/// The port, and padding as a request has it.
pub(crate) fn emit_queue_request(port: u32, out: &mut Writer<'_>) -> Emitted {
    match out.version() {
        Version::V10 => {
            emit_short_port(port, out)?;
            out.zeros(2);
        }
        Version::V13 => {
            out.u32(port);
            out.zeros(4);
        }
        Version::V14 | Version::V15 => return out.lacks("asking for queues outside multipart messages"),
    }
    Ok(())
}
