//! The handle of a running switch, for the thread that configures it.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tulle_datapath::{
    CacheStats, Command, DropReason, FlowFilter, FlowMod, FlowModError, FlowStats, Metadata, Trace, TunnelKey,
};
use tulle_flow::{Flow, Match, port};
use tulle_io::clock::monotonic_ns;
use tulle_io::{Device, Poller, Tap, TapOptions, Waker};
use tulle_wire::Mac;
use tulle_wire::vnet::Offload;

use crate::capture::Capture;
use crate::counters::{Drop, PortCounters};
use crate::engine::{Colleague, Engine};
use crate::error::SwitchError;
use crate::handle::SwitchSession;
use crate::job::Desk;
use crate::journal::message_of;
use crate::lane::Lane;
use crate::outbox::{Event, Outbox};
use crate::patch::{PatchInbox, PatchPeer};
use crate::port::{Link, MOST_PORTS, Port};
use crate::session::SessionOptions;
use crate::sessions::SessionInfo;
use crate::threading::steer;
use crate::threads::{Shared, Threads};
use crate::watch::{Watch, may_go_directly};
use crate::worker::{AWAKE, Worker};

/// A TAP device to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapSettings {
    /// Its name.
    pub name: String,
    /// Largest payload of a frame, in bytes.
    pub mtu: u32,
    /// Its Ethernet address; the kernel draws one if there is none.
    pub mac: Option<Mac>,
    /// Set it up.
    pub set_up: bool,
}

/// How an existing device is used as a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceOptions {
    /// Receive through memory shared with the kernel, where the switch has some left for it.
    pub ring: bool,
    /// Send small frames directly, as long as the device has no queueing discipline, no filter on the
    /// way out, one queue, and nobody listens on it.
    pub direct: bool,
}

impl Default for DeviceOptions {
    fn default() -> Self {
        DeviceOptions { ring: true, direct: true }
    }
}

/// What is known of a device once it is a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortInfo {
    /// Ethernet address.
    pub mac: Mac,
    /// Index in the network namespace where it was opened.
    pub ifindex: u32,
    /// Largest payload of a frame, in bytes.
    pub mtu: u32,
}

/// A running switch.  Dropping it ends its threads and closes all ports.
#[derive(Debug)]
pub struct Switch {
    desk: Mutex<Option<Desk>>,
    outbox: Outbox,
    events: Arc<Waker>,
    pub(crate) threads: Mutex<Option<Threads>>,
    inbox: Arc<PatchInbox>,
    watch: Mutex<Option<Watch>>,
}

impl Switch {
    /// Starts it with one thread.  `seed` makes hashing unpredictable for tenants.
    pub fn start(name: &str, datapath_id: u64, seed: u64) -> Result<Switch, SwitchError> {
        let (waker, events) = (Arc::new(Waker::new()?), Arc::new(Waker::new()?));
        let outbox = Outbox::new(Arc::clone(&events));
        let (desk, jobs) = Desk::new(Arc::clone(&waker));
        let inbox = Arc::new(PatchInbox::new(Arc::clone(&waker)));
        let (poller, version) = (Arc::new(Poller::new()?), Arc::default());
        let (polled, risen) = (Arc::clone(&poller), Arc::clone(&version));
        let mut engine = Engine::new(seed, datapath_id, risen, polled, outbox.clone());
        engine.colleagues.push(Colleague { waker: Arc::clone(&waker), seen: 0 });
        let shared = Arc::new(Shared::new(engine, version));
        let first = Worker::new(0, Arc::clone(&shared), poller, waker)?.with_jobs(jobs, Arc::clone(&inbox));
        let threads = Mutex::new(Some(Threads::start(name, shared, first)?));
        Ok(Switch { desk: Mutex::new(Some(desk)), outbox, events, threads, inbox, watch: Mutex::default() })
    }

    /// Leaves what comes in by devices in their queues for now (true), or takes it (false).
    pub fn hold(&self, is_held: bool) -> Result<(), SwitchError> {
        self.call(move |engine| engine.hold(is_held))?;
        self.wait_for_threads();
        Ok(())
    }

    /// The datapath id that sessions report.
    pub fn datapath_id(&self) -> u64 {
        self.call(|engine| engine.datapath_id).unwrap_or_default()
    }

    /// Sessions that are opened from now on report this datapath id.
    pub fn set_datapath_id(&self, datapath_id: u64) {
        let _ = self.call(move |engine| engine.datapath_id = datapath_id);
    }

    /// Readable when [`Switch::events`] has something.
    pub fn event_fd(&self) -> RawFd {
        self.events.as_fd().as_raw_fd()
    }

    /// What happened since the last call.
    pub fn events(&self) -> Vec<Event> {
        self.outbox.drain()
    }

    /// Makes a TAP device in the calling thread's network namespace and attaches it: with several threads, one that has
    /// a queue for each.
    pub fn add_tap(&self, number: u32, settings: &TapSettings) -> Result<PortInfo, SwitchError> {
        self.check_free(number)?;
        let TapSettings { name, mtu, mac, set_up } = settings;
        let shareable = self.call(|engine| engine.threads)? > 1;
        let options =
            TapOptions { mtu: *mtu, mac: *mac, set_up: *set_up, shareable, ..TapOptions::named(name) };
        let tap = Tap::open(&options).map_err(device_error(name))?;
        let lanes = self.with_shares(Lane::Tap(tap))?;
        let (first, queues) = (Arc::clone(&lanes[0]), lanes.len());
        let info = self.attach(number, name, Link::Device(lanes), false)?;
        // Only now, since what comes by a queue is received from now on.  Where it fails, the first gets everything.
        if queues > 1 {
            let _ = steer(name, &first, queues);
        }
        Ok(info)
    }

    /// Attaches an existing device of the calling thread's network namespace, such as a veth.
    pub fn add_device(&self, number: u32, name: &str) -> Result<PortInfo, SwitchError> {
        self.add_device_with(number, name, DeviceOptions::default())
    }

    /// As [`add_device`](Self::add_device), with a say in how frames are received and sent.
    pub fn add_device_with(
        &self,
        number: u32,
        name: &str,
        options: DeviceOptions,
    ) -> Result<PortInfo, SwitchError> {
        self.check_free(number)?;
        let device = Device::open(name).map_err(device_error(name))?;
        let direct = options.direct && may_go_directly(device.index());
        let lanes = self.open_lanes(&device, options.ring, direct)?;
        let info = self.attach(number, name, Link::Device(lanes), options.direct)?;
        if options.direct {
            self.start_watch()?;
        }
        Ok(info)
    }

    pub(crate) fn start_watch(&self) -> Result<(), SwitchError> {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        if watch.is_none() {
            *watch = Some(Watch::start(self.desk()?)?);
        }
        Ok(())
    }

    /// Adds a patch port without a peer: its frames are lost until [`Switch::connect_patch`].
    pub fn add_patch(&self, number: u32, name: &str) -> Result<(), SwitchError> {
        self.check_free(number)?;
        let port = Port::new(name.to_owned(), [0; 6], Link::Patch(None));
        self.call(move |engine| engine.attach(number, port))
    }

    /// Where frames enter this switch by its patch ports.
    pub fn patch_inbox(&self) -> Arc<PatchInbox> {
        Arc::clone(&self.inbox)
    }

    /// Says where the frames of a patch port go: by a port of another switch, or nowhere.
    pub fn connect_patch(
        &self,
        number: u32,
        peer: Option<(Arc<PatchInbox>, u32)>,
    ) -> Result<(), SwitchError> {
        let peer = peer.map(|(inbox, port)| PatchPeer { inbox, port });
        self.call(move |engine| match engine.wires.port(number).map(|port| &mut port.link) {
            Some(Link::Patch(link)) => {
                *link = peer;
                Ok(())
            }
            _ => Err(SwitchError::NoPort(number)),
        })?
    }

    /// Says whether a port's device is up and has a link, for controllers.
    pub fn set_port_state(&self, number: u32, is_up: bool, has_link: bool) -> Result<(), SwitchError> {
        let changed = self.call(move |engine| engine.set_port_state(number, is_up, has_link))?;
        if changed { Ok(()) } else { Err(SwitchError::NoPort(number)) }
    }

    pub(crate) fn change_port(
        &self,
        number: u32,
        change: impl FnOnce(&mut Port) + Send + 'static,
    ) -> Result<(), SwitchError> {
        let changed = self.call(move |engine| engine.wires.port(number).map(change))?;
        changed.ok_or(SwitchError::NoPort(number))
    }

    /// Takes a port away; a TAP device disappears.
    pub fn remove_port(&self, number: u32) -> Result<(), SwitchError> {
        // The port comes back here, so that closing its device does not keep the engine from its packets.
        let port = self.call(move |engine| engine.detach(number))?;
        self.forget_tunnel(number)?;
        self.wait_for_threads();
        port.map(drop).ok_or(SwitchError::NoPort(number))
    }

    /// How long a thread looks for more packets before it sleeps; `None` means the default, 10 µs.
    /// With a long time packets never wait for a thread to wake up, and its processor is never free.
    pub fn set_busy_poll(&self, time: Option<Duration>) -> Result<(), SwitchError> {
        self.call(move |engine| engine.stay_awake(time.unwrap_or(AWAKE)))
    }

    /// Counters of every port.
    pub fn port_counters(&self) -> Result<BTreeMap<u32, PortCounters>, SwitchError> {
        self.call(|engine| engine.wires.numbered().map(|(number, port)| (number, port.counters)).collect())
    }

    /// Packets lost, by port, reason and table: in the tables, at devices, in tunnels.
    pub fn drops(&self) -> Result<Vec<Drop>, SwitchError> {
        self.call(|engine| {
            let tables = engine.datapath.drops().by_place().into_iter().map(Drop::from);
            let mut drops: Vec<Drop> = tables.chain(engine.wires.losses.drops()).collect();
            drops.sort_unstable();
            drops
        })
    }

    /// How the flow cache does.
    pub fn cache_stats(&self) -> Result<CacheStats, SwitchError> {
        self.call(|engine| engine.datapath.cache_stats())
    }

    /// The number of flows.
    pub fn flow_count(&self) -> Result<usize, SwitchError> {
        self.call(|engine| engine.datapath.flow_count())
    }

    /// A line for people about each cached verdict.
    pub fn cache_lines(&self) -> Result<Vec<String>, SwitchError> {
        self.call(|engine| engine.datapath.cache_lines())
    }

    /// All flows with exact counters.
    pub fn flows(&self) -> Result<Vec<FlowStats>, SwitchError> {
        self.call(|engine| engine.datapath.flows(&FlowFilter::default(), monotonic_ns()))
    }

    /// Adds or removes flows, all of them between two batches of packets; `Delete` looks in all tables.
    /// An error ends it, after the flows before.
    pub fn change_flows(&self, command: Command, flows: Vec<Flow>) -> Result<(), SwitchError> {
        let result = self.call(move |engine| -> Result<(), FlowModError> {
            let now = monotonic_ns();
            let all_tables = command == Command::Delete;
            for flow in flows {
                let change = FlowMod { command, flow, all_tables, ..FlowMod::default() };
                engine.note_others();
                engine.datapath.flow_mod(&change, now)?;
                engine.keep_unasked();
                engine.keep_message(&message_of(command, change.flow));
                engine.note_version();
            }
            engine.flush_journal();
            Ok(())
        })?;
        result.map_err(|error| SwitchError::FlowRefused(error.to_string()))
    }

    /// Shows the way of a frame through the forwarding code; nothing is sent or counted.  `options` says the
    /// `tun_metadata` that it has come with.  Errors: one of them is not mapped.
    pub fn trace(
        &self,
        in_port: u32,
        frame: Vec<u8>,
        tunnel: Option<TunnelKey>,
        options: Match,
        states: Vec<u32>,
    ) -> Result<Result<Trace, DropReason>, SwitchError> {
        self.call(move |engine| {
            let metadata = Metadata { in_port, tunnel };
            let options = engine.datapath.option_bytes(&options);
            let options = options.map_err(|field| SwitchError::UnmappedOption(field.name()))?;
            let (offload, metadata) = (Offload::default(), (&metadata, &*options));
            Ok(engine.datapath.trace_with_options(&frame, &offload, metadata, &states))
        })?
    }

    /// Opens an OpenFlow session whose bytes the caller moves.
    pub fn open_session(&self, options: SessionOptions) -> Result<SwitchSession, SwitchError> {
        let id = self.call(move |engine| engine.open_session(options))?;
        Ok(SwitchSession::new(self.desk()?, id))
    }

    /// Opens an OpenFlow session over a connected stream socket, which the switch serves from now on; its number.
    /// The caller may close its own descriptor.
    pub fn serve(&self, socket: RawFd, options: SessionOptions) -> Result<u64, SwitchError> {
        let socket = tulle_io::descriptor::duplicate(socket)?;
        Ok(self.call(move |engine| engine.serve_session(socket, options))??)
    }

    /// Ends a session that the switch serves.
    pub fn close_session(&self, id: u64) -> Result<(), SwitchError> {
        self.call(move |engine| engine.close_session(id))
    }

    /// The sessions there are.
    pub fn sessions(&self) -> Result<Vec<SessionInfo>, SwitchError> {
        self.call(|engine| engine.wires.sessions.infos())
    }

    /// Copies a port's frames (or, with `None`, the underlay's) to a pcap file.
    pub fn start_capture(&self, number: Option<u32>, path: &Path) -> Result<(), SwitchError> {
        let capture = Capture::create(path)?;
        self.call(move |engine| engine.wires.set_capture(number, Some(capture)))?.map(drop)
    }

    /// Ends a capture and writes what is left of it.
    pub fn stop_capture(&self, number: Option<u32>) -> Result<(), SwitchError> {
        match self.call(move |engine| engine.wires.set_capture(number, None))?? {
            Some(capture) => Ok(capture.finish()?),
            None => Ok(()),
        }
    }

    /// Ends the threads and closes all ports.  May be called again, and while calls of other threads go on: they
    /// end first or find the switch closed.
    pub fn close(&self) {
        let desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(desk) = desk {
            let _ = desk.call(Engine::stop);
        }
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut threads) = threads {
            threads.join(0);
        }
        let watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(watch);
    }

    fn desk(&self) -> Result<Desk, SwitchError> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(SwitchError::Closed)
    }

    pub(crate) fn call<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Engine) -> R + Send + 'static,
    ) -> Result<R, SwitchError> {
        self.desk()?.call(job)
    }

    pub(crate) fn check_free(&self, number: u32) -> Result<(), SwitchError> {
        if !(1..=MOST_PORTS).contains(&number) && number != port::LOCAL {
            return Err(SwitchError::BadNumber(number));
        }
        let taken = self.call(move |engine| engine.wires.port(number).is_some())?;
        if taken { Err(SwitchError::PortExists(number)) } else { Ok(()) }
    }

    pub(crate) fn attach(
        &self,
        number: u32,
        name: &str,
        link: Link,
        may_be_direct: bool,
    ) -> Result<PortInfo, SwitchError> {
        let device = Device::open(name).map_err(device_error(name))?;
        let mac = device.mac().map_err(device_error(name))?;
        let mtu = device.mtu().map_err(device_error(name))?;
        let ifindex = device.index();
        let port = Port { may_be_direct, ifindex, ..Port::new(name.to_owned(), mac, link) };
        self.call(move |engine| engine.attach(number, port))?;
        Ok(PortInfo { mac, ifindex, mtu })
    }
}

impl std::ops::Drop for Switch {
    fn drop(&mut self) {
        self.close();
    }
}

pub(crate) fn of_tap(tap: Tap) -> Link {
    Link::Device(vec![Arc::new(Lane::Tap(tap))])
}

pub(crate) fn device_error(name: &str) -> impl FnOnce(std::io::Error) -> SwitchError {
    let name = name.to_owned();
    move |source| SwitchError::Device { name, source }
}
