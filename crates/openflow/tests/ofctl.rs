//! What `ovs-ofctl` sends in every version is understood, and emitted again byte for byte.

mod common;

use common::{emitted, hex};
use tulle_openflow::*;

const SENT: &str = include_str!("vectors/ofctl.txt");

/// Messages that have another form here: what they say is the same.
const OTHERWISE: &[&str] = &[
    // A load of a whole field is said as setting it.
    "add-flow_actions=move:tun_metadata0",
];

#[test]
fn what_ovs_ofctl_sends_is_understood_and_said_again_the_same() {
    let lines = SENT.lines().filter(|line| !line.starts_with('#'));
    let mut count = 0;
    for line in lines {
        let mut words = line.split(' ');
        let (_, command, text) = (words.next(), words.next().unwrap(), words.next().unwrap());
        let bytes = hex(text);
        let version = Version::from_wire(bytes[0]).unwrap();
        let (xid, message) = Message::parse(&bytes).unwrap_or_else(|error| panic!("{line}: {error}"));
        let again = emitted(&message, version, xid);
        if OTHERWISE.iter().any(|other| command.starts_with(other)) {
            assert_eq!(Message::parse(&again), Ok((xid, message)), "{line}");
        } else {
            assert_eq!(again, bytes, "{line}: {message:?}");
        }
        count += 1;
    }
    assert!(count > 100, "{count}");
}
