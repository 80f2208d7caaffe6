//! Ports that go on by the descriptors of another process, one that has ended or holds its packets back.

use std::os::fd::{AsFd, OwnedFd, RawFd};

use tulle_io::{Device, DevicePort, Tap};

use crate::error::SwitchError;
use crate::port::{Link, Port};
use crate::switch::{PortInfo, Switch, device_error};

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
        let port = Port::new(name.to_owned(), info.mac, Link::Tap(tap));
        self.call(move |engine| engine.attach(number, port))??;
        Ok(())
    }

    /// A copy of the descriptor of a TAP port, which keeps the device when this switch is gone.
    pub fn tap_descriptor(&self, number: u32) -> Result<OwnedFd, SwitchError> {
        let copied = self.call(move |engine| match &engine.wires.port(number)?.link {
            Link::Tap(tap) => Some(tap.as_fd().try_clone_to_owned()),
            _ => None,
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
        let info = self.attach(number, name, Link::Device(Box::new(port)), true)?;
        self.start_watch()?;
        Ok(info)
    }

    /// A copy of the descriptor by which a device that is a port receives, and the slots of its ring.
    pub fn device_descriptor(&self, number: u32) -> Result<(OwnedFd, usize), SwitchError> {
        let copied = self.call(move |engine| match &engine.wires.port(number)?.link {
            Link::Device(device) => Some((device.as_fd().try_clone_to_owned(), device.ring_slots())),
            _ => None,
        })?;
        let (descriptor, ring_slots) = copied.ok_or(SwitchError::NoPort(number))?;
        Ok((descriptor?, ring_slots))
    }
}
