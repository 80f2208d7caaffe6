//! Sends UDP packets that a tenant crafts so that each makes a cache remember another mask, for measurements only.
//!
//! crafted DEVICE [--seconds S] [--rate R] [--cpu C]
//!
//! The tenant's own access list names one source address, one source port and one destination port, each in a
//! flow of its own.  A packet that differs from the first in bit i of the address, from the second in bit j and
//! from the third in bit k shows a classifier with prefix tries that i, j and k bits decide: 32 * 16 * 16 masks
//! (Csikor et al., "Tuple Space Explosion", CoNEXT 2019).  The bits behind are random, so that a classifier
//! without tries makes an entry for each packet.

use std::error::Error;
use std::time::{Duration, Instant};

use tulle_io::{Device, PacketOptions, PacketSocket};
use tulle_wire::vnet::Offload;
use tulle_wire::{WireError, checksum, ethernet, ipv4, udp};

type Failure = Box<dyn Error>;

const USAGE: &str = "usage: crafted DEVICE [--seconds S] [--rate R] [--cpu C]";
const TENANT: [u8; 6] = [2, 0, 0, 0, 0, 0x66];
const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// What the tenant's access list names: see `bench/switching/explosion.py`.
const ADDRESS: u32 = 0x0a42_0a0a;
const PORTS: (u16, u16) = (12_345, 443);
const TARGET: u32 = 0x0a42_0001;
const FRAME_LEN: usize = 64;
const IPPROTO_UDP: u8 = 17;

/// Numbers that look random, the same in each run (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Agrees with `value` in the `kept` highest of its bits, differs in the next, and is random behind.
fn near(value: u32, bits: u32, kept: u32, random: &mut Random) -> u32 {
    let rest = bits - kept - 1;
    let flipped = value ^ (1 << rest);
    let behind = (1_u32 << rest) - 1;
    (flipped & !behind) | (random.next() as u32 & behind)
}

/// The packet of a number; numbers that differ modulo 8192 show different masks.
fn fill(frame: &mut [u8; FRAME_LEN], number: u64, random: &mut Random) -> Result<(), WireError> {
    let (i, j, k) = (number % 32, number / 32 % 16, number / 512 % 16);
    let source = near(ADDRESS, 32, i as u32, random).into();
    let ports = [(PORTS.0, j), (PORTS.1, k)];
    let [source_port, destination_port] =
        ports.map(|(port, kept)| near(u32::from(port), 16, kept as u32, random) as u16);
    let payload_len = FRAME_LEN - ethernet::HEADER_LEN - ipv4::HEADER_LEN;
    let ether_type = ethernet::ether_type::IPV4;
    ethernet::Repr { source: TENANT, destination: ROUTER, vlan: None, ether_type }.emit(frame)?;
    let network = ipv4::Repr {
        source,
        destination: TARGET.into(),
        protocol: IPPROTO_UDP,
        payload_len,
        ttl: 64,
        tos: 0,
        id: 0,
        dont_fragment: true,
    };
    network.emit(&mut frame[ethernet::HEADER_LEN..])?;
    let pseudo = checksum::pseudo_v4(source, TARGET.into(), IPPROTO_UDP, payload_len);
    let transport = udp::Repr { source_port, destination_port, payload_len: payload_len - udp::HEADER_LEN };
    transport.emit(&mut frame[ethernet::HEADER_LEN + ipv4::HEADER_LEN..], pseudo)
}

struct Arguments {
    device: String,
    duration: Duration,
    rate: f64,
    cpu: Option<usize>,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let device = words.next().ok_or("expected a device")?;
        let mut arguments = Self { device, duration: Duration::from_secs(1), rate: 20_000.0, cpu: None };
        while let Some(option) = words.next() {
            let value = words.next().ok_or_else(|| format!("{option} needs a value"))?;
            match option.as_str() {
                "--seconds" => arguments.duration = Duration::try_from_secs_f64(value.parse()?)?,
                "--rate" => arguments.rate = value.parse()?,
                "--cpu" => arguments.cpu = Some(value.parse()?),
                _ => return Err(format!("unknown option {option}").into()),
            }
        }
        Ok(arguments)
    }
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse(std::env::args().skip(1)).map_err(|why| format!("{why}\n{USAGE}"))?;
    if let Some(cpu) = arguments.cpu {
        tulle_io::thread::pin_to_cpu(cpu)?;
    }
    let device = Device::open(&arguments.device)?;
    let options = PacketOptions { qdisc_bypass: true, ..PacketOptions::device(device.index()) };
    let socket = PacketSocket::open(&options)?;
    let (start, mut random, mut frame) = (Instant::now(), Random(0x2545_f491_4f6c_dd1d), [0; FRAME_LEN]);
    let mut sent = 0_u64;
    while start.elapsed() < arguments.duration {
        let due = Duration::from_secs_f64(sent as f64 / arguments.rate);
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        fill(&mut frame, sent, &mut random)?;
        // What a full device refuses is lost, as for a real tenant.
        socket.send(&frame, &Offload::default())?;
        sent += 1;
    }
    println!("{{\"packets\": {sent}, \"seconds\": {:.6}}}", start.elapsed().as_secs_f64());
    Ok(())
}
