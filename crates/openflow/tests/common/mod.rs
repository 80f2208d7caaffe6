//! Messages of every kind that come back from the wire as they were, for properties.

#![allow(dead_code, unused_imports)] // each test binary uses a part

mod actions;
mod flows;
mod matching;
mod messages;
mod multipart;
mod tables;

pub use flows::any_flow_stats;
pub use messages::any_message;

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tulle_openflow::*;

pub fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap()).collect()
}

pub fn emitted(message: &Message, dialect: impl Into<Dialect>, xid: Xid) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.emit(dialect, xid, &mut bytes).unwrap_or_else(|error| panic!("{message:?}: {error}"));
    bytes
}

pub fn any_version() -> impl Strategy<Value = Version> {
    prop::sample::select(Version::ALL.to_vec())
}

fn any_duration() -> impl Strategy<Value = Duration> {
    (any::<u32>(), 0..1_000_000_000_u32)
        .prop_map(|(seconds, nanoseconds)| Duration::new(u64::from(seconds), nanoseconds))
}

fn any_name(length: usize) -> impl Strategy<Value = String> {
    vec(prop::char::range('!', '~'), 0..=length).prop_map(String::from_iter)
}

/// A port that every version can name.
fn any_port_number() -> impl Strategy<Value = u32> {
    prop_oneof![1..0xff00_u32, Just(tulle_flow::port::LOCAL)]
}
