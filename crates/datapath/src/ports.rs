//! Which port numbers exist and what may be done with them: where a flood goes, and which outputs lead nowhere.

use std::collections::BTreeMap;

/// What a controller may forbid of a port (`ofp_port_config`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortConfig {
    /// The port is administratively down.
    pub down: bool,
    /// Drop all that it receives.
    pub no_receive: bool,
    /// Do not flood to it (OpenFlow 1.0).
    pub no_flood: bool,
    /// Drop all that is to be sent by it.
    pub no_forward: bool,
    /// Tell the controller of no packet that it receives and that no flow matches.
    pub no_packet_in: bool,
}

#[derive(Clone, Copy, Debug)]
struct Port {
    config: PortConfig,
    is_live: bool,
}

/// The port numbers of a switch.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    numbers: BTreeMap<u32, Port>,
}

impl Ports {
    /// True where the port exists.
    pub fn contains(&self, port: u32) -> bool {
        self.numbers.contains_key(&port)
    }

    /// All ports, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.numbers.keys().copied()
    }

    /// What the controller has forbidden; nothing is forbidden of a port that does not exist.
    pub fn config(&self, port: u32) -> PortConfig {
        self.numbers.get(&port).map(|port| port.config).unwrap_or_default()
    }

    /// True where the port exists, is not down, and has not been said to be without a link.
    pub fn is_live(&self, port: u32) -> bool {
        self.numbers.get(&port).is_some_and(|port| port.is_live && !port.config.down)
    }

    pub(crate) fn insert(&mut self, port: u32) -> bool {
        if self.contains(port) {
            return false;
        }
        self.numbers.insert(port, Port { config: PortConfig::default(), is_live: true });
        true
    }

    pub(crate) fn remove(&mut self, port: u32) -> bool {
        self.numbers.remove(&port).is_some()
    }

    /// True where that changes something.
    pub(crate) fn set_config(&mut self, port: u32, config: PortConfig) -> bool {
        match self.numbers.get_mut(&port) {
            Some(port) => std::mem::replace(&mut port.config, config) != config,
            None => false,
        }
    }

    /// True where that changes something.
    pub(crate) fn set_live(&mut self, port: u32, is_live: bool) -> bool {
        match self.numbers.get_mut(&port) {
            Some(port) => std::mem::replace(&mut port.is_live, is_live) != is_live,
            None => false,
        }
    }
}
