//! Tunnel ports and the underlay, for the thread that configures a switch.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::engine::Engine;
use crate::error::SwitchError;
use crate::port::{Link, Port};
use crate::switch::Switch;
use crate::tunnels::{Carrier, Owner, Registry, Tunnel, TunnelConfig, Uncut, Way};

impl Switch {
    /// Adds a tunnel port, in the calling thread's network namespace.  Its frames are lost until the way to its
    /// remote is known.
    pub fn add_tunnel(&self, number: u32, name: &str, config: TunnelConfig) -> Result<(), SwitchError> {
        self.check_free(number)?;
        let (registry, bridge) = self.join_tunnels()?;
        let owner = Owner { bridge, port: number };
        registry.add(owner, name, &config)?;
        let name = name.to_owned();
        let attached = self.call(move |engine| {
            let tunnel = Tunnel::new(config, &engine.wires.underlay);
            let port = Port::new(name, [0; 6], Link::Tunnel(Box::new(tunnel)));
            engine.attach(number, port);
            engine.follow_tunnels()
        })?;
        if attached.is_err() {
            self.call(move |engine| drop(engine.detach(number)))?;
            registry.remove(owner);
            let _ = self.call(Engine::follow_tunnels)?;
        }
        Ok(attached?)
    }

    /// Lets other tunnels have what the tunnel with this number had, if it was one.
    pub(crate) fn forget_tunnel(&self, number: u32) -> Result<(), SwitchError> {
        let Some((registry, bridge)) = self.call(|engine| engine.membership.joined())? else { return Ok(()) };
        registry.remove(Owner { bridge, port: number });
        Ok(self.call(|engine| engine.follow_tunnels())??)
    }

    /// Opens a device of the calling thread's network namespace as one that carries tunnels; again only where it
    /// is another one than before.
    pub fn open_underlay(&self, device: &str) -> Result<(), SwitchError> {
        self.open_carrier(device, None)
    }

    pub(crate) fn open_carrier(&self, device: &str, adopted: Option<OwnedFd>) -> Result<(), SwitchError> {
        self.join_tunnels()?;
        let name = device.to_owned();
        let current = self.call(move |engine| {
            let underlay = &engine.wires.underlay;
            let slot = underlay.slot_of(&name);
            slot.and_then(|slot| underlay.carriers[slot].as_ref()).map(Carrier::identity)
        })?;
        if current.is_some() && current == Carrier::identity_of(device) {
            return Ok(());
        }
        let (capture, threads) =
            self.call(|engine| (Arc::clone(&engine.wires.underlay.capture), engine.threads))?;
        let carrier = Carrier::open(device, capture, threads, adopted)?;
        self.let_go(self.call(move |engine| engine.open_carrier(carrier))??);
        Ok(())
    }

    /// Looks again at what the devices that carry tunnels cut by themselves; they are in the calling thread's network
    /// namespace.
    pub fn look_at_underlay(&self) -> Result<(), SwitchError> {
        let carriers: Vec<Arc<Uncut>> = self.call(|engine| {
            let carriers = engine.wires.underlay.numbered();
            carriers.map(|(_, carrier)| Arc::clone(&carrier.uncut)).collect()
        })?;
        carriers.iter().for_each(|uncut| uncut.look());
        Ok(())
    }

    /// Closes a device that carries no tunnels any more.
    pub fn close_underlay(&self, device: &str) -> Result<(), SwitchError> {
        let device = device.to_owned();
        self.let_go(self.call(move |engine| engine.close_carrier(&device))?);
        Ok(())
    }

    /// Closes a device here, once no thread uses it: that takes the kernel a while, and who closes it last waits.
    fn let_go(&self, carrier: Option<Carrier>) {
        if carrier.is_some() {
            self.wait_for_threads();
        }
    }

    /// Says which addresses of this host tunnels may come to.
    pub fn set_underlay_addresses(&self, addresses: Vec<IpAddr>) -> Result<(), SwitchError> {
        Ok(self.call(move |engine| engine.wires.underlay.set_addresses(addresses))??)
    }

    /// Says how packets to a remote leave, or that it is not known.
    pub fn set_way(&self, remote: IpAddr, way: Option<Way>) -> Result<(), SwitchError> {
        self.call(move |engine| {
            engine.wires.underlay.set_way(remote, way);
            engine.wires.refresh_tunnels(Some(remote));
        })
    }

    pub(crate) fn join_tunnels(&self) -> Result<(Arc<Registry>, u64), SwitchError> {
        if let Some(joined) = self.call(|engine| engine.membership.joined())? {
            return Ok(joined);
        }
        let registry = Registry::of_this_namespace()?;
        self.call(move |engine| engine.membership.join(registry))
    }
}
