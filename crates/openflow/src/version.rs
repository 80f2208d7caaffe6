//! Versions of OpenFlow, and what two sides have agreed about the form of their messages.

/// A version of OpenFlow that is spoken here; the number is that of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Version {
    /// OpenFlow 1.0.
    V10 = 1,
    /// OpenFlow 1.3.
    V13 = 4,
    /// OpenFlow 1.4.
    V14 = 5,
    /// OpenFlow 1.5.
    V15 = 6,
}

impl Version {
    /// All versions, lowest first.
    pub const ALL: [Version; 4] = [Version::V10, Version::V13, Version::V14, Version::V15];

    /// The version with this number on the wire.
    pub fn from_wire(number: u8) -> Option<Version> {
        Version::ALL.into_iter().find(|version| version.wire() == number)
    }

    /// The number on the wire.
    pub fn wire(self) -> u8 {
        self as u8
    }

    /// The version of this name in `ovs-vsctl(8)` and `ovs-ofctl(8)`: `OpenFlow10`, `OpenFlow13` and so on.
    pub fn from_name(name: &str) -> Option<Version> {
        Version::ALL.into_iter().find(|version| version.name() == name)
    }

    /// The name in `ovs-vsctl(8)`.
    pub fn name(self) -> &'static str {
        match self {
            Version::V10 => "OpenFlow10",
            Version::V13 => "OpenFlow13",
            Version::V14 => "OpenFlow14",
            Version::V15 => "OpenFlow15",
        }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Version::V10 => "1.0",
            Version::V13 => "1.3",
            Version::V14 => "1.4",
            Version::V15 => "1.5",
        })
    }
}

/// A set of versions, as a hello's bitmap holds it: bit n stands for wire version n.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Versions(u32);

impl Versions {
    /// All that are spoken here.
    pub const ALL: Versions = Versions(1 << 1 | 1 << 4 | 1 << 5 | 1 << 6);

    /// The set that holds one version.
    pub fn only(version: Version) -> Versions {
        Versions(1 << version.wire())
    }

    /// The versions of a bitmap; bits of versions that are not spoken here are left out.
    pub fn from_bitmap(bitmap: u32) -> Versions {
        Versions(bitmap & Versions::ALL.0)
    }

    /// Bit n for wire version n.
    pub fn bitmap(self) -> u32 {
        self.0
    }

    /// True where the version is in the set.
    pub fn contains(self, version: Version) -> bool {
        self.0 & (1 << version.wire()) != 0
    }

    /// The versions in both sets.
    pub fn common(self, other: Versions) -> Versions {
        Versions(self.0 & other.0)
    }

    /// The highest version of the set; none where it is empty.
    pub fn highest(self) -> Option<Version> {
        Version::ALL.into_iter().rev().find(|version| self.contains(*version))
    }
}

impl Default for Versions {
    fn default() -> Self {
        Versions::ALL
    }
}

impl FromIterator<Version> for Versions {
    fn from_iter<I: IntoIterator<Item = Version>>(versions: I) -> Self {
        Versions(versions.into_iter().fold(0, |bits, version| bits | 1 << version.wire()))
    }
}

/// What decides the form of a message: the version, and what the controller asked for by Nicira's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// The negotiated version.
    pub version: Version,
    /// OpenFlow 1.0: the upper half of a flow mod's command is the table (`NXT_FLOW_MOD_TABLE_ID`).
    pub flow_mod_table_id: bool,
    /// OpenFlow 1.0: matches go in Nicira's form wherever there is one (`NXT_SET_FLOW_FORMAT`).
    pub nicira_flows: bool,
}

impl From<Version> for Dialect {
    fn from(version: Version) -> Self {
        Dialect { version, flow_mod_table_id: false, nicira_flows: false }
    }
}
