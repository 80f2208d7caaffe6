//! The switch's thread: waits for devices and jobs, and moves frames through the datapath.
//!
//! One batch of a device is bounded, so that a busy device starves neither the others nor the jobs.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use tulle_datapath::{Datapath, Metadata, TunnelKey};
use tulle_encap::Popped;
use tulle_flow::{Action, Match};
use tulle_io::clock::monotonic_ns;
use tulle_io::{Arrival, Poller, Received, Waker};
use tulle_openflow::Queue;
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

use crate::job::Job;
use crate::notice::PortChange;
use crate::outbox::{Event, Outbox};
use crate::patch::{Crossing, PatchInbox};
use crate::port::{Port, slot};
use crate::settings::TableSettings;
use crate::tunnels::{Encapsulations, Kind, kind_of};
use crate::wires::Wires;

/// Frames taken from one device before the next has its turn.
const BATCH: usize = 32;
/// Frames of one turn that may walk the tables: such a frame costs as much as many others, and a tenant who sends
/// nothing else must not keep the others waiting for longer than those who send known flows do.
const MOST_MISSES: u64 = 8;
/// Tokens of the poller above all port numbers.
const JOBS: u64 = 1 << 32;
const UNDERLAY: u64 = JOBS + 1;
/// Sessions' numbers are added to this one.
const SESSIONS: u64 = 1 << 33;
/// How long the thread looks for more before it sleeps, unless told otherwise.  Longer takes the
/// processor from the workloads.
pub(crate) const AWAKE: Duration = Duration::from_micros(10);
/// How often timeouts are looked after.
const SWEEP: Duration = Duration::from_millis(250);

/// All that the thread owns.
pub(crate) struct Engine {
    pub datapath: Datapath,
    pub wires: Wires,
    pub receivers: Option<Encapsulations>,
    pub datapath_id: u64,
    /// What controllers are told of it, for people (`ofp_desc.dp_desc`).
    pub description: String,
    /// The same (`ofp_desc.serial_num`).
    pub serial: String,
    /// What its owner has set of tables.
    pub table_settings: BTreeMap<u8, TableSettings>,
    /// The queues that ports have (table QoS).
    pub queues: Vec<Queue>,
    poller: Poller,
    waker: Arc<Waker>,
    jobs: Receiver<Job>,
    pub(crate) frame: FrameBuf,
    arrivals: Vec<Arrival>,
    crossings: Vec<Crossing>,
    awake_ns: u64,
    swept_ns: u64,
    is_stopping: bool,
    is_held: bool,
}

impl Engine {
    pub(crate) fn new(
        seed: u64,
        datapath_id: u64,
        waker: Arc<Waker>,
        jobs: Receiver<Job>,
        outbox: Outbox,
        inbox: Arc<PatchInbox>,
    ) -> std::io::Result<Engine> {
        let poller = Poller::new()?;
        poller.add(std::os::fd::AsFd::as_fd(&*waker), JOBS)?;
        Ok(Engine {
            datapath: Datapath::new(seed),
            wires: Wires::new(outbox, inbox),
            receivers: None,
            datapath_id,
            description: "None".to_owned(),
            serial: "None".to_owned(),
            table_settings: BTreeMap::new(),
            queues: Vec::new(),
            poller,
            waker,
            jobs,
            frame: FrameBuf::new(),
            arrivals: (0..BATCH).map(|_| Arrival::new()).collect(),
            crossings: Vec::new(),
            awake_ns: AWAKE.as_nanos() as u64,
            swept_ns: 0,
            is_stopping: false,
            is_held: false,
        })
    }

    /// Runs until the switch is closed.
    pub(crate) fn run(mut self) {
        let mut ready = Vec::new();
        loop {
            if self.wait(&mut ready).is_err() {
                return;
            }
            for event in &ready {
                match event.token {
                    JOBS => {
                        if !self.do_jobs() {
                            return;
                        }
                    }
                    UNDERLAY => self.receive_underlay(),
                    session if session >= SESSIONS => self.session_ready(session - SESSIONS),
                    number => self.receive_port(number as u32, event.failed),
                }
                self.wires.flush();
            }
            self.sweep();
            self.tell_sessions();
        }
    }

    /// Waits for something to do: awake at first, since waking a sleeping thread costs more than a packet.
    fn wait(&self, ready: &mut Vec<tulle_io::Event>) -> std::io::Result<()> {
        let sweep_ns = SWEEP.as_nanos() as u64;
        let asleep_at_ns = monotonic_ns() + self.awake_ns.min(sweep_ns);
        while monotonic_ns() < asleep_at_ns {
            self.poller.wait(ready, Some(Duration::ZERO))?;
            if !ready.is_empty() {
                return Ok(());
            }
        }
        if self.awake_ns < sweep_ns { self.poller.wait(ready, Some(SWEEP)) } else { Ok(()) }
    }

    /// How long the thread looks for more before it sleeps.
    pub(crate) fn stay_awake(&mut self, time: Duration) {
        self.awake_ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    }

    /// Ends the thread after the present batch.
    pub(crate) fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// Does what has been asked for; false when the thread is to end.
    fn do_jobs(&mut self) -> bool {
        self.waker.drain();
        while let Ok(job) = self.jobs.try_recv() {
            job(self);
        }
        self.receive_patches();
        !self.is_stopping
    }

    /// Attaches a port whose number is free.
    pub(crate) fn attach(&mut self, number: u32, port: Port) -> std::io::Result<()> {
        if let Some(fd) = port.fd().filter(|_| !self.is_held) {
            self.poller.add(fd, u64::from(number))?;
        }
        let at = slot(number);
        if self.wires.ports.len() <= at {
            self.wires.ports.resize_with(at + 1, || None);
        }
        self.wires.ports[at] = Some(port);
        self.datapath.add_port(number);
        self.tell_port(number, PortChange::Added);
        Ok(())
    }

    /// Notes whether a port's device is up and has a link, and tells those who care; false where there is no such
    /// port.
    pub(crate) fn set_port_state(&mut self, number: u32, is_up: bool, has_link: bool) -> bool {
        let Some(port) = self.wires.port(number) else { return false };
        let before = (port.is_up, port.has_link);
        (port.is_up, port.has_link) = (is_up, has_link);
        if before != (is_up, has_link) {
            self.datapath.set_port_live(number, is_up && has_link);
            self.tell_port(number, PortChange::Modified);
        }
        true
    }

    /// Takes a port away; its device closes.
    pub(crate) fn detach(&mut self, number: u32) -> Option<Port> {
        self.wires.flush();
        self.tell_port(number, PortChange::Removed);
        let port = self.wires.ports.get_mut(slot(number))?.take()?;
        if let Some(fd) = port.fd() {
            let _ = self.poller.remove(fd);
        }
        self.wires.peers.retain(|_, peer| *peer != number);
        self.wires.losses.forget_port(number);
        self.datapath.remove_port(number);
        Some(port)
    }

    /// Waits for a session's socket from now on.
    pub(crate) fn watch_session(&self, id: u64, fd: BorrowedFd<'_>) -> std::io::Result<()> {
        self.poller.add(fd, SESSIONS + id)
    }

    /// Chooses anew what to wait for at a session's socket.
    pub(crate) fn watch_again(&self, id: u64, fd: BorrowedFd<'_>, readable: bool, writable: bool) {
        let _ = self.poller.modify(fd, SESSIONS + id, readable, writable);
    }

    /// Waits no more for a descriptor.
    pub(crate) fn unwatch(&self, fd: BorrowedFd<'_>) {
        let _ = self.poller.remove(fd);
    }

    /// Waits for the underlay's socket from now on.
    pub(crate) fn watch_underlay(&self) -> std::io::Result<()> {
        match &self.wires.underlay {
            _ if self.is_held => Ok(()),
            Some(underlay) => self.poller.add(std::os::fd::AsFd::as_fd(&underlay.socket), UNDERLAY),
            None => Ok(()),
        }
    }

    /// Leaves what comes in by devices where it is, until [`Engine::release`].
    pub(crate) fn hold(&mut self) {
        for port in self.wires.ports.iter().flatten() {
            if let Some(fd) = port.fd().filter(|_| !self.is_held) {
                let _ = self.poller.remove(fd);
            }
        }
        if let Some(underlay) = self.wires.underlay.as_ref().filter(|_| !self.is_held) {
            let _ = self.poller.remove(std::os::fd::AsFd::as_fd(&underlay.socket));
        }
        self.is_held = true;
    }

    /// Takes what comes in by devices again; an error is of a device that is gone.
    pub(crate) fn release(&mut self) -> std::io::Result<()> {
        if !std::mem::take(&mut self.is_held) {
            return Ok(());
        }
        for (number, port) in self.wires.numbered() {
            if let Some(fd) = port.fd() {
                self.poller.add(fd, u64::from(number))?;
            }
        }
        self.watch_underlay()
    }

    /// Executes actions on a frame that a controller sends.
    pub(crate) fn send_packet(&mut self, in_port: u32, fields: &Match, actions: &[Action], frame: &[u8]) {
        self.frame.fill(frame);
        let tunnel = TunnelKey::of_key(fields.key());
        // Fields that no option stands behind say nothing.
        let options = self.datapath.option_bytes(fields).unwrap_or_default();
        let metadata = Metadata { in_port, tunnel };
        let (offload, now) = (Offload::default(), monotonic_ns());
        let Self { datapath, frame, wires, .. } = self;
        datapath.packet_out_with_options(actions, frame, &offload, (&metadata, &options), now, wires);
    }

    fn receive_port(&mut self, number: u32, failed: bool) {
        let Some(port) = self.wires.port(number) else { return };
        let failure = if failed { port.take_failure() } else { Ok(()) };
        let is_batched = port.batched_device().is_some();
        let received = failure.and_then(|()| match is_batched {
            true => self.receive_together(number),
            false => self.receive_singly(number),
        });
        if let Err(error) = received {
            self.fail(number, &error);
        }
    }

    /// Receives frame by frame: from a ring, where that needs no system call, or a TAP device, which
    /// has nothing better.
    fn receive_singly(&mut self, number: u32) -> std::io::Result<()> {
        let now = monotonic_ns();
        let first_miss = self.datapath.misses();
        for _ in 0..BATCH {
            if self.datapath.misses() - first_miss >= MOST_MISSES {
                return Ok(());
            }
            let Self { datapath, wires, frame, .. } = self;
            let Some(port) = wires.port(number) else { return Ok(()) };
            let mut offload = Offload::default();
            match port.receive(frame, &mut offload)? {
                Received::Nothing | Received::DeviceDown => return Ok(()),
                received => accept(datapath, wires, number, received, frame, &offload, now),
            }
        }
        Ok(())
    }

    /// Receives a batch by one system call.
    fn receive_together(&mut self, number: u32) -> std::io::Result<()> {
        let Self { datapath, wires, arrivals, .. } = self;
        let Some(device) = wires.port(number).and_then(Port::batched_device) else { return Ok(()) };
        let (count, _) = device.receive_batch(arrivals)?;
        let now = monotonic_ns();
        for arrival in &mut arrivals[..count] {
            let Arrival { frame, offload, received } = arrival;
            accept(datapath, wires, number, *received, frame, offload, now);
        }
        Ok(())
    }

    /// Takes the frames that other bridges have sent through patch ports.
    fn receive_patches(&mut self) {
        let mut crossings = std::mem::take(&mut self.crossings);
        self.wires.inbox.take(&mut crossings);
        let now = monotonic_ns();
        for crossing in &crossings {
            self.receive_patch(crossing, now);
        }
        self.wires.crossings = 0;
        self.wires.inbox.recycle(&mut crossings);
        self.crossings = crossings;
    }

    fn receive_patch(&mut self, crossing: &Crossing, now: u64) {
        let Self { wires, frame, datapath, .. } = self;
        let Some(port) = wires.port(crossing.port) else {
            return wires.losses.count(crossing.port, "unknown-port");
        };
        frame.fill(&crossing.frame);
        port.counters.received(frame.len());
        port.record(frame.bytes());
        wires.crossings = crossing.crossings;
        let metadata = Metadata { in_port: crossing.port, tunnel: None };
        datapath.process(frame, &crossing.offload, &metadata, now, wires);
    }

    /// A device that fails is no longer waited for; the owner hears of it and may take the port away.
    fn fail(&mut self, number: u32, error: &std::io::Error) {
        if let Some(fd) = self.wires.port(number).and_then(|port| port.fd()) {
            let _ = self.poller.remove(fd);
        }
        self.wires.outbox.tell(Event::PortFailed { port: number, error: error.to_string() });
    }

    fn receive_underlay(&mut self) {
        let mut arrivals = std::mem::take(&mut self.arrivals);
        let count = match &self.wires.underlay {
            Some(underlay) => underlay.socket.receive_batch(&mut arrivals).map_or(0, |(count, _)| count),
            None => 0,
        };
        let now = monotonic_ns();
        for arrival in &mut arrivals[..count] {
            self.receive_outer(arrival, now);
        }
        self.arrivals = arrivals;
    }

    fn receive_outer(&mut self, arrival: &mut Arrival, now: u64) {
        if let Some(capture) = self.wires.underlay.as_mut().and_then(|underlay| underlay.capture.as_mut()) {
            capture.write(arrival.frame.bytes());
        }
        let Self { datapath, wires, receivers, .. } = self;
        let (Some(kind), Some(receivers)) = (kind_of(arrival.frame.bytes()), receivers) else {
            return wires.losses.count(0, "tunnel-outer-foreign");
        };
        if arrival.received != Received::Frame {
            return wires.losses.count(0, "device-bad-frame");
        }
        receivers.of(kind).pop(
            &mut arrival.frame,
            &arrival.offload,
            now,
            &mut |result, frame| match result {
                Ok(popped) => deliver(datapath, wires, kind, &popped, frame, now),
                Err(reason) => wires.losses.count(0, reason.name()),
            },
        );
    }

    /// Looks after timeouts: flows, cached verdicts, half-received frames.
    fn sweep(&mut self) {
        let now = monotonic_ns();
        if now.saturating_sub(self.swept_ns) < SWEEP.as_nanos() as u64 {
            return;
        }
        self.swept_ns = now;
        self.wires.count_missed();
        let removed = self.datapath.expire(now);
        self.tell_removed(removed);
        self.tell_flow_events(None, 0);
        self.probe_sessions(now);
        let Self { wires, receivers, .. } = self;
        for kind in [Kind::Stt, Kind::Vxlan] {
            if let Some(receivers) = receivers {
                receivers.of(kind).expire(now, &mut |reason| wires.losses.count(0, reason.name()));
            }
        }
    }
}

/// Hands one frame of a device to the datapath.
#[inline]
fn accept(
    datapath: &mut Datapath,
    wires: &mut Wires,
    number: u32,
    received: Received,
    frame: &mut FrameBuf,
    offload: &Offload,
    now: u64,
) {
    let Some(port) = wires.port(number) else { return };
    if received != Received::Frame {
        port.counters.rx_dropped += 1;
        return wires.losses.count(number, "device-bad-frame");
    }
    port.counters.received(frame.len());
    port.record(frame.bytes());
    if port.policer.as_mut().is_some_and(|policer| !policer.admits(frame.len(), now)) {
        port.counters.rx_dropped += 1;
        return wires.losses.count(number, "policed");
    }
    let metadata = Metadata { in_port: number, tunnel: None };
    datapath.process(frame, offload, &metadata, now, wires);
}

/// Hands one frame out of a tunnel to the datapath; only known peers are listened to.
#[inline]
fn deliver(
    datapath: &mut Datapath,
    wires: &mut Wires,
    kind: Kind,
    popped: &Popped,
    frame: &mut FrameBuf,
    now: u64,
) {
    let peer = wires.peers.get(&(kind, popped.source)).copied();
    let Some((number, port)) = peer.and_then(|number| Some((number, wires.port(number)?))) else {
        return wires.losses.count(0, "tunnel-unknown-peer");
    };
    port.counters.received(frame.len());
    port.record(frame.bytes());
    let (src, dst) = (popped.source, popped.destination);
    let key = TunnelKey { id: popped.context, src, dst, ..TunnelKey::default() };
    let metadata = Metadata { in_port: number, tunnel: Some(key) };
    datapath.process(frame, &popped.offload, &metadata, now, wires);
}
