//! Whatever comes: no panic, no loss of bounds.

mod common;

use common::*;
use proptest::prelude::*;
use tulle_conntrack::{
    Alg, Config, Conntrack, Family, Fragment, FragmentLimits, Fragments, Headers, Nat, NatRange, Packet,
    Request,
};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

fn seeds() -> Vec<Vec<u8>> {
    let (a, b) = ("10.0.0.1", "10.0.0.2");
    let (c, d) = ("fd00::1", "fd00::2");
    let about = udp(a, 1, b, 2).bytes();
    let about6 = tcp(c, 1, d, 2, ACK, 1, 1).bytes();
    let mut seeds: Vec<Vec<u8>> = [
        tcp(a, 1, b, 21, SYN, 1, 0).with_scale(9),
        tcp(b, 21, a, 1, SYN | ACK, 1, 2),
        tcp(a, 1, b, 21, ACK, 2, 2).with_payload(b"PORT 10,0,0,1,1,1\r\n"),
        udp(b, 2, a, 1),
        udp(c, 1, d, 69),
        echo(a, b, true, 1),
        echo(d, c, false, 1),
        error(b, a, &about, 100),
        error(d, c, &about6, 100),
        Frame { source: ip(a), destination: ip(b), body: Body::Other { protocol: 47 } },
    ]
    .iter()
    .map(Frame::bytes)
    .collect();
    seeds.push(common::fragments::cut(&seeds[2].clone(), 1, &[1]).remove(0));
    seeds.push(common::fragments::cut(&seeds[4].clone(), 1, &[1]).remove(1));
    seeds
}

fn headers() -> impl Strategy<Value = Option<Headers>> {
    let number = || prop_oneof![0..100_usize, Just(usize::MAX), any::<usize>()];
    let fragment = prop_oneof![Just(Fragment::No), Just(Fragment::First), Just(Fragment::Later)];
    let lies = (any::<bool>(), number(), number(), number(), any::<u8>(), fragment).prop_map(
        |(v6, l3, l4, end, protocol, fragment)| {
            let family = if v6 { Family::V6 } else { Family::V4 };
            Some(Headers { family, l3, l4, end, protocol, fragment })
        },
    );
    prop_oneof![3 => Just(None), 1 => lies]
}

fn request() -> impl Strategy<Value = Request> {
    let nat = prop_oneof![
        Just(Nat::None),
        Just(Nat::Existing),
        Just(Nat::Source(NatRange::to(ip("198.51.100.1")))),
        Just(Nat::Destination(NatRange::to(ip("2001:db8::1")))),
    ];
    let alg = prop_oneof![Just(None), Just(Some(Alg::Ftp)), Just(Some(Alg::Tftp))];
    (0..2_u16, any::<bool>(), any::<bool>(), nat, alg).prop_map(|(zone, commit, force, nat, alg)| Request {
        zone,
        commit,
        force,
        nat,
        alg,
        ..Request::default()
    })
}

type Change = (prop::sample::Index, u8);

proptest! {
    #[test]
    fn arbitrary_frames_headers_and_requests_never_panic(
        steps in prop::collection::vec(
            (
                0..12_usize,
                prop::collection::vec(any::<Change>(), 0..4),
                prop_oneof![2 => Just(1_usize << 20), 1 => 0..120_usize],
                headers(),
                request(),
                (any::<bool>(), any::<bool>(), any::<u16>(), 0..0x100_u32),
            ),
            1..40,
        ),
    ) {
        let seeds = seeds();
        let config = Config { connections: 8, expectations: 2, ..Config::default() };
        let (mut tracker, mut fragments) = (Conntrack::new(config, 3), Fragments::new(FragmentLimits::default()));
        for (seed, changes, len, headers, request, (needs_csum, data_valid, csum_start, state)) in steps {
            let mut bytes = seeds[seed].clone();
            for (index, value) in changes {
                let at = index.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(len);
            let Some(headers) = headers.or_else(|| Headers::find(&bytes)) else { continue };
            let csum_start = if csum_start % 2 == 0 { headers.l4 as u16 } else { csum_start };
            let offload = Offload { needs_csum, data_valid, csum_start, ..Offload::default() };
            let packet = Packet { headers, offload, state, zone: 0 };
            let mut buffer = FrameBuf::copied(&bytes);
            let outcome = tracker.track(&mut buffer, &packet, &request, 0);
            let kept = buffer.bytes() == bytes;
            prop_assert!(kept || outcome.is_ok_and(|outcome| outcome.rewritten));
            prop_assert!(tracker.len() <= 8 && tracker.expectations() <= 2);
            if let Some(mut datagram) = fragments.offer(&bytes, &packet, 0, (), 0, &mut |_, ()| {}) {
                let _ = tracker.track_datagram(&mut datagram, &request, 0);
                drop(datagram.into_pieces());
            }
        }
        let shown: usize = tracker.entries(0).map(|entry| format!("{entry:#}").len()).sum();
        prop_assert!(shown < 8 * 400);
    }
}
