//! The golden frames of the formats that share one scheme of keys, over IPv4 and IPv6, pushed and popped.

#[path = "../../../tests/vectors/reader.rs"]
#[allow(dead_code)]
mod reader;

mod common;

use common::{ENDS, ENDS_V6, pop, wire};
use reader::{Vector, vectors};
use tulle_encap::vxlan::Extension;
use tulle_encap::{
    Checksum, DropReason, Encap, Gbp, Geneve, Gre, Nvgre, Passage, Popped, Pushed, Stt, TunnelOptions, Vxlan,
};
use tulle_encap::{geneve, stt, vxlan};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

const FILES: [&str; 5] = ["geneve.txt", "gre.txt", "nvgre.txt", "vxlan-extensions.txt", "outer-headers.txt"];

fn all() -> Vec<Vector> {
    FILES.into_iter().flat_map(vectors).collect()
}

fn number(vector: &Vector, key: &str, usual: u64) -> u64 {
    if vector.has(key) { vector.number(key) } else { usual }
}

fn encap(vector: &Vector) -> (Box<dyn Encap>, u16) {
    let zero_checksum = vector.has("checksum") && vector.text("checksum") == "never";
    let extension = match vector.has("extension").then(|| vector.text("extension")) {
        Some("gbp") => Extension::Gbp,
        Some("gpe") => Extension::Gpe,
        _ => Extension::Plain,
    };
    let port = |usual: u16| number(vector, "port", u64::from(usual)) as u16;
    match vector.text("encapsulation") {
        "geneve" => {
            let mut encap = Geneve::default().accept_zero_checksum_v6(zero_checksum);
            encap.know_all();
            (Box::new(encap), geneve::PORT)
        }
        "vxlan" => {
            let port = port(vxlan::PORT);
            let encap = Vxlan::new(port, true).with_extension(extension);
            (Box::new(encap.accept_zero_checksum_v6(zero_checksum)), port)
        }
        "gre" => (Box::new(Gre::new().with_sequence(vector.has("sequence"))), 0),
        "nvgre" => (Box::new(Nvgre::new()), 0),
        "stt" => (Box::new(Stt::default()), stt::PORT),
        other => panic!("unknown encapsulation {other}"),
    }
}

fn options(vector: &Vector, port: u16) -> TunnelOptions {
    let flag = |key: &str, usual: u64| number(vector, key, usual) != 0;
    TunnelOptions {
        ttl: number(vector, "ttl", 64) as u8,
        inherit_ttl: flag("inherit-ttl", 0),
        dscp: number(vector, "dscp", 0) as u8,
        inherit_dscp: flag("inherit-dscp", 0),
        dont_fragment: flag("dont-fragment", 1),
        checksum: match vector.has("checksum").then(|| vector.text("checksum")) {
            Some("always") => Checksum::Always,
            Some("never") => Checksum::Never,
            _ => Checksum::Usual,
        },
        key: flag("key", 1),
        sequence: flag("sequence", 0),
        ..TunnelOptions::new(vector.number("mtu") as u16, port)
    }
}

fn is_v6(vector: &Vector) -> bool {
    vector.has("ends") && vector.text("ends") == "ipv6"
}

fn geneve_options(vector: &Vector) -> Vec<u8> {
    if vector.has("options") { vector.bytes("options") } else { Vec::new() }
}

fn gbp(vector: &Vector) -> Option<Gbp> {
    let group = || Gbp { id: vector.number("gbp-id") as u16, flags: vector.number("gbp-flags") as u8 };
    vector.has("gbp-id").then(group)
}

fn pushed(vector: &Vector) -> Vec<u8> {
    let (encap, port) = encap(vector);
    let ends = if is_v6(vector) { ENDS_V6 } else { ENDS };
    let template = encap.template(&ends, &options(vector, port)).expect("one family");
    let (mut frame_id, options) = (vector.number("frame-id") as u32, geneve_options(vector));
    let of_packet = |key: &str| vector.has(key).then(|| vector.number(key) as u8);
    let passage = Passage {
        options: &options,
        oam: number(vector, "oam", 0) != 0,
        gbp: gbp(vector),
        dscp: of_packet("packet-dscp"),
        ttl: of_packet("packet-ttl"),
        ..Passage::new(vector.number("context"), vector.number("entropy") as u32, &mut frame_id)
    };
    let mut buffer = FrameBuf::copied(&vector.bytes("inner"));
    let (offload, mut scratch) = (Offload::default(), FrameBuf::new());
    let pushed = encap.push(&template, passage, &mut buffer, &offload, &mut scratch, &mut |_| panic!("cut"));
    let Ok(Pushed::Whole(undone)) = pushed else { panic!("{}: {pushed:?}", vector.text("name")) };
    wire(buffer.bytes(), &undone).remove(0)
}

#[test]
fn what_is_pushed_is_the_golden_frame() {
    for vector in all() {
        assert_eq!(pushed(&vector), vector.bytes("outer"), "{}", vector.text("name"));
    }
}

#[test]
fn what_is_popped_is_what_the_golden_frame_says() {
    for vector in all() {
        let name = vector.text("name");
        let (mut encap, _) = encap(&vector);
        let mut seen = Vec::new();
        let mut buffer = FrameBuf::copied(&vector.bytes("outer"));
        encap.pop(&mut buffer, &Offload::default(), 0, &mut |popped, frame| {
            let popped: Popped = popped.unwrap_or_else(|reason| panic!("{name}: {reason}"));
            assert_eq!(popped.options(frame), geneve_options(&vector), "{name}");
            seen.push((popped, frame.bytes().to_vec()));
        });
        let [(popped, frame)] = seen.as_slice() else { panic!("{name}: {} frames", seen.len()) };
        assert_eq!(frame, &vector.bytes("inner"), "{name}");
        assert_says(&vector, popped);
    }
}

fn assert_says(vector: &Vector, popped: &Popped) {
    let name = vector.text("name");
    let ends = if is_v6(vector) { ENDS_V6 } else { ENDS };
    assert_eq!((popped.source, popped.destination), (ends.local, ends.remote), "{name}");
    assert_eq!(popped.context, vector.number("context"), "{name}");
    assert_eq!(popped.key, number(vector, "key", 1) != 0, "{name}");
    assert_eq!(popped.oam, number(vector, "oam", 0) != 0, "{name}");
    assert_eq!(popped.gbp, gbp(vector), "{name}");
    assert_eq!(popped.offload, Offload::default(), "{name}");
    let outer = vector.bytes("outer");
    let (tos, ttl) = match is_v6(vector) {
        true => (outer[14] << 4 | outer[15] >> 4, outer[21]),
        false => (outer[15], outer[22]),
    };
    assert_eq!((popped.tos, popped.ttl), (tos, ttl), "{name}");
}

#[test]
fn a_golden_frame_cut_at_any_length_has_a_reason() {
    for vector in all() {
        let outer = vector.bytes("outer");
        for len in 0..outer.len() {
            let results = pop(&mut *encap(&vector).0, &outer[..len], &Offload::default());
            assert_eq!(results, [Err(DropReason::OuterMalformed)], "{} at {len}", vector.text("name"));
        }
    }
}

/// Cuts the packet and has its outer headers and checksums say so.
fn shortened(vector: &Vector, len: usize) -> Vec<u8> {
    let mut outer = vector.bytes("outer");
    outer.truncate(len);
    let (ip_len, is_udp) = (if is_v6(vector) { 40 } else { 20 }, outer_protocol(vector) == 17);
    let payload_len = (len - 14 - ip_len) as u16;
    if is_v6(vector) {
        outer[18..20].copy_from_slice(&payload_len.to_be_bytes());
    } else {
        tulle_wire::checksum::rewrite_word(&mut outer[14..34], 10, 2, payload_len + 20);
    }
    if is_udp {
        outer[14 + ip_len + 4..14 + ip_len + 6].copy_from_slice(&payload_len.to_be_bytes());
    }
    outer
}

fn outer_protocol(vector: &Vector) -> u8 {
    vector.bytes("outer")[if is_v6(vector) { 20 } else { 23 }]
}

#[test]
fn a_packet_that_really_is_shorter_has_a_reason_until_there_is_a_whole_ethernet_header() {
    for vector in all().iter().filter(|vector| vector.text("encapsulation") != "stt") {
        let (outer, inner) = (vector.bytes("outer"), vector.bytes("inner"));
        let transport = 14 + if is_v6(vector) { 40 } else { 20 };
        let headers = outer.len() - inner.len();
        for len in transport + if outer_protocol(vector) == 17 { 8 } else { 0 }..outer.len() {
            let verified = Offload { data_valid: true, ..Offload::default() };
            let results = pop(&mut *encap(vector).0, &shortened(vector, len), &verified);
            let whole = len >= headers + 14;
            let sums = vector.text("encapsulation") == "gre" && vector.has("checksum");
            assert_eq!(results.len(), 1);
            assert_eq!(results[0].is_ok(), whole && !sums, "{} at {len}: {results:?}", vector.text("name"));
        }
    }
}
