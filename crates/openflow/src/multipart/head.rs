//! What starts a multipart message: its kind, and whether more follows.

use crate::bytes::{Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::experimenter::{NICIRA, ONF};
use crate::version::Version;

/// The type of experimenters' multipart messages (`OFPMP_EXPERIMENTER`).
const EXPERIMENTER: u16 = 0xffff;
/// Flag: more of the same follows.
const MORE: u16 = 1;

/// A kind of multipart message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Standard(u16),
    Nicira(u32),
    Onf(u32),
}

/// Parses the head; the flag tells whether more follows.
pub(crate) fn parse_head(body: &mut Reader<'_>) -> Parsed<(Kind, bool)> {
    let (kind, flags) = (body.u16()?, body.u16()?);
    let old = body.version() == Version::V10;
    body.skip(if old { 0 } else { 4 })?;
    let kind = match kind {
        EXPERIMENTER => parse_experimenter(body)?,
        _ => Kind::Standard(kind),
    };
    Ok((kind, flags & MORE != 0))
}

fn parse_experimenter(body: &mut Reader<'_>) -> Parsed<Kind> {
    let experimenter = body.u32()?;
    if !matches!(experimenter, NICIRA | ONF) {
        return Err(ErrorCode::BadExperimenter);
    }
    let kind = body.u32()?;
    body.skip(if body.version() == Version::V10 { 4 } else { 0 })?;
    Ok(if experimenter == NICIRA { Kind::Nicira(kind) } else { Kind::Onf(kind) })
}

/// What to answer to a kind that is not known.
pub(crate) fn unknown(kind: Kind) -> ErrorCode {
    match kind {
        Kind::Standard(_) => ErrorCode::BadMultipart,
        Kind::Nicira(_) | Kind::Onf(_) => ErrorCode::BadExperimenterType,
    }
}

/// Emits the head.
pub(crate) fn emit_head(kind: Kind, more: bool, out: &mut Writer<'_>) {
    let old = out.version() == Version::V10;
    let (number, experimenter) = match kind {
        Kind::Standard(number) => (number, None),
        Kind::Nicira(number) => (EXPERIMENTER, Some((NICIRA, number))),
        Kind::Onf(number) => (EXPERIMENTER, Some((ONF, number))),
    };
    out.u16(number);
    out.u16(if more { MORE } else { 0 });
    out.zeros(if old { 0 } else { 4 });
    if let Some((who, number)) = experimenter {
        out.u32(who);
        out.u32(number);
        out.zeros(if old { 4 } else { 0 });
    }
}

/// Marks the message that starts at `start` as one that more follow.
pub(crate) fn mark_more(out: &mut [u8], start: usize) {
    out[start + crate::header::HEADER_LEN + 3] = MORE as u8;
}

pub(crate) const DESCRIPTION: Kind = Kind::Standard(0);
pub(crate) const FLOW: Kind = Kind::Standard(1);
pub(crate) const AGGREGATE: Kind = Kind::Standard(2);
pub(crate) const TABLE: Kind = Kind::Standard(3);
pub(crate) const PORT_STATS: Kind = Kind::Standard(4);
pub(crate) const QUEUE_STATS: Kind = Kind::Standard(5);
pub(crate) const GROUP_STATS: Kind = Kind::Standard(6);
pub(crate) const GROUP_DESCRIPTION: Kind = Kind::Standard(7);
pub(crate) const GROUP_FEATURES: Kind = Kind::Standard(8);
pub(crate) const METER_STATS: Kind = Kind::Standard(9);
pub(crate) const METER_CONFIG: Kind = Kind::Standard(10);
pub(crate) const METER_FEATURES: Kind = Kind::Standard(11);
pub(crate) const TABLE_FEATURES: Kind = Kind::Standard(12);
pub(crate) const PORT_DESCRIPTION: Kind = Kind::Standard(13);
pub(crate) const TABLE_DESCRIPTION: Kind = Kind::Standard(14);
pub(crate) const QUEUE_DESCRIPTION: Kind = Kind::Standard(15);
pub(crate) const FLOW_MONITOR: Kind = Kind::Standard(16);
pub(crate) const FLOW_COUNTERS: Kind = Kind::Standard(17);

pub(crate) const NICIRA_FLOW: Kind = Kind::Nicira(0);
pub(crate) const NICIRA_AGGREGATE: Kind = Kind::Nicira(1);
pub(crate) const NICIRA_FLOW_MONITOR: Kind = Kind::Nicira(2);
pub(crate) const IPFIX_BRIDGE: Kind = Kind::Nicira(3);
pub(crate) const IPFIX_FLOW: Kind = Kind::Nicira(4);
pub(crate) const NICIRA_GROUP_STATS: Kind = Kind::Nicira(7);
pub(crate) const NICIRA_GROUP_DESCRIPTION: Kind = Kind::Nicira(8);
pub(crate) const NICIRA_GROUP_FEATURES: Kind = Kind::Nicira(9);
pub(crate) const ONF_FLOW_MONITOR: Kind = Kind::Onf(1870);

/// Kinds that go by another name in some versions: the version's name, and the one that is used here for it.
const ALIASES: [(Version, Kind, Kind); 5] = [
    (Version::V10, NICIRA_FLOW_MONITOR, FLOW_MONITOR),
    (Version::V10, NICIRA_GROUP_STATS, GROUP_STATS),
    (Version::V10, NICIRA_GROUP_DESCRIPTION, GROUP_DESCRIPTION),
    (Version::V10, NICIRA_GROUP_FEATURES, GROUP_FEATURES),
    (Version::V13, ONF_FLOW_MONITOR, FLOW_MONITOR),
];

/// The range of standard kinds that a version has.
fn has(version: Version, kind: Kind) -> bool {
    let Kind::Standard(number) = kind else {
        let old = matches!(kind, NICIRA_FLOW | NICIRA_AGGREGATE);
        return matches!(kind, Kind::Nicira(_)) && (!old || version == Version::V10);
    };
    match version {
        Version::V10 => number <= 5 || number == 13,
        Version::V13 => number <= 13,
        Version::V14 => number <= 16,
        Version::V15 => number <= 17,
    }
}

/// The kind meant by a kind that came.
pub(crate) fn canonical(version: Version, kind: Kind) -> Parsed<Kind> {
    let alias = ALIASES.iter().find(|(of, name, _)| *of == version && *name == kind);
    match alias {
        Some((.., meant)) => Ok(*meant),
        None if has(version, kind) => Ok(kind),
        None => Err(unknown(kind)),
    }
}

/// The name of a kind in a version, if it has one.
pub(crate) fn name(version: Version, kind: Kind) -> Option<Kind> {
    let alias = ALIASES.iter().find(|(of, _, meant)| *of == version && *meant == kind);
    alias.map(|(_, name, _)| *name).or_else(|| has(version, kind).then_some(kind))
}
