//! The threads of a switch, and how they share its engine.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tulle_io::{Poller, Waker};

use crate::engine::{Colleague, Engine};
use crate::sender::Sender;
use crate::worker::Worker;

/// The most threads of a switch.
pub(crate) const MOST_THREADS: usize = 64;
/// How often somebody who waits for the threads looks again by himself.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The longest name of a thread (prctl(2), `PR_SET_NAME`).
const NAME_LEN: usize = 15;

/// The engine, behind a lock that a thread holds for one batch and never while it receives, sends or sleeps.
pub(crate) struct Shared {
    engine: Mutex<Engine>,
    /// The engine's version, to be read without it.
    version: Arc<AtomicU64>,
    /// When the first thread has to look after the health of tunnels, to be read without it.
    due_ns: Arc<AtomicU64>,
    /// A thread has seen a version.
    seen: Condvar,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// `version` is the one that the engine has been made with.
    pub(crate) fn new(engine: Engine, version: Arc<AtomicU64>) -> Shared {
        let due_ns = engine.agenda.due();
        Shared { engine: Mutex::new(engine), version, due_ns, seen: Condvar::new() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// When the first thread has to look after the health of tunnels.
    #[inline]
    pub(crate) fn due_ns(&self) -> u64 {
        self.due_ns.load(Ordering::Acquire)
    }

    /// Has something done with the engine, and then sends what that has staged.
    #[inline]
    pub(crate) fn lend<R>(&self, sender: &mut Box<Sender>, work: impl FnOnce(&mut Engine) -> R) -> R {
        let mut engine = self.lock();
        std::mem::swap(&mut engine.wires.sender, sender);
        let result = work(&mut engine);
        if engine.wires.sessions.has_notices() {
            tell_notices(&mut engine);
        }
        std::mem::swap(&mut engine.wires.sender, sender);
        drop(engine);
        sender.send();
        if sender.has_lost() {
            self.settle_losses(sender);
        }
        result
    }

    #[cold]
    fn settle_losses(&self, sender: &mut Box<Sender>) {
        let mut engine = self.lock();
        std::mem::swap(&mut engine.wires.sender, sender);
        engine.wires.settle();
        std::mem::swap(&mut engine.wires.sender, sender);
    }

    /// Notes that a thread works with a version of ports and settings from now on.
    pub(crate) fn note_seen(&self, engine: &mut Engine, thread: usize, version: u64) {
        if let Some(colleague) = engine.colleagues.get_mut(thread) {
            colleague.seen = version;
        }
        self.seen.notify_all();
    }

    /// Waits until all threads work with the present ports and settings, and have let go of others.
    pub(crate) fn wait_until_seen(&self) {
        let mut engine = self.lock();
        let wanted = engine.version();
        while engine.colleagues.iter().any(|colleague| colleague.seen < wanted) {
            let waited = self.seen.wait_timeout(engine, LOOK_AGAIN);
            engine = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(engine, _)| engine);
        }
    }
}

/// The sessions are the first thread's.
#[cold]
fn tell_notices(engine: &mut Engine) {
    match engine.colleagues.first() {
        Some(first) if engine.wires.sender.thread > 0 => first.waker.wake(),
        _ => engine.tell_sessions(),
    }
}

/// The threads themselves, for whoever starts and ends them.
#[derive(Debug)]
pub(crate) struct Threads {
    name: String,
    pub shared: Arc<Shared>,
    running: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Starts the first thread, which takes the jobs.
    pub(crate) fn start(name: &str, shared: Arc<Shared>, first: Worker) -> std::io::Result<Threads> {
        let mut threads = Threads { name: name.to_owned(), shared, running: Vec::new() };
        threads.spawn(first)?;
        Ok(threads)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.running.len()
    }

    /// Starts one more.
    pub(crate) fn start_one(&mut self) -> std::io::Result<()> {
        let (poller, waker) = (Arc::new(Poller::new()?), Arc::new(Waker::new()?));
        let worker = Worker::new(self.running.len(), Arc::clone(&self.shared), poller, Arc::clone(&waker))?;
        let mut engine = self.shared.lock();
        engine.colleagues.push(Colleague { waker, seen: 0 });
        engine.threads = engine.colleagues.len();
        engine.changed();
        drop(engine);
        let spawned = self.spawn(worker);
        if spawned.is_err() {
            self.forget(self.running.len());
        }
        spawned
    }

    fn forget(&self, left: usize) {
        let mut engine = self.shared.lock();
        engine.colleagues.truncate(left);
        engine.threads = left;
        engine.changed();
    }

    fn spawn(&mut self, worker: Worker) -> std::io::Result<()> {
        let suffix = if self.running.is_empty() { String::new() } else { format!("/{}", self.running.len()) };
        let kept = self.name.chars().take(NAME_LEN - suffix.len()).collect::<String>();
        let builder = std::thread::Builder::new().name(kept + &suffix);
        self.running.push(builder.spawn(move || worker.run())?);
        Ok(())
    }

    /// Waits for the end of all threads but so many, which have been told.
    pub(crate) fn join(&mut self, left: usize) {
        for thread in self.running.drain(left..) {
            let _ = thread.join();
        }
        self.shared.lock().colleagues.truncate(left);
    }
}
