//! What the threads of a switch share: datapath, ports, sessions.  Whoever has it has it alone, for one batch.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tulle_datapath::{Datapath, Metadata, TunnelKey};
use tulle_flow::{Action, Match};
use tulle_io::clock::monotonic_ns;
use tulle_io::{Arrival, Poller, Received, Waker};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

use crate::lane::Lane;
use crate::notice::PortChange;
use crate::outbox::{Event, Outbox};
use crate::patch::Crossing;
use crate::port::{Port, slot};
use crate::settings::TableSettings;
use crate::telemetry;
use crate::tunnels::{Carrier, Inner, Membership, Uplink};
use crate::wires::Wires;
use crate::worker::{AWAKE, SESSIONS};

/// The longest options of Geneve (RFC 8926 section 3.4).
const MOST_OPTIONS: usize = 252;

/// One thread, as the others know it.
#[derive(Debug)]
pub(crate) struct Colleague {
    pub waker: Arc<Waker>,
    /// The version of ports and settings that it works with.
    pub seen: u64,
}

/// All that the threads share.
pub(crate) struct Engine {
    pub datapath: Datapath,
    pub wires: Wires,
    /// What is known of the tunnels of other bridges.
    pub membership: Membership,
    pub datapath_id: u64,
    /// What controllers are told of it, for people (`ofp_desc.dp_desc`).
    pub description: String,
    /// The same (`ofp_desc.serial_num`).
    pub serial: String,
    /// What its owner has set of tables.
    pub table_settings: BTreeMap<u8, TableSettings>,
    pub(crate) frame: FrameBuf,
    /// Threads that forward.  Those behind them, if any, are about to end.
    pub threads: usize,
    pub colleagues: Vec<Colleague>,
    /// How long a thread looks for more before it sleeps.
    pub awake: Duration,
    /// Rises when threads have to look at ports and settings anew.
    version: Arc<AtomicU64>,
    /// What the first thread waits for, which serves the sessions.
    poller: Arc<Poller>,
    pub is_stopping: bool,
    is_held: bool,
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.membership.leave();
    }
}

impl Engine {
    pub(crate) fn new(
        seed: u64,
        datapath_id: u64,
        version: Arc<AtomicU64>,
        poller: Arc<Poller>,
        outbox: Outbox,
    ) -> Engine {
        Engine {
            datapath: Datapath::new(seed),
            wires: Wires::new(outbox),
            membership: Membership::new(),
            datapath_id,
            description: "None".to_owned(),
            serial: "None".to_owned(),
            table_settings: BTreeMap::new(),
            frame: FrameBuf::new(),
            threads: 1,
            colleagues: Vec::new(),
            awake: AWAKE,
            version,
            poller,
            is_stopping: false,
            is_held: false,
        }
    }

    /// The version of ports and settings.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Has all threads look at ports and settings anew.
    pub(crate) fn changed(&self) {
        self.version.fetch_add(1, Ordering::Release);
        self.colleagues.iter().for_each(|colleague| colleague.waker.wake());
    }

    /// The lanes by which a thread receives, with their ports; none while the switch is held.
    pub(crate) fn lanes_of(&self, thread: usize) -> Vec<(u32, Arc<Lane>)> {
        let ports = self.wires.numbered().filter(|_| !self.is_held);
        let lanes = ports.filter_map(|(number, port)| {
            Some((number, Arc::clone(port.lane_of(number, thread, self.threads)?)))
        });
        lanes.collect()
    }

    /// The uplinks by which a thread receives, with the slots of their devices; none while the switch is held.
    pub(crate) fn uplinks_of(&self, thread: usize) -> Vec<(usize, Arc<Uplink>)> {
        let carriers = self.wires.underlay.numbered().filter(|_| !self.is_held);
        carriers
            .filter_map(|(slot, carrier)| Some((slot, Arc::clone(carrier.uplinks.get(thread)?))))
            .collect()
    }

    /// How long a thread looks for more before it sleeps.
    pub(crate) fn stay_awake(&mut self, time: Duration) {
        self.awake = time;
        self.changed();
    }

    /// Ends all threads after their present batches.
    pub(crate) fn stop(&mut self) {
        if let Some(telemetry) = &mut self.wires.telemetry {
            telemetry.finish(monotonic_ns());
        }
        self.is_stopping = true;
        self.changed();
    }

    /// Attaches a port whose number is free.
    pub(crate) fn attach(&mut self, number: u32, port: Port) {
        if !self.is_held {
            port.catch_up();
        }
        let at = slot(number);
        if self.wires.ports.len() <= at {
            self.wires.ports.resize_with(at + 1, || None);
        }
        self.wires.ports[at] = Some(port);
        self.changed();
        self.datapath.add_port(number);
        self.tell_port(number, PortChange::Added);
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

    /// Takes a port away; its device closes once no thread uses it any more.
    pub(crate) fn detach(&mut self, number: u32) -> Option<Port> {
        self.tell_port(number, PortChange::Removed);
        let port = self.wires.ports.get_mut(slot(number))?.take()?;
        self.changed();
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

    /// Opens a device of the underlay in place of the one that had its name.  Gives that one.
    pub(crate) fn open_carrier(&mut self, carrier: Carrier) -> std::io::Result<Option<Carrier>> {
        let before = self.close_carrier(&carrier.name);
        self.wires.underlay.insert(carrier)?;
        self.changed();
        self.tell_devices();
        self.wires.refresh_tunnels(None);
        Ok(before)
    }

    /// Takes a device of the underlay away, if it is there; it closes once no thread uses it any more.
    pub(crate) fn close_carrier(&mut self, device: &str) -> Option<Carrier> {
        let slot = self.wires.underlay.slot_of(device)?;
        let carrier = self.wires.underlay.carriers[slot].take();
        self.changed();
        self.tell_devices();
        self.wires.refresh_tunnels(None);
        carrier
    }

    /// Leaves what comes in by devices where it is (true), or takes it.
    pub(crate) fn hold(&mut self, is_held: bool) {
        if std::mem::replace(&mut self.is_held, is_held) && !is_held {
            self.wires.ports.iter().flatten().for_each(Port::catch_up);
        }
        self.changed();
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

    /// Takes frames that came by a lane of a port; how many of them walked the tables.
    pub(crate) fn take(&mut self, number: u32, lane: &Arc<Lane>, arrivals: &mut [Arrival]) -> u64 {
        let Self { datapath, wires, .. } = self;
        // It may have gone meanwhile, and another port have its number.
        let is_lane = |port: &mut Port| port.lanes().iter().any(|one| Arc::ptr_eq(one, lane));
        if !wires.port(number).is_some_and(is_lane) {
            return 0;
        }
        let (now, misses) = (monotonic_ns(), datapath.misses());
        for arrival in arrivals {
            let Arrival { frame, offload, received } = arrival;
            accept(datapath, wires, number, *received, frame, offload, now);
        }
        datapath.misses() - misses
    }

    /// Takes one frame out of a tunnel, where the tunnel is one of this bridge's.
    #[inline]
    pub(crate) fn deliver(&mut self, inner: &mut Inner, now: u64) {
        let Self { datapath, wires, membership, .. } = self;
        let number = match membership.port_of(inner) {
            Ok(number) => number,
            Err(None) => return,
            Err(Some(reason)) => return wires.losses.count(0, reason),
        };
        let Some(port) = wires.port(number) else { return };
        port.counters.received(inner.frame.len());
        port.record(inner.frame.bytes());
        let metadata = Metadata { in_port: number, tunnel: Some(inner.key()) };
        let Inner { frame, popped, .. } = inner;
        let offload = popped.offload;
        if !popped.has_options() {
            return telemetry::process(datapath, frame, &offload, &metadata, &[], now, wires);
        }
        // They stand in the frame's headroom, which flows may write to.
        let mut room = [0; MOST_OPTIONS];
        let options = copied(popped.options(frame), &mut room);
        telemetry::process(datapath, frame, &offload, &metadata, options, now, wires);
    }

    /// Takes frames that other bridges have sent through patch ports.
    pub(crate) fn take_crossings(&mut self, crossings: &[Crossing]) {
        let now = monotonic_ns();
        for crossing in crossings {
            self.receive_patch(crossing, now);
        }
        self.wires.crossings = 0;
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
        wires.origin.note(crossing.port, frame.bytes());
        let metadata = Metadata { in_port: crossing.port, tunnel: None };
        telemetry::process(datapath, frame, &crossing.offload, &metadata, &[], now, wires);
        wires.origin.clear();
    }

    /// A device that fails is no longer waited for; the owner hears of it and may take the port away.
    pub(crate) fn fail(&mut self, number: u32, error: &std::io::Error) {
        self.wires.outbox.tell(Event::PortFailed { port: number, error: error.to_string() });
    }

    /// Looks after timeouts: flows, cached verdicts, sessions.
    pub(crate) fn sweep(&mut self, now: u64) {
        self.wires.count_missed();
        self.wires.tick_telemetry(self.datapath_id, now);
        let removed = self.datapath.expire(now);
        self.tell_removed(removed);
        self.tell_flow_events(None, 0);
        self.probe_sessions(now);
    }
}

/// A copy of options, cut to the longest that there may be.
#[inline]
fn copied<'a>(options: &[u8], room: &'a mut [u8; MOST_OPTIONS]) -> &'a [u8] {
    let to = &mut room[..options.len().min(MOST_OPTIONS)];
    to.copy_from_slice(&options[..to.len()]);
    to
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
    wires.origin.note(number, frame.bytes());
    let metadata = Metadata { in_port: number, tunnel: None };
    telemetry::process(datapath, frame, offload, &metadata, &[], now, wires);
    wires.origin.clear();
}
