//! A TCP segment in a frame: its numbers moved, a part of its payload replaced by longer or shorter text.

use std::ops::Range;

use tulle_wire::{FrameBuf, checksum};

use crate::headers::Headers;
use crate::packet::pseudo;
use crate::request::Packet;
use crate::sequence::Adjustment;
use crate::tuple::{Direction, Family};

const SEQUENCE_AT: usize = 4;
const ACKNOWLEDGMENT_AT: usize = 8;
const CHECKSUM_AT: usize = 16;
const HEADER_LEN: usize = 20;
const SELECTIVE: u8 = 5;

/// Where the payload of a TCP segment begins; the segment has been parsed.
pub(crate) fn start(frame: &[u8], headers: &Headers) -> usize {
    headers.l4 + usize::from(frame[headers.l4 + 12] >> 4) * 4
}

/// Replaces a part of the payload, `range` from its beginning. Gives the headers that the frame has then,
/// or `None`, and no change, where there is no room. The checksum is left to [`finish`].
pub(crate) fn replace(
    frame: &mut FrameBuf,
    headers: &Headers,
    range: Range<usize>,
    text: &[u8],
) -> Option<Headers> {
    let at = start(frame.bytes(), headers) + range.start;
    let (old_len, behind) = (range.len(), at + range.len());
    let len = frame.len();
    let end = headers.end + text.len() - old_len.min(headers.end);
    let l3_len = match headers.family {
        Family::V4 => end - headers.l3,
        Family::V6 => end - headers.l3 - tulle_wire::ipv6::HEADER_LEN,
    };
    let l3_len = u16::try_from(l3_len).ok()?.to_be_bytes();
    let new_len = len - old_len + text.len();
    frame.set_len(new_len.max(len));
    if frame.len() < new_len {
        frame.set_len(len);
        return None;
    }
    let bytes = frame.bytes_mut();
    bytes.copy_within(behind..len, at + text.len());
    bytes[at..at + text.len()].copy_from_slice(text);
    match headers.family {
        Family::V4 => {
            checksum::rewrite_word(&mut bytes[headers.l3..], 10, 2, u16::from_be_bytes(l3_len));
        }
        Family::V6 => bytes[headers.l3 + 4..headers.l3 + 6].copy_from_slice(&l3_len),
    }
    frame.set_len(new_len);
    Some(Headers { end, ..*headers })
}

/// Moves the numbers of a segment: its own forward, those it acknowledges back.
pub(crate) fn adjust(frame: &mut [u8], headers: &Headers, direction: Direction, by: &Adjustment) {
    let options_end = start(frame, headers).min(headers.end);
    let segment = &mut frame[headers.l4..headers.end];
    move_number(segment, SEQUENCE_AT, |number| by.forward(direction, number));
    move_number(segment, ACKNOWLEDGMENT_AT, |number| by.back(direction, number));
    let mut at = HEADER_LEN;
    let end = options_end - headers.l4;
    while at + 2 <= end {
        let (kind, len) = match segment[at] {
            0 => return,
            1 => (1, 1),
            kind => (kind, usize::from(segment[at + 1]).max(2)),
        };
        if kind == SELECTIVE && at + len <= end {
            let edges = (at + 2..at + len).step_by(4).filter(|edge| edge + 4 <= at + len);
            edges.for_each(|edge| move_number(segment, edge, |number| by.back(direction, number)));
        }
        at += len;
    }
}

fn move_number(segment: &mut [u8], at: usize, to: impl Fn(u32) -> u32) {
    let field = &mut segment[at..at + 4];
    let number = u32::from_be_bytes([field[0], field[1], field[2], field[3]]);
    field.copy_from_slice(&to(number).to_be_bytes());
}

/// Computes the checksum of the segment anew, or what stands in for one that is left to be filled in.
/// Only for segments whose checksum was found right.
pub(crate) fn finish(frame: &mut [u8], packet: &Packet, headers: &Headers) {
    let sum = pseudo(frame, headers, headers.end - headers.l4);
    let segment = &mut frame[headers.l4..headers.end];
    segment[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&sum.to_be_bytes());
    let undone = packet.offload.needs_csum && usize::from(packet.offload.csum_start) == headers.l4;
    if !undone {
        let checksum = !checksum::sum(segment);
        segment[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&checksum.to_be_bytes());
    }
}
