//! Which asynchronous messages a controller wants (OpenFlow 1.3.5 section 7.3.10, 1.4 section 7.3.10; Nicira's
//! `NXT_SET_ASYNC_CONFIG` and `NXT_SET_ASYNC_CONFIG2` where a version lacks them).
//!
//! Bit n of a mask stands for the reason of number n.

use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::property::{EXPERIMENTER, emit_u32, next_property};
use crate::version::Version;

/// The masks for a controller of one role; none leaves a mask as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsyncMasks {
    /// Reasons of packet-in messages.
    pub packet_in: Option<u32>,
    /// Reasons of port-status messages.
    pub port_status: Option<u32>,
    /// Reasons of flow-removed messages.
    pub flow_removed: Option<u32>,
    /// Reasons of role-status messages.
    pub role_status: Option<u32>,
    /// Reasons of table-status messages.
    pub table_status: Option<u32>,
    /// Which requests of others are forwarded: bit 0 group mods, bit 1 meter mods.
    pub request_forward: Option<u32>,
}

impl AsyncMasks {
    /// In the order of their properties.
    fn slots(&mut self) -> [&mut Option<u32>; 6] {
        [
            &mut self.packet_in,
            &mut self.port_status,
            &mut self.flow_removed,
            &mut self.role_status,
            &mut self.table_status,
            &mut self.request_forward,
        ]
    }

    fn values(mut self) -> [Option<u32>; 6] {
        self.slots().map(|slot| *slot)
    }

    fn change(&mut self, mut change: AsyncMasks) {
        for (slot, new) in self.slots().into_iter().zip(change.slots()) {
            *slot = new.or(*slot);
        }
    }
}

/// The masks for both kinds of role; in requests those to change, in replies all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsyncConfig {
    /// For controllers that are master or equal.
    pub master: AsyncMasks,
    /// For controllers that are slave.
    pub slave: AsyncMasks,
}

impl AsyncConfig {
    /// Takes over the masks of a request.
    pub fn change(&mut self, change: &AsyncConfig) {
        self.master.change(change.master);
        self.slave.change(change.slave);
    }

    /// True where the form of OpenFlow 1.3 holds it: the first three masks, and all of them.
    pub(crate) fn is_plain(&self) -> bool {
        let plain = |masks: AsyncMasks| {
            let values = masks.values();
            values[..3].iter().all(Option::is_some) && values[3..].iter().all(Option::is_none)
        };
        plain(self.master) && plain(self.slave)
    }

    /// The form of OpenFlow 1.3, and of Nicira's first message: for each of three kinds, two masks.
    pub(crate) fn parse_plain(mut body: Reader<'_>) -> Parsed<AsyncConfig> {
        let mut config = AsyncConfig::default();
        for at in 0..3 {
            *config.master.slots()[at] = Some(body.u32()?);
            *config.slave.slots()[at] = Some(body.u32()?);
        }
        body.finish()?;
        Ok(config)
    }

    pub(crate) fn emit_plain(&self, out: &mut Writer<'_>) {
        for (master, slave) in self.master.values().into_iter().zip(self.slave.values()).take(3) {
            out.u32(master.unwrap_or(0));
            out.u32(slave.unwrap_or(0));
        }
    }

    /// The form of OpenFlow 1.4: a property for each mask, those for slaves with even numbers.
    pub(crate) fn parse_properties(mut body: Reader<'_>) -> Parsed<AsyncConfig> {
        let mut config = AsyncConfig::default();
        while let Some(property) = next_property(&mut body)? {
            let kind = property.kind;
            let (mask, slot) = (property.u32(), usize::from(kind / 2));
            let masks = if kind % 2 == 0 { &mut config.slave } else { &mut config.master };
            match masks.slots().into_iter().nth(slot) {
                Some(known) => *known = Some(mask?),
                None if kind >= EXPERIMENTER - 1 => return Err(ErrorCode::BadPropertyExperimenter),
                None => return Err(ErrorCode::UnsupportedAsyncConfig),
            }
        }
        Ok(config)
    }

    pub(crate) fn emit_properties(&self, out: &mut Writer<'_>) {
        let pairs = self.slave.values().into_iter().zip(self.master.values());
        for (at, (slave, master)) in (0..).step_by(2).zip(pairs) {
            slave.into_iter().for_each(|mask| emit_u32(at, mask, out));
            master.into_iter().for_each(|mask| emit_u32(at + 1, mask, out));
        }
    }

    /// A reply, as the version has it.
    pub(crate) fn parse(body: Reader<'_>) -> Parsed<AsyncConfig> {
        if body.version() >= Version::V14 {
            AsyncConfig::parse_properties(body)
        } else {
            AsyncConfig::parse_plain(body)
        }
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        match out.version() {
            Version::V10 => return out.lacks("reporting asynchronous configuration"),
            Version::V13 => self.emit_plain(out),
            Version::V14 | Version::V15 => self.emit_properties(out),
        }
        Ok(())
    }
}
