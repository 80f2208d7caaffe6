//! Mirrors: copies of what comes in and of what leaves.

use super::{Abort, Observer, Walk};
use crate::bridge::Mirror;
use crate::consequence::Consequence;

impl<O: Observer> Walk<'_, '_, O> {
    /// Copies of a packet as it came in.
    pub(super) fn mirror_ingress(&mut self, in_port: u32) -> Result<(), Abort> {
        let bridge = self.plane.bridge;
        for (place, mirror) in bridge.mirrors().iter().enumerate() {
            let is_selected = mirror.select_all || mirror.select_sources.contains(&in_port);
            if is_selected {
                self.mirror(place, mirror, in_port)?;
            }
        }
        Ok(())
    }

    /// Copies of a packet that leaves by a port, for the mirrors that have none of it yet.
    pub(super) fn mirror_egress(&mut self, to: u32) -> Result<(), Abort> {
        let bridge = self.plane.bridge;
        for (place, mirror) in bridge.mirrors().iter().enumerate() {
            let is_selected = mirror.select_all || mirror.select_destinations.contains(&to);
            if is_selected && mirror.output_port != Some(to) {
                self.mirror(place, mirror, to)?;
            }
        }
        Ok(())
    }

    /// Copies a packet to a mirror, if it has none yet and wants the packet's VLAN at this port.
    fn mirror(&mut self, place: usize, mirror: &Mirror, at: u32) -> Result<(), Abort> {
        let bit = 1_u64 << place;
        if self.mirrored & bit != 0 || mirror.output_port == Some(self.in_port()) {
            return Ok(());
        }
        let bridge = self.plane.bridge;
        let source = bridge.bundle_of(at);
        let needs_vlan = !mirror.select_vlans.is_empty() || mirror.output_port.is_none();
        let bundle = source.and_then(|source| bridge.bundle(source));
        let bridged = if needs_vlan { self.vlan_of(source, bundle) } else { None };
        let is_wanted = |vlan| mirror.select_vlans.is_empty() || mirror.select_vlans.contains(&vlan);
        if needs_vlan && !bridged.is_some_and(|bridged| is_wanted(bridged.vlan)) {
            return Ok(());
        }
        self.mirrored |= bit;
        let name = &mirror.name;
        self.decided(|| format!("mirror {name}"));
        self.consequences.push(Consequence::Mirror(place));
        let max_len = if mirror.snap_len == 0 { u32::MAX } else { u32::from(mirror.snap_len) };
        // What a copy is sent by may be mirrored in turn.
        let before = std::mem::replace(&mut self.is_mirroring, true);
        let copied = match (mirror.output_port, mirror.output_vlan, bridged) {
            (Some(to), _, _) if self.plane.ports.contains(to) => self.emit(to, max_len),
            (None, Some(vlan), Some(bridged)) if bridged.vlan != vlan => self.mirror_to_vlan(bridged, vlan),
            _ => Ok(()),
        };
        self.is_mirroring = before;
        copied
    }

    /// Copies to all ports that carry the mirror's VLAN.
    fn mirror_to_vlan(&mut self, bridged: super::normal::Bridged, vlan: u16) -> Result<(), Abort> {
        let bridge = self.plane.bridge;
        let in_port = self.in_port();
        for bundle in bridge.bundles() {
            let is_target = bundle.carries(vlan) && !bundle.members.contains(&in_port);
            if is_target && !bridge.is_mirror_output(bundle) {
                self.send_to_bundle(super::normal::Bridged { vlan, ..bridged }, bundle)?;
            }
        }
        Ok(())
    }
}
