//! Forgetting tracked connections (Nicira's `NXT_CT_FLUSH`, `ovs-ofctl(8)` under `ct-flush`).

use std::net::{IpAddr, Ipv6Addr};

use crate::bytes::{Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::property::{Property, emit_property, emit_u8, emit_u16, next_property};

const ORIGINAL: u16 = 0;
const REPLY: u16 = 1;
const ZONE: u16 = 2;

const SOURCE: u16 = 0;
const DESTINATION: u16 = 1;
const SOURCE_PORT: u16 = 2;
const DESTINATION_PORT: u16 = 3;
const ICMP_ID: u16 = 4;
const ICMP_TYPE: u16 = 5;
const ICMP_CODE: u16 = 6;

/// What one direction of a connection must be; what is not given may be anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CtTuple {
    /// Source address.
    pub source: Option<IpAddr>,
    /// Destination address.
    pub destination: Option<IpAddr>,
    /// Source port; 0 for any.
    pub source_port: Option<u16>,
    /// Destination port.
    pub destination_port: Option<u16>,
    /// ICMP identifier.
    pub icmp_id: Option<u16>,
    /// ICMP type.
    pub icmp_type: Option<u8>,
    /// ICMP code.
    pub icmp_code: Option<u8>,
}

/// Which connections to forget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CtFlush {
    /// The IP protocol; 0 for any.
    pub protocol: u8,
    /// The zone.
    pub zone: Option<u16>,
    /// The direction of the first packet.
    pub original: CtTuple,
    /// The other direction.
    pub reply: CtTuple,
}

impl CtFlush {
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<CtFlush> {
        let mut flush = CtFlush { protocol: body.u8()?, ..CtFlush::default() };
        if body.take(7)?.iter().any(|byte| *byte != 0) {
            return Err(ErrorCode::MustBeZero);
        }
        while let Some(property) = next_property(&mut body)? {
            match property.kind {
                ORIGINAL => flush.original = CtTuple::parse(property.body)?,
                REPLY => flush.reply = CtTuple::parse(property.body)?,
                ZONE => flush.zone = Some(property.u16()?),
                _ => return Err(ErrorCode::BadPropertyType),
            }
        }
        flush.check_families()?;
        Ok(flush)
    }

    /// A connection is of one family of addresses.
    fn check_families(&self) -> Parsed<()> {
        let all = [self.original, self.reply].map(|tuple| [tuple.source, tuple.destination]);
        let mut found = all.into_iter().flatten().flatten();
        let first = found.next();
        let same = first.is_none_or(|first| found.all(|other| other.is_ipv4() == first.is_ipv4()));
        if same { Ok(()) } else { Err(ErrorCode::BadPropertyValue) }
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) {
        out.u8(self.protocol);
        out.zeros(7);
        self.original.emit(ORIGINAL, out);
        self.reply.emit(REPLY, out);
        if let Some(zone) = self.zone {
            emit_u16(ZONE, zone, out);
        }
    }
}

/// IPv4 addresses are mapped into IPv6 (RFC 4291 section 2.5.5.2); zero stands for any.
fn parse_address(mut property: Property<'_>) -> Parsed<Option<IpAddr>> {
    let address = Ipv6Addr::from(property.body.array::<16>()?);
    let any = address.is_unspecified();
    Ok((!any).then(|| address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)))
}

fn emit_address(kind: u16, address: IpAddr, out: &mut Writer<'_>) {
    let address = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    emit_property(kind, out, |out| out.extend_from_slice(&address.octets()));
}

impl CtTuple {
    fn parse(mut body: Reader<'_>) -> Parsed<CtTuple> {
        body.skip(4)?;
        let mut tuple = CtTuple::default();
        while let Some(property) = next_property(&mut body)? {
            match property.kind {
                SOURCE => tuple.source = parse_address(property)?,
                DESTINATION => tuple.destination = parse_address(property)?,
                SOURCE_PORT => tuple.source_port = Some(property.u16()?),
                DESTINATION_PORT => tuple.destination_port = Some(property.u16()?),
                ICMP_ID => tuple.icmp_id = Some(property.u16()?),
                ICMP_TYPE => tuple.icmp_type = Some(property.u8()?),
                ICMP_CODE => tuple.icmp_code = Some(property.u8()?),
                _ => return Err(ErrorCode::BadPropertyType),
            }
        }
        Ok(tuple)
    }

    fn emit(&self, kind: u16, out: &mut Writer<'_>) {
        if *self == CtTuple::default() {
            return;
        }
        emit_property(kind, out, |out| {
            out.zeros(4);
            let addresses = [(SOURCE, self.source), (DESTINATION, self.destination)];
            for (kind, address) in addresses {
                address.into_iter().for_each(|address| emit_address(kind, address, out));
            }
            let words = [
                (SOURCE_PORT, self.source_port),
                (DESTINATION_PORT, self.destination_port),
                (ICMP_ID, self.icmp_id),
            ];
            for (kind, value) in words {
                value.into_iter().for_each(|value| emit_u16(kind, value, out));
            }
            for (kind, value) in [(ICMP_TYPE, self.icmp_type), (ICMP_CODE, self.icmp_code)] {
                value.into_iter().for_each(|value| emit_u8(kind, value, out));
            }
        });
    }
}
