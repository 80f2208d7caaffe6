//! `OFPP_NORMAL`: forwarding as a learning switch does, by VLAN.

use super::hashing::draw;
use super::prerequisites::VLAN_PRESENT;
use super::{Abort, Observer, Walk};
use crate::bridge::{BondMode, Bundle, VlanMode};
use crate::consequence::{Consequence, Seen};
use crate::drop::DropReason;
use crate::versions::Shared;
use tulle_flow::{Field, port};

const BROADCAST: u128 = 0xffff_ffff_ffff;
/// The bit of an address that says that it is a group's.
const MULTICAST: u128 = 1 << 40;
/// 01:80:c2:00:00:00 to 0f: never forwarded by bridges (IEEE 802.1D table 7-10).
const RESERVED: u128 = 0x0180_c200_0000;
const ARP: u128 = 0x0806;
const REQUEST: u128 = 1;
const REPLY: u128 = 2;
const SERVICE_VLAN: u16 = 0x88a8;

/// Where a packet is on its way through the bridge.
#[derive(Clone, Copy)]
pub(super) struct Bridged {
    /// The bundle it came from.
    pub source: Option<usize>,
    pub vlan: u16,
    /// Its outermost tag is its VLAN's, rather than the payload of a tunnel.
    pub has_tag: bool,
}

impl<O: Observer> Walk<'_, '_, O> {
    pub(super) fn normal(&mut self) -> Result<(), Abort> {
        self.depends_on(Shared::Macs);
        let in_port = self.in_port();
        let bridged = match self.admit(in_port) {
            Ok(bridged) => bridged,
            Err(reason) => return self.lose(reason),
        };
        self.teach(in_port, bridged);
        let destination = self.constant(Field::EthDst);
        let known = match destination & MULTICAST {
            0 => self.plane.macs.port(bridged.vlan, destination as u64),
            _ => None,
        };
        match known {
            Some(to) if !self.floods(bridged.vlan) => self.forward(bridged, to),
            _ => self.flood_vlan(bridged),
        }
    }

    /// The packet's place in the bridge, where the bridge takes it.
    fn admit(&mut self, in_port: u32) -> Result<Bridged, DropReason> {
        let bridge = self.plane.bridge;
        let source = bridge.bundle_of(in_port);
        if source.is_none() && in_port < port::IN_PORT {
            return Err(DropReason::NormalUnknownPort);
        }
        let bundle = source.and_then(|place| bridge.bundle(place));
        if bundle.is_some_and(|bundle| bridge.is_mirror_output(bundle)) {
            return Err(DropReason::NormalMirrorPort);
        }
        let bridged = self.vlan_of(source, bundle).ok_or(DropReason::NormalVlan)?;
        let destination = self.constant(Field::EthDst);
        if destination & !0xf == RESERVED && !bridge.config.forward_bpdu {
            return Err(DropReason::NormalReserved);
        }
        match bundle.filter(|bundle| bundle.members.len() > 1) {
            Some(bond) if !self.bond_takes(bond, in_port, bridged) => Err(DropReason::NormalBond),
            _ => Ok(bridged),
        }
    }

    /// The packet's VLAN, where its bundle carries it; who is in no bundle carries all.
    pub(super) fn vlan_of(&mut self, source: Option<usize>, bundle: Option<&Bundle>) -> Option<Bridged> {
        let is_tagged = self.is_tagged();
        self.look_at_field(Field::VlanTci, 0xfff);
        let vid = (self.key.field(Field::VlanTci) & 0xfff) as u16;
        let own = if is_tagged { Some(vid) } else { None };
        let vlan = match bundle {
            Some(bundle) => bundle.vlan_of(own)?,
            None => own.unwrap_or(0),
        };
        let is_tunnel = bundle.is_some_and(|bundle| bundle.vlan_mode == VlanMode::Dot1qTunnel);
        Some(Bridged { source, vlan, has_tag: is_tagged && !is_tunnel })
    }

    /// A bond takes frames that others may have sent back to it by one member only.
    fn bond_takes(&mut self, bond: &Bundle, in_port: u32, bridged: Bridged) -> bool {
        let is_active = bond.live.first() == Some(&in_port);
        if bond.bond == BondMode::ActiveBackup {
            return is_active;
        }
        let is_group = self.constant(Field::EthDst) & MULTICAST != 0;
        if is_group && !is_active {
            return false;
        }
        let source = self.constant(Field::EthSrc) as u64;
        let known = self.plane.macs.port(bridged.vlan, source);
        let is_elsewhere = known.is_some_and(|port| !bond.members.contains(&port));
        !is_elsewhere || self.is_gratuitous()
    }

    fn teach(&mut self, in_port: u32, bridged: Bridged) {
        let source = self.constant(Field::EthSrc);
        if source & MULTICAST != 0 || self.floods(bridged.vlan) || bridged.source.is_none() {
            return;
        }
        let bundle = bridged.source.and_then(|place| self.plane.bridge.bundle(place));
        let is_bonded = bundle.is_some_and(|bundle| bundle.members.len() > 1);
        let is_gratuitous = self.is_gratuitous();
        let seen = Seen { vlan: bridged.vlan, mac: source as u64, port: in_port, is_gratuitous, is_bonded };
        self.consequences.push(Consequence::Seen(seen));
    }

    /// An ARP to all of a host that asks for itself, or answers unasked (RFC 5227 section 3).
    fn is_gratuitous(&mut self) -> bool {
        if self.constant(Field::EthDst) != BROADCAST || !self.is(Field::EthType, &[ARP]) {
            return false;
        }
        match self.constant(Field::ArpOp) {
            REPLY => true,
            REQUEST => self.constant(Field::ArpSpa) == self.constant(Field::ArpTpa),
            _ => false,
        }
    }

    fn floods(&self, vlan: u16) -> bool {
        self.plane.bridge.config.flood_vlans.contains(&vlan)
    }

    fn forward(&mut self, bridged: Bridged, to: u32) -> Result<(), Abort> {
        let bridge = self.plane.bridge;
        let Some(target) = bridge.bundle_of(to) else { return self.flood_vlan(bridged) };
        if Some(target) == bridged.source {
            return self.lose(DropReason::NormalSamePort);
        }
        match bridge.bundle(target).filter(|bundle| self.reaches(bridged, bundle)) {
            Some(bundle) => self.send_to_bundle(bridged, bundle),
            None => self.lose(DropReason::NormalVlan),
        }
    }

    fn flood_vlan(&mut self, bridged: Bridged) -> Result<(), Abort> {
        let bridge = self.plane.bridge;
        self.decided(|| format!("flood in VLAN {}", bridged.vlan));
        let mut has_target = false;
        for (place, bundle) in bridge.bundles().iter().enumerate() {
            if Some(place) == bridged.source || !self.reaches(bridged, bundle) || !self.is_flooded(bundle) {
                continue;
            }
            has_target = true;
            self.send_to_bundle(bridged, bundle)?;
        }
        if has_target { Ok(()) } else { self.lose(DropReason::NoOtherPort) }
    }

    fn reaches(&self, bridged: Bridged, bundle: &Bundle) -> bool {
        let bridge = self.plane.bridge;
        let source = bridged.source.and_then(|place| bridge.bundle(place));
        let are_protected = bundle.protected && source.is_some_and(|source| source.protected);
        !are_protected && bundle.carries(bridged.vlan) && !bridge.is_mirror_output(bundle)
    }

    fn is_flooded(&self, bundle: &Bundle) -> bool {
        let ports = self.plane.ports;
        bundle.members.iter().any(|member| ports.contains(*member))
            && !bundle.members.iter().any(|member| ports.config(*member).no_flood)
    }

    /// Sends by one member of a bundle, with the tag that the bundle wants.
    pub(super) fn send_to_bundle(&mut self, bridged: Bridged, bundle: &Bundle) -> Result<(), Abort> {
        let Some(member) = self.member(bridged, bundle) else { return self.lose(DropReason::NoLiveMember) };
        let tag = bundle.tags(bridged.vlan).then_some(bridged.vlan);
        let own = (self.key.field(Field::VlanTci) & 0xfff) as u16;
        let is_right = match tag {
            Some(vlan) => bridged.has_tag && own == vlan,
            None => !bridged.has_tag,
        };
        if is_right {
            return self.send(member, u32::MAX);
        }
        self.apart(|walk| {
            match tag {
                Some(vlan) if bridged.has_tag => {
                    walk.set_tci(VLAN_PRESENT | u128::from(vlan), 0x1fff)?;
                }
                Some(vlan) => {
                    // Around a customer's tag stands a service tag (IEEE 802.1ad).
                    let tpid = if walk.is_tagged() { SERVICE_VLAN } else { crate::extract::ETHERTYPE_VLAN };
                    walk.push_vlan(tpid)?;
                    walk.set_tci(VLAN_PRESENT | u128::from(vlan), 0xffff)?;
                }
                None => walk.pop_vlan()?,
            }
            walk.send(member, u32::MAX)
        })
    }

    fn member(&mut self, bridged: Bridged, bundle: &Bundle) -> Option<u32> {
        if bundle.members.len() <= 1 {
            return bundle.members.first().copied();
        }
        match bundle.bond {
            BondMode::ActiveBackup => bundle.live.first().copied(),
            BondMode::BalanceSlb => {
                let source = self.constant(Field::EthSrc) as u64;
                let hash = draw(source, u64::from(bridged.vlan)) >> 32;
                let place = (hash as usize).checked_rem(bundle.live.len())?;
                // In order of number, so that the active one may change without moving addresses.
                let mut live = bundle.live.clone();
                live.sort_unstable();
                live.get(place).copied()
            }
        }
    }
}
