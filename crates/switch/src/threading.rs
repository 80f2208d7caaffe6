//! How many threads a switch has, and the lanes that each of them needs.

use std::sync::{Arc, PoisonError};

use tulle_io::{Device, DevicePort, DevicePortOptions};

use crate::engine::Engine;
use crate::error::SwitchError;
use crate::lane::Lane;
use crate::port::{Link, ring_slots_for_one_more};
use crate::switch::{Switch, device_error};
use crate::threads::{MOST_THREADS, Threads};
use crate::tunnels::Uplink;

/// Lanes and uplinks that are no longer used: to be closed by whoever has time for it.
type Spent = (Vec<Arc<Lane>>, Vec<Arc<Uplink>>);

impl Switch {
    /// Changes the number of threads that forward: at least 1, at most 64.  The kernel deals packets anew then, so
    /// some may be late, and what waits for a thread that ends is lost.
    pub fn set_threads(&self, count: usize) -> Result<(), SwitchError> {
        let count = count.clamp(1, MOST_THREADS);
        let mut guard = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let threads = guard.as_mut().ok_or(SwitchError::Closed)?;
        if threads.count() > count {
            let spent = self.call(move |engine| engine.give_up_threads(count))?;
            threads.shared.wait_until_seen();
            threads.join(count);
            drop(spent);
        }
        while threads.count() < count {
            threads.start_one()?;
        }
        self.share_ports(count)?;
        self.share_underlay(count)
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
        let ring_slots = if ring { ring_slots_for_one_more(taken) / threads as u32 } else { 0 };
        let first = DevicePort::open(device, DevicePortOptions { ring_slots, direct });
        self.with_shares(device.name(), Lane::of_device(first.map_err(device_error(device.name()))?))
    }

    /// Adds lanes like the first one for all other threads.
    pub(crate) fn with_shares(&self, name: &str, first: Lane) -> Result<Vec<Arc<Lane>>, SwitchError> {
        let threads = self.call(|engine| engine.threads)?;
        let ring_slots = first.device().map_or(0, |device| device.ring_slots()) as u32;
        let mut lanes = vec![Arc::new(first)];
        while lanes.len() < threads {
            lanes.push(open_share(&lanes[0], ring_slots).map_err(device_error(name))?);
        }
        Ok(lanes)
    }

    /// Has an uplink for each thread at each device of the underlay.
    fn share_underlay(&self, threads: usize) -> Result<(), SwitchError> {
        let (carriers, filter) = self.call(|engine| {
            let underlay = &engine.wires.underlay;
            let uplinks: Vec<_> = underlay.numbered().map(|(_, carrier)| carrier.uplinks.clone()).collect();
            (uplinks, underlay.filter())
        })?;
        for uplinks in carriers {
            for _ in uplinks.len()..threads {
                let uplink = uplinks[0].open_share(filter.clone())?;
                let first = Arc::clone(&uplinks[0]);
                self.call(move |engine| engine.add_uplink(&first, uplink))??;
            }
        }
        Ok(())
    }

    /// Gives each device as many lanes as there are threads.
    fn share_ports(&self, threads: usize) -> Result<(), SwitchError> {
        for (number, name, first, lanes) in self.call(move |engine| engine.short_of_lanes(threads))? {
            for _ in lanes..threads {
                let taken = self.call(|engine| engine.wires.ring_slots())?;
                let has_ring = first.device().is_some_and(|device| device.has_ring());
                let ring_slots = if has_ring { ring_slots_for_one_more(taken) } else { 0 };
                let lane = open_share(&first, ring_slots).map_err(device_error(&name))?;
                let first = Arc::clone(&first);
                self.call(move |engine| engine.add_lane(number, &first, lane))?;
            }
        }
        Ok(())
    }
}

fn open_share(first: &Lane, ring_slots: u32) -> std::io::Result<Arc<Lane>> {
    let Some(mut device) = first.device() else { return Err(std::io::ErrorKind::Unsupported.into()) };
    let options = DevicePortOptions { ring_slots, direct: false };
    Ok(Arc::new(Lane::of_device(device.open_share(options)?)))
}

impl Engine {
    /// Devices that can have more lanes: number, name, first lane, lanes so far.
    fn short_of_lanes(&self, threads: usize) -> Vec<(u32, String, Arc<Lane>, usize)> {
        let ports = self.wires.numbered().filter(|(_, port)| port.lanes().len() < threads);
        let devices = ports.filter(|(_, port)| port.tap().is_none());
        let found = devices.filter_map(|(number, port)| {
            Some((number, port.name.clone(), Arc::clone(port.lanes().first()?), port.lanes().len()))
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
        for port in self.wires.ports.iter_mut().flatten() {
            if let Link::Device(lanes) = &mut port.link {
                spent.extend(lanes.drain(threads.min(lanes.len())..));
            }
        }
        let carriers = self.wires.underlay.carriers.iter_mut().flatten();
        let uplinks = carriers.flat_map(|one| one.uplinks.drain(threads.min(one.uplinks.len())..)).collect();
        self.changed();
        (spent, uplinks)
    }
}
