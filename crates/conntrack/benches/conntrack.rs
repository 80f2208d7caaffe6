//! How long one `ct()` takes: known connections among a million, new ones, translation.

#![allow(missing_docs)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use tulle_conntrack::{Config, Conntrack, Headers, Nat, NatRange, Packet, Request};
use tulle_wire::vnet::Offload;
use tulle_wire::{FrameBuf, checksum, ethernet, ipv4, protocol, tcp, udp};

const MILLION: u32 = 1_000_000;
const TRANSPORT: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN;

/// A frame of 64 bytes of connection `n`, either direction, with all checksums right.
fn emit(buffer: &mut FrameBuf, n: u32, reply: bool, flags: Option<u8>) {
    let (client, server) = ((0x0a00_0000 + n / 50_000).into(), 0xc000_0201.into());
    let client_port = 1024 + (n % 50_000) as u16;
    let (source, destination) = if reply { (server, client) } else { (client, server) };
    let (source_port, destination_port) = if reply { (80, client_port) } else { (client_port, 80) };
    let protocol = if flags.is_some() { protocol::TCP } else { protocol::UDP };
    buffer.reset();
    buffer.set_len(64);
    let frame = buffer.bytes_mut();
    frame[12..14].copy_from_slice(&[8, 0]);
    let payload_len = frame.len() - TRANSPORT;
    let header = ipv4::Repr {
        source,
        destination,
        protocol,
        payload_len,
        ttl: 64,
        tos: 0,
        id: 0,
        dont_fragment: true,
    };
    header.emit(&mut frame[ethernet::HEADER_LEN..]).expect("room");
    let pseudo = checksum::pseudo_v4(source, destination, protocol, payload_len);
    let (sequence, acknowledgment) = if reply { (9000, 1001) } else { (1000, 9001) };
    let bytes = &mut frame[TRANSPORT..];
    match flags {
        Some(flags) => {
            let syn = flags & tcp::flag::SYN != 0;
            let repr = tcp::Repr {
                source_port,
                destination_port,
                sequence: sequence + u32::from(!syn),
                acknowledgment,
                flags,
                window: 1000,
                payload_len: payload_len - tcp::HEADER_LEN,
            };
            repr.emit(bytes, pseudo).expect("room");
        }
        None => {
            let repr =
                udp::Repr { source_port, destination_port, payload_len: payload_len - udp::HEADER_LEN };
            repr.emit(bytes, pseudo).expect("room");
        }
    }
}

fn packet(buffer: &FrameBuf) -> Packet {
    Packet::untracked(Headers::find(buffer.bytes()).expect("IP"), Offload::default())
}

const COMMIT: Request = Request {
    zone: 1,
    commit: true,
    force: false,
    mark: tulle_conntrack::Masked { value: 0, mask: 0 },
    label: tulle_conntrack::Masked { value: 0, mask: 0 },
    nat: Nat::None,
    alg: None,
};
const LOOK: Request = Request { commit: false, ..COMMIT };

fn established(count: u32, tcp: bool) -> Conntrack {
    use tcp::flag::{ACK, SYN};
    let mut tracker = Conntrack::new(Config::default(), 7);
    let mut buffer = FrameBuf::new();
    let steps: [(bool, u8); 3] = [(false, SYN), (true, SYN | ACK), (false, ACK)];
    for n in 0..count {
        for (step, (reply, flags)) in steps.iter().enumerate() {
            emit(&mut buffer, n, *reply, tcp.then_some(*flags));
            let request = if step == 0 { &COMMIT } else { &LOOK };
            let packet = packet(&buffer);
            tracker.track(&mut buffer, &packet, request, 0).expect("room");
        }
    }
    tracker
}

/// Frames of connections in no order, made beforehand; as many as there are connections, so that those
/// asked for are not in any cache.
fn frames(of: u32, tcp: bool) -> Vec<[u8; 64]> {
    let mut buffer = FrameBuf::new();
    let each = |i: u32| {
        let n = (u64::from(i) * 2_654_435_761 % u64::from(of)) as u32;
        emit(&mut buffer, n, i % 2 == 0, tcp.then_some(tcp::flag::ACK));
        *buffer.bytes().first_chunk().expect("64 bytes")
    };
    (0..of.min(1 << 18)).map(each).collect()
}

fn known(criterion: &mut Criterion) {
    for (name, tcp, count) in [
        ("established tcp, 1 of 1,000", true, 1000),
        ("established tcp, 1 of 1,000,000", true, MILLION),
        ("established udp, 1 of 1,000,000", false, MILLION),
    ] {
        let mut tracker = established(count, tcp);
        println!("{name}: {} bytes a connection", tracker.memory() / tracker.len());
        let frames = frames(count, tcp);
        let (mut buffer, mut next) = (FrameBuf::copied(&frames[0]), 0);
        let packet = packet(&buffer);
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                next = (next + 1) % frames.len();
                buffer.fill(&frames[next]);
                let outcome = tracker.track(&mut buffer, &packet, &LOOK, 1_000_000).expect("known");
                assert!(outcome.state & tulle_conntrack::state::EST != 0);
                black_box(outcome)
            });
        });
    }
}

/// Time of `iterations` commits, a new connection each, the making of frames left out.
fn commits(iterations: u64, request: &Request) -> Duration {
    let (mut tracker, mut buffer, mut total) =
        (Conntrack::new(Config::default(), 7), FrameBuf::new(), Duration::ZERO);
    for n in 0..iterations {
        emit(&mut buffer, n as u32, false, Some(tcp::flag::SYN));
        let packet = packet(&buffer);
        let begin = Instant::now();
        black_box(tracker.track(&mut buffer, &packet, request, n * 1000).expect("room"));
        total += begin.elapsed();
    }
    total
}

fn new(criterion: &mut Criterion) {
    criterion.bench_function("new tcp connection committed", |bencher| {
        bencher.iter_custom(|iterations| commits(iterations, &COMMIT));
    });
    let addresses = [0xc633_6400_u32, 0xc633_64ff].map(|address| std::net::Ipv4Addr::from(address).into());
    let range = NatRange { addresses: addresses.into(), ..NatRange::to([0, 0, 0, 0]) };
    let translated = Request { nat: Nat::Source(range), ..COMMIT };
    criterion.bench_function("new tcp connection committed with snat", |bencher| {
        bencher.iter_custom(|iterations| commits(iterations, &translated));
    });
}

criterion_group!(benches, known, new);
criterion_main!(benches);
