//! A bridge's configuration, put so that a packet finds its part at once.

use std::collections::HashMap;

use super::{BridgeConfig, Bundle, MAX_MIRRORS, Mirror, VlanMode};
use crate::groups::Traffic;
use crate::ports::Ports;

/// What a bridge is told, by port number.
#[derive(Debug, Default)]
pub(crate) struct Bridge {
    pub config: BridgeConfig,
    /// The bundles of the configuration, then one for each port that is in none.
    bundles: Vec<Bundle>,
    by_port: HashMap<u32, usize>,
    mirrored: Vec<Traffic>,
}

impl Bridge {
    /// Takes a configuration; counters of mirrors that keep their name go on.
    pub fn configure(&mut self, mut config: BridgeConfig, ports: &Ports) {
        config.mirrors.truncate(MAX_MIRRORS);
        let kept = |mirror: &Mirror| {
            let place = self.config.mirrors.iter().position(|before| before.name == mirror.name);
            place.and_then(|place| self.mirrored.get(place).copied()).unwrap_or_default()
        };
        self.mirrored = config.mirrors.iter().map(kept).collect();
        self.config = config;
        self.refresh(ports);
    }

    /// Makes the list of bundles anew, after ports have come or gone.
    pub fn refresh(&mut self, ports: &Ports) {
        self.bundles.clone_from(&self.config.bundles);
        self.by_port.clear();
        for (i, bundle) in self.bundles.iter().enumerate() {
            self.by_port.extend(bundle.members.iter().map(|member| (*member, i)));
        }
        for port in ports.iter() {
            if !self.by_port.contains_key(&port) {
                self.by_port.insert(port, self.bundles.len());
                let (members, live) = (vec![port], vec![port]);
                self.bundles.push(Bundle { members, live, ..Bundle::default() });
            }
        }
    }

    /// The bundle of a port, by its place in the list.
    pub fn bundle_of(&self, port: u32) -> Option<usize> {
        self.by_port.get(&port).copied()
    }

    pub fn bundle(&self, place: usize) -> Option<&Bundle> {
        self.bundles.get(place)
    }

    pub fn bundles(&self) -> &[Bundle] {
        &self.bundles
    }

    pub fn mirrors(&self) -> &[Mirror] {
        &self.config.mirrors
    }

    /// True where only mirrors send to this bundle.
    pub fn is_mirror_output(&self, bundle: &Bundle) -> bool {
        let outputs = self.config.mirrors.iter().filter_map(|mirror| mirror.output_port);
        outputs.into_iter().any(|port| bundle.members.contains(&port))
    }

    pub fn credit_mirror(&mut self, mirror: usize, packets: u64, bytes: u64) {
        if let Some(traffic) = self.mirrored.get_mut(mirror) {
            traffic.add(packets, bytes);
        }
    }

    /// What each mirror has copied, by name.
    pub fn mirror_stats(&self) -> Vec<(String, Traffic)> {
        let names = self.config.mirrors.iter().map(|mirror| mirror.name.clone());
        names.zip(self.mirrored.iter().copied()).collect()
    }
}

impl Bundle {
    /// True where it carries a VLAN; 0 is "none".
    pub(crate) fn carries(&self, vlan: u16) -> bool {
        match self.vlan_mode {
            VlanMode::Access | VlanMode::Dot1qTunnel => vlan == self.tag,
            VlanMode::Trunk => self.trunks.is_empty() || self.trunks.contains(&vlan),
            VlanMode::NativeTagged | VlanMode::NativeUntagged => {
                vlan == self.tag || self.trunks.is_empty() || self.trunks.contains(&vlan)
            }
        }
    }

    /// The VLAN of a packet that comes in with this tag (none: untagged); nothing where the bundle refuses it.
    pub(crate) fn vlan_of(&self, vid: Option<u16>) -> Option<u16> {
        // A tag with the number 0 carries a priority only (IEEE 802.1Q).
        let vid = vid.filter(|vid| *vid != 0);
        let vlan = match (self.vlan_mode, vid) {
            (VlanMode::Access, Some(_)) => return None,
            (VlanMode::Access | VlanMode::NativeTagged | VlanMode::NativeUntagged, None) => self.tag,
            (VlanMode::Dot1qTunnel, _) => self.tag,
            (_, vid) => vid.unwrap_or(0),
        };
        self.carries(vlan).then_some(vlan)
    }

    /// True where packets of a VLAN leave with a tag for it.
    pub(crate) fn tags(&self, vlan: u16) -> bool {
        match self.vlan_mode {
            VlanMode::Access | VlanMode::Dot1qTunnel => false,
            VlanMode::Trunk | VlanMode::NativeTagged => vlan != 0,
            VlanMode::NativeUntagged => vlan != 0 && vlan != self.tag,
        }
    }
}
