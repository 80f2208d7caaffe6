//! Geneve's options: written, read, and refused where they are wrong.

mod common;

use common::{ENDS, Inner, MTU};
use proptest::prelude::*;
use tulle_encap::geneve::{CRITICAL, GeneveOption, MOST_OPTIONS, PORT, check_options, options, put_option};
use tulle_encap::{DropReason, Encap, Geneve, Passage, Popped, Pushed, TunnelOptions};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

/// An option as a value of its own.
type Owned = (u16, u8, Vec<u8>);

fn option() -> impl Strategy<Value = Owned> {
    let words = prop::collection::vec(any::<[u8; 4]>(), 0..=31);
    (any::<u16>(), any::<u8>(), words).prop_map(|(class, kind, words)| (class, kind, words.concat()))
}

fn written(list: &[Owned]) -> Option<Vec<u8>> {
    let mut bytes = [0; MOST_OPTIONS];
    let mut at = 0;
    for (class, kind, data) in list {
        at = put_option(&mut bytes, at, &GeneveOption { class: *class, kind: *kind, data })?;
    }
    Some(bytes[..at].to_vec())
}

/// Reads options byte by byte, as RFC 8926 section 3.5 draws them.
fn read_slowly(bytes: &[u8]) -> Result<Vec<Owned>, ()> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at != bytes.len() {
        let byte = |offset: usize| bytes.get(at + offset).copied().ok_or(());
        let (class, kind) = (u16::from(byte(0)?) * 256 + u16::from(byte(1)?), byte(2)?);
        let len = usize::from(byte(3)? % 32) * 4;
        let data = (0..len).map(|offset| byte(4 + offset)).collect::<Result<_, _>>()?;
        found.push((class, kind, data));
        at += 4 + len;
    }
    Ok(found)
}

fn owned(bytes: &[u8]) -> Vec<Owned> {
    options(bytes).map(|option| (option.class, option.kind, option.data.to_vec())).collect()
}

fn push(list: &[u8], oam: bool) -> Result<Vec<u8>, DropReason> {
    let encap = Geneve::default();
    let template = encap.template(&ENDS, &TunnelOptions::new(MTU, PORT)).expect("one family");
    let mut frame_id = 1;
    let passage = Passage { options: list, oam, ..Passage::new(7, 1, &mut frame_id) };
    let mut buffer = FrameBuf::copied(&Inner::PLAIN.frame());
    let (offload, mut scratch) = (Offload::default(), FrameBuf::new());
    let pushed = encap.push(&template, passage, &mut buffer, &offload, &mut scratch, &mut |_| {})?;
    assert_eq!(pushed, Pushed::Whole(Offload::default()));
    Ok(buffer.bytes().to_vec())
}

fn pop(encap: &mut Geneve, outer: &[u8]) -> Result<(Popped, Vec<u8>, Vec<u8>), DropReason> {
    let mut results = Vec::new();
    encap.pop(&mut FrameBuf::copied(outer), &Offload::default(), 0, &mut |popped, frame| {
        results.push(popped.map(|popped| (popped, popped.options(frame).to_vec(), frame.bytes().to_vec())));
    });
    assert_eq!(results.len(), 1);
    results.remove(0)
}

fn open() -> Geneve {
    let mut encap = Geneve::default();
    encap.know_all();
    encap
}

proptest! {
    #[test]
    fn options_that_are_written_are_read_the_same(list in prop::collection::vec(option(), 0..8)) {
        let len: usize = list.iter().map(|(_, _, data)| 4 + data.len()).sum();
        let bytes = written(&list);
        prop_assert_eq!(bytes.is_some(), len <= MOST_OPTIONS);
        if let Some(bytes) = bytes {
            prop_assert_eq!(owned(&bytes), &list[..]);
            let critical = list.iter().any(|(_, kind, _)| kind & CRITICAL != 0);
            prop_assert_eq!(check_options(&bytes), Ok(critical));
        }
    }

    #[test]
    fn arbitrary_bytes_are_read_as_the_slow_reader_does(bytes in prop::collection::vec(prop_oneof![Just(0_u8), Just(1_u8), any::<u8>()], 0..260)) {
        let expected = read_slowly(&bytes);
        let fits = bytes.len() <= MOST_OPTIONS;
        prop_assert_eq!(check_options(&bytes).is_ok(), expected.is_ok() && fits);
        if let Ok(expected) = expected {
            prop_assert_eq!(owned(&bytes), expected);
        }
    }

    #[test]
    fn options_travel_with_the_frame(list in prop::collection::vec(option(), 0..4), oam: bool) {
        let bytes = written(&list);
        prop_assume!(bytes.is_some());
        let bytes = bytes.unwrap_or_default();
        let (popped, got, frame) = pop(&mut open(), &push(&bytes, oam).expect("pushed")).expect("no drop");
        prop_assert_eq!((got, popped.oam, popped.context), (bytes, oam, 7));
        prop_assert!(frame == Inner::PLAIN.frame());
    }

    #[test]
    fn arbitrary_bytes_as_options_are_refused_on_both_sides_or_on_none(bytes in prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..64)) {
        let words = &bytes[..bytes.len() / 4 * 4];
        let (sent, well_formed) = (push(words, false), read_slowly(words).is_ok());
        prop_assert_eq!(sent.is_ok(), well_formed);
        // The same header made by hand, critical bit set.
        let mut outer = push(&[], false).expect("pushed");
        outer[42] = (words.len() / 4) as u8;
        outer[43] = 0x40;
        outer.splice(50..50, words.iter().copied());
        let (total, udp) = ((outer.len() - 14) as u16, (outer.len() - 34) as u16);
        tulle_wire::checksum::rewrite_word(&mut outer[14..34], 10, 2, total);
        outer[38..40].copy_from_slice(&udp.to_be_bytes());
        let result = pop(&mut open(), &outer);
        prop_assert_eq!(result.is_ok(), well_formed);
        if !well_formed {
            prop_assert_eq!(result.err(), Some(DropReason::GeneveBadOptions));
        }
    }
}

#[test]
fn a_critical_option_that_nobody_knows_loses_its_frame() {
    let list = written(&[(0x102, 0x80, vec![0, 2, 0, 3]), (0x103, 0x01, Vec::new())]).expect("room");
    let outer = push(&list, false).expect("pushed");
    assert_eq!(outer[42..44], [3, 0x40]);
    let mut encap = Geneve::default();
    assert_eq!(pop(&mut encap, &outer).err(), Some(DropReason::GeneveCritical));
    encap.set_known(&[(0x103, 0x80), (0x102, 0)]);
    assert_eq!(pop(&mut encap, &outer).err(), Some(DropReason::GeneveCritical));
    encap.set_known(&[(0x103, 0x80), (0x102, 0x80)]);
    assert_eq!(pop(&mut encap, &outer).expect("known").1, list);
    encap.set_known(&[]);
    assert_eq!(pop(&mut encap, &outer).err(), Some(DropReason::GeneveCritical));
    encap.know_all();
    assert_eq!(pop(&mut encap, &outer).expect("all known").1, list);
}

#[test]
fn options_that_are_not_critical_pass_whether_they_are_known_or_not() {
    let list = written(&[(0xffff, 0x7f, vec![1; 124])]).expect("room");
    let outer = push(&list, false).expect("pushed");
    assert_eq!(pop(&mut Geneve::default(), &outer).expect("no drop").1, list);
}

#[test]
fn each_fault_of_a_header_has_its_reason() {
    let critical = written(&[(1, 0x80, vec![0; 4])]).expect("room");
    let outer = push(&critical, false).expect("pushed");
    let faults = [
        (42, 0x42, DropReason::GeneveVersion),
        (42, 0xc2, DropReason::GeneveVersion),
        (42, 0x01, DropReason::GeneveBadOptions),
        (42, 0x3f, DropReason::GeneveTruncated),
        (43, 0x00, DropReason::GeneveBadCritical),
        (44, 0x08, DropReason::GeneveNotEthernet),
        (53, 0x02, DropReason::GeneveBadOptions),
    ];
    for (at, value, expected) in faults {
        let mut outer = outer.clone();
        outer[at] = value;
        let result = pop(&mut open(), &outer);
        assert_eq!(result.err(), Some(expected), "byte {at} = {value:#x}");
    }
}

#[test]
fn reserved_bits_are_ignored_and_never_sent() {
    let list = written(&[(1, 1, vec![0; 4])]).expect("room");
    let mut outer = push(&list, true).expect("pushed");
    assert_eq!((outer[43] & 0x3f, outer[49], outer[53] & 0xe0), (0, 0, 0));
    outer[43] |= 0x3f;
    outer[49] = 0xff;
    outer[53] |= 0xe0;
    assert!(pop(&mut Geneve::default(), &outer).is_ok());
}

#[test]
fn an_option_without_room_or_of_a_wrong_length_is_not_written() {
    let mut room = [0; 12];
    let option = |data| GeneveOption { class: 1, kind: 2, data };
    assert_eq!(put_option(&mut room, 0, &option(&[0; 8])), Some(12));
    assert_eq!(put_option(&mut room, 4, &option(&[0; 8])), None);
    assert_eq!(put_option(&mut room, 0, &option(&[0; 3])), None);
    assert_eq!(put_option(&mut [0; 256], 0, &option(&[0; 128])), None);
    assert_eq!(put_option(&mut room, usize::MAX, &option(&[])), None);
}

#[test]
fn each_datagram_of_a_train_has_the_options() {
    let encap = Geneve::default();
    let template = encap.template(&ENDS, &TunnelOptions::new(MTU, PORT)).expect("one family");
    let list = written(&[(1, 2, vec![3; 8])]).expect("room");
    let (frame, offload) = Inner { payload_len: 9000, ..Inner::PLAIN }.undone(1200);
    let mut frame_id = 1;
    let passage = Passage { options: &list, ..Passage::new(7, 1, &mut frame_id) };
    let (mut buffer, mut scratch, mut got) = (FrameBuf::copied(&frame), FrameBuf::new(), Vec::new());
    let pushed = encap.push(&template, passage, &mut buffer, &offload, &mut scratch, &mut |given| {
        let outer = given.frames().next().expect("one train");
        Geneve::default().pop(&mut FrameBuf::copied(outer), given.offload, 0, &mut |popped, frame| {
            assert_eq!(popped.expect("no drop").options(frame), list);
            got.push(frame.bytes().to_vec());
        });
    });
    assert_eq!(pushed, Ok(Pushed::Cut(1)));
    assert!(got == common::cut(&frame, 1200));
}
