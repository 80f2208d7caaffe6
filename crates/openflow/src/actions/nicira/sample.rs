//! Copying packets to a collector.

use tulle_flow::{Action, Sample, SampleDirection, port};

use super::{SAMPLE, SAMPLE2, SAMPLE3};
use crate::actions::frame::extension;
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::port_number::{emit_short_port, parse_short_port};

const DIRECTIONS: [SampleDirection; 3] =
    [SampleDirection::Default, SampleDirection::Ingress, SampleDirection::Egress];

pub(super) fn parse(subtype: u16, mut body: Reader<'_>) -> Parsed<Action> {
    let mut sample = Sample {
        probability: body.u16()?,
        collector_set: body.u32()?,
        observation_domain: body.u32()?,
        observation_point: body.u32()?,
        sampling_port: port::NONE,
        direction: SampleDirection::Default,
    };
    if subtype != SAMPLE {
        sample.sampling_port = parse_short_port(&mut body)?;
        let direction = usize::from(body.u8()?);
        if body.take(5)?.iter().any(|byte| *byte != 0) {
            return Err(ErrorCode::MustBeZero);
        }
        if subtype == SAMPLE3 {
            sample.direction = *DIRECTIONS.get(direction).ok_or(ErrorCode::BadActionArgument)?;
        }
    }
    body.finish()?;
    if sample.probability == 0 {
        return Err(ErrorCode::BadActionArgument);
    }
    Ok(Action::Sample(Box::new(sample)))
}

pub(super) fn emit(sample: &Sample, out: &mut Writer<'_>) -> Emitted {
    let subtype = match (sample.direction, sample.sampling_port) {
        (SampleDirection::Default, port::NONE) => SAMPLE,
        (SampleDirection::Default, _) => SAMPLE2,
        _ => SAMPLE3,
    };
    extension(subtype, out, |out| {
        out.u16(sample.probability);
        out.u32(sample.collector_set);
        out.u32(sample.observation_domain);
        out.u32(sample.observation_point);
        if subtype != SAMPLE {
            emit_short_port(sample.sampling_port, out)?;
            out.u8(sample.direction as u8);
            out.zeros(5);
        }
        Ok(())
    })
}
