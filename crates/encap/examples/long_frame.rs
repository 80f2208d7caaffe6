//! What a TCP frame of 64 KB costs our own code: into a tunnel, and out of it, joined again. The least of many rounds
//! in microseconds, which says more than a mean where other work runs on the machine.
//!
//!     cargo run --release -p tulle-encap --example long_frame

use std::net::Ipv4Addr;
use std::time::Instant;

use tulle_encap::{Encap, Endpoints, Geneve, Gre, Nvgre, Outers, Passage, Popped, Stt, TunnelOptions, Vxlan};
use tulle_wire::vnet::{GsoKind, Offload};
use tulle_wire::{FrameBuf, TcpMerger, ethernet, ipv4, protocol};

const PAYLOAD_LEN: usize = 46 * 1398;
const GSO_SIZE: u16 = 1398;
const ROUNDS: usize = 3000;

fn main() {
    let all: [(&mut dyn Encap, u16); 5] = [
        (&mut Stt::default(), tulle_encap::stt::PORT),
        (&mut Vxlan::default(), tulle_encap::vxlan::PORT),
        (&mut Geneve::default(), tulle_encap::geneve::PORT),
        (&mut Gre::default(), 0),
        (&mut Nvgre, 0),
    ];
    for (encap, port) in all {
        measure(encap, port);
    }
}

fn measure(encap: &mut dyn Encap, port: u16) {
    let (frame, offload) = long_frame();
    let (mut buffer, mut scratch, mut merger) = (FrameBuf::new(), FrameBuf::new(), TcpMerger::new(16));
    let (mut least_in, mut least_out, mut joined) = (f64::MAX, f64::MAX, 0);
    for _ in 0..ROUNDS {
        let mut outer: Vec<(FrameBuf, Offload)> = Vec::new();
        push(encap, port, (&frame, &offload), &mut buffer, &mut scratch, &mut |given| {
            outer.extend(given.frames().map(|frame| (FrameBuf::copied(frame), *given.offload)));
        });
        let start = Instant::now();
        push(encap, port, (&frame, &offload), &mut buffer, &mut scratch, &mut |_| {});
        least_in = least_in.min(start.elapsed().as_secs_f64() * 1e6);
        joined = 0;
        let start = Instant::now();
        pop(encap, &mut outer, &mut merger, &mut joined);
        least_out = least_out.min(start.elapsed().as_secs_f64() * 1e6);
    }
    println!("{:8} in {least_in:6.2} µs, out {least_out:6.2} µs, {joined} frames", encap.name());
}

fn push(
    encap: &dyn Encap,
    port: u16,
    (frame, offload): (&[u8], &Offload),
    buffer: &mut FrameBuf,
    scratch: &mut FrameBuf,
    each: &mut dyn FnMut(Outers<'_>),
) {
    let ends = Endpoints {
        local: Ipv4Addr::new(192, 0, 2, 1).into(),
        remote: Ipv4Addr::new(192, 0, 2, 2).into(),
        local_mac: [2, 0, 0, 0, 0, 1],
        remote_mac: [2, 0, 0, 0, 0, 2],
    };
    let template = encap.template(&ends, &TunnelOptions::new(1500, port)).expect("one family");
    let mut frame_id = 7;
    buffer.fill(frame);
    let passage = Passage::new(5001, 12345, &mut frame_id);
    let pushed = encap.push(&template, passage, buffer, offload, scratch, each).expect("no drop");
    if let tulle_encap::Pushed::Whole(offload) = pushed {
        each(Outers::whole(buffer.bytes(), &offload));
    }
}

fn pop(
    encap: &mut dyn Encap,
    outer: &mut [(FrameBuf, Offload)],
    merger: &mut TcpMerger<Popped>,
    joined: &mut usize,
) {
    let is_given = encap.gives_buffers();
    let mut whole = 0;
    let mut each = |_: Popped, _: &mut FrameBuf, _: &Offload| *joined += 1;
    for (buffer, offload) in outer {
        encap.pop(buffer, offload, 0, &mut |popped, frame| {
            let popped = popped.expect("no drop");
            if is_given || !merger.offer(popped, frame, &popped.offload, &mut each) {
                whole += 1;
            }
        });
    }
    merger.flush(&mut each);
    *joined += whole;
}

fn long_frame() -> (Vec<u8>, Offload) {
    let mut frame = vec![0; ethernet::HEADER_LEN + ipv4::HEADER_LEN + 32];
    frame[12..14].copy_from_slice(&[8, 0]);
    let (source, destination) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    let payload_len = 32 + PAYLOAD_LEN;
    let header = ipv4::Repr {
        source,
        destination,
        protocol: protocol::TCP,
        payload_len,
        ttl: 64,
        tos: 0,
        id: 7,
        dont_fragment: true,
    };
    header.emit(&mut frame[14..]).expect("room");
    (frame[46], frame[47]) = (0x80, tulle_wire::tcp::flag::ACK | tulle_wire::tcp::flag::PSH);
    frame.extend((0..PAYLOAD_LEN).map(|i| (i * 31 + i / 7) as u8));
    let offload = Offload {
        needs_csum: true,
        csum_start: 34,
        csum_offset: 16,
        gso: GsoKind::TcpV4,
        gso_size: GSO_SIZE,
        hdr_len: 66,
        ..Offload::default()
    };
    (frame, offload)
}
