//! What the kernel answers to tunnel packets, with and without a guard, watched on the wire.

mod common;

use common::frames::{self, Ends, TCP_HEADERS_LEN};
use common::{Pair, receive, wait_for};
use tulle_io::{Guarded, PacketSocket, PortGuard, Sent};
use tulle_wire::vnet::Offload;

const STT_PORT: u16 = 7471;
const VXLAN_PORT: u16 = 4789;
const GUARDED: [Guarded; 3] = [Guarded::Tcp(STT_PORT), Guarded::Udp(VXLAN_PORT), Guarded::Gre];
/// A UDP port that nobody serves: what is sent to it last shows that all before was answered.
const MARKER_PORT: u16 = 9;
const ICMP: u8 = 1;
const GRE: u8 = 47;
const RST: u8 = 0x04;

fn try_guard(pair: &Pair, what: Guarded) -> std::io::Result<PortGuard> {
    pair.right.run(|| PortGuard::new(what))
}

fn guard(pair: &Pair) -> [PortGuard; 3] {
    GUARDED.map(|what| try_guard(pair, what).expect("guard"))
}

/// Sends `frames` from left to right and then a marker. Gives all answers before the marker's.
fn answers(pair: &Pair, frames: &[(Vec<u8>, Offload)]) -> Vec<Vec<u8>> {
    let wire = pair.left.packet_socket("left");
    for (frame, offload) in frames {
        assert_eq!(wire.send(frame, offload).expect("send"), Sent::Sent);
    }
    let marker = frames::udp(Ends::to(pair.right_mac(), MARKER_PORT), b"marker");
    wire.send(&marker, &Offload::default()).expect("send");
    let mut answers = Vec::new();
    wait_for("the answer to the marker", || {
        let (answer, _) = receive(&wire);
        let last = is_unreachable(&answer, MARKER_PORT);
        answers.push(answer);
        last.then_some(())
    });
    answers.pop();
    answers
}

/// An ICMP error that quotes a datagram to `port`.
fn is_unreachable(frame: &[u8], port: u16) -> bool {
    frame.get(23) == Some(&ICMP) && frame.get(64..66) == Some(&port.to_be_bytes())
}

fn is_reset(frame: &[u8]) -> bool {
    frame.get(23) == Some(&frames::TCP) && frame.get(47).is_some_and(|flags| flags & RST != 0)
}

fn stt_segments(pair: &Pair) -> Vec<(Vec<u8>, Offload)> {
    let ends = Ends::to(pair.right_mac(), STT_PORT);
    vec![frames::tcp(ends, 64), frames::tcp(ends, 1460), frames::tcp_super_frame(ends, 60_000, 1460)]
}

fn vxlan_datagram(pair: &Pair) -> (Vec<u8>, Offload) {
    let ends = Ends::to(pair.right_mac(), VXLAN_PORT);
    (frames::udp(ends, &[8, 0, 0, 0, 0, 0, 1, 0]), Offload::default())
}

#[test]
fn without_a_guard_the_kernel_resets_each_stt_segment() {
    let pair = Pair::with_addresses();
    let answers = answers(&pair, &stt_segments(&pair));
    assert_eq!(answers.len(), 3, "{answers:02x?}");
    assert!(answers.iter().all(|frame| is_reset(frame)), "{answers:02x?}");
}

#[test]
fn with_a_guard_no_stt_segment_is_answered() {
    let pair = Pair::with_addresses();
    let _guard = guard(&pair);
    assert_eq!(answers(&pair, &stt_segments(&pair)), Vec::<Vec<u8>>::new());
}

#[test]
fn with_a_guard_segments_cut_by_the_sender_are_not_answered() {
    let pair = Pair::with_addresses();
    pair.left.command("ethtool -K left tso off gso off tx off");
    let _guard = guard(&pair);
    assert_eq!(answers(&pair, &stt_segments(&pair)), Vec::<Vec<u8>>::new());
}

#[test]
fn without_a_guard_the_kernel_calls_the_vxlan_port_unreachable() {
    let pair = Pair::with_addresses();
    let answers = answers(&pair, &[vxlan_datagram(&pair)]);
    assert_eq!(answers.len(), 1, "{answers:02x?}");
    assert!(is_unreachable(&answers[0], VXLAN_PORT), "{answers:02x?}");
}

#[test]
fn with_a_guard_no_vxlan_datagram_is_answered() {
    let pair = Pair::with_addresses();
    let _guard = guard(&pair);
    let mut many = vec![vxlan_datagram(&pair); 20];
    many.push(frames::udp_super_frame(Ends::to(pair.right_mac(), VXLAN_PORT), 40_000, 1400));
    assert_eq!(answers(&pair, &many), Vec::<Vec<u8>>::new());
}

#[test]
fn a_packet_socket_still_gets_what_the_guard_drops() {
    let pair = Pair::with_addresses();
    let _guard = guard(&pair);
    let underlay: PacketSocket = pair.right.packet_socket("right");
    answers(&pair, &stt_segments(&pair)[2..]);
    let (frame, _) = receive(&underlay);
    assert_eq!(frame.len(), TCP_HEADERS_LEN + 60_000);
}

#[test]
fn a_dropped_guard_frees_its_ports() {
    let pair = Pair::with_addresses();
    drop(guard(&pair));
    // A command that another test starts just now holds a copy of the sockets until it runs.
    for what in GUARDED {
        drop(wait_for("the ports to be free", || try_guard(&pair, what).ok()));
    }
    let answered = || (answers(&pair, &stt_segments(&pair)).len() == 3).then_some(());
    wait_for("resets to come back", answered);
}

#[test]
fn a_guard_is_refused_a_port_that_another_program_serves() {
    let pair = Pair::with_addresses();
    let _first = guard(&pair);
    for what in [Guarded::Tcp(STT_PORT), Guarded::Udp(VXLAN_PORT)] {
        let error = try_guard(&pair, what).expect_err("taken");
        assert_eq!(error.raw_os_error(), Some(libc::EADDRINUSE), "{error}");
    }
}

#[test]
fn with_a_guard_no_gre_packet_is_answered() {
    let pair = Pair::with_addresses();
    let mut gre = frames::udp(Ends::to(pair.right_mac(), VXLAN_PORT), b"gre");
    frames::set_protocol(&mut gre, GRE);
    let _guard = guard(&pair);
    assert_eq!(answers(&pair, &[(gre, Offload::default())]), Vec::<Vec<u8>>::new());
}

#[test]
fn without_a_guard_the_kernel_says_that_it_has_no_gre() {
    let pair = Pair::with_addresses();
    let mut gre = frames::udp(Ends::to(pair.right_mac(), VXLAN_PORT), b"gre");
    frames::set_protocol(&mut gre, GRE);
    assert_eq!(answers(&pair, &[(gre, Offload::default())]).len(), 1);
}
