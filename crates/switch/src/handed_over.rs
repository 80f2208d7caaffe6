//! Ports that go on by the descriptors of another process, one that has ended or holds its packets back.

use std::os::fd::{AsFd, OwnedFd, RawFd};

use tulle_io::{Device, DevicePort, Guarded, PortGuard, Tap};

use crate::error::SwitchError;
use crate::lane::Lane;
use crate::port::{Link, Port};
use crate::switch::{PortInfo, Switch, device_error, of_tap};

impl Switch {
    /// Attaches a TAP device that another switch has left open; `info` is what that one knew of it.
    /// The caller may close its own descriptor.
    pub fn adopt_tap(
        &self,
        number: u32,
        name: &str,
        descriptor: RawFd,
        info: PortInfo,
    ) -> Result<(), SwitchError> {
        self.check_free(number)?;
        let copied = tulle_io::descriptor::duplicate(descriptor).map_err(device_error(name))?;
        let tap = Tap::adopt(copied, name).map_err(device_error(name))?;
        let port = Port { ifindex: info.ifindex, ..Port::new(name.to_owned(), info.mac, of_tap(tap)) };
        self.call(move |engine| engine.attach(number, port))
    }

    /// A copy of the descriptor of a TAP port, which keeps the device when this switch is gone.
    pub fn tap_descriptor(&self, number: u32) -> Result<OwnedFd, SwitchError> {
        let copied = self.call(move |engine| {
            let tap = engine.wires.port(number)?.tap()?;
            Some(tap.as_fd().try_clone_to_owned())
        })?;
        Ok(copied.ok_or(SwitchError::NoPort(number))??)
    }

    /// As [`adopt_tap`](Self::adopt_tap), for an existing device of the calling thread's network namespace.
    pub fn adopt_device(
        &self,
        number: u32,
        name: &str,
        descriptor: RawFd,
        ring_slots: usize,
    ) -> Result<PortInfo, SwitchError> {
        self.check_free(number)?;
        let device = Device::open(name).map_err(device_error(name))?;
        let copied = tulle_io::descriptor::duplicate(descriptor).map_err(device_error(name))?;
        let port = DevicePort::adopt(&device, copied, ring_slots).map_err(device_error(name))?;
        let lanes = self.with_shares(Lane::of_device(port))?;
        let info = self.attach(number, name, Link::Device(lanes), true)?;
        self.start_watch()?;
        Ok(info)
    }

    /// A copy of the descriptor by which the first thread receives from a device, and the slots of its ring.
    pub fn device_descriptor(&self, number: u32) -> Result<(OwnedFd, usize), SwitchError> {
        let copied = self.call(move |engine| {
            let device = engine.wires.port(number)?.lanes().first()?.device()?;
            Some((device.as_fd().try_clone_to_owned(), device.ring_slots()))
        })?;
        let (descriptor, ring_slots) = copied.ok_or(SwitchError::NoPort(number))?;
        Ok((descriptor?, ring_slots))
    }

    /// As [`open_underlay`](Self::open_underlay), with the socket that another switch has received by.  What it was told
    /// to receive it has to be told before: the other may go on with the socket.
    pub fn adopt_underlay(&self, device: &str, descriptor: RawFd) -> Result<(), SwitchError> {
        let copied = tulle_io::descriptor::duplicate(descriptor).map_err(device_error(device))?;
        self.open_carrier(device, Some(copied))
    }

    /// A copy of the descriptor by which the first thread receives from a device of the underlay.
    pub fn underlay_descriptor(&self, device: &str) -> Result<OwnedFd, SwitchError> {
        let name = device.to_owned();
        let copied = self.call(move |engine| {
            let underlay = &engine.wires.underlay;
            let carrier = underlay.carriers[underlay.slot_of(&name)?].as_ref()?;
            Some(carrier.uplinks.first()?.socket.as_fd().try_clone_to_owned())
        })?;
        let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
        copied.ok_or_else(missing).map_err(device_error(device))?.map_err(device_error(device))
    }

    /// Copies of what keeps the ports of tunnels, of all switches in the calling thread's network namespace.
    pub fn guards(&self) -> Result<Vec<(Guarded, Vec<OwnedFd>)>, SwitchError> {
        Ok(self.join_tunnels()?.0.guards()?)
    }

    /// Has a tunnel that is added later go on with what another process keeps its port by.
    /// The caller may close its own descriptors.
    pub fn adopt_guard(&self, what: Guarded, descriptors: &[RawFd]) -> Result<(), SwitchError> {
        let copied = descriptors.iter().map(|one| tulle_io::descriptor::duplicate(*one));
        let guard = PortGuard::adopt(copied.collect::<std::io::Result<_>>()?);
        self.join_tunnels()?.0.adopt_guard(what, guard);
        Ok(())
    }

    /// Lets go of what [`adopt_guard`](Self::adopt_guard) has brought and no tunnel has taken.
    pub fn drop_guards(&self) -> Result<(), SwitchError> {
        self.join_tunnels()?.0.drop_adopted();
        Ok(())
    }
}
