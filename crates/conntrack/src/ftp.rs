//! What FTP says of data connections (RFC 959 sections 4.1.2 and 4.2, RFC 2428), found in one segment.
//!
//! A line that two segments share is not seen: clients and servers write each in one go.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::str;

/// Longer segments are no commands; what stands further back is not looked at.
const MOST_BYTES: usize = 1024;

/// How an address is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `10,0,0,1,19,137`.
    Commas,
    /// `|1|10.0.0.1|5001|`.
    Bars,
    /// `|||5001|`: the address of the control connection.
    PortOnly,
}

/// A data connection that is announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Announcement {
    /// `None`: the sender's own.
    pub address: Option<IpAddr>,
    pub port: u16,
    pub form: Form,
    /// The text of address and port within the payload.
    pub range: Range<usize>,
}

impl Announcement {
    /// What is to stand in `range` to announce another address.
    pub fn text(&self, address: IpAddr) -> String {
        match (self.form, address) {
            (Form::Commas, IpAddr::V4(address)) => {
                let [a, b, c, d] = address.octets();
                format!("{a},{b},{c},{d},{},{}", self.port >> 8, self.port & 0xff)
            }
            (Form::Bars | Form::Commas, _) => {
                let version = if address.is_ipv4() { 1 } else { 2 };
                format!("|{version}|{address}|{}|", self.port)
            }
            (Form::PortOnly, _) => format!("|||{}|", self.port),
        }
    }
}

/// The first announcement that the client (`PORT`, `EPRT`) or the server (`227`, `229`) makes.
pub(crate) fn announcement(payload: &[u8], from_client: bool) -> Option<Announcement> {
    let payload = &payload[..payload.len().min(MOST_BYTES)];
    let mut at = 0;
    // Only what ends with a line end is a line.
    for line in payload.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        if let Some(mut found) = in_line(line, from_client) {
            found.range = found.range.start + at..found.range.end + at;
            return Some(found);
        }
        at += line.len();
    }
    None
}

fn in_line(line: &[u8], from_client: bool) -> Option<Announcement> {
    let starts = |word: &[u8]| line.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    if from_client && starts(b"PORT ") {
        commas(line, 5)
    } else if from_client && starts(b"EPRT ") {
        bars(line, 5)
    } else if !from_client && starts(b"227 ") {
        // RFC 1123 section 4.1.2.6: the numbers may stand anywhere in the text.
        (4..line.len()).find_map(|at| if line[at - 1].is_ascii_digit() { None } else { commas(line, at) })
    } else if !from_client && starts(b"229 ") {
        (4..line.len()).find_map(|at| port_only(line, at))
    } else {
        None
    }
}

/// A decimal number at a place, and where it ends.
fn number(line: &[u8], at: usize) -> Option<(u16, usize)> {
    let digits = line.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = str::from_utf8(&line[at..at + digits]).ok()?;
    Some((text.parse().ok()?, at + digits))
}

fn commas(line: &[u8], start: usize) -> Option<Announcement> {
    let (mut numbers, mut at) = ([0_u8; 6], start);
    for (i, slot) in numbers.iter_mut().enumerate() {
        if i > 0 {
            at = (*line.get(at)? == b',').then_some(at + 1)?;
        }
        let (value, end) = number(line, at)?;
        (*slot, at) = (u8::try_from(value).ok()?, end);
    }
    let [a, b, c, d, high, low] = numbers;
    let port = u16::from_be_bytes([high, low]);
    let address = Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d)));
    (port != 0).then_some(Announcement { address, port, form: Form::Commas, range: start..at })
}

fn bars(line: &[u8], start: usize) -> Option<Announcement> {
    let text = str::from_utf8(line.get(start..)?).ok()?;
    let bar = text.chars().next().filter(|bar| bar.is_ascii_graphic() && !bar.is_ascii_digit())?;
    let mut parts = text.split(bar).skip(1);
    let (version, address, port) = (parts.next()?, parts.next()?, parts.next()?);
    let after = parts.next()?;
    let address: IpAddr = address.parse().ok()?;
    let port: u16 = port.parse().ok().filter(|port| *port != 0)?;
    let expected = if address.is_ipv4() { "1" } else { "2" };
    let range = start..start + (text.len() - text.rsplit_once(bar)?.1.len());
    let only = version == expected && !after.contains(bar) && parts.next().is_none();
    only.then_some(Announcement { address: Some(address), port, form: Form::Bars, range })
}

fn port_only(line: &[u8], start: usize) -> Option<Announcement> {
    let bar = *line.get(start)?;
    let opens = line.get(start..start + 3)? == [bar; 3] && bar.is_ascii_punctuation();
    let (port, end) = number(line, start + 3)?;
    let found = opens && port != 0 && *line.get(end)? == bar;
    let range = start..end + 1;
    found.then_some(Announcement { address: None, port, form: Form::PortOnly, range })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(payload: &str, from_client: bool) -> Option<(Option<IpAddr>, u16, String)> {
        let found = announcement(payload.as_bytes(), from_client)?;
        Some((found.address, found.port, payload[found.range].to_string()))
    }

    #[test]
    fn commands_and_answers_announce_an_address_and_a_port() {
        let v4 = Some("10.0.0.1".parse().expect("an address"));
        let v6 = Some("fd00::1".parse().expect("an address"));
        for (text, from_client, expected) in [
            ("PORT 10,0,0,1,19,137\r\n", true, (v4, 5001, "10,0,0,1,19,137")),
            ("NOOP\r\nport 10,0,0,1,19,137\r\n", true, (v4, 5001, "10,0,0,1,19,137")),
            ("EPRT |1|10.0.0.1|5001|\r\n", true, (v4, 5001, "|1|10.0.0.1|5001|")),
            ("EPRT |2|fd00::1|5001|\r\n", true, (v6, 5001, "|2|fd00::1|5001|")),
            ("227 Entering Passive Mode (10,0,0,1,19,137).\r\n", false, (v4, 5001, "10,0,0,1,19,137")),
            ("227 =10,0,0,1,19,137\r\n", false, (v4, 5001, "10,0,0,1,19,137")),
            ("229 Entering Extended Passive Mode (|||5001|)\r\n", false, (None, 5001, "|||5001|")),
        ] {
            let expected = Some((expected.0, expected.1, expected.2.to_string()));
            assert_eq!(found(text, from_client), expected, "{text}");
            assert_eq!(found(text, !from_client), None, "the other side does not say so: {text}");
            let whole = announcement(text.as_bytes(), from_client).expect("an announcement");
            let own = whole.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
            assert_eq!(whole.text(own), text[whole.range.clone()], "written as it was read");
        }
    }

    #[test]
    fn what_is_almost_an_announcement_is_none() {
        for text in [
            "PORT 10,0,0,1,19,137",
            "PORT 10,0,0,1,19\r\n",
            "PORT 10,0,0,256,19,137\r\n",
            "PORT 10,0,0,1,0,0\r\n",
            "XPORT 10,0,0,1,19,137\r\n",
            "EPRT |2|10.0.0.1|5001|\r\n",
            "EPRT |1|10.0.0.1|0|\r\n",
            "EPRT |1|10.0.0.1\r\n",
        ] {
            assert_eq!(found(text, true), None, "{text}");
        }
        for text in ["228 10,0,0,1,19,137\r\n", "229 (||5001|)\r\n", "229 (|||70000|)\r\n", "227 no\r\n"] {
            assert_eq!(found(text, false), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            head in prop::sample::select(vec!["PORT ", "EPRT |", "227 (", "229 (|||", ""]),
            bytes in prop::collection::vec(prop_oneof![Just(b','), Just(b'|'), b'0'..=b'9', any::<u8>(), Just(b'\n')], 0..60),
            from_client in any::<bool>(),
        ) {
            let payload = [head.as_bytes(), &bytes].concat();
            if let Some(found) = announcement(&payload, from_client) {
                prop_assert!(found.range.end <= payload.len());
            }
        }
    }
}
