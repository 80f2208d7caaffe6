//! How many threads a switch has, and the lanes that each of them needs.

use std::sync::{Arc, PoisonError};

use tulle_io::steering::wait_for_steered;
use tulle_io::{Arrival, Device, DevicePort, DevicePortOptions, Filter, Tap};

use crate::engine::Engine;
use crate::error::SwitchError;
use crate::lane::Lane;
use crate::port::{Link, long_enough, number_in, ring_slots_for_one_more};
use crate::sender::Sender;
use crate::switch::{Switch, device_error};
use crate::threads::{MOST_THREADS, Shared, Threads};
use crate::tunnels::Uplink;

/// Frames taken at once from a lane that closes.
const BATCH: usize = 32;
/// As often at most: a tenant who sends without pause must not keep it open.
const MOST_BATCHES: usize = 128;

/// Lanes and uplinks that are no longer used: to be closed by whoever has time for it.  Lanes have the number of their
/// port and its first lane.
type Spent = (Vec<(u32, Arc<Lane>, Arc<Lane>)>, Vec<Arc<Uplink>>);

impl Switch {
    /// Changes the number of threads that forward: at least 1, at most 64.  The kernel deals packets anew then, so
    /// some may be late, and what comes in the moment in which a thread ends is lost (but not at a TAP device).  Errors:
    /// the first device that cannot be shared among them; the others are.
    pub fn set_threads(&self, count: usize) -> Result<(), SwitchError> {
        let count = count.clamp(1, MOST_THREADS);
        let mut guard = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let threads = guard.as_mut().ok_or(SwitchError::Closed)?;
        if threads.count() > count {
            // From now on nothing new comes by the queues that close, so that what they have can be received.
            let _ = self.steer_taps(count);
            let spent = self.call(move |engine| engine.give_up_threads(count))?;
            threads.shared.wait_until_seen();
            close(&threads.shared, spent);
            threads.join(count);
        }
        while threads.count() < count {
            threads.start_one()?;
        }
        let (ports, underlay) = (self.share_ports(count), self.share_underlay(count));
        let taps = self.steer_taps(count);
        ports.and(underlay).and(taps)
    }

    /// Has the frames of TAP devices come by so many queues at most, as far as they have more than one.  Errors: the
    /// first one of a device; the others are.
    fn steer_taps(&self, most: usize) -> Result<(), SwitchError> {
        let shared = self.call(Engine::shared_taps)?;
        if shared.is_empty() {
            return Ok(());
        }
        let steered = shared.into_iter().map(|(name, first, lanes)| steer(&name, &first, lanes.min(most)));
        let result = steered.fold(Ok(()), Result::and);
        wait_for_steered();
        result
    }

    /// The number of threads that forward.
    pub fn threads(&self) -> Result<usize, SwitchError> {
        self.call(|engine| engine.threads)
    }

    /// Waits until all threads work with the present ports, and have let go of others.
    pub(crate) fn wait_for_threads(&self) {
        let guard = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Threads { shared, .. }) = &*guard {
            shared.wait_until_seen();
        }
    }

    /// Opens a device once for each thread; only the first may send directly.
    pub(crate) fn open_lanes(
        &self,
        device: &Device,
        ring: bool,
        direct: bool,
    ) -> Result<Vec<Arc<Lane>>, SwitchError> {
        let (threads, taken) = self.call(|engine| (engine.threads, engine.wires.ring_slots()))?;
        let ring_slots = if ring { long_enough(ring_slots_for_one_more(taken) / threads as u32) } else { 0 };
        let first = DevicePort::open(device, DevicePortOptions { ring_slots, direct });
        self.with_shares(Lane::of_device(first.map_err(device_error(device.name()))?))
    }

    /// Adds lanes like the first one for all other threads, or for some, where the kernel refuses more: one is
    /// enough, and [`set_threads`](Self::set_threads) tries again.  (Before Linux 6.13 a device that is down cannot be
    /// shared.)
    pub(crate) fn with_shares(&self, first: Lane) -> Result<Vec<Arc<Lane>>, SwitchError> {
        let (threads, taken) = self.call(|engine| (engine.threads, engine.wires.ring_slots()))?;
        let like_first = first.device().map_or(0, |device| device.ring_slots());
        let mut lanes = vec![Arc::new(first)];
        while lanes.len() < threads {
            let left = ring_slots_for_one_more(taken + like_first * lanes.len());
            let Ok(share) = open_share(&lanes[0], lanes.len(), left.min(like_first as u32)) else { break };
            lanes.push(share);
        }
        Ok(lanes)
    }

    /// Has an uplink for each thread at each device of the underlay.  Errors: the first one of a device.
    fn share_underlay(&self, threads: usize) -> Result<(), SwitchError> {
        let (carriers, filter) = self.call(|engine| {
            let underlay = &engine.wires.underlay;
            let uplinks: Vec<_> = underlay.numbered().map(|(_, carrier)| carrier.uplinks.clone()).collect();
            (uplinks, underlay.filter())
        })?;
        let share = |uplinks: Vec<Arc<Uplink>>| {
            (uplinks.len()..threads).try_for_each(|_| self.share_uplink(&uplinks[0], filter.clone()))
        };
        carriers.into_iter().map(share).fold(Ok(()), Result::and)
    }

    fn share_uplink(&self, first: &Arc<Uplink>, filter: Filter) -> Result<(), SwitchError> {
        let (uplink, first) = (first.open_share(filter)?, Arc::clone(first));
        Ok(self.call(move |engine| engine.add_uplink(&first, uplink))??)
    }

    /// Gives each device as many lanes as there are threads.  Errors: the first one of a device.
    fn share_ports(&self, threads: usize) -> Result<(), SwitchError> {
        let short = self.call(move |engine| engine.short_of_lanes(threads))?;
        let share = |(number, name, first, lanes): (u32, String, Arc<Lane>, usize)| {
            (lanes..threads).try_for_each(|lanes| self.share_port(number, &name, &first, lanes))
        };
        short.into_iter().map(share).fold(Ok(()), Result::and)
    }

    /// Gives a device that has so many lanes one more.
    fn share_port(
        &self,
        number: u32,
        name: &str,
        first: &Arc<Lane>,
        lanes: usize,
    ) -> Result<(), SwitchError> {
        let taken = self.call(|engine| engine.wires.ring_slots())?;
        let has_ring = first.device().is_some_and(|device| device.has_ring());
        let ring_slots = if has_ring { ring_slots_for_one_more(taken) } else { 0 };
        let lane = open_share(first, lanes, ring_slots).map_err(device_error(name))?;
        let first = Arc::clone(first);
        self.call(move |engine| engine.add_lane(number, &first, lane))
    }
}

/// Opens a device once more of which so many lanes are open.
fn open_share(first: &Lane, lanes: usize, ring_slots: u32) -> std::io::Result<Arc<Lane>> {
    if let Some(tap) = first.tap() {
        return Ok(Arc::new(Lane::Tap(tap.open_share(lanes)?)));
    }
    let Some(mut device) = first.device() else { return Err(std::io::ErrorKind::Unsupported.into()) };
    let options = DevicePortOptions { ring_slots, direct: false };
    Ok(Arc::new(Lane::of_device(device.open_share(options)?)))
}

/// Has a TAP device's frames come by its first so many queues.
pub(crate) fn steer(name: &str, first: &Lane, queues: usize) -> Result<(), SwitchError> {
    first.tap().map_or(Ok(()), |tap| tap.steer(queues)).map_err(device_error(name))
}

/// Closes one by one what no thread uses any more.  At once: the kernel gives it frames until then.
fn close(shared: &Shared, (lanes, uplinks): Spent) {
    drop(uplinks);
    // No thread has this number where one has ended.
    let mut sender = Sender::new(MOST_THREADS - 1);
    let mut arrivals: Vec<Arrival> = (0..BATCH).map(|_| Arrival::new()).collect();
    for (number, first, lane) in lanes {
        for _ in 0..MOST_BATCHES {
            let (count, _) = lane.receive(&mut arrivals);
            if count == 0 {
                break;
            }
            shared.lend(&mut sender, |engine| engine.take(number, &first, &mut arrivals[..count]));
        }
    }
}

impl Engine {
    /// Devices that can have more lanes: number, name, first lane, lanes so far.
    fn short_of_lanes(&self, threads: usize) -> Vec<(u32, String, Arc<Lane>, usize)> {
        let ports = self.wires.numbered().filter(|(_, port)| port.lanes().len() < threads);
        let devices = ports.filter(|(_, port)| port.tap().is_none_or(Tap::is_shareable));
        let found = devices.filter_map(|(number, port)| {
            Some((number, port.name.clone(), Arc::clone(port.lanes().first()?), port.lanes().len()))
        });
        found.collect()
    }

    /// TAP devices with several queues: name, first lane, lanes.
    fn shared_taps(&mut self) -> Vec<(String, Arc<Lane>, usize)> {
        let taps = self.wires.numbered().filter(|(_, port)| port.tap().is_some() && port.lanes().len() > 1);
        let found = taps.filter_map(|(_, port)| {
            Some((port.name.clone(), Arc::clone(port.lanes().first()?), port.lanes().len()))
        });
        found.collect()
    }

    /// Adds a lane to a port, if it is still the same device.
    fn add_lane(&mut self, number: u32, first: &Arc<Lane>, lane: Arc<Lane>) {
        if let Some(Link::Device(lanes)) = self.wires.port(number).map(|port| &mut port.link) {
            if lanes.first().is_some_and(|one| Arc::ptr_eq(one, first)) {
                lanes.push(lane);
                self.changed();
            }
        }
    }

    fn add_uplink(&mut self, first: &Arc<Uplink>, uplink: Arc<Uplink>) -> std::io::Result<()> {
        self.wires.underlay.add_uplink(first, uplink)?;
        self.changed();
        Ok(())
    }

    /// Leaves all but so many threads without work.
    fn give_up_threads(&mut self, threads: usize) -> Spent {
        self.threads = threads;
        let mut spent = Vec::new();
        for (at, port) in self.wires.ports.iter_mut().enumerate() {
            if let Some(Link::Device(lanes)) = port.as_mut().map(|port| &mut port.link) {
                let Some(first) = lanes.first().cloned() else { continue };
                let ended = lanes.drain(threads.min(lanes.len())..);
                spent.extend(ended.map(|lane| (number_in(at), Arc::clone(&first), lane)));
            }
        }
        let carriers = self.wires.underlay.carriers.iter_mut().flatten();
        let uplinks = carriers.flat_map(|one| one.uplinks.drain(threads.min(one.uplinks.len())..)).collect();
        self.changed();
        (spent, uplinks)
    }
}
