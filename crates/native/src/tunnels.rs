//! Tunnel ports and the ways of their packets, as Python says them.

use std::net::IpAddr;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tulle_switch::{Kind, LocalAddress, TunnelConfig, TunnelNumber, Way};

use crate::error::refused;
use crate::values::{parse_ip, parse_mac};

/// What stands for "flows say it".
const FLOW: &str = "flow";

/// A key: absent, "flow", or a number.
#[derive(FromPyObject)]
enum NumberValue {
    Number(u64),
    Word(String),
}

impl NumberValue {
    fn parse(value: Option<Self>) -> PyResult<TunnelNumber> {
        match value {
            None => Ok(TunnelNumber::Absent),
            Some(Self::Number(number)) => Ok(TunnelNumber::Fixed(number)),
            Some(Self::Word(word)) if word == FLOW => Ok(TunnelNumber::Flow),
            Some(Self::Word(word)) => Err(refused(format!("expected a key, got {word:?}"))),
        }
    }
}

/// A tunnel from its keys in a dictionary; those of `_native.pyi`.
pub(crate) fn parse_config(from: &Bound<'_, PyDict>) -> PyResult<TunnelConfig> {
    let kind = Kind::from_name(&value::<String>(from, "encapsulation")?).map_err(refused)?;
    let remote = match value::<String>(from, "remote")?.as_str() {
        FLOW => None,
        address => Some(parse_ip(address)?),
    };
    let local = match value::<String>(from, "local")?.as_str() {
        "" => LocalAddress::Any,
        FLOW => LocalAddress::Flow,
        address => LocalAddress::Fixed(parse_ip(address)?),
    };
    Ok(TunnelConfig {
        kind,
        remote,
        local,
        in_key: NumberValue::parse(value(from, "in_key")?)?,
        out_key: NumberValue::parse(value(from, "out_key")?)?,
        dst_port: value(from, "dst_port")?,
        tos: value(from, "tos")?,
        ttl: value(from, "ttl")?,
        dont_fragment: value(from, "dont_fragment")?,
        checksum: value(from, "checksum")?,
        gbp: value(from, "gbp")?,
        sequence: value(from, "sequence")?,
    })
}

fn value<'py, T: FromPyObjectOwned<'py>>(from: &Bound<'py, PyDict>, name: &str) -> PyResult<T> {
    let found = from.get_item(name)?.ok_or_else(|| refused(format!("a tunnel needs {name}")))?;
    found.extract().map_err(|_| refused(format!("{name} of a tunnel cannot be {found}")))
}

/// (device, local address, MAC address of the next hop, MTU)
pub(crate) type WayTuple = (String, String, String, u16);

pub(crate) fn parse_way(way: Option<WayTuple>) -> PyResult<Option<Way>> {
    let Some((device, local, next_hop, mtu)) = way else { return Ok(None) };
    Ok(Some(Way { device, local: parse_ip(&local)?, next_hop: parse_mac(&next_hop)?, mtu }))
}

pub(crate) fn parse_addresses(texts: &[String]) -> PyResult<Vec<IpAddr>> {
    texts.iter().map(|text| parse_ip(text)).collect()
}
