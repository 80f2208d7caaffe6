//! Looks now and then whether frames may go directly to the devices of ports, on a thread of its own.
//!
//! Someone may put a queueing discipline or a filter on a device, or start tcpdump, while it is a port;
//! what is sent from then on, within a second, goes the long way, and the short one again when that is
//! over.  The thread works in the network namespace of the first device that was attached.

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tulle_io::{Egress, Outgoing};

use crate::error::SwitchError;
use crate::job::Desk;

const EVERY: Duration = Duration::from_secs(1);

/// What is known of a port that may send directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DirectPort {
    pub number: u32,
    pub ifindex: u32,
    pub inode: u64,
    pub is_direct: bool,
    /// Others of the same device may not.
    pub may_be_direct: bool,
}

/// The thread, which ends with this value.
#[derive(Debug)]
pub(crate) struct Watch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// For devices of the calling thread's network namespace.
    pub(crate) fn start(desk: Desk) -> std::io::Result<Watch> {
        let (stop, stopped) = channel();
        let builder = std::thread::Builder::new().name("watch".into());
        let thread = builder.spawn(move || watch(&desk, &stopped))?;
        Ok(Watch { stop: Some(stop), thread: Some(thread) })
    }
}

impl std::ops::Drop for Watch {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Whether frames may go directly to a device of the calling thread's network namespace that is not yet a port.
pub(crate) fn may_go_directly(ifindex: u32) -> bool {
    let look = || {
        let mut egress = Egress::open()?;
        let listeners = egress.listeners(&HashSet::new())?;
        Ok::<_, std::io::Error>(egress.look(ifindex)?.is_plain && !listeners.listen_on(ifindex))
    };
    look().unwrap_or(false)
}

fn watch(desk: &Desk, stopped: &Receiver<()>) {
    let Ok(mut egress) = Egress::open() else { return };
    while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        if look(desk, &mut egress).is_err() {
            return;
        }
    }
}

/// One round over the ports.  Errors: the switch is closed.
fn look(desk: &Desk, egress: &mut Egress) -> Result<(), SwitchError> {
    let ports = desk.call(|engine| engine.wires.direct_ports())?;
    if ports.is_empty() {
        return Ok(());
    }
    let own = ports.iter().map(|port| port.inode).collect();
    let Ok(listeners) = egress.listeners(&own) else { return Ok(()) };
    for port in ports {
        // A device that is gone, or elsewhere, is not ours to judge.
        let Ok(way) = egress.look(port.ifindex) else { continue };
        desk.call(move |engine| engine.wires.set_mtu(port, way.mtu))?;
        let may = port.may_be_direct && way.is_plain && !listeners.listen_on(port.ifindex);
        let other = match (port.is_direct, may) {
            (false, true) => Outgoing::direct(port.ifindex),
            (true, false) => Outgoing::by_messages(),
            _ => continue,
        };
        if let Ok(other) = other {
            // Closed here, since that takes the kernel a while.
            drop(desk.call(move |engine| engine.wires.replace_outgoing(port, other))?);
        }
    }
    Ok(())
}
