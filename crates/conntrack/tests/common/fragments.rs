//! Frames cut into fragments, and put together again by somebody else.

use super::{ETHERNET, Frame};

/// Cuts a frame at these offsets of its network payload, in units of 8 bytes.
pub fn cut(bytes: &[u8], id: u16, at: &[usize]) -> Vec<Vec<u8>> {
    let v6 = bytes[ETHERNET] >> 4 == 6;
    let header_len = ETHERNET + if v6 { 40 } else { 20 };
    let payload = &bytes[header_len..];
    let mut bounds: Vec<usize> = at.iter().map(|unit| unit * 8).filter(|at| *at < payload.len()).collect();
    bounds.extend([0, payload.len()]);
    bounds.sort_unstable();
    bounds.dedup();
    let piece = |pair: &[usize]| {
        let more = pair[1] < payload.len();
        let mut frame = bytes[..header_len].to_vec();
        if v6 {
            add_header_v6(&mut frame, id, pair[0], more, pair[1] - pair[0]);
        } else {
            set_header_v4(&mut frame, id, pair[0], more, pair[1] - pair[0]);
        }
        frame.extend(&payload[pair[0]..pair[1]]);
        frame
    };
    bounds.windows(2).map(piece).collect()
}

fn add_header_v6(frame: &mut Vec<u8>, id: u16, offset: usize, more: bool, len: usize) {
    let next = std::mem::replace(&mut frame[ETHERNET + 6], 44);
    frame[ETHERNET + 4..ETHERNET + 6].copy_from_slice(&(len as u16 + 8).to_be_bytes());
    frame.extend([next, 0]);
    frame.extend((offset as u16 | u16::from(more)).to_be_bytes());
    frame.extend(u32::from(id).to_be_bytes());
}

fn set_header_v4(frame: &mut [u8], id: u16, offset: usize, more: bool, len: usize) {
    let word = (offset as u16 / 8) | if more { 0x2000 } else { 0 };
    frame[ETHERNET + 2..ETHERNET + 4].copy_from_slice(&(len as u16 + 20).to_be_bytes());
    frame[ETHERNET + 4..ETHERNET + 6].copy_from_slice(&id.to_be_bytes());
    frame[ETHERNET + 6..ETHERNET + 8].copy_from_slice(&word.to_be_bytes());
    fix_header_v4(frame);
}

pub fn fix_header_v4(frame: &mut [u8]) {
    frame[ETHERNET + 10..ETHERNET + 12].fill(0);
    let sum = !tulle_wire::checksum::sum(&frame[ETHERNET..ETHERNET + 20]);
    frame[ETHERNET + 10..ETHERNET + 12].copy_from_slice(&sum.to_be_bytes());
}

/// Puts sorted fragments together, with the IPv4 identification that all test frames have.
pub fn join(fragments: &[Vec<u8>]) -> Vec<u8> {
    let v6 = fragments[0][ETHERNET] >> 4 == 6;
    let header_len = ETHERNET + if v6 { 48 } else { 20 };
    let mut frame = fragments[0][..header_len].to_vec();
    if v6 {
        frame[ETHERNET + 6] = frame[ETHERNET + 40];
        frame.truncate(header_len - 8);
    }
    for fragment in fragments {
        frame.extend(&fragment[header_len..]);
    }
    if v6 {
        let len = (frame.len() - ETHERNET - 40) as u16;
        frame[ETHERNET + 4..ETHERNET + 6].copy_from_slice(&len.to_be_bytes());
    } else {
        let len = (frame.len() - ETHERNET) as u16;
        frame[ETHERNET + 2..ETHERNET + 4].copy_from_slice(&len.to_be_bytes());
        frame[ETHERNET + 4..ETHERNET + 8].copy_from_slice(&[0, 7, 0, 0]);
        fix_header_v4(&mut frame);
    }
    frame
}

/// A datagram that is long enough to be cut.
pub fn long(frame: Frame, len: usize) -> Frame {
    let payload: Vec<u8> = (0..len).map(|i| (i * 7 + i / 251) as u8).collect();
    frame.with_payload(&payload)
}
