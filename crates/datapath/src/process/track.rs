//! Packets that go through the tracker.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Effects, Machine, Packet};
use crate::drop::DropReason;
use crate::extract::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, Layout, relayout};
use crate::metadata::{Metadata, Tracked};
use crate::verdict::{Drop, Op, Track};
use tulle_conntrack::{Conntrack, Family, Fragment, Headers, Outcome, state};

/// Who says what state a connection is in.
#[derive(Debug)]
pub(crate) enum Tracker {
    /// The tracker itself.
    Real(Box<Conntrack>),
    /// A list, for traces: one entry for each packet that is tracked, then a new connection.
    Assumed(VecDeque<u32>),
}

/// What a fragment goes on with when its datagram is whole.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub metadata: Metadata,
    pub rest: Arc<[Op]>,
    pub drop: Drop,
}

impl Machine {
    /// False where the packet has been dropped, or is held.
    pub(super) fn track(
        &mut self,
        track: &Track,
        rest: &[Op],
        packet: &mut Packet<'_>,
        now: u64,
        effects: &mut impl Effects,
    ) -> bool {
        let _ = rest;
        let request = &track.request;
        let Some(headers) = headers(&packet.layout) else {
            packet.tracked = Outcome::invalid(request.zone).into();
            return true;
        };
        let tracker = match &mut self.tracker {
            Tracker::Real(tracker) => tracker,
            Tracker::Assumed(states) => {
                let state = states.pop_front().unwrap_or(state::TRK | state::NEW);
                packet.tracked = Tracked::assumed(state, request.zone);
                return true;
            }
        };
        let Tracked { state, zone, .. } = packet.tracked;
        let known = tulle_conntrack::Packet { headers, offload: packet.offload, state, zone };
        match tracker.track(packet.frame, &known, request, now) {
            Ok(outcome) => {
                packet.tracked = outcome.into();
                if outcome.rewritten {
                    relayout(packet.frame.bytes(), &mut packet.layout);
                }
                true
            }
            Err(reason) => {
                let reason = DropReason::from(reason);
                self.lose(packet, Drop { reason, ..track.drop }, effects);
                false
            }
        }
    }
}

/// Where the headers of an IP packet lie, as the tracker wants it.
fn headers(layout: &Layout) -> Option<Headers> {
    let family = match layout.ethertype {
        ETHERTYPE_IPV4 => Family::V4,
        ETHERTYPE_IPV6 => Family::V6,
        _ => return None,
    };
    let fragment = match layout.fragment {
        0 => Fragment::No,
        1 => Fragment::First,
        _ => Fragment::Later,
    };
    let Layout { l3, l4, end, proto: protocol, .. } = *layout;
    (l3 > 0).then_some(Headers { family, l3, l4, end, protocol, fragment })
}
