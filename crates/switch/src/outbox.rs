//! What the engine tells its owner on its own account.
//!
//! The queue is bounded: what a tenant can cause must not fill the memory.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tulle_io::Waker;

/// Events that may wait for the owner.
const MOST_EVENTS: usize = 1024;

/// What the owner of a switch is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A session whose bytes another thread moves has something to send.
    SessionReady,
    /// A session has agreed upon a version with its peer.
    SessionOpened {
        /// The session.
        session: u64,
        /// The wire version.
        version: u8,
    },
    /// A session whose socket the switch serves is over.
    SessionClosed {
        /// The session.
        session: u64,
        /// Why, for people.
        reason: String,
    },
    /// A tunnel has frames for a remote whose next hop is not known.
    NextHopNeeded(IpAddr),
    /// What is to be told of a tunnel's health has changed.
    HealthChanged {
        /// The port.
        port: u32,
    },
    /// A device failed and its port no longer works.
    PortFailed {
        /// The port.
        port: u32,
        /// What the kernel says.
        error: String,
    },
}

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
