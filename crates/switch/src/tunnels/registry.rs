//! What the bridges of a process share: the tunnels of a network namespace, and the guards of their ports.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tulle_io::{Guarded, PortGuard};

use super::{Directory, Owner, TunnelConfig};
use crate::error::SwitchError;

/// Ports belong to a network namespace, so there is one registry for each, wherever bridges are made.
static REGISTRIES: Mutex<Vec<(u64, Weak<Registry>)>> = Mutex::new(Vec::new());
static BRIDGES: AtomicU64 = AtomicU64::new(1);

/// The tunnels of one network namespace.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    version: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    directory: Arc<Directory>,
    tunnels: HashMap<Owner, (String, TunnelConfig)>,
    /// With the number of tunnels that need each.
    guards: HashMap<Guarded, (PortGuard, usize)>,
    /// Guards of a process before this one, for the tunnels that need them.
    adopted: HashMap<Guarded, PortGuard>,
}

/// A number for a bridge that no other one has.
pub(crate) fn new_bridge() -> u64 {
    BRIDGES.fetch_add(1, Ordering::Relaxed)
}

impl Registry {
    /// That of the calling thread's network namespace.
    pub(crate) fn of_this_namespace() -> io::Result<Arc<Registry>> {
        let number = std::fs::metadata("/proc/thread-self/ns/net")?.ino();
        let mut all = REGISTRIES.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, registry)| registry.strong_count() > 0);
        if let Some(found) = all.iter().find(|(own, _)| *own == number).and_then(|(_, one)| one.upgrade()) {
            return Ok(found);
        }
        let made = Arc::new(Registry::default());
        all.push((number, Arc::downgrade(&made)));
        Ok(made)
    }

    /// Changes whenever the directory does.
    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The directory as it is now.
    pub(crate) fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.lock().directory)
    }

    /// Adds a tunnel, and guards its port.  To be called in the registry's network namespace.
    pub(crate) fn add(&self, owner: Owner, name: &str, config: &TunnelConfig) -> Result<(), SwitchError> {
        let mut inner = self.lock();
        inner.check(config)?;
        inner.guard(config)?;
        inner.tunnels.insert(owner, (name.to_owned(), config.clone()));
        Arc::make_mut(&mut inner.directory).add(owner, config);
        self.version.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Removes a tunnel, if it is there.
    pub(crate) fn remove(&self, owner: Owner) {
        let mut inner = self.lock();
        inner.remove(owner);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Removes all that a bridge has.
    pub(crate) fn remove_bridge(&self, bridge: u64) {
        let mut inner = self.lock();
        let own: Vec<Owner> = inner.tunnels.keys().filter(|owner| owner.bridge == bridge).copied().collect();
        for owner in own {
            inner.remove(owner);
        }
        Arc::make_mut(&mut inner.directory).set_devices(bridge, Vec::new());
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Has the next tunnel that needs a guard go on with that of another process.
    pub(crate) fn adopt_guard(&self, what: Guarded, guard: PortGuard) {
        self.lock().adopted.insert(what, guard);
    }

    /// No tunnel that needs one of those will come.
    pub(crate) fn drop_adopted(&self) {
        self.lock().adopted.clear();
    }

    /// Copies of what the ports are guarded by.
    pub(crate) fn guards(&self) -> io::Result<Vec<(Guarded, Vec<OwnedFd>)>> {
        let inner = self.lock();
        inner.guards.iter().map(|(what, (guard, _))| Ok((*what, guard.sockets()?))).collect()
    }

    /// Notes the devices that a bridge listens at, by index.
    pub(crate) fn set_devices(&self, bridge: u64, devices: Vec<u32>) {
        let mut inner = self.lock();
        Arc::make_mut(&mut inner.directory).set_devices(bridge, devices);
        self.version.fetch_add(1, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn check(&self, config: &TunnelConfig) -> Result<(), SwitchError> {
        if let Some(owner) = self.directory.same(config) {
            let name = self.tunnels.get(&owner).map_or("?", |(name, _)| name).to_owned();
            return Err(SwitchError::TunnelExists(name));
        }
        match self.directory.kind(config.wire()) {
            Some(other) if other != config.kind => {
                Err(SwitchError::KindsMixed(config.kind.name(), other.name()))
            }
            _ => Ok(()),
        }
    }

    fn guard(&mut self, config: &TunnelConfig) -> Result<(), SwitchError> {
        let wire = config.wire();
        if let Some((_, users)) = self.guards.get_mut(&wire) {
            *users += 1;
            return Ok(());
        }
        let name = || format!("{} port {}", config.kind.name(), config.dst_port);
        let guard = self.adopted.remove(&wire).map_or_else(|| PortGuard::new(wire), Ok);
        let guard = guard.map_err(|source| SwitchError::Device { name: name(), source })?;
        self.guards.insert(wire, (guard, 1));
        Ok(())
    }

    fn remove(&mut self, owner: Owner) {
        let Some((_, config)) = self.tunnels.remove(&owner) else { return };
        Arc::make_mut(&mut self.directory).remove(owner, &config);
        let wire = config.wire();
        let Some((_, users)) = self.guards.get_mut(&wire) else { return };
        *users -= 1;
        if *users == 0 {
            self.guards.remove(&wire);
        }
    }
}
