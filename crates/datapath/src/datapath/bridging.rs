//! The bridge: its configuration, the addresses that it has learned, its mirrors.

use super::Datapath;
use super::state::State;
use crate::bridge::{BridgeConfig, FdbEntry, FdbStats};
use crate::groups::Traffic;
use crate::versions::Shared;

impl Datapath {
    /// Takes what the bridge is told of its ports, in place of all that it was told before.
    pub fn configure(&mut self, config: BridgeConfig) {
        self.cache.credit(&mut self.state);
        let State { bridge, ports, macs, tables, .. } = &mut self.state;
        if bridge.config == config {
            return;
        }
        macs.configure(config.mac_aging_s, config.mac_limit);
        bridge.configure(config, ports);
        tables.change(Shared::Bridge);
        tables.change(Shared::Macs);
    }

    /// What the bridge has been told.
    pub fn bridge_config(&self) -> &BridgeConfig {
        &self.state.bridge.config
    }

    /// The addresses that the bridge knows, in order of VLAN and address.
    pub fn fdb(&mut self, now: u64) -> Vec<FdbEntry> {
        self.cache.credit(&mut self.state);
        self.state.macs.entries(now)
    }

    /// How the table of addresses does.
    pub fn fdb_stats(&self) -> FdbStats {
        self.state.macs.stats()
    }

    /// Counts from 0 again what learning does.
    pub fn clear_fdb_stats(&mut self) {
        self.state.macs.clear_stats();
    }

    /// Forgets all learned addresses.
    pub fn flush_fdb(&mut self) {
        self.cache.credit(&mut self.state);
        self.state.macs.flush();
        self.state.tables.change(Shared::Macs);
    }

    /// Tells where an address (in the low 48 bits) is in a VLAN (0: none); packets do not move it.
    pub fn add_fdb(&mut self, vlan: u16, mac: u64, port: u32) {
        self.state.macs.put_static(vlan, mac, port);
        self.state.tables.change(Shared::Macs);
    }

    /// Forgets an address, told or learned; true where it was known.
    pub fn remove_fdb(&mut self, vlan: u16, mac: u64) -> bool {
        self.cache.credit(&mut self.state);
        let is_removed = self.state.macs.remove(vlan, mac);
        self.state.tables.change(Shared::Macs);
        is_removed
    }

    /// What each mirror has copied, by name.
    pub fn mirror_stats(&mut self) -> Vec<(String, Traffic)> {
        self.cache.credit(&mut self.state);
        self.state.bridge.mirror_stats()
    }
}
