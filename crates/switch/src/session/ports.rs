//! Changes of ports that controllers ask for (OpenFlow 1.3.5 section 7.3.4.3).

use std::sync::Arc;

use tulle_datapath::PortConfig;
use tulle_openflow::{ErrorCode, Message, Port, PortMod, Xid};

use super::Session;
use super::changes::Answer;
use crate::engine::Engine;
use crate::notice::{Notice, PortChange};
use crate::report::described_port;

impl Session {
    /// Changes what is forbidden of a port.
    pub(super) fn change_port(&mut self, engine: &mut Engine, xid: Xid, request: PortMod) {
        if let Err(code) = engine.change_port(&request) {
            self.refuse(xid, &Message::PortMod(request), code);
        }
    }
}

impl Engine {
    /// Whether a change could be made.
    pub(crate) fn check_port_mod(&mut self, request: &PortMod) -> Answer {
        let port = self.wires.port(request.number).ok_or(ErrorCode::PortModBadPort)?;
        if port.mac != request.mac && request.mac != [0; 6] {
            return Err(ErrorCode::BadHardwareAddress);
        }
        Ok(())
    }

    pub(crate) fn change_port(&mut self, request: &PortMod) -> Answer {
        self.check_port_mod(request)?;
        let before = config_bits(self.datapath.ports().config(request.number));
        let after = (before & !request.mask) | (request.config & request.mask);
        if self.datapath.set_port_config(request.number, config_of(after)) {
            self.tell_port(request.number, PortChange::Modified);
        }
        Ok(())
    }

    /// Tells sessions of a port as it is now.
    pub(crate) fn tell_port(&mut self, number: u32, change: PortChange) {
        if let Some(port) = described_port(self, number) {
            self.wires.sessions.tell(Notice::PortChanged(change, Arc::new(port)));
        }
    }
}

/// `OFPPC_*` bits.
pub(crate) fn config_bits(config: PortConfig) -> u32 {
    let bits = [
        (config.down, Port::CONFIG_DOWN),
        (config.no_receive, Port::CONFIG_NO_RECEIVE),
        (config.no_flood, Port::CONFIG_NO_FLOOD),
        (config.no_forward, Port::CONFIG_NO_FORWARD),
        (config.no_packet_in, Port::CONFIG_NO_PACKET_IN),
    ];
    bits.iter().filter(|(is_set, _)| *is_set).map(|(_, bit)| bit).sum()
}

fn config_of(bits: u32) -> PortConfig {
    let has = |bit| bits & bit != 0;
    PortConfig {
        down: has(Port::CONFIG_DOWN),
        no_receive: has(Port::CONFIG_NO_RECEIVE),
        no_flood: has(Port::CONFIG_NO_FLOOD),
        no_forward: has(Port::CONFIG_NO_FORWARD),
        no_packet_in: has(Port::CONFIG_NO_PACKET_IN),
    }
}
