//! Forwards between a TAP and a packet socket behind fixed STT-like headers: what the kernel
//! interfaces alone cost, with no lookup. One process for each side; for measurements only.
//!
//! forward TAP DEVICE LOCAL_IP REMOTE_IP REMOTE_MAC [SPIN_US] [BATCH]

use std::error::Error;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;

use tulle_io::clock::monotonic_ns;
use tulle_io::{
    Arrival, Device, Filter, Guarded, PacketOptions, PacketSocket, Poller, PortGuard, Received, Sent, Tap,
    TapOptions, TunnelPackets,
};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::{self, GsoKind, Offload, VNET_HDR_LEN};

const PORT: u16 = 7471;
const HEADERS_LEN: usize = 14 + 20 + 20 + 18;
const TAP_TOKEN: u64 = 0;
const TURN: usize = 16;

type Failure = Box<dyn Error>;

struct Settings {
    tap: String,
    device: String,
    local: Ipv4Addr,
    remote: Ipv4Addr,
    remote_mac: [u8; 6],
    spin_ns: u64,
    batch: usize,
}

#[derive(Default, Debug)]
struct Counters {
    waits: u64,
    turns: u64,
    from_tap: u64,
    from_wire: u64,
    from_tap_bytes: u64,
    from_wire_bytes: u64,
    lost: u64,
}

struct Forwarder {
    tap: Tap,
    wire: PacketSocket,
    headers: [u8; HEADERS_LEN],
    frame: FrameBuf,
    arrivals: Vec<Arrival>,
    counters: Counters,
}

impl Forwarder {
    fn new(settings: &Settings) -> Result<Self, Failure> {
        let device = Device::open(&settings.device)?;
        let mut options = PacketOptions::device(device.index());
        let (addresses, tcp_ports) = (vec![settings.local.into()], vec![PORT]);
        let wanted = TunnelPackets { addresses, tcp_ports, ..TunnelPackets::default() };
        options.filter = Some(Filter::tunnel_packets(&wanted));
        Ok(Self {
            tap: Tap::open(&TapOptions::named(&settings.tap))?,
            wire: PacketSocket::open(&options)?,
            headers: headers(settings, device.mac()?),
            frame: FrameBuf::new(),
            arrivals: (0..settings.batch).map(|_| Arrival::new()).collect(),
            counters: Counters::default(),
        })
    }

    /// At most a turn of frames from the TAP to the wire. True if there may be more.
    fn forward_out(&mut self) -> Result<bool, Failure> {
        for _ in 0..TURN {
            let mut offload = Offload::default();
            if self.tap.receive(&mut self.frame, &mut offload)? != Received::Frame {
                return Ok(false);
            }
            self.counters.from_tap += 1;
            self.counters.from_tap_bytes += self.frame.bytes().len() as u64;
            let outer = push(&self.headers, &mut self.frame, &offload);
            let sent = self.wire.send(self.frame.bytes(), &outer)?;
            self.counters.lost += u64::from(sent != Sent::Sent);
        }
        Ok(true)
    }

    /// At most a turn of frames from the wire to the TAP. True if there may be more.
    fn forward_in(&mut self) -> Result<bool, Failure> {
        for _ in 0..TURN.div_ceil(self.arrivals.len()) {
            let (count, end) = self.wire.receive_batch(&mut self.arrivals)?;
            for arrival in &self.arrivals[..count] {
                let outer = arrival.frame.bytes();
                let inner = outer[54..54 + VNET_HDR_LEN].try_into().expect("10 bytes");
                let offload = vnet::parse(inner).unwrap_or_default();
                self.counters.from_wire += 1;
                self.counters.from_wire_bytes += outer.len() as u64;
                let sent = self.tap.send(&outer[HEADERS_LEN..], &offload)?;
                self.counters.lost += u64::from(sent != Sent::Sent);
            }
            if end != Received::Frame {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Forwards for ever. Spins for `spin_ns` after the last frame before it sleeps.
    fn run(&mut self, spin_ns: u64) -> Result<(), Failure> {
        let poller = Poller::new()?;
        poller.add(self.tap.as_fd(), TAP_TOKEN)?;
        poller.add(self.wire.as_fd(), TAP_TOKEN + 1)?;
        let mut events = Vec::new();
        let mut report_ns = monotonic_ns() + 1_000_000_000;
        loop {
            poller.wait(&mut events, None)?;
            self.counters.waits += 1;
            let mut last_ns = monotonic_ns();
            let mut busy = [false; 2];
            for event in &events {
                busy[event.token as usize] = true;
            }
            while busy != [false; 2] || monotonic_ns() < last_ns + spin_ns {
                let before = self.counters.from_tap + self.counters.from_wire;
                let spin = spin_ns > 0;
                busy[0] = (busy[0] || spin) && self.forward_out()?;
                busy[1] = (busy[1] || spin) && self.forward_in()?;
                self.counters.turns += 1;
                if spin && self.counters.from_tap + self.counters.from_wire != before {
                    last_ns = monotonic_ns();
                }
            }
            if last_ns > report_ns {
                eprintln!("{:?} {:?}", self.counters, self.wire.counters()?);
                self.counters = Counters::default();
                report_ns = last_ns + 1_000_000_000;
            }
        }
    }
}

fn push(headers: &[u8; HEADERS_LEN], frame: &mut FrameBuf, inner: &Offload) -> Offload {
    let frame_len = frame.bytes().len() + 18;
    frame.push_front(HEADERS_LEN).expect("headroom").copy_from_slice(headers);
    let bytes = frame.bytes_mut();
    bytes[16..18].copy_from_slice(&((frame_len + 40) as u16).to_be_bytes());
    let checksum = !sum(&bytes[14..34]);
    bytes[24..26].copy_from_slice(&checksum.to_be_bytes());
    bytes[38..40].copy_from_slice(&(frame_len as u16).to_be_bytes());
    let mut pseudo = [0; 12];
    pseudo[..8].copy_from_slice(&bytes[26..34]);
    pseudo[9] = 6;
    pseudo[10..].copy_from_slice(&((frame_len + 20) as u16).to_be_bytes());
    bytes[50..52].copy_from_slice(&sum(&pseudo).to_be_bytes());
    vnet::emit(inner, (&mut bytes[54..54 + VNET_HDR_LEN]).try_into().expect("10 bytes"));
    Offload {
        needs_csum: true,
        csum_start: 34,
        csum_offset: 16,
        hdr_len: 54,
        gso: if frame_len > 1460 { GsoKind::TcpV4 } else { GsoKind::None },
        gso_size: if frame_len > 1460 { 1460 } else { 0 },
        ..Offload::default()
    }
}

fn headers(settings: &Settings, local_mac: [u8; 6]) -> [u8; HEADERS_LEN] {
    let mut headers = [0; HEADERS_LEN];
    headers[0..6].copy_from_slice(&settings.remote_mac);
    headers[6..12].copy_from_slice(&local_mac);
    headers[12..24].copy_from_slice(&[8, 0, 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6]);
    headers[26..30].copy_from_slice(&settings.local.octets());
    headers[30..34].copy_from_slice(&settings.remote.octets());
    headers[34..36].copy_from_slice(&50000_u16.to_be_bytes());
    headers[36..38].copy_from_slice(&PORT.to_be_bytes());
    headers[46..50].copy_from_slice(&[0x50, 0x18, 0xff, 0xff]);
    headers
}

fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let total: u32 = words.sum();
    let folded = (total & 0xffff) + (total >> 16);
    ((folded & 0xffff) + (folded >> 16)) as u16
}

fn mac(text: &str) -> Result<[u8; 6], Failure> {
    let bytes: Result<Vec<u8>, _> = text.split(':').map(|b| u8::from_str_radix(b, 16)).collect();
    bytes?.try_into().map_err(|_| "expected a MAC of 6 bytes".into())
}

fn settings() -> Result<Settings, Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [tap, device, local, remote, remote_mac, rest @ ..] = words.as_slice() else {
        return Err("usage: forward TAP DEVICE LOCAL_IP REMOTE_IP REMOTE_MAC [SPIN_US] [BATCH]".into());
    };
    let number = |i: usize, default| rest.get(i).map_or(Ok(default), |word| word.parse::<u64>());
    Ok(Settings {
        tap: tap.clone(),
        device: device.clone(),
        local: local.parse()?,
        remote: remote.parse()?,
        remote_mac: mac(remote_mac)?,
        spin_ns: number(0, 0)? * 1000,
        batch: number(1, 4)?.max(1) as usize,
    })
}

fn main() -> Result<(), Failure> {
    let settings = settings()?;
    let _guard = PortGuard::new(Guarded::Tcp(PORT))?;
    Forwarder::new(&settings)?.run(settings.spin_ns)
}
