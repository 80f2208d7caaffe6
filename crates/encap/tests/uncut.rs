//! TCP super-frames that leave in a tunnel as they are, for a device to cut within it.

mod common;

use common::{ENDS, ENDS_V6, Inner, MTU, pop};
use tulle_encap::{
    Checksum, DropReason, Encap, Endpoints, Geneve, Gre, Nvgre, Passage, Pushed, TunnelOptions, Vxlan,
};
use tulle_encap::{geneve, vxlan};
use tulle_wire::vnet::{Offload, Tunnel};
use tulle_wire::{FrameBuf, Layers, checksum};

const LONG: Inner = Inner { payload_len: 60_000, ..Inner::PLAIN };
const SEGMENT: u16 = 1300;

type Outer = (Vec<u8>, Offload, Option<Tunnel>);

fn push(
    encap: &dyn Encap,
    ends: &Endpoints,
    options: &TunnelOptions,
    inner: &Inner,
    change: impl Fn(&mut Offload, &mut Passage<'_>),
) -> Result<Vec<Outer>, DropReason> {
    let (frame, mut offload) = inner.undone(SEGMENT);
    let template = encap.template(ends, options).expect("one family");
    let (mut buffer, mut scratch, mut outers) = (FrameBuf::copied(&frame), FrameBuf::new(), Vec::new());
    let mut frame_id = 1;
    let mut passage = Passage::new(9, 5, &mut frame_id);
    passage.takes_uncut = true;
    change(&mut offload, &mut passage);
    let pushed = encap.push(&template, passage, &mut buffer, &offload, &mut scratch, &mut |given| {
        outers.extend(given.frames().map(|outer| (outer.to_vec(), *given.offload, given.tunnel)));
    })?;
    assert_eq!(pushed, Pushed::Cut(outers.len()));
    Ok(outers)
}

fn udp_encaps() -> [(Box<dyn Encap>, u16); 2] {
    [
        (Box::new(Vxlan::default().accept_zero_checksum_v6(true)), vxlan::PORT),
        (Box::new(Geneve::default().accept_zero_checksum_v6(true)), geneve::PORT),
    ]
}

fn unchanged(_: &mut Offload, _: &mut Passage<'_>) {}

#[test]
fn one_packet_has_all_of_the_frame_and_says_where_its_headers_are() {
    for (encap, port) in udp_encaps() {
        for (ends, network_len, is_v4) in [(ENDS, 34, true), (ENDS_V6, 54, false)] {
            for (inner, transport) in [(LONG, 34), (Inner { v6: true, ..LONG }, 54)] {
                let options = TunnelOptions { checksum: Checksum::Never, ..TunnelOptions::new(MTU, port) };
                let outers = push(&*encap, &ends, &options, &inner, unchanged).expect("pushed");
                let [(bytes, offload, Some(tunnel))] = &outers[..] else { panic!("one uncut packet") };
                let headers_len = network_len + 16;
                assert_eq!(bytes[usize::from(headers_len)..], inner.undone(SEGMENT).0);
                let network = headers_len + 14;
                let expected =
                    Tunnel { is_udp: true, is_v4, has_checksum: false, transport: network_len, network };
                assert_eq!(*tunnel, expected);
                assert_eq!((offload.csum_start, offload.gso_size), (headers_len + transport, SEGMENT));
                let layers = Layers::parse(bytes).expect("an IP packet");
                assert_eq!((layers.transport, layers.end), (usize::from(network_len), bytes.len()));
            }
        }
    }
}

#[test]
fn who_gets_it_whole_has_the_frame_and_what_is_left_undone_on_it() {
    for (mut encap, port) in udp_encaps() {
        for checksum in [Checksum::Never, Checksum::Always] {
            let options = TunnelOptions { checksum, ..TunnelOptions::new(MTU, port) };
            let outers = push(&*encap, &ENDS, &options, &LONG, unchanged).expect("pushed");
            let (bytes, offload, tunnel) = &outers[0];
            assert_eq!(tunnel.expect("uncut").has_checksum, checksum == Checksum::Always);
            let popped = pop(&mut *encap, bytes, offload);
            let [Ok((popped, frame))] = &popped[..] else { panic!("one frame: {popped:?}") };
            let (sent, undone) = LONG.undone(SEGMENT);
            assert!(*frame == sent && popped.offload == undone, "{:?}", popped.offload);
        }
    }
}

#[test]
fn the_outer_checksum_is_that_of_the_pseudo_header_so_far() {
    let options = TunnelOptions { checksum: Checksum::Always, ..TunnelOptions::new(MTU, vxlan::PORT) };
    let outers = push(&Vxlan::default(), &ENDS, &options, &LONG, unchanged).expect("pushed");
    let bytes = &outers[0].0;
    let pseudo = checksum::pseudo_v4([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), 17, bytes.len() - 34);
    assert_eq!(bytes[40..42], pseudo.to_be_bytes());
}

#[test]
fn what_the_kernel_might_not_cut_rightly_is_cut_by_ourselves() {
    let options = TunnelOptions::new(MTU, vxlan::PORT);
    let vxlan = Vxlan::default();
    let is_cut = |inner: &Inner, change: &dyn Fn(&mut Offload, &mut Passage<'_>)| {
        let outers = push(&vxlan, &ENDS, &options, inner, change).expect("pushed");
        outers.iter().all(|(.., tunnel)| tunnel.is_none())
    };
    assert!(!is_cut(&LONG, &unchanged));
    assert!(is_cut(&LONG, &|_, passage| passage.takes_uncut = false));
    assert!(is_cut(&LONG, &|offload, _| offload.ecn = true), "the first segment alone has CWR");
    assert!(is_cut(&Inner { vlan: Some(7), ..LONG }, &unchanged));
    let longest = 65_535 - 20 - 8 - 8 - 14 - 20 - 20;
    assert!(!is_cut(&Inner { payload_len: longest, ..LONG }, &unchanged));
    assert!(is_cut(&Inner { payload_len: longest + 1, ..LONG }, &unchanged), "no IP packet is longer");
}

#[test]
fn segments_too_long_for_the_path_are_lost_uncut_or_cut() {
    let options = TunnelOptions::new(SEGMENT, vxlan::PORT);
    let lost = push(&Vxlan::default(), &ENDS, &options, &LONG, unchanged);
    assert_eq!(lost.expect_err("too long"), DropReason::TooBig);
}

#[test]
fn over_gre_one_packet_has_all_of_the_frame_unless_each_has_a_number_or_a_checksum() {
    let plain = TunnelOptions::new(MTU, 0);
    for (mut encap, headers_len) in [(Box::new(Gre::new()) as Box<dyn Encap>, 42), (Box::new(Nvgre), 42)] {
        let outers = push(&*encap, &ENDS, &plain, &LONG, unchanged).expect("pushed");
        let [(bytes, offload, Some(tunnel))] = &outers[..] else { panic!("one uncut packet") };
        let (transport, network) = (34, headers_len + 14);
        let expected = Tunnel { is_udp: false, is_v4: true, has_checksum: false, transport, network };
        assert_eq!(*tunnel, expected);
        let popped = pop(&mut *encap, bytes, offload);
        let [Ok((popped, frame))] = &popped[..] else { panic!("one frame: {popped:?}") };
        let (sent, undone) = LONG.undone(SEGMENT);
        assert!(*frame == sent && popped.offload == undone, "{:?}", popped.offload);
    }
    let numbered = TunnelOptions { sequence: true, ..plain };
    for options in [numbered, TunnelOptions { checksum: Checksum::Always, ..plain }] {
        let outers = push(&Gre::new(), &ENDS, &options, &LONG, unchanged).expect("pushed");
        assert_eq!(outers.len(), LONG.payload_len.div_ceil(SEGMENT.into()));
        assert!(outers.iter().all(|(.., tunnel)| tunnel.is_none()));
    }
}
