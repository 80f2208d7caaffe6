//! What the engine tells others on its own account: packet-ins for the sessions, events for the owner.
//!
//! Both queues are bounded: what a tenant can cause must not fill the memory.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use tulle_flow::Key;
use tulle_io::Waker;

/// Packet-ins that may wait for one session.
const MOST_PACKET_INS: usize = 512;
/// Events that may wait for the owner.
const MOST_EVENTS: usize = 1024;

/// What the owner of a switch is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A session has something to send.
    PacketInQueued,
    /// A tunnel has frames for a remote whose next hop is not known.
    NextHopNeeded(Ipv4Addr),
    /// A device failed and its port no longer works.
    PortFailed {
        /// The port.
        port: u32,
        /// What the kernel says.
        error: String,
    },
}

/// A packet on its way to the controllers.
#[derive(Clone, Debug)]
pub(crate) struct QueuedPacketIn {
    pub frame: Vec<u8>,
    pub total_len: usize,
    pub table: u8,
    pub cookie: u64,
    pub key: Key,
}

/// The packet-ins that wait for one session.
pub(crate) type PacketInQueue = Arc<Mutex<VecDeque<Arc<QueuedPacketIn>>>>;

/// Where the engine puts what it has to tell.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    events: Arc<Mutex<VecDeque<Event>>>,
    waker: Arc<Waker>,
}

impl Outbox {
    pub(crate) fn new(waker: Arc<Waker>) -> Outbox {
        Outbox { events: Arc::default(), waker }
    }

    /// Queues an event unless the same one waits already or the queue is full; then the waker is set too.
    pub(crate) fn tell(&self, event: Event) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() < MOST_EVENTS && !events.contains(&event) {
            events.push_back(event);
            drop(events);
            self.waker.wake();
        }
    }

    pub(crate) fn drain(&self) -> Vec<Event> {
        self.waker.drain();
        self.events.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}

/// Queues a packet-in for one session; false when its queue is full.
pub(crate) fn enqueue(queue: &PacketInQueue, packet: &Arc<QueuedPacketIn>) -> bool {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let room = queue.len() < MOST_PACKET_INS;
    if room {
        queue.push_back(Arc::clone(packet));
    }
    room
}

pub(crate) fn take(queue: &PacketInQueue) -> Vec<Arc<QueuedPacketIn>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
}
