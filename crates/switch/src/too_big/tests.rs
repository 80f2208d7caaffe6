use super::*;

const LONGEST: usize = 1464;

/// A UDP packet of IPv4 with "don't fragment", of so many bytes.
fn packet_v4(len: u16) -> Vec<u8> {
    let mut packet = vec![0; usize::from(len)];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    packet[6] = 0x40;
    packet[8..10].copy_from_slice(&[64, 17]);
    packet[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
    packet[20..24].copy_from_slice(&[0x12, 0x34, 0, 53]);
    packet
}

fn packet_v6(len: u16) -> Vec<u8> {
    let mut packet = vec![0; usize::from(len)];
    packet[0] = 0x60;
    packet[4..6].copy_from_slice(&(len - 40).to_be_bytes());
    packet[6..8].copy_from_slice(&[17, 64]);
    (packet[8], packet[23], packet[24], packet[39]) = (0xfd, 1, 0xfd, 2);
    packet
}

fn framed(tags: &[u8], kind: [u8; 2], packet: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1], tags, &kind, packet].concat()
}

/// What the sender of `came` hears when flows have made `now` of it.
fn answer(came: &[u8], now: &[u8]) -> Option<Vec<u8>> {
    let mut origin = Origin::nobody();
    origin.note(7, came);
    let due = answer_due(&origin, now, LONGEST)?;
    error_about(&as_it_came(&origin, now, &due), due.mtu)
}

#[test]
fn the_answer_comes_from_the_destination_and_quotes_the_frame_as_it_came() {
    let came = framed(&[], [8, 0], &packet_v4(1500));
    let mut now = came.clone();
    now[..12].fill(0x0a);
    now[22] = 63;
    now[26..34].copy_from_slice(&[192, 0, 2, 1, 192, 0, 2, 9]);
    let answer = answer(&came, &now).expect("an answer");
    assert_eq!(answer[..12], [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
    assert_eq!(answer[26..34], [10, 0, 0, 2, 10, 0, 0, 1]);
    assert_eq!(
        (answer[34..36].to_vec(), answer[40..42].to_vec()),
        (vec![3, 4], 1450_u16.to_be_bytes().to_vec())
    );
    assert_eq!(answer[42..], came[14..14 + 548], "as much as 576 bytes hold");
}

#[test]
fn a_tag_that_the_tunnel_carries_takes_its_room_and_the_answer_has_the_senders() {
    let tag = [0x81, 0, 0, 100];
    let (tagged, plain) = (framed(&tag, [8, 0], &packet_v4(1500)), framed(&[], [8, 0], &packet_v4(1500)));
    let answers = [answer(&tagged, &plain), answer(&plain, &tagged)].map(|answer| answer.expect("an answer"));
    assert_eq!((&answers[0][12..16], &answers[0][44..46]), (&tag[..], &1450_u16.to_be_bytes()[..]));
    assert_eq!((&answers[1][12..14], &answers[1][40..42]), (&[8, 0][..], &1446_u16.to_be_bytes()[..]));
}

#[test]
fn ipv6_is_answered_always() {
    let frame = framed(&[], [0x86, 0xdd], &packet_v6(1500));
    let answer = answer(&frame, &frame).expect("an answer");
    assert_eq!(
        (answer[54..56].to_vec(), answer[58..62].to_vec()),
        (vec![2, 0], 1450_u32.to_be_bytes().to_vec())
    );
    assert_eq!(answer[22..54], [&frame[38..54], &frame[22..38]].concat());
}

#[test]
fn nobody_is_answered_where_no_answer_is_due() {
    let good = framed(&[], [8, 0], &packet_v4(1500));
    assert!(answer(&good, &good).is_some());
    let faults: [(&str, usize, u8); 6] = [
        ("may be cut", 20, 0),
        ("a later fragment", 21, 1),
        ("a broadcast frame", 0, 0xff),
        ("a multicast group", 30, 224),
        ("from nobody", 26, 0),
        ("not IP", 12, 0x88),
    ];
    for (what, at, value) in faults {
        let mut frame = good.clone();
        frame[at] = value;
        assert_eq!(answer(&frame, &frame), None, "{what}");
    }
    let mut error = good.clone();
    (error[23], error[34]) = (1, 3);
    assert_eq!(answer(&error, &error), None, "an ICMP error");
    assert_eq!(answer(&good, &framed(&[], [0x86, 0xdd], &packet_v6(1500))), None, "another packet");
    let nobody = Origin::nobody();
    assert!(answer_due(&nobody, &good, LONGEST).is_none());
}

#[test]
fn no_bytes_crash_it() {
    let frame = framed(&[0x81, 0, 0, 1], [8, 0], &packet_v4(200));
    for came in 0..frame.len() {
        for now in [0, 13, 14, 17, 18, 37, 38, 100, frame.len()] {
            let _ = answer(&frame[..came], &frame[..now]);
        }
    }
}

#[test]
fn a_frame_that_is_to_be_cut_counts_by_its_pieces() {
    let mut packet = packet_v4(4000);
    (packet[9], packet[32]) = (6, 0x50);
    let mut frame = FrameBuf::new();
    frame.fill(&framed(&[], [8, 0], &packet));
    let cut = |gso_size| Offload { gso: GsoKind::TcpV4, gso_size, ..Offload::default() };
    assert!(exceeds(&frame, &Offload::default(), LONGEST) && !exceeds(&frame, &Offload::default(), 4014));
    assert!(exceeds(&frame, &cut(1411), LONGEST) && !exceeds(&frame, &cut(1410), LONGEST));
}
