//! Ports that go on by the descriptors of another process, one that has ended or holds its packets back.

use std::os::fd::{AsFd, OwnedFd, RawFd};

use tulle_io::{Device, DevicePort, Tap};

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
}
