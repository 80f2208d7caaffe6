//! Types of messages: numbered as since OpenFlow 1.1, with what other versions call them.

use crate::version::Version;

pub(crate) const HELLO: u8 = 0;
pub(crate) const ERROR: u8 = 1;
pub(crate) const ECHO_REQUEST: u8 = 2;
pub(crate) const ECHO_REPLY: u8 = 3;
pub(crate) const EXPERIMENTER: u8 = 4;
pub(crate) const FEATURES_REQUEST: u8 = 5;
pub(crate) const FEATURES_REPLY: u8 = 6;
pub(crate) const CONFIG_REQUEST: u8 = 7;
pub(crate) const CONFIG_REPLY: u8 = 8;
pub(crate) const SET_CONFIG: u8 = 9;
pub(crate) const PACKET_IN: u8 = 10;
pub(crate) const FLOW_REMOVED: u8 = 11;
pub(crate) const PORT_STATUS: u8 = 12;
pub(crate) const PACKET_OUT: u8 = 13;
pub(crate) const FLOW_MOD: u8 = 14;
pub(crate) const GROUP_MOD: u8 = 15;
pub(crate) const PORT_MOD: u8 = 16;
pub(crate) const TABLE_MOD: u8 = 17;
pub(crate) const MULTIPART_REQUEST: u8 = 18;
pub(crate) const MULTIPART_REPLY: u8 = 19;
pub(crate) const BARRIER_REQUEST: u8 = 20;
pub(crate) const BARRIER_REPLY: u8 = 21;
pub(crate) const QUEUE_CONFIG_REQUEST: u8 = 22;
pub(crate) const QUEUE_CONFIG_REPLY: u8 = 23;
pub(crate) const ROLE_REQUEST: u8 = 24;
pub(crate) const ROLE_REPLY: u8 = 25;
pub(crate) const ASYNC_REQUEST: u8 = 26;
pub(crate) const ASYNC_REPLY: u8 = 27;
pub(crate) const SET_ASYNC: u8 = 28;
pub(crate) const METER_MOD: u8 = 29;
pub(crate) const ROLE_STATUS: u8 = 30;
pub(crate) const TABLE_STATUS: u8 = 31;
pub(crate) const REQUEST_FORWARD: u8 = 32;
pub(crate) const BUNDLE_CONTROL: u8 = 33;
pub(crate) const BUNDLE_ADD: u8 = 34;

/// OpenFlow 1.0 counts differently from 15 on.
const V10: [(u8, u8); 7] = [
    (15, PORT_MOD),
    (16, MULTIPART_REQUEST),
    (17, MULTIPART_REPLY),
    (18, BARRIER_REQUEST),
    (19, BARRIER_REPLY),
    (20, QUEUE_CONFIG_REQUEST),
    (21, QUEUE_CONFIG_REPLY),
];

/// The type that a version means by a number.
pub(crate) fn canonical(version: Version, number: u8) -> Option<u8> {
    match version {
        Version::V10 if number > FLOW_MOD => {
            V10.iter().find(|(wire, _)| *wire == number).map(|(_, kind)| *kind)
        }
        Version::V10 => Some(number),
        Version::V13 => Some(number).filter(|number| *number <= METER_MOD),
        Version::V14 | Version::V15 => {
            let gone = matches!(number, QUEUE_CONFIG_REQUEST | QUEUE_CONFIG_REPLY);
            Some(number).filter(|number| *number <= BUNDLE_ADD && !gone)
        }
    }
}

/// The number of a type in a version, if it has it.
pub(crate) fn number(version: Version, kind: u8) -> Option<u8> {
    match version {
        Version::V10 if kind > FLOW_MOD => {
            V10.iter().find(|(_, known)| *known == kind).map(|(wire, _)| *wire)
        }
        _ => canonical(version, kind),
    }
}
