//! Packets that go through the tracker.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Effects, GoesOn, Losses, Machine, Packet, Pass};
use crate::drop::DropReason;
use crate::extract::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, Layout, relayout};
use crate::metadata::{Metadata, Tracked};
use crate::verdict::{Branch, Drop, Op, Track};
use tulle_conntrack::{Conntrack, Family, Fragment, FragmentLimits, Fragments, Headers, Outcome, state};
use tulle_wire::FrameBuf;

/// Who says what state a connection is in.
#[derive(Debug)]
pub(crate) enum Tracker {
    /// The tracker itself, and the fragments that wait for their datagrams.
    Real(Box<(Conntrack, Fragments<Held>)>),
    /// A list, for traces: one entry for each packet that is tracked, then a new connection.
    Assumed(VecDeque<u32>),
}

/// What a fragment goes on with when its datagram is whole.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    metadata: Metadata,
    options: Box<[u8]>,
    rest: Arc<Branch>,
    drop: Drop,
    length: usize,
}

impl Tracker {
    pub fn real(tracker: Conntrack) -> Tracker {
        Tracker::Real(Box::new((tracker, Fragments::new(FragmentLimits::default()))))
    }

    pub fn connections(&mut self) -> Option<&mut Conntrack> {
        match self {
            Tracker::Real(real) => Some(&mut real.0),
            Tracker::Assumed(_) => None,
        }
    }
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
        let request = &track.request;
        let Some(headers) = headers(&packet.layout) else {
            packet.tracked = Outcome::invalid(request.zone).into();
            return true;
        };
        let real = match &mut self.tracker {
            Tracker::Real(real) => real,
            Tracker::Assumed(states) => {
                let state = states.pop_front().unwrap_or(state::TRK | state::NEW);
                packet.tracked = Tracked::assumed(state, request.zone);
                return true;
            }
        };
        let Tracked { state, zone, .. } = packet.tracked;
        let known = tulle_conntrack::Packet { headers, offload: packet.offload, state, zone };
        if headers.fragment != Fragment::No {
            self.hold(track, &known, rest, packet, now, effects);
            return false;
        }
        match real.0.track(packet.frame, &known, request, now) {
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

    /// Holds a fragment; with the last one of a datagram all of them go on.
    #[cold]
    fn hold(
        &mut self,
        track: &Track,
        known: &tulle_conntrack::Packet,
        rest: &[Op],
        packet: &Packet<'_>,
        now: u64,
        effects: &mut impl Effects,
    ) {
        let Tracker::Real(real) = &mut self.tracker else { return };
        let (tracker, fragments) = &mut **real;
        let rest = Arc::new(Branch::new(rest.to_vec()));
        let held = Held {
            metadata: *packet.metadata,
            options: packet.options.into(),
            rest,
            drop: track.drop,
            length: packet.length,
        };
        let mut lost = Vec::new();
        let mut lose = |reason: tulle_conntrack::DropReason, held: Held| lost.push((reason, held));
        let (zone, frame) = (track.request.zone, packet.frame.bytes());
        if let Some(mut datagram) = fragments.offer(frame, known, zone, held, now, &mut lose) {
            match tracker.track_datagram(&mut datagram, &track.request, now) {
                Ok(outcome) => {
                    for piece in datagram.into_pieces() {
                        let (frame, offload) = (FrameBuf::copied(&piece.frame), piece.packet.offload);
                        let Held { metadata, options, rest, .. } = piece.context;
                        let (tracked, goes_on) = (outcome.into(), GoesOn::With(rest));
                        self.pending.push_back(Pass { frame, offload, tracked, metadata, options, goes_on });
                    }
                }
                Err(reason) => {
                    datagram.into_pieces().into_iter().for_each(|piece| lost.push((reason, piece.context)))
                }
            }
        }
        for (reason, held) in lost {
            let drop = Drop { reason: reason.into(), ..held.drop };
            let mut losses = Losses { counters: &mut self.drops, in_port: held.metadata.in_port };
            losses.count(drop, held.length, effects);
        }
    }

    /// Forgets dead connections, and fragments whose datagrams will not become whole.
    pub(crate) fn expire(&mut self, now: u64) {
        /// Connections looked at in one call.
        const MOST_AT_ONCE: usize = 50_000;
        let Machine { tracker, drops, .. } = self;
        let Tracker::Real(real) = tracker else { return };
        let (tracker, fragments) = &mut **real;
        tracker.expire(now, MOST_AT_ONCE);
        fragments.expire(now, &mut |reason, held| drops.count(held.metadata.in_port, reason.into(), None));
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
