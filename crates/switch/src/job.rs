//! Jobs: how other threads have something done on the switch's thread, between two batches of packets.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};

use tulle_io::Waker;

use crate::engine::Engine;
use crate::error::SwitchError;

pub(crate) type Job = Box<dyn FnOnce(&mut Engine) + Send>;

/// Hands jobs to the engine.  Shared by the switch and its sessions.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    jobs: Sender<Job>,
    waker: Arc<Waker>,
}

impl Desk {
    pub(crate) fn new(waker: Arc<Waker>) -> (Desk, Receiver<Job>) {
        let (jobs, inbox) = channel();
        (Desk { jobs, waker }, inbox)
    }

    /// Has a job done and waits for its result.
    pub(crate) fn call<R, F>(&self, job: F) -> Result<R, SwitchError>
    where
        R: Send + 'static,
        F: FnOnce(&mut Engine) -> R + Send + 'static,
    {
        let (result, answer) = sync_channel(1);
        let job = Box::new(move |engine: &mut Engine| {
            let _ = result.send(job(engine));
        });
        self.jobs.send(job).map_err(|_| SwitchError::Closed)?;
        self.waker.wake();
        answer.recv().map_err(|_| SwitchError::Closed)
    }
}
