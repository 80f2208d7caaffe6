//! What a bridge is told of its ports besides their numbers: VLANs, bonds, mirrors, learning.
//!
//! Plain values, as the Open_vSwitch schema has them; `OFPP_NORMAL` and mirroring follow them.

mod compiled;
mod macs;

pub(crate) use compiled::Bridge;
pub use macs::{FdbEntry, FdbStats};
pub(crate) use macs::{MacTable, Taught};

/// The most mirrors.
pub const MAX_MIRRORS: usize = 32;

/// How a bundle of ports treats VLAN tags (`vlan_mode` of `ovs-vswitchd.conf.db(5)`, table Port).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VlanMode {
    /// Untagged packets of one VLAN.
    Access,
    /// Tagged packets of all or some VLANs.
    #[default]
    Trunk,
    /// As trunk; packets of the native VLAN leave tagged.
    NativeTagged,
    /// As trunk; packets of the native VLAN leave untagged.
    NativeUntagged,
    /// Whatever tag a packet has, it gets one around it.
    Dot1qTunnel,
}

/// How a bond chooses a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BondMode {
    /// All packets by one member; another one takes over when it fails.
    #[default]
    ActiveBackup,
    /// By a hash over source address and VLAN.
    BalanceSlb,
}

/// A port of the Open_vSwitch schema: one interface, or several that are bonded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    /// Its name.
    pub name: String,
    /// OpenFlow port numbers of its interfaces.
    pub members: Vec<u32>,
    /// The members whose link is up, in order of preference; the first is the active one.
    pub live: Vec<u32>,
    /// How it treats tags.
    pub vlan_mode: VlanMode,
    /// The access or native VLAN; 0 is none.
    pub tag: u16,
    /// The VLANs that a trunk carries; empty means all.
    pub trunks: Vec<u16>,
    /// With several members: how one is chosen.
    pub bond: BondMode,
    /// Protected ports do not forward to one another.
    pub protected: bool,
}

/// Copies packets to a port or a VLAN (table Mirror).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirror {
    /// Its name.
    pub name: String,
    /// Every packet.
    pub select_all: bool,
    /// Packets that come in by these ports.
    pub select_sources: Vec<u32>,
    /// Packets that leave by these ports.
    pub select_destinations: Vec<u32>,
    /// Of these, only packets of these VLANs; empty means all.
    pub select_vlans: Vec<u16>,
    /// The port that gets the copies.
    pub output_port: Option<u32>,
    /// The VLAN that gets the copies, where no port does.
    pub output_vlan: Option<u16>,
    /// Bytes of each packet; 0 means all.
    pub snap_len: u16,
}

/// All that a bridge is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeConfig {
    /// The ports; a port number that is in none is a trunk of its own.
    pub bundles: Vec<Bundle>,
    /// The mirrors.
    pub mirrors: Vec<Mirror>,
    /// VLANs in which nothing is learned and everything flooded.
    pub flood_vlans: Vec<u16>,
    /// Seconds until a learned address is forgotten.
    pub mac_aging_s: u16,
    /// Most addresses that are learned.
    pub mac_limit: usize,
    /// Forwards frames for bridges (01:80:c2:00:00:0x) instead of dropping them.
    pub forward_bpdu: bool,
}

impl Default for BridgeConfig {
    fn default() -> Self {
        BridgeConfig {
            bundles: Vec::new(),
            mirrors: Vec::new(),
            flood_vlans: Vec::new(),
            mac_aging_s: 300,
            mac_limit: 8192,
            forward_bpdu: false,
        }
    }
}
