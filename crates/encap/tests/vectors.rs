//! The golden frames of tests/vectors, pushed and popped.

#[path = "../../../tests/vectors/reader.rs"]
#[allow(dead_code)]
mod reader;

use std::net::{IpAddr, Ipv4Addr};

use reader::{Vector, vectors};
use tulle_encap::{Encap, Endpoints, Passage, Popped, Pushed, Stt, TunnelOptions, Vxlan, stt, vxlan};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::{GsoKind, Offload};

const ENDS: Endpoints = Endpoints {
    local: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
    remote: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)),
    local_mac: [2, 0, 0, 0, 10, 1],
    remote_mac: [2, 0, 0, 0, 10, 2],
};

fn offload(vector: &Vector, prefix: &str) -> Offload {
    let number = |key: &str| vector.number(&format!("{prefix}{key}")) as u16;
    Offload {
        needs_csum: number("needs-csum") != 0,
        csum_start: number("csum-start"),
        csum_offset: number("csum-offset"),
        gso: if vector.text(&format!("{prefix}gso")) == "tcp4" { GsoKind::TcpV4 } else { GsoKind::None },
        gso_size: number("gso-size"),
        ..Offload::default()
    }
}

fn push(encap: &dyn Encap, port: u16, vector: &Vector, offload: &Offload) -> (Vec<u8>, Offload) {
    let template = encap.template(&ENDS, &TunnelOptions::new(vector.number("mtu") as u16, port));
    let template = template.expect("one family");
    let mut frame_id = vector.number("frame-id") as u32;
    let entropy = vector.number("entropy") as u32;
    let passage = Passage::new(vector.number("context"), entropy, &mut frame_id);
    let mut buffer = FrameBuf::copied(&vector.bytes("inner"));
    let pushed =
        encap.push(&template, passage, &mut buffer, offload, &mut FrameBuf::new(), &mut |_| panic!("cut"));
    let Ok(Pushed::Whole(outer)) = pushed else { panic!("{}: {pushed:?}", vector.text("name")) };
    (buffer.bytes().to_vec(), outer)
}

fn pop(encap: &mut dyn Encap, frame: &[u8], offload: &Offload) -> Vec<(Popped, Vec<u8>)> {
    let mut popped = Vec::new();
    encap.pop(&mut FrameBuf::copied(frame), offload, 0, &mut |result, inner| {
        popped.push((result.expect("no drop"), inner.bytes().to_vec()));
    });
    popped
}

fn assert_popped(vector: &Vector, popped: &[(Popped, Vec<u8>)], expected: &Offload) {
    let name = vector.text("name");
    let [(popped, frame)] = popped else { panic!("{name}: {} frames", popped.len()) };
    assert_eq!(frame, &vector.bytes("inner"), "{name}");
    assert_eq!(popped.context, vector.number("context"), "{name}");
    assert_eq!((popped.source, popped.destination), (ENDS.local, ENDS.remote), "{name}");
    assert_eq!(Offload { hdr_len: 0, ..popped.offload }, *expected, "{name}");
}

#[test]
fn stt_frames_are_the_golden_ones() {
    for vector in vectors("stt.txt") {
        let (outer, outer_offload) = push(&Stt::default(), stt::PORT, &vector, &offload(&vector, ""));
        assert_eq!(outer, vector.bytes("outer"), "{}", vector.text("name"));
        let expected = Offload { hdr_len: 54, ..offload(&vector, "outer-") };
        assert_eq!(outer_offload, expected, "{}", vector.text("name"));
        assert_popped(&vector, &pop(&mut Stt::default(), &outer, &outer_offload), &offload(&vector, ""));
    }
}

#[test]
fn golden_stt_segments_make_the_inner_frame_in_both_orders() {
    for vector in vectors("stt.txt") {
        let mut segments: Vec<_> =
            (0..).map(|i| format!("segment-{i}")).take_while(|key| vector.has(key)).collect();
        for _ in 0..2 {
            let mut encap = Stt::default();
            let popped: Vec<_> = segments
                .iter()
                .flat_map(|key| pop(&mut encap, &vector.bytes(key), &Offload::default()))
                .collect();
            assert_popped(&vector, &popped, &offload(&vector, ""));
            segments.reverse();
        }
    }
}

#[test]
fn the_wire_cuts_the_golden_stt_frame_into_the_golden_segments() {
    for vector in vectors("stt.txt").iter().filter(|vector| vector.has("segment-1")) {
        let mut segments = Vec::new();
        let cut = tulle_wire::tcp_segments(&vector.bytes("outer"), 1460, &mut FrameBuf::new(), |segment| {
            segments.push(segment.bytes().to_vec());
        });
        let expected: Vec<_> =
            (0..cut.expect("cut")).map(|i| vector.bytes(&format!("segment-{i}"))).collect();
        assert_eq!(segments, expected, "{}", vector.text("name"));
    }
}

#[test]
fn vxlan_frames_are_the_golden_ones() {
    for vector in vectors("vxlan.txt") {
        let (outer, outer_offload) = push(&Vxlan::default(), vxlan::PORT, &vector, &Offload::default());
        assert_eq!(outer, vector.bytes("outer"), "{}", vector.text("name"));
        assert_popped(&vector, &pop(&mut Vxlan::default(), &outer, &outer_offload), &Offload::default());
    }
}
