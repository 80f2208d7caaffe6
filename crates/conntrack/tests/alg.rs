//! Control connections that announce others: FTP and TFTP, plain and translated.

mod common;

use common::*;
use tulle_conntrack::{Alg, Conntrack, Headers, Masked, Nat, NatRange, Outcome, Packet, Request};
use tulle_wire::FrameBuf;

const C: &str = "10.0.0.1";
const S: &str = "192.0.2.2";
const N: &str = "198.51.100.100";

/// Who takes part in a control connection.
#[derive(Clone, Copy)]
struct Ends {
    client: &'static str,
    server: &'static str,
    /// The client as the server knows it.
    client_known: &'static str,
    /// The server as the client knows it.
    server_known: &'static str,
}

const PLAIN: Ends = Ends { client: C, server: S, client_known: C, server_known: S };

struct Control {
    tracker: Conntrack,
    ends: Ends,
    /// The next bytes of client and server, in their own numbers.
    next: [u32; 2],
    /// The same as the other side knows them.
    seen: [u32; 2],
}

/// Bytes of a frame as text, its sequence number and its acknowledgment.
fn segment(bytes: &[u8]) -> (String, u32, u32) {
    assert_sound(bytes);
    let headers = Headers::find(bytes).expect("IP");
    let tcp = &bytes[headers.l4..headers.end];
    let word = |at: usize| u32::from_be_bytes([tcp[at], tcp[at + 1], tcp[at + 2], tcp[at + 3]]);
    (String::from_utf8_lossy(&tcp[20..]).into_owned(), word(4), word(8))
}

fn existing() -> Request {
    Request { nat: Nat::Existing, ..looking() }
}

impl Control {
    fn open(ends: Ends, nat: Nat) -> Self {
        let mut tracker = tracker();
        let mark = Masked { value: 77, mask: u32::MAX };
        let request = Request { alg: Some(Alg::Ftp), mark, ..with_nat(nat) };
        let syn = tcp(ends.client, 4000, ends.server_known, 21, SYN, 999, 0);
        send(&mut tracker, &syn, &request, 0).0.expect("room");
        let answer = tcp(ends.server, 21, ends.client_known, 4000, SYN | ACK, 8999, 1000);
        send(&mut tracker, &answer, &existing(), 0).0.expect("known");
        Self { tracker, ends, next: [1000, 9000], seen: [1000, 9000] }
    }

    fn frame(&self, from: usize, flags: u8, text: &str) -> Frame {
        let Ends { client, server, client_known, server_known } = self.ends;
        let (seq, ack) = (self.next[from], self.seen[1 - from]);
        let frame = match from {
            0 => tcp(client, 4000, server_known, 21, flags, seq, ack),
            _ => tcp(server, 21, client_known, 4000, flags, seq, ack),
        };
        frame.with_payload(text.as_bytes())
    }

    /// One side (0: the client) says something.  Gives what the other side hears, which checks that the
    /// numbers go on without gaps, and which acknowledges.
    fn say(&mut self, from: usize, text: &str) -> String {
        let frame = self.frame(from, ACK, text);
        let (outcome, bytes) = send(&mut self.tracker, &frame, &existing(), 0);
        let outcome = outcome.expect("known");
        let state = words(outcome.state & 0x3f);
        assert_eq!(state, ["est|trk", "est|rpl|trk"][from], "{text}");
        self.act_again(outcome, &bytes);
        let (heard, seq, ack) = segment(&bytes);
        assert_eq!((seq, ack), (self.seen[from], self.next[1 - from]), "{text}");
        self.next[from] += text.len() as u32;
        self.seen[from] += heard.len() as u32;
        heard
    }

    /// One side ends, and the other acknowledges that.
    fn end(&mut self, from: usize) {
        for (from, flags) in [(from, FIN | ACK), (1 - from, ACK)] {
            let frame = self.frame(from, flags, "");
            let (outcome, bytes) = pass(&mut self.tracker, &frame, &existing(), 0);
            self.act_again(outcome, &bytes);
            let len = u32::from(flags & FIN);
            (self.next[from], self.seen[from]) = (self.next[from] + len, self.seen[from] + len);
        }
    }

    /// A second action about the same frame says the same and changes nothing more.
    fn act_again(&mut self, first: Outcome, bytes: &[u8]) {
        let mut buffer = FrameBuf::copied(bytes);
        let packet = Packet { state: first.state, zone: first.zone, ..untracked(bytes) };
        let second = self.tracker.track(&mut buffer, &packet, &existing(), 0).expect("known");
        assert_eq!(words(second.state), words(first.state));
        assert_eq!(buffer.bytes(), bytes);
    }

    /// The address that a connection of this kind is announced with, and the data connection itself.
    fn data(&mut self, frame: &Frame, nat: Nat) -> String {
        let peek = Request { nat, ..looking() };
        let (outcome, _) = send(&mut self.tracker, frame, &peek, 0);
        let outcome = outcome.expect("no drop");
        assert_eq!((words(outcome.state), outcome.mark), ("new|rel|trk".to_string(), 77));
        assert_eq!(outcome.original.map(|o| o.destination_port), Some(21), "the parent's");
        let (outcome, bytes) = send(&mut self.tracker, frame, &Request { commit: true, ..peek }, 0);
        let outcome = outcome.expect("room");
        assert_eq!((words(outcome.state & 0x3f), outcome.mark), ("new|rel|trk".to_string(), 77));
        assert_eq!(self.tracker.expectations(), 0, "it has come");
        ends(&bytes)
    }
}

#[test]
fn a_data_connection_is_related_to_the_one_that_announced_it() {
    for (from, text, frame) in [
        (0, "PORT 10,0,0,1,19,137\r\n", tcp(S, 20, C, 5001, SYN, 1, 0)),
        (0, "EPRT |1|10.0.0.1|5001|\r\n", tcp(S, 20, C, 5001, SYN, 1, 0)),
        (1, "227 Entering Passive Mode (192,0,2,2,19,137)\r\n", tcp(C, 4100, S, 5001, SYN, 1, 0)),
        (1, "229 Entering Extended Passive Mode (|||5001|)\r\n", tcp(C, 4100, S, 5001, SYN, 1, 0)),
    ] {
        let mut control = Control::open(PLAIN, Nat::None);
        assert_eq!(control.say(from, text), text);
        let before = ends(&frame.bytes());
        assert_eq!(control.data(&frame, Nat::None), before, "{text}");
        let answer = tcp(
            &frame.destination.to_string(),
            5001,
            &frame.source.to_string(),
            if from == 0 { 20 } else { 4100 },
            SYN | ACK,
            1,
            2,
        );
        assert_eq!(state_of(&mut control.tracker, &answer, &looking(), 0), "est|rel|rpl|trk");
    }
}

#[test]
fn nobody_opens_a_door_for_others() {
    let mut control = Control::open(PLAIN, Nat::None);
    control.say(0, "PORT 10,0,0,9,19,137\r\n");
    control.say(0, "227 (10,0,0,1,19,137)\r\n");
    control.say(1, "PORT 192,0,2,2,19,137\r\n");
    assert_eq!(control.tracker.expectations(), 0);
    control.say(0, "PORT 10,0,0,1,19,137\r\n");
    control.say(0, "PORT 10,0,0,1,19,138\r\n");
    assert_eq!(control.tracker.expectations(), 1, "the last one");
    let late = tcp(S, 20, C, 5002, SYN, 1, 0);
    assert_eq!(state_of(&mut control.tracker, &late, &looking(), 301 * SECOND), "new|trk");
    let other = tcp("192.0.2.3", 20, C, 5002, SYN, 1, 0);
    assert_eq!(state_of(&mut control.tracker, &other, &looking(), 0), "new|trk");
}

#[test]
fn a_hidden_client_is_called_back() {
    let ends = Ends { client_known: N, ..PLAIN };
    let mut control = Control::open(ends, Nat::Source(NatRange::to(ip(N))));
    assert_eq!(control.say(1, "220 ready\r\n"), "220 ready\r\n");
    assert_eq!(control.say(0, "PORT 10,0,0,1,19,137\r\n"), "PORT 198,51,100,100,19,137\r\n");
    assert_eq!(control.say(1, "200 fine\r\n"), "200 fine\r\n");
    let called = control.data(&tcp(S, 20, N, 5001, SYN, 1, 0), Nat::Existing);
    assert_eq!(called, format!("{S} 20 > {C} 5001"));
    // Numbers stay moved, and move further.
    assert_eq!(control.say(0, "LIST\r\n"), "LIST\r\n");
    assert_eq!(control.say(0, "EPRT |1|10.0.0.1|5002|\r\n"), "EPRT |1|198.51.100.100|5002|\r\n");
    assert_eq!(control.say(1, "200 fine\r\n"), "200 fine\r\n");
    assert_eq!(control.say(0, "QUIT\r\n"), "QUIT\r\n");
    assert_eq!(control.say(1, "221 bye\r\n"), "221 bye\r\n");
    control.end(1);
    control.end(0);
    let control = control.tracker.entries(0).find(|entry| entry.original.destination_port == 21);
    assert_eq!(control.map(|it| (it.tcp_state, it.timeout_s)), Some((Some("TIME_WAIT"), 120)), "both FINs");
}

#[test]
fn a_command_sent_again_is_changed_again_and_moves_nothing_more() {
    let ends = Ends { client_known: N, ..PLAIN };
    let mut control = Control::open(ends, Nat::Source(NatRange::to(ip(N))));
    let (first, _) = (control.frame(0, ACK, "PORT 10,0,0,1,19,137\r\n"), ());
    let heard = control.say(0, "PORT 10,0,0,1,19,137\r\n");
    let (_, again) = send(&mut control.tracker, &first, &existing(), 0);
    assert_eq!(segment(&again), (heard, 1000, 9000));
    assert_eq!(control.say(0, "LIST\r\n"), "LIST\r\n");
    assert_eq!(control.say(1, "200 fine\r\n"), "200 fine\r\n");
}

#[test]
fn a_server_behind_another_address_announces_that_address() {
    let ends = Ends { server: "10.9.9.9", server_known: S, ..PLAIN };
    let mut control = Control::open(ends, Nat::Destination(NatRange::to(ip("10.9.9.9"))));
    let heard = control.say(1, "227 Entering Passive Mode (10,9,9,9,19,137)\r\n");
    assert_eq!(heard, "227 Entering Passive Mode (192,0,2,2,19,137)\r\n");
    let called = control.data(&tcp(C, 4100, S, 5001, SYN, 1, 0), Nat::Existing);
    assert_eq!(called, format!("{C} 4100 > 10.9.9.9 5001"));
    assert_eq!(control.say(0, "RETR x\r\n"), "RETR x\r\n");
    assert_eq!(control.say(1, "150 here\r\n"), "150 here\r\n");
    let heard = control.say(1, "229 Entering Extended Passive Mode (|||5002|)\r\n");
    assert_eq!(heard, "229 Entering Extended Passive Mode (|||5002|)\r\n");
    let called = control.data(&tcp(C, 4100, S, 5002, SYN, 1, 0), Nat::Existing);
    assert_eq!(called, format!("{C} 4100 > 10.9.9.9 5002"));
}

#[test]
fn ipv6_works_alike() {
    let (c, s, n) = ("fd00::1", "2001:db8::2", "2001:db8:ffff::1");
    let ends = Ends { client: c, server: s, client_known: n, server_known: s };
    let mut control = Control::open(ends, Nat::Source(NatRange::to(ip(n))));
    assert_eq!(control.say(0, "EPRT |2|fd00::1|5001|\r\n"), "EPRT |2|2001:db8:ffff::1|5001|\r\n");
    let called = control.data(&tcp(s, 20, n, 5001, SYN, 1, 0), Nat::Existing);
    assert_eq!(called, format!("{s} 20 > {c} 5001"));
    assert_eq!(control.say(1, "200 fine\r\n"), "200 fine\r\n");
}

#[test]
fn a_file_comes_from_another_port_of_the_server() {
    for (nat, known) in [(Nat::None, C), (Nat::Source(NatRange::to(ip(N))), N)] {
        let mut tracker = tracker();
        let request = Request { alg: Some(Alg::Tftp), ..with_nat(nat) };
        let ask = udp(C, 3000, S, 69).with_payload(b"\0\x01file\0octet\0");
        send(&mut tracker, &ask, &request, 0).0.expect("room");
        let file = udp(S, 3069, known, 3000).with_payload(b"\0\x03\0\x01data");
        let (outcome, bytes) =
            pass(&mut tracker, &file, &with_nat(if known == C { Nat::None } else { Nat::Existing }), 0);
        assert_eq!(words(outcome.state & 0x3f), "new|rel|trk");
        assert_eq!(ends(&bytes), format!("{S} 3069 > {C} 3000"));
    }
}
