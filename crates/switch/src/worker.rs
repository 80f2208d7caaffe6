//! One thread of a switch: waits for its lanes, receives, has the engine for a batch, sends.
//!
//! Receiving and sending are the kernel's work and most of a packet's cost; they are done without the engine, so
//! several threads do them at once.  A batch of one lane is bounded, so that a busy device starves neither the
//! others nor the jobs.  The first thread also does the jobs, serves the sessions and looks after timeouts.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use tulle_io::clock::monotonic_ns;
use tulle_io::{Arrival, Event, Poller, Waker};

use crate::job::Job;
use crate::lane::Lane;
use crate::patch::{Crossing, PatchInbox};
use crate::sender::Sender;
use crate::talk::Talk;
use crate::threads::Shared;
use crate::tunnels::{Inbound, Uplink};

/// Frames taken from one lane before the next has its turn.
const BATCH: usize = 32;
/// Frames of a turn after one in which at least as many walked the tables: such a frame costs as much as many others,
/// and a tenant who sends nothing else must not keep the others waiting for longer than those who send known flows do.
const MOST_MISSES: usize = 8;
/// Tokens of the poller above all port numbers.
const WAKER: u64 = 1 << 32;
/// The slots of the underlay's devices are added to this one.
const UNDERLAY: u64 = WAKER + 1;
/// Sessions' numbers are added to this one.
pub(crate) const SESSIONS: u64 = 1 << 33;
/// How long a thread looks for more before it sleeps, unless told otherwise.  Longer takes the
/// processor from the workloads.
pub(crate) const AWAKE: Duration = Duration::from_micros(10);
/// How often timeouts are looked after.
const SWEEP: Duration = Duration::from_millis(250);

/// A lane by which the thread receives.
struct OwnLane {
    lane: Arc<Lane>,
    /// Frames of the next turn.
    most: usize,
}

/// What the first thread has besides.
struct First {
    jobs: Receiver<Job>,
    inbox: Arc<PatchInbox>,
    crossings: Vec<Crossing>,
}

/// Nobody waits for a thread that is no more, however it has ended.
impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.note_seen(&mut self.shared.lock(), self.thread, u64::MAX);
    }
}

/// A thread's own things.
pub(crate) struct Worker {
    thread: usize,
    shared: Arc<Shared>,
    poller: Arc<Poller>,
    waker: Arc<Waker>,
    sender: Box<Sender>,
    lanes: BTreeMap<u32, OwnLane>,
    /// By the slots of their devices.
    uplinks: BTreeMap<usize, Arc<Uplink>>,
    inbound: Option<Inbound>,
    arrivals: Vec<Arrival>,
    first: Option<First>,
    /// The version of ports and settings that it works with.
    seen: u64,
    awake_ns: u64,
    talk: Talk,
    swept_ns: u64,
    is_over: bool,
}

impl Worker {
    pub(crate) fn new(
        thread: usize,
        shared: Arc<Shared>,
        poller: Arc<Poller>,
        waker: Arc<Waker>,
    ) -> std::io::Result<Worker> {
        poller.add(waker.as_fd(), WAKER)?;
        Ok(Worker {
            thread,
            shared,
            poller,
            waker,
            sender: Sender::new(thread),
            lanes: BTreeMap::new(),
            uplinks: BTreeMap::new(),
            inbound: None,
            arrivals: (0..BATCH).map(|_| Arrival::new()).collect(),
            first: None,
            seen: 0,
            awake_ns: AWAKE.as_nanos() as u64,
            talk: Talk::default(),
            swept_ns: 0,
            is_over: false,
        })
    }

    /// Makes it the first thread.
    pub(crate) fn with_jobs(mut self, jobs: Receiver<Job>, inbox: Arc<PatchInbox>) -> Worker {
        self.first = Some(First { jobs, inbox, crossings: Vec::new() });
        self
    }

    /// Runs until the switch is closed, or has fewer threads.
    pub(crate) fn run(mut self) {
        let mut ready = Vec::new();
        while self.wait(&mut ready).is_ok() && !self.is_over {
            for event in &ready {
                match event.token {
                    WAKER => self.do_jobs(),
                    session if session >= SESSIONS => {
                        self.shared.lend(&mut self.sender, |engine| engine.session_ready(session - SESSIONS));
                    }
                    underlay if underlay >= UNDERLAY => self.receive_underlay((underlay - UNDERLAY) as usize),
                    number => self.receive_port(number as u32, event.failed),
                }
            }
            self.sweep();
        }
    }

    /// Waits for something to do: awake at first, since waking a sleeping thread costs more than a packet.
    fn wait(&mut self, ready: &mut Vec<Event>) -> std::io::Result<()> {
        if self.shared.version() != self.seen {
            self.look_anew();
        }
        if self.is_over {
            ready.clear();
            return Ok(());
        }
        let now_ns = monotonic_ns();
        let longest_ns = self.longest_wait_ns(now_ns);
        let is_talk = self.is_talk(ready);
        let awake_ns = if is_talk { self.talk.look_ns(longest_ns) } else { self.awake_ns };
        let asleep_at_ns = now_ns + awake_ns.min(longest_ns);
        while monotonic_ns() < asleep_at_ns {
            self.poller.wait(ready, Some(Duration::ZERO))?;
            if !ready.is_empty() {
                self.note_look(is_talk, true);
                return Ok(());
            }
            if is_talk {
                // It may need this processor.
                std::thread::yield_now();
            }
        }
        self.note_look(is_talk && awake_ns > 0, false);
        // What became due meanwhile, or is due earlier than it was, must not wait; but however much is due always,
        // what is ready is looked for, and what was served before is forgotten.
        let is_over = awake_ns >= longest_ns;
        let rest_ns = if is_over { 0 } else { self.longest_wait_ns(monotonic_ns()) };
        self.poller.wait(ready, Some(Duration::from_nanos(rest_ns)))
    }

    /// Whether these were from controllers alone, and the thread was not told to stay awake anyway.
    fn is_talk(&self, events: &[Event]) -> bool {
        let is_talk = !events.is_empty() && events.iter().all(|event| event.token >= SESSIONS);
        is_talk && self.awake_ns <= AWAKE.as_nanos() as u64
    }

    fn note_look(&mut self, is_talk: bool, found: bool) {
        if is_talk {
            self.talk.looked(found);
        }
    }

    /// How long nothing will have to be done unless it is asked for.
    fn longest_wait_ns(&self, now_ns: u64) -> u64 {
        let sweep_ns = SWEEP.as_nanos() as u64;
        match self.first {
            Some(_) => self.shared.due_ns().saturating_sub(now_ns).min(sweep_ns),
            None => sweep_ns,
        }
    }

    /// Takes over what has changed of ports and settings.
    #[cold]
    fn look_anew(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mut engine = shared.lock();
        self.seen = engine.version();
        self.is_over = engine.is_stopping || self.thread >= engine.threads;
        self.awake_ns = u64::try_from(engine.awake.as_nanos()).unwrap_or(u64::MAX);
        self.change_lanes(if self.is_over { Vec::new() } else { engine.lanes_of(self.thread) });
        self.change_uplinks(if self.is_over { Vec::new() } else { engine.uplinks_of(self.thread) });
        // The thread may know of more tunnels already, and must not forget them.
        engine.membership.follow();
        match &mut self.inbound {
            Some(inbound) => inbound.join(&engine.membership),
            None if self.uplinks.is_empty() => {}
            none => *none = Some(Inbound::new(&engine.membership)),
        }
        // One that ends sees nothing more, and nobody is to wait for it.
        let seen = if self.is_over { u64::MAX } else { self.seen };
        shared.note_seen(&mut engine, self.thread, seen);
    }

    fn change_lanes(&mut self, wanted: Vec<(u32, Arc<Lane>)>) {
        let mut before = std::mem::take(&mut self.lanes);
        for (number, lane) in wanted {
            // One that differs stays behind, to be waited for no more.
            let own = match before.entry(number) {
                Entry::Occupied(own) if Arc::ptr_eq(&own.get().lane, &lane) => own.remove(),
                _ => {
                    // A descriptor that cannot be waited for is one whose port will be taken away.
                    let _ = lane.with_fd(|fd| self.poller.add(fd, u64::from(number)));
                    OwnLane { lane, most: BATCH }
                }
            };
            self.lanes.insert(number, own);
        }
        for own in before.into_values() {
            let _ = own.lane.with_fd(|fd| self.poller.remove(fd));
        }
    }

    fn change_uplinks(&mut self, wanted: Vec<(usize, Arc<Uplink>)>) {
        let mut before = std::mem::take(&mut self.uplinks);
        for (slot, uplink) in wanted {
            let is_same = before.get(&slot).is_some_and(|own| Arc::ptr_eq(own, &uplink));
            if is_same {
                before.remove(&slot);
            } else {
                let _ = self.poller.add(uplink.socket.as_fd(), UNDERLAY + slot as u64);
            }
            self.uplinks.insert(slot, uplink);
        }
        for uplink in before.into_values() {
            let _ = self.poller.remove(uplink.socket.as_fd());
        }
    }

    /// Does what has been asked for.
    fn do_jobs(&mut self) {
        self.waker.drain();
        let Self { first: Some(first), shared, sender, .. } = self else { return };
        while let Ok(job) = first.jobs.try_recv() {
            shared.lend(sender, job);
        }
        // Notices of other threads.
        shared.lend(sender, |_| ());
        first.inbox.take(&mut first.crossings);
        for crossings in first.crossings.chunks(BATCH) {
            shared.lend(sender, |engine| engine.take_crossings(crossings));
        }
        first.inbox.recycle(&mut first.crossings);
    }

    fn receive_port(&mut self, number: u32, failed: bool) {
        let Self { lanes, arrivals, shared, sender, poller, .. } = self;
        let Some(own) = lanes.get_mut(&number) else { return };
        let failure = if failed { own.lane.take_failure() } else { Ok(()) };
        let (count, result) = match failure {
            Ok(()) => own.lane.receive(&mut arrivals[..own.most]),
            Err(error) => (0, Err(error)),
        };
        if count > 0 {
            let arrivals = &mut arrivals[..count];
            let misses = shared.lend(sender, |engine| engine.take(number, &own.lane, arrivals));
            own.most = if misses >= MOST_MISSES as u64 { MOST_MISSES } else { BATCH };
        }
        if let Err(error) = result {
            let _ = own.lane.with_fd(|fd| poller.remove(fd));
            shared.lend(sender, |engine| engine.fail(number, &error));
        }
    }

    fn receive_underlay(&mut self, slot: usize) {
        let Self { uplinks, inbound: Some(inbound), arrivals, shared, sender, .. } = self else { return };
        let Some(uplink) = uplinks.get(&slot) else { return };
        inbound.follow();
        let count = uplink.socket.receive_batch(arrivals).map_or(0, |(count, _)| count);
        let now = monotonic_ns();
        for arrival in &mut arrivals[..count] {
            uplink.capture.write(arrival.frame.bytes());
            inbound.take(arrival, uplink.device(), count == 1, shared, sender, now);
        }
        inbound.hand_over(shared, sender);
    }

    /// Looks after timeouts: its own half-received frames, and, as the first thread, everything else.
    fn sweep(&mut self) {
        let now = monotonic_ns();
        if self.first.is_some() && self.shared.due_ns() <= now {
            self.shared.lend(&mut self.sender, |engine| engine.tick_health(now));
        }
        if now.saturating_sub(self.swept_ns) < SWEEP.as_nanos() as u64 {
            return;
        }
        self.swept_ns = now;
        let Self { inbound, first, shared, sender, .. } = self;
        if first.is_some() {
            shared.lend(sender, |engine| engine.sweep(monotonic_ns()));
        }
        if let Some(inbound) = inbound {
            inbound.expire(sender, now);
            inbound.hand_over(shared, sender);
        }
    }
}
