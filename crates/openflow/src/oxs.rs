//! Flow statistics in type-length-value form (OpenFlow 1.5.1 section 7.2.4.2).

use std::time::Duration;

use crate::bytes::{Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::flow_removed::{emit_duration, parse_duration};

const BASIC: u16 = 0x8002;
const DURATION: u8 = 0;
const IDLE_TIME: u8 = 1;
const FLOW_COUNT: u8 = 3;
const PACKET_COUNT: u8 = 4;
const BYTE_COUNT: u8 = 5;

/// What was counted; what a message does not say is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Oxs {
    pub duration: Option<Duration>,
    pub idle_time: Option<Duration>,
    pub flows: Option<u32>,
    pub packets: Option<u64>,
    pub bytes: Option<u64>,
}

impl Oxs {
    /// Parses the structure and the padding after it; statistics that are not known are passed over.
    pub fn parse(body: &mut Reader<'_>) -> Parsed<Oxs> {
        let short = ErrorCode::BadMatchLength;
        let mut head = body.blaming(short);
        head.skip(2)?;
        let length = usize::from(head.u16()?);
        let mut fields = head.part(length.checked_sub(4).ok_or(short)?, short)?;
        let mut found = Oxs::default();
        while !fields.is_empty() {
            found.parse_field(&mut fields)?;
        }
        body.blaming(short).skip(length.next_multiple_of(8))?;
        body.skip(length.next_multiple_of(8))?;
        Ok(found)
    }

    fn parse_field(&mut self, fields: &mut Reader<'_>) -> Parsed<()> {
        let (class, number, length) = (fields.u16()?, fields.u8()?, usize::from(fields.u8()?));
        let mut value = fields.part(length, ErrorCode::BadMatchLength)?;
        if class != BASIC {
            return Ok(());
        }
        match number >> 1 {
            DURATION => self.duration = Some(parse_duration(&mut value)?),
            IDLE_TIME => self.idle_time = Some(parse_duration(&mut value)?),
            FLOW_COUNT => self.flows = Some(value.u32()?),
            PACKET_COUNT => self.packets = Some(value.u64()?),
            BYTE_COUNT => self.bytes = Some(value.u64()?),
            _ => return Ok(()),
        }
        value.finish()
    }

    pub fn emit(&self, out: &mut Writer<'_>) {
        let start = out.len();
        out.zeros(4);
        let times = [(DURATION, self.duration), (IDLE_TIME, self.idle_time)];
        for (number, time) in times {
            if let Some(time) = time {
                head(number, 8, out);
                emit_duration(time, out);
            }
        }
        if let Some(flows) = self.flows {
            head(FLOW_COUNT, 4, out);
            out.u32(flows);
        }
        for (number, count) in [(PACKET_COUNT, self.packets), (BYTE_COUNT, self.bytes)] {
            if let Some(count) = count {
                head(number, 8, out);
                out.u64(count);
            }
        }
        out.set_length(start + 2, start);
        out.align(start);
    }
}

fn head(number: u8, length: u8, out: &mut Writer<'_>) {
    out.u16(BASIC);
    out.u8(number << 1);
    out.u8(length);
}
