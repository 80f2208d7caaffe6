//! A connection with all that its verdicts depend on, as a value and as a line of text, to go on elsewhere.
//!
//! The zone is not in it: zones are numbers of one switch. Times are relative. Whoever reads such a line
//! does not trust it: what no tracker could have written is refused ([`RecordError`]).
//! Connections that have been announced and have not come yet are not in it.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use tulle_wire::protocol;

use crate::connection::Connection;
use crate::request::Alg;
use crate::sctp::Sctp;
use crate::sequence::Adjustment;
use crate::tcp::Tcp;
use crate::tuple::{Endpoints, Tuple, family_of};

/// The longest line that is read, in bytes; the longest that is written has about 600.
pub const LONGEST_RECORD: usize = 1024;

/// Why a line is no connection.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no connection: {0}")]
pub struct RecordError(pub(crate) &'static str);

/// A connection between two trackers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub(crate) original: Endpoints,
    pub(crate) reply: Endpoints,
    /// Nanoseconds that it lives on without a packet.
    pub(crate) expires_in_ns: u64,
    pub(crate) mark: u32,
    pub(crate) label: u128,
    pub(crate) replied: bool,
    pub(crate) related: bool,
    pub(crate) tcp: Option<Tcp>,
    pub(crate) sctp: Option<Sctp>,
    pub(crate) alg: Option<Alg>,
    pub(crate) parent: Option<Endpoints>,
    pub(crate) adjustment: Adjustment,
}

impl Record {
    pub(crate) fn of(connection: &Connection, now_ns: u64) -> Self {
        let is_tcp = connection.original.protocol == protocol::TCP;
        Self {
            original: connection.original.endpoints(),
            reply: connection.reply.endpoints(),
            expires_in_ns: connection.expires_at_ns.saturating_sub(now_ns),
            mark: connection.mark,
            label: connection.label(),
            replied: connection.replied,
            related: connection.related,
            tcp: is_tcp.then_some(connection.tcp),
            sctp: connection.sctp().copied(),
            alg: connection.alg(),
            parent: connection.parent(),
            adjustment: connection.extra.as_ref().map(|extra| extra.adjustment).unwrap_or_default(),
        }
    }

    /// The tuples of both directions in a zone; a reply travels between the same kinds of ends.
    pub(crate) fn tuples(&self, zone: u16) -> Result<(Tuple, Tuple), RecordError> {
        let tuple = |ends| Tuple::of(zone, ends).ok_or(RecordError("ends that no packet has"));
        let (original, reply) = (tuple(&self.original)?, tuple(&self.reply)?);
        let mirrored = original.reversed();
        if (reply.protocol, reply.kind) != (mirrored.protocol, mirrored.kind) {
            return Err(RecordError("a reply of another kind"));
        }
        Ok((original, reply))
    }

    fn check(self) -> Result<Self, RecordError> {
        let (original, _) = self.tuples(0)?;
        if self.tcp.is_some() != (original.protocol == protocol::TCP) {
            return Err(RecordError("numbers of TCP are for TCP"));
        }
        if self.sctp.is_some() && original.protocol != protocol::SCTP {
            return Err(RecordError("tags of SCTP are for SCTP"));
        }
        if let Some(parent) = &self.parent {
            Tuple::of(0, parent).ok_or(RecordError("a parent that no packet has"))?;
        }
        Ok(self)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "orig={} reply={}", Ends(&self.original), Ends(&self.reply))?;
        write!(
            f,
            " ns={} flags={}",
            self.expires_in_ns,
            u8::from(self.replied) | u8::from(self.related) << 1
        )?;
        if (self.mark, self.label) != (0, 0) {
            write!(f, " mark={:x} label={:x}", self.mark, self.label)?;
        }
        if let Some(tcp) = &self.tcp {
            write!(f, " tcp={tcp}")?;
        }
        if let Some(sctp) = &self.sctp {
            write!(f, " sctp={sctp}")?;
        }
        if let Some(alg) = self.alg {
            write!(f, " alg={}", alg.name())?;
        }
        if let Some(parent) = &self.parent {
            write!(f, " parent={}", Ends(parent))?;
        }
        if !self.adjustment.is_none() {
            write!(f, " adjust={}", self.adjustment)?;
        }
        Ok(())
    }
}

impl FromStr for Record {
    type Err = RecordError;

    fn from_str(line: &str) -> Result<Self, RecordError> {
        if line.len() > LONGEST_RECORD {
            return Err(RecordError("longer than any"));
        }
        let (mut original, mut reply, mut lifetime, mut flags) = (None, None, None, None);
        let (mut mark, mut label, mut tcp, mut sctp, mut alg, mut parent, mut adjustment) =
            (None, None, None, None, None, None, None);
        for word in line.split(' ') {
            let (name, value) = word.split_once('=').ok_or(RecordError("expected NAME=VALUE"))?;
            match name {
                "orig" => once(&mut original, ends(value)?)?,
                "reply" => once(&mut reply, ends(value)?)?,
                "ns" => once(&mut lifetime, number::<u64>(value)?)?,
                "flags" => once(&mut flags, number::<u8>(value)?)?,
                "mark" => once(&mut mark, hexadecimal(value, 8)? as u32)?,
                "label" => once(&mut label, hexadecimal(value, 32)?)?,
                "tcp" => once(&mut tcp, value.parse()?)?,
                "sctp" => once(&mut sctp, value.parse()?)?,
                "alg" => once(&mut alg, alg_of(value)?)?,
                "parent" => once(&mut parent, ends(value)?)?,
                "adjust" => once(&mut adjustment, value.parse()?)?,
                _ => return Err(RecordError("an unknown name")),
            }
        }
        let missing = RecordError("orig, reply, ns or flags are missing");
        let (Some(original), Some(reply), Some(expires_in_ns), Some(flags @ 0..=3)) =
            (original, reply, lifetime, flags)
        else {
            return Err(missing);
        };
        let record = Self {
            original,
            reply,
            expires_in_ns,
            mark: mark.unwrap_or(0),
            label: label.unwrap_or(0),
            replied: flags & 1 != 0,
            related: flags & 2 != 0,
            tcp,
            sctp,
            alg,
            parent,
            adjustment: adjustment.unwrap_or_default(),
        };
        record.check()
    }
}

struct Ends<'a>(&'a Endpoints);

/// `PROTOCOL/SOURCE/PORT/DESTINATION/PORT/ICMP-IDENTIFIER`.
impl fmt::Display for Ends<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Endpoints { source, destination, protocol, source_port, destination_port, icmp_id } = self.0;
        write!(f, "{protocol}/{source}/{source_port}/{destination}/{destination_port}/{icmp_id}")
    }
}

fn ends(text: &str) -> Result<Endpoints, RecordError> {
    let wrong = RecordError("expected PROTOCOL/SOURCE/PORT/DESTINATION/PORT/ID");
    let parts: Vec<&str> = text.splitn(7, '/').collect();
    let [protocol, source, source_port, destination, destination_port, icmp_id] = parts[..] else {
        return Err(wrong);
    };
    let found = Endpoints {
        source: source.parse().map_err(|_| wrong.clone())?,
        destination: destination.parse().map_err(|_| wrong.clone())?,
        protocol: number(protocol)?,
        source_port: number(source_port)?,
        destination_port: number(destination_port)?,
        icmp_id: number(icmp_id)?,
    };
    // What a tuple does not have would be lost in silence.
    let tuple = Tuple::of(0, &found).filter(|tuple| tuple.endpoints() == found);
    let is_alike = family_of(found.source) == family_of(found.destination);
    tuple.filter(|_| is_alike).map(|_| found).ok_or(wrong)
}

fn alg_of(text: &str) -> Result<Alg, RecordError> {
    let known = [Alg::Ftp, Alg::Tftp].into_iter().find(|alg| alg.name() == text);
    known.ok_or(RecordError("an unknown alg"))
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), RecordError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(RecordError("a name comes twice")),
    }
}

/// A decimal number, digits only.
pub(crate) fn number<T: FromStr>(text: &str) -> Result<T, RecordError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(RecordError("expected a number"))
}

/// A hexadecimal number of at most so many digits.
pub(crate) fn hexadecimal(text: &str, digits: usize) -> Result<u128, RecordError> {
    let fits = (1..=digits).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = u128::from_str_radix(text, 16).ok().filter(|_| fits);
    value.ok_or(RecordError("expected a hexadecimal number"))
}
