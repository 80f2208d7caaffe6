//! GRE: its header, numbers in order, and NVGRE's narrower one.

mod common;

use std::collections::HashMap;

use common::{ENDS, Inner, MTU, cut, pop, push_over};
use proptest::prelude::*;
use tulle_encap::gre::Header;
use tulle_encap::{Checksum, DropReason, Encap, Gre, Nvgre, Passage, TunnelOptions};
use tulle_wire::vnet::Offload;
use tulle_wire::{FrameBuf, checksum};

const NONE: Offload = Offload {
    needs_csum: false,
    data_valid: false,
    csum_start: 0,
    csum_offset: 0,
    gso: tulle_wire::vnet::GsoKind::None,
    gso_size: 0,
    ecn: false,
    hdr_len: 0,
};

fn options() -> TunnelOptions {
    TunnelOptions::new(MTU, 0)
}

/// The golden outer headers with other bytes behind them.
fn behind_ip(packet: &[u8]) -> Vec<u8> {
    let outers = push_over(&Gre::new(), &ENDS, &options(), 1, &Inner::PLAIN.frame(), &NONE).expect("pushed");
    let mut outer = outers[0].0[..34].to_vec();
    outer.extend(packet);
    let total_len = (outer.len() - 14) as u16;
    checksum::rewrite_word(&mut outer[14..34], 10, 2, total_len);
    outer
}

/// A header, or the reason against it, by the letter of RFC 2784 section 2 and RFC 2890 section 2.
fn read_slowly(bytes: &[u8]) -> Result<(Header, usize), DropReason> {
    let bit = |number: usize| bytes[number / 8] >> (7 - number % 8) & 1 == 1;
    if bytes.len() < 4 {
        return Err(DropReason::GreTruncated);
    }
    if (13..16).any(bit) {
        return Err(DropReason::GreBadVersion);
    }
    if [1, 4, 5].into_iter().any(bit) {
        return Err(DropReason::GreBadFlags);
    }
    if bytes[2..4] != [0x65, 0x58] {
        return Err(DropReason::GreNotEthernet);
    }
    let mut at = 4;
    let mut word = |present: bool| {
        if !present {
            return Ok(None);
        }
        let word = bytes.get(at..at + 4).ok_or(DropReason::GreTruncated)?;
        at += 4;
        Ok(Some(u32::from_be_bytes([word[0], word[1], word[2], word[3]])))
    };
    let (checksum, key, sequence) = (word(bit(0))?.is_some(), word(bit(2))?, word(bit(3))?);
    Ok((Header { checksum, key, sequence }, at))
}

proptest! {
    #[test]
    fn headers_are_read_as_the_slow_reader_does(
        flags in prop_oneof![any::<u16>(), (0_u16..16).prop_map(|bits| bits << 12)], ether: bool, rest in prop::collection::vec(any::<u8>(), 0..14)
    ) {
        let protocol = if ether { [0x65, 0x58] } else { [0x08, 0x00] };
        let bytes = [&flags.to_be_bytes()[..], &protocol, &rest].concat();
        for len in 0..=bytes.len() {
            let bytes = &bytes[..len];
            let expected = read_slowly(bytes);
            let got = Header::parse(bytes);
            prop_assert_eq!(got, expected.map(|(header, _)| header));
            if let Ok((header, len)) = expected {
                prop_assert_eq!(header.len(), len);
            }
        }
    }

    #[test]
    fn headers_that_are_written_are_read_the_same(checksum: bool, key: Option<u32>, sequence: Option<u32>) {
        let header = Header { checksum, key, sequence };
        let bytes = header.emit();
        prop_assert_eq!(Header::parse(&bytes[..header.len()]), Ok(header));
        prop_assert!(bytes[header.len()..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_frame_passes_with_any_choice_of_fields(key: Option<u32>, sum: bool, sequence: bool, payload_len in 0_usize..1200) {
        let checksum = if sum { Checksum::Always } else { Checksum::Usual };
        let options = TunnelOptions { key: key.is_some(), checksum, sequence, ..options() };
        let context = u64::from(key.unwrap_or(0));
        let frame = Inner { payload_len, ..Inner::PLAIN }.frame();
        let outers = push_over(&Gre::new(), &ENDS, &options, context, &frame, &NONE).expect("pushed");
        let results = pop(&mut Gre::new().with_sequence(sequence), &outers[0].0, &NONE);
        let [Ok((popped, got))] = results.as_slice() else { panic!("{results:?}") };
        prop_assert!(*got == frame);
        prop_assert_eq!((popped.context, popped.key, popped.checksum), (context, key.is_some(), sum));
    }

    #[test]
    fn numbers_are_taken_as_a_simple_model_takes_them(
        steps in prop::collection::vec((0_u32..3, prop_oneof![0_u32..8, 0x7fff_fff8_u32..0x8000_0008, any::<u32>()], any::<bool>()), 1..60)
    ) {
        let mut encap = Gre::new().with_sequence(true);
        let mut expected: HashMap<u32, u32> = HashMap::new();
        for (key, number, wrap) in steps {
            let number = if wrap { number.wrapping_neg() } else { number };
            let header = Header { checksum: false, key: Some(key), sequence: Some(number) };
            let packet = [&header.emit()[..header.len()], &Inner::PLAIN.frame()].concat();
            let accepted = expected.get(&key).is_none_or(|next| number.wrapping_sub(*next) < 1 << 31);
            let results = pop(&mut encap, &behind_ip(&packet), &NONE);
            prop_assert_eq!(results[0].is_ok(), accepted);
            if accepted {
                expected.insert(key, number.wrapping_add(1));
            } else {
                prop_assert_eq!(&results[0], &Err(DropReason::GreOutOfOrder));
            }
        }
    }
}

#[test]
fn each_piece_of_a_long_frame_has_its_own_number_and_checksum() {
    let encap = Gre::new();
    let tunnel = TunnelOptions { checksum: Checksum::Always, sequence: true, ..options() };
    let (frame, offload) = Inner { payload_len: 9001, ..Inner::PLAIN }.undone(1300);
    let outers = push_over(&encap, &ENDS, &tunnel, 5, &frame, &offload).expect("pushed");
    let mut far = Gre::new().with_sequence(true);
    for (index, ((outer, undone), piece)) in outers.iter().zip(cut(&frame, 1300)).enumerate() {
        assert_eq!(*undone, NONE);
        let header = Header::parse(&outer[34..]).expect("a header");
        assert_eq!(header.sequence, Some(77 + index as u32));
        assert_eq!(checksum::sum(&outer[34..]), 0xffff);
        assert!(pop(&mut far, outer, &NONE)[0].as_ref().is_ok_and(|(_, got)| *got == piece));
        assert_eq!(pop(&mut far, outer, &NONE), [Err(DropReason::GreOutOfOrder)], "a second time");
    }
}

#[test]
fn a_packet_without_a_number_is_refused_where_numbers_are_wanted() {
    let outers = push_over(&Gre::new(), &ENDS, &options(), 5, &Inner::PLAIN.frame(), &NONE).expect("pushed");
    let results = pop(&mut Gre::new().with_sequence(true), &outers[0].0, &NONE);
    assert_eq!(results, [Err(DropReason::GreNoSequence)]);
}

#[test]
fn a_lost_frame_does_not_move_the_order() {
    let mut far = Gre::new().with_sequence(true);
    let packet = |number: u32, frame: &[u8]| {
        let header = Header { checksum: true, key: None, sequence: Some(number) };
        let mut packet = [&header.emit()[..header.len()], frame].concat();
        let sum = !checksum::sum(&packet);
        packet[4..6].copy_from_slice(&sum.to_be_bytes());
        behind_ip(&packet)
    };
    let frame = Inner::PLAIN.frame();
    assert!(pop(&mut far, &packet(1, &frame), &NONE)[0].is_ok());
    let mut forged = packet(1000, &frame);
    forged[90] ^= 1;
    assert_eq!(pop(&mut far, &forged, &NONE), [Err(DropReason::OuterChecksum)]);
    assert_eq!(pop(&mut far, &packet(2000, &frame[..13]), &NONE), [Err(DropReason::InnerTruncated)]);
    assert!(pop(&mut far, &packet(2, &frame), &NONE)[0].is_ok());
}

#[test]
fn a_context_needs_a_key() {
    let without = TunnelOptions { key: false, ..options() };
    let push = |context| push_over(&Gre::new(), &ENDS, &without, context, &Inner::PLAIN.frame(), &NONE);
    assert!(push(0).is_ok());
    assert_eq!(push(1), Err(DropReason::BadContext));
}

#[test]
fn nvgre_takes_its_own_header_and_no_other() {
    let frame = Inner::PLAIN.frame();
    let packet = |header: &[u8]| behind_ip(&[header, &frame].concat());
    let good = [0x20, 0, 0x65, 0x58, 0x12, 0x34, 0x56, 0xab];
    let results = pop(&mut Nvgre, &packet(&good), &NONE);
    assert_eq!(results[0].as_ref().map(|(popped, _)| popped.context), Ok(0x12_3456));
    for bit in 0..16 {
        let mut header = good;
        header[bit / 8] ^= 0x80 >> (bit % 8);
        assert_eq!(pop(&mut Nvgre, &packet(&header), &NONE), [Err(DropReason::NvgreBadFlags)], "bit {bit}");
    }
    let ip = [0x20, 0, 0x08, 0x00, 0x12, 0x34, 0x56, 0xab];
    assert_eq!(pop(&mut Nvgre, &packet(&ip), &NONE), [Err(DropReason::GreNotEthernet)]);
}

#[test]
fn nvgre_carries_no_tagged_frames() {
    let tagged = Inner { vlan: Some(5), ..Inner::PLAIN }.frame();
    let mut service = tagged.clone();
    service[12..14].copy_from_slice(&[0x88, 0xa8]);
    for frame in [tagged, service] {
        let pushed = push_over(&Nvgre, &ENDS, &options(), 5000, &frame, &NONE);
        assert_eq!(pushed, Err(DropReason::NvgreTagged));
        let packet = [&[0x20, 0, 0x65, 0x58, 0, 0x10, 0, 0][..], &frame].concat();
        assert_eq!(pop(&mut Nvgre, &behind_ip(&packet), &NONE), [Err(DropReason::NvgreTagged)]);
    }
}

#[test]
fn nvgre_spreads_flows_by_the_whole_entropy() {
    let template = Nvgre.template(&ENDS, &options()).expect("one family");
    let flow_id = |entropy: u32| {
        let mut frame_id = 0;
        let passage = Passage::new(5000, entropy, &mut frame_id);
        let mut buffer = FrameBuf::copied(&Inner::PLAIN.frame());
        Nvgre
            .push(&template, passage, &mut buffer, &NONE, &mut FrameBuf::new(), &mut |_| {})
            .expect("pushed");
        buffer.bytes()[41]
    };
    let distinct =
        |shift: u32| (0..256).map(|n| flow_id(n << shift)).collect::<std::collections::HashSet<_>>();
    for shift in [0, 8, 16, 24] {
        assert_eq!(distinct(shift).len(), 256, "byte at {shift}");
    }
}
