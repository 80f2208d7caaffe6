//! Frames and packets to observe.

use tulle_telemetry::{Clock, Headers, Packet};

pub const SECOND: u64 = 1_000_000_000;
/// A monotonic clock that began at 5 s, when it was 1,000,000,000 s since 1970.
pub const CLOCK: Clock = Clock { start_ns: 5 * SECOND, epoch_ns: 999_999_995 * SECOND };

/// A frame with an IPv4 packet with UDP in it.
pub fn udp(src: [u8; 4], src_port: u16, payload: usize) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend([0x45, 0x28]);
    frame.extend(((28 + payload) as u16).to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    frame.extend(src);
    frame.extend([10, 0, 0, 9]);
    frame.extend(src_port.to_be_bytes());
    frame.extend(80_u16.to_be_bytes());
    frame.extend(((8 + payload) as u16).to_be_bytes());
    frame.extend(vec![0; 2 + payload]);
    frame
}

/// The same, with a VLAN tag.
pub fn tagged(mut frame: Vec<u8>, tci: u16) -> Vec<u8> {
    let [high, low] = tci.to_be_bytes();
    frame.splice(12..12, [0x81, 0, high, low]);
    frame
}

/// A frame as it came in by port 3.
pub fn packet(frame: &[u8], now_ns: u64) -> Packet<'_> {
    let headers = Headers::parse(frame).expect("an Ethernet header");
    Packet { frame, headers, in_port: 3, in_ifindex: 33, tunnel: None, now_ns }
}
