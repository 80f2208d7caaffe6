//! Plain readers of the three formats, written from their specifications and not from the writers.

use std::collections::HashMap;

pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(bytes[at..at + 2].try_into().unwrap())
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// A record of NetFlow version 5.
#[derive(Debug)]
pub struct NetflowRecord {
    pub src: [u8; 4],
    pub input: u16,
    pub output: u16,
    pub packets: u32,
    pub octets: u32,
    pub first_ms: u32,
    pub last_ms: u32,
    pub ports: (u16, u16),
    pub tcp_flags: u8,
    pub protocol: u8,
    pub tos: u8,
}

/// The records of a datagram, whose sequence number must be the one expected.
pub fn netflow(datagram: &[u8], sequence: u32) -> Vec<NetflowRecord> {
    let count = usize::from(u16_at(datagram, 2));
    assert_eq!((u16_at(datagram, 0), u32_at(datagram, 16)), (5, sequence));
    assert_eq!(datagram.len(), 24 + 48 * count);
    assert!((1..=30).contains(&count));
    let record = |bytes: &[u8]| NetflowRecord {
        src: bytes[..4].try_into().unwrap(),
        input: u16_at(bytes, 12),
        output: u16_at(bytes, 14),
        packets: u32_at(bytes, 16),
        octets: u32_at(bytes, 20),
        first_ms: u32_at(bytes, 24),
        last_ms: u32_at(bytes, 28),
        ports: (u16_at(bytes, 32), u16_at(bytes, 34)),
        tcp_flags: bytes[37],
        protocol: bytes[38],
        tos: bytes[39],
    };
    datagram[24..].chunks(48).map(record).collect()
}

/// A sample of sFlow version 5: its kind, its body, and its records by kind.
#[derive(Debug)]
pub struct Sample {
    pub kind: u32,
    pub body: Vec<u8>,
    pub records: Vec<(u32, Vec<u8>)>,
}

/// The samples of a datagram of an agent with an IPv4 address.
pub fn sflow(datagram: &[u8]) -> Vec<Sample> {
    assert_eq!((u32_at(datagram, 0), u32_at(datagram, 4)), (5, 1));
    let mut rest = &datagram[28..];
    let mut samples = Vec::new();
    while !rest.is_empty() {
        let (kind, length) = (u32_at(rest, 0), u32_at(rest, 4) as usize);
        let body = rest[8..8 + length].to_vec();
        // The records begin behind the fixed part, whose last word is their number.
        let fixed = if kind == 1 { 32 } else { 12 };
        let records = records(&body[fixed..]);
        assert_eq!(u32_at(&body, fixed - 4) as usize, records.len());
        samples.push(Sample { kind, body, records });
        rest = &rest[8 + length..];
    }
    assert_eq!(u32_at(datagram, 24) as usize, samples.len());
    samples
}

fn records(mut rest: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (kind, length) = (u32_at(rest, 0), u32_at(rest, 4) as usize);
        assert_eq!(length % 4, 0);
        found.push((kind, rest[8..8 + length].to_vec()));
        rest = &rest[8 + length..];
    }
    found
}

/// The values of a record of IPFIX by number of the element; an enterprise's have the highest bit set.
pub type IpfixRecord = HashMap<u16, Vec<u8>>;

/// Reads messages of IPFIX, and remembers templates by domain.
#[derive(Default)]
pub struct IpfixReader {
    templates: HashMap<(u32, u16), Vec<(u16, u16)>>,
    sequences: HashMap<u32, u32>,
    pub templates_seen: usize,
}

impl IpfixReader {
    /// The records of a message.
    pub fn read(&mut self, message: &[u8]) -> Vec<IpfixRecord> {
        let domain = u32_at(message, 12);
        assert_eq!((u16_at(message, 0), usize::from(u16_at(message, 2))), (10, message.len()));
        let expected = self.sequences.entry(domain).or_default();
        assert_eq!(u32_at(message, 8), *expected, "sequence of domain {domain}");
        let mut records = Vec::new();
        let mut rest = &message[16..];
        while !rest.is_empty() {
            let (id, length) = (u16_at(rest, 0), usize::from(u16_at(rest, 2)));
            match id {
                2 => self.learn(domain, &rest[4..length]),
                _ => records.extend(self.data(domain, id, &rest[4..length])),
            }
            rest = &rest[length..];
        }
        *self.sequences.entry(domain).or_default() += records.len() as u32;
        records
    }

    fn learn(&mut self, domain: u32, set: &[u8]) {
        let (id, count) = (u16_at(set, 0), u16_at(set, 2));
        let mut fields = Vec::new();
        let mut at = 4;
        for _ in 0..count {
            let field = (u16_at(set, at), u16_at(set, at + 2));
            at += if field.0 & 0x8000 > 0 { 8 } else { 4 };
            fields.push(field);
        }
        assert_eq!(at, set.len());
        self.templates_seen += 1;
        self.templates.insert((domain, id), fields);
    }

    fn data(&self, domain: u32, id: u16, mut set: &[u8]) -> Vec<IpfixRecord> {
        let fields = self.templates.get(&(domain, id)).expect("the template comes before the data");
        let mut records = Vec::new();
        while !set.is_empty() {
            let mut record = IpfixRecord::new();
            for (element, length) in fields {
                let (skip, length) =
                    if *length == u16::MAX { (1, usize::from(set[0])) } else { (0, usize::from(*length)) };
                record.insert(*element, set[skip..skip + length].to_vec());
                set = &set[skip + length..];
            }
            records.push(record);
        }
        records
    }
}

/// A value of up to eight bytes.
pub fn number(record: &IpfixRecord, element: u16) -> u64 {
    let bytes = record.get(&element).unwrap_or_else(|| panic!("no element {element} in {record:?}"));
    bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}
