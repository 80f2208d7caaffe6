//! Choosing by a hash: a link (`multipath`), or a port (`bundle`, `bundle_load`).

use tulle_flow::{Action, Bundle, BundleAlgorithm, HashFields, Multipath, MultipathAlgorithm};

use super::{BUNDLE, BUNDLE_LOAD, MEMBER_TYPE, MULTIPATH};
use crate::actions::frame::{emit_range, extension, parse_name, parse_range, short, target};
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::port_number::{emit_short_port, parse_short_port};

const BAD: ErrorCode = ErrorCode::BadActionArgument;
/// As many members as other switches take.
const MOST_MEMBERS: usize = 2048;
/// A port's number has so many bits.
const PORT_BITS: u32 = 16;

/// In the order of their numbers.
const FIELDS: [HashFields; 7] = [
    HashFields::EthSrc,
    HashFields::SymmetricL4,
    HashFields::SymmetricL3L4,
    HashFields::SymmetricL3L4Udp,
    HashFields::IpSrc,
    HashFields::IpDst,
    HashFields::SymmetricL3,
];

const LINK_ALGORITHMS: [MultipathAlgorithm; 4] = [
    MultipathAlgorithm::ModuloN,
    MultipathAlgorithm::HashThreshold,
    MultipathAlgorithm::Hrw,
    MultipathAlgorithm::IterHash,
];

const PORT_ALGORITHMS: [BundleAlgorithm; 2] = [BundleAlgorithm::ActiveBackup, BundleAlgorithm::Hrw];

/// The value of a number that is the place in a list.
fn choose<T: Copy>(list: &[T], body: &mut Reader<'_>) -> Parsed<T> {
    list.get(usize::from(body.u16()?)).copied().ok_or(BAD)
}

fn number<T: PartialEq>(list: &[T], value: &T) -> u16 {
    list.iter().position(|known| known == value).unwrap_or_default() as u16
}

pub(super) fn parse_multipath(mut body: Reader<'_>) -> Parsed<Action> {
    let (fields, basis) = (choose(&FIELDS, &mut body)?, body.u16()?);
    body.skip(2)?;
    let algorithm = choose(&LINK_ALGORITHMS, &mut body)?;
    let (max_link, argument) = (body.u16()?, body.u32()?);
    body.skip(2)?;
    let (offset, bits) = parse_range(&mut body)?;
    let oxm = parse_name(&mut body)?;
    body.finish()?;
    let target = target(oxm, offset, bits)?;
    if bits < 16 && u32::from(max_link) >> bits != 0 {
        return Err(BAD);
    }
    Ok(Action::Multipath(Box::new(Multipath { fields, basis, algorithm, max_link, argument, target })))
}

pub(super) fn emit_multipath(multipath: &Multipath, out: &mut Writer<'_>) -> Emitted {
    let covering = short(multipath.target, out)?;
    extension(MULTIPATH, out, |out| {
        out.u16(number(&FIELDS, &multipath.fields));
        out.u16(multipath.basis);
        out.zeros(2);
        out.u16(number(&LINK_ALGORITHMS, &multipath.algorithm));
        out.u16(multipath.max_link);
        out.u32(multipath.argument);
        out.zeros(2);
        emit_range(&covering, out)?;
        covering.oxm.emit_header(false, out);
        Ok(())
    })
}

pub(super) fn parse_bundle(loads: bool, mut body: Reader<'_>) -> Parsed<Action> {
    let algorithm = choose(&PORT_ALGORITHMS, &mut body)?;
    let (fields, basis) = (choose(&FIELDS, &mut body)?, body.u16()?);
    if body.u32()? != MEMBER_TYPE {
        return Err(BAD);
    }
    let count = usize::from(body.u16()?);
    let target = parse_target(loads, &mut body)?;
    if body.u32()? != 0 || count > MOST_MEMBERS {
        return Err(BAD);
    }
    let mut members = Vec::new();
    for _ in 0..count {
        members.push(parse_short_port(&mut body)?);
    }
    body.padding(BAD)?;
    let members = members.into();
    Ok(Action::Bundle(Box::new(Bundle { fields, basis, algorithm, members, target })))
}

/// Range and name of where the port's number goes; zeros where the packet goes to the port.
fn parse_target(loads: bool, body: &mut Reader<'_>) -> Parsed<Option<tulle_flow::SubField>> {
    if !loads {
        return if body.number(6)? == 0 { Ok(None) } else { Err(BAD) };
    }
    let (offset, bits) = parse_range(body)?;
    let oxm = parse_name(body)?;
    let target = target(oxm, offset, bits)?;
    if bits < PORT_BITS { Err(BAD) } else { Ok(Some(target)) }
}

pub(super) fn emit_bundle(bundle: &Bundle, out: &mut Writer<'_>) -> Emitted {
    let subtype = if bundle.target.is_some() { BUNDLE_LOAD } else { BUNDLE };
    let covering = bundle.target.map(|target| short(target, out)).transpose()?;
    extension(subtype, out, |out| {
        out.u16(number(&PORT_ALGORITHMS, &bundle.algorithm));
        out.u16(number(&FIELDS, &bundle.fields));
        out.u16(bundle.basis);
        out.u32(MEMBER_TYPE);
        out.u16(bundle.members.len() as u16);
        match &covering {
            Some(covering) => {
                emit_range(covering, out)?;
                covering.oxm.emit_header(false, out);
            }
            None => out.zeros(6),
        }
        out.zeros(4);
        bundle.members.iter().try_for_each(|member| emit_short_port(*member, out))
    })
}
