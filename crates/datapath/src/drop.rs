//! Why packets are lost, and how many were: every lost packet has a reason.

use tulle_classifier::hashing::HashIndex;

tulle_wire::drop_reasons! {
    /// Why a packet, or one copy of it, went nowhere.
    pub enum DropReason;

    FrameTooShort "frame-too-short" "shorter than an Ethernet header";
    VlanTruncated "vlan-truncated" "ends within the VLAN tag";
    MplsTruncated "mpls-truncated" "ends within the MPLS label stack";
    PbbTruncated "pbb-truncated" "ends within a provider backbone header";
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

/// The most places (port, reason and table) with counters of their own; drops at further ones are counted in the
/// totals only.
pub const COUNTED_PLACES: usize = 65_536;

/// How many packets were lost at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DropCount {
    /// The ingress port.
    pub port: u32,
    /// Why.
    pub reason: DropReason,
    /// The table in which it happened, where there is one.
    pub table: Option<u8>,
    /// How many.
    pub packets: u64,
}

/// Counts of lost packets, by reason, and by ingress port, reason and table.
#[derive(Clone, Debug)]
pub struct DropCounters {
    totals: [u64; COUNT],
    places: HashIndex<DropCount>,
}

impl Default for DropCounters {
    fn default() -> Self {
        DropCounters { totals: [0; COUNT], places: HashIndex::default() }
    }
}

impl DropCounters {
    /// Packets lost for a reason.
    pub fn total(&self, reason: DropReason) -> u64 {
        self.totals[reason as usize]
    }

    /// Packets from one port lost for a reason, in whatever table.
    pub fn of_port(&self, port: u32, reason: DropReason) -> u64 {
        let is_here = |count: &&DropCount| count.port == port && count.reason == reason;
        self.places.values().filter(is_here).map(|count| count.packets).sum()
    }

    /// All counts above zero, by reason.
    pub fn totals(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        let counts = DropReason::ALL.iter().map(|reason| (*reason, self.total(*reason)));
        counts.filter(|(_, count)| *count > 0)
    }

    /// All counts above zero, by port, reason and table, in this order.
    pub fn by_place(&self) -> Vec<DropCount> {
        let mut counts: Vec<_> = self.places.values().copied().collect();
        counts.sort_unstable();
        counts
    }

    #[inline]
    pub(crate) fn count(&mut self, port: u32, reason: DropReason, table: Option<u8>) {
        self.totals[reason as usize] += 1;
        match self.places.get_mut(&place(port, reason, table)) {
            Some(count) => count.packets += 1,
            None => self.count_first(port, reason, table),
        }
    }

    #[cold]
    fn count_first(&mut self, port: u32, reason: DropReason, table: Option<u8>) {
        if self.places.len() < COUNTED_PLACES {
            self.places.insert(place(port, reason, table), DropCount { port, reason, table, packets: 1 });
        }
    }

    pub(crate) fn forget_port(&mut self, port: u32) {
        self.places.retain(|_, count| count.port != port);
    }
}

/// A number of its own for each place, spread over all bits: multiplication by an odd number loses none of them.
#[inline]
fn place(port: u32, reason: DropReason, table: Option<u8>) -> u64 {
    let table = table.map_or(0x100, u64::from);
    let packed = u64::from(port) << 32 | table << 8 | reason as u64;
    packed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}
