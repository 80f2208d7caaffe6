//! Why packets are lost, and how many were: every lost packet has a reason.

use std::collections::HashMap;

macro_rules! reasons {
    ($($variant:ident $name:literal $text:literal;)*) => {
        /// Why a packet, or one copy of it, went nowhere.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum DropReason { $(#[doc = $text] $variant),* }

        impl DropReason {
            /// All reasons.
            pub const ALL: &'static [DropReason] = &[$(DropReason::$variant),*];

            /// A name that never changes.
            pub fn name(self) -> &'static str {
                match self { $(DropReason::$variant => $name),* }
            }

            /// What it means, for people.
            pub fn description(self) -> &'static str {
                match self { $(DropReason::$variant => $text),* }
            }
        }
    };
}

reasons! {
    FrameTooShort "frame-too-short" "shorter than an Ethernet header";
    VlanTruncated "vlan-truncated" "ends within the VLAN tag";
    MplsTruncated "mpls-truncated" "ends within the MPLS label stack";
    Ipv4Truncated "ipv4-truncated" "ends within the IPv4 header";
    Ipv4BadHeader "ipv4-bad-header" "IPv4 version or header length wrong";
    Ipv4BadLength "ipv4-bad-length" "IPv4 total length wrong";
    Ipv6Truncated "ipv6-truncated" "ends within the IPv6 header";
    Ipv6BadHeader "ipv6-bad-header" "IPv6 version wrong";
    Ipv6BadLength "ipv6-bad-length" "IPv6 payload length wrong";
    Ipv6TooManyExtensions "ipv6-too-many-extensions" "too many IPv6 extension headers";
    BadOffload "bad-offload" "checksum or segmentation request does not fit the frame";
    NoMatch "no-match" "no flow in the table matches";
    DroppedByFlow "dropped-by-flow" "a flow without actions";
    NoOutput "no-output" "flows with actions, but none that sends";
    ResubmitTooDeep "resubmit-too-deep" "resubmits nested too deep";
    TooManySteps "too-many-steps" "too many table lookups, or too many actions with an effect";
    TtlExpired "ttl-expired" "TTL or hop limit used up";
    UnknownPort "unknown-port" "output to a port that does not exist";
    OutputToIngress "output-to-ingress" "output to the ingress port without saying IN_PORT";
    NoOtherPort "no-other-port" "flooded, but there is no other port";
    UnsupportedPort "unsupported-port" "output to a reserved port that is not supported";
    PortDown "port-down" "output to a port that is administratively down";
    PortNoForward "port-no-forward" "output to a port that a controller has set to forward nothing";
    PortNoReceive "port-no-receive" "received by a port that a controller has set to receive nothing";
    PortNoPacketIn "port-no-packet-in" "matched by no flow, and the port is set to tell the controller of none";
    TunnelBadOptions "tunnel-bad-options" "Geneve options whose lengths do not add up, or are not those of the bridge's map";
    TunnelOptionsTooLong "tunnel-options-too-long" "more Geneve options to send than a header takes";
    NoHeadroom "no-headroom" "no room in the buffer for one more header";
    UnknownGroup "unknown-group" "a group that does not exist";
    NoLiveBucket "no-live-bucket" "a group without a bucket that could be executed";
    Metered "metered" "above the rate of a meter";
    ControllerMeter "controller-meter" "above the rate of the meter for packets to the controller";
    NoLiveMember "no-live-member" "no live port in a bond or in a list of ports to choose from";
    FragmentDropped "fragment-dropped" "a fragment, and the switch is set to drop these";
    TooManyPasses "too-many-passes" "sent through the tables again too often";
    TooManyContinuations "too-many-continuations" "interrupted in more ways than are remembered";
    StackOverflow "stack-overflow" "pushed more on the stack than it holds";
    ConjunctionOnly "conjunction-only" "a flow whose only actions are clauses of a conjunction";
    NormalVlan "normal-vlan" "the port does not carry the packet's VLAN";
    NormalReserved "normal-reserved" "a destination that bridges do not forward (IEEE 802.1D table 7-10)";
    NormalSamePort "normal-same-port" "the destination is at the port that the packet came from";
    NormalMirrorPort "normal-mirror-port" "came in by a port that is reserved for mirroring";
    NormalBond "normal-bond" "came in by a member of a bond that does not receive such packets";
    NormalUnknownPort "normal-unknown-port" "for normal forwarding, but the ingress port does not exist";
    CtTableFull "ct-table-full" "the table of connections is full";
    CtZoneFull "ct-zone-full" "the zone has as many connections as it may";
    CtNatExhausted "ct-nat-exhausted" "no address and port left to translate to";
    CtNatFamily "ct-nat-family" "an address of the other IP version to translate to";
    CtTupleInUse "ct-tuple-in-use" "answers could not be told from those of another connection";
    CtFragmentMalformed "ct-fragment-malformed" "a fragment that contradicts itself or others";
    CtFragmentDuplicate "ct-fragment-duplicate" "a fragment that had come before";
    CtFragmentOverlap "ct-fragment-overlap" "fragments that overlap";
    CtFragmentTooMany "ct-fragment-too-many" "a datagram in too many fragments";
    CtFragmentEvicted "ct-fragment-evicted" "an incomplete datagram gave its memory to a newer one";
    CtFragmentTimeout "ct-fragment-timeout" "a fragment whose datagram never became whole";
}

impl From<tulle_conntrack::DropReason> for DropReason {
    fn from(reason: tulle_conntrack::DropReason) -> Self {
        use tulle_conntrack::DropReason as Ct;
        match reason {
            Ct::TableFull => DropReason::CtTableFull,
            Ct::ZoneFull => DropReason::CtZoneFull,
            Ct::NatExhausted => DropReason::CtNatExhausted,
            Ct::NatFamily => DropReason::CtNatFamily,
            Ct::TupleInUse => DropReason::CtTupleInUse,
            Ct::FragmentMalformed => DropReason::CtFragmentMalformed,
            Ct::FragmentDuplicate => DropReason::CtFragmentDuplicate,
            Ct::FragmentOverlap => DropReason::CtFragmentOverlap,
            Ct::FragmentTooMany => DropReason::CtFragmentTooMany,
            Ct::FragmentEvicted => DropReason::CtFragmentEvicted,
            Ct::FragmentTimeout => DropReason::CtFragmentTimeout,
        }
    }
}

const COUNT: usize = DropReason::ALL.len();

/// The most ports that have counters of their own; drops of further ports are counted in the totals only.
pub const COUNTED_PORTS: usize = 4096;

/// Counts of lost packets, by reason, and by ingress port and reason.
#[derive(Clone, Debug)]
pub struct DropCounters {
    totals: [u64; COUNT],
    ports: HashMap<u32, [u64; COUNT]>,
}

impl Default for DropCounters {
    fn default() -> Self {
        DropCounters { totals: [0; COUNT], ports: HashMap::new() }
    }
}

impl DropCounters {
    /// Packets lost for a reason.
    pub fn total(&self, reason: DropReason) -> u64 {
        self.totals[reason as usize]
    }

    /// Packets from one port lost for a reason.
    pub fn of_port(&self, port: u32, reason: DropReason) -> u64 {
        self.ports.get(&port).map_or(0, |counts| counts[reason as usize])
    }

    /// All counts above zero, by reason.
    pub fn totals(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        counted(&self.totals)
    }

    /// All counts above zero, by port and reason, in order.
    pub fn by_port(&self) -> Vec<(u32, DropReason, u64)> {
        let each =
            |(port, counts): (&u32, _)| counted(counts).map(|(reason, n)| (*port, reason, n)).collect();
        let mut rows: Vec<_> = self.ports.iter().flat_map(|entry| -> Vec<_> { each(entry) }).collect();
        rows.sort_unstable();
        rows
    }

    #[inline]
    pub(crate) fn count(&mut self, port: u32, reason: DropReason) {
        self.totals[reason as usize] += 1;
        if let Some(counts) = self.ports.get_mut(&port) {
            counts[reason as usize] += 1;
        } else if self.ports.len() < COUNTED_PORTS {
            self.ports.insert(port, [0; COUNT]);
            self.count_first(port, reason);
        }
    }

    #[cold]
    fn count_first(&mut self, port: u32, reason: DropReason) {
        if let Some(counts) = self.ports.get_mut(&port) {
            counts[reason as usize] = 1;
        }
    }

    pub(crate) fn forget_port(&mut self, port: u32) {
        self.ports.remove(&port);
    }
}

fn counted(counts: &[u64; COUNT]) -> impl Iterator<Item = (DropReason, u64)> + '_ {
    DropReason::ALL.iter().map(|reason| (*reason, counts[*reason as usize])).filter(|(_, count)| *count > 0)
}
