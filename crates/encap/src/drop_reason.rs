//! Why a frame did not get into a tunnel, or out of it.

tulle_wire::drop_reasons! {
    /// Why a frame was lost at a tunnel's end. One cause, one reason.
    pub enum DropReason;

    OuterMalformed "tunnel-outer-malformed" "The outer headers are cut short or contradict themselves.";
    OuterChecksum "tunnel-outer-checksum" "The outer IPv4, TCP, UDP or GRE checksum is wrong.";
    OuterFragment "tunnel-outer-fragment" "The outer IP packet is a fragment.";
    OuterExtension "tunnel-outer-extension" "The outer IPv6 packet has extension headers.";
    NoChecksum "tunnel-no-checksum" "A UDP datagram over IPv6 without a checksum, which is not allowed here (RFC 6936).";
    OuterEmpty "tunnel-outer-empty" "The outer UDP datagram has no payload.";
    OuterForeign "tunnel-outer-foreign" "The outer packet is of another protocol or for another port.";
    InnerTruncated "tunnel-inner-truncated" "The inner frame is shorter than an Ethernet header.";
    BadOffload "tunnel-bad-offload" "The offload says what the frame does not hold.";
    UdpSegmentation "tunnel-udp-segmentation" "The inner frame is UDP to be cut, which is not supported.";
    NoHeadroom "tunnel-no-headroom" "There is no room for the outer headers in front of the frame.";
    TooBig "tunnel-too-big" "The outer packet would exceed the path MTU.";
    BadContext "tunnel-bad-context" "The context has more bits than the encapsulation carries.";
    CongestionLost "tunnel-ecn-congestion" "Congestion was marked on a frame that cannot carry the mark (RFC 6040).";
    SttTooLong "stt-too-long" "The inner frame exceeds the 65477 bytes that STT carries.";
    SttEmptySegment "stt-empty-segment" "A segment without payload.";
    SttBadOffset "stt-bad-offset" "A segment reaches beyond the length of its frame.";
    SttBadLength "stt-bad-length" "A segment disagrees with the others about the length of the frame.";
    SttOverlap "stt-overlap" "A segment overlaps what has already arrived.";
    SttTooManyPieces "stt-too-many-pieces" "A segment would make yet another gap in a frame full of gaps.";
    SttEvicted "stt-evicted" "An incomplete frame gave its memory to a newer one.";
    SttTimeout "stt-timeout" "An incomplete frame whose other segments never came.";
    SttTruncated "stt-truncated" "A frame shorter than the STT header.";
    SttBadVersion "stt-bad-version" "The STT version is not 0.";
    SttBadFlags "stt-bad-flags" "The STT flags contradict each other.";
    SttBadOffload "stt-bad-offload" "The STT header says what the inner frame does not hold.";
    VxlanTruncated "vxlan-truncated" "A datagram shorter than the VXLAN header.";
    VxlanBadFlags "vxlan-bad-flags" "The VXLAN flags are not exactly the one for a valid VNI.";
    VxlanReservedBits "vxlan-reserved-bits" "Reserved bits of the VXLAN header are set.";
    VxlanGpeVersion "vxlan-gpe-version" "The VXLAN-GPE version is not 0.";
    VxlanGpeOam "vxlan-gpe-oam" "VXLAN-GPE says that the packet is for operations, not a frame.";
    VxlanGpeNotEthernet "vxlan-gpe-not-ethernet" "VXLAN-GPE carries something else than an Ethernet frame.";
    GeneveTruncated "geneve-truncated" "A datagram shorter than the Geneve header and its options.";
    GeneveVersion "geneve-version" "The Geneve version is not 0.";
    GeneveNotEthernet "geneve-not-ethernet" "Geneve carries something else than an Ethernet frame.";
    GeneveBadOptions "geneve-bad-options" "The Geneve options do not fill the length given for them, or are too long.";
    GeneveCritical "geneve-critical-option" "A critical Geneve option that is not known here.";
    GeneveBadCritical "geneve-critical-bit" "A critical Geneve option in a header that says there is none.";
    GreTruncated "gre-truncated" "A packet shorter than the GRE header.";
    GreBadVersion "gre-bad-version" "The GRE version is not 0.";
    GreBadFlags "gre-bad-flags" "GRE routing or flags that RFC 2784 lets nobody set.";
    GreNotEthernet "gre-not-ethernet" "GRE carries something else than an Ethernet frame.";
    GreNoSequence "gre-no-sequence" "A GRE packet without a number in a tunnel that wants them.";
    GreOutOfOrder "gre-out-of-order" "A GRE packet that comes after a later one, or a second time.";
    NvgreBadFlags "nvgre-bad-flags" "GRE flags that are not exactly those of NVGRE.";
    NvgreTagged "nvgre-tagged" "A frame with a VLAN tag, which NVGRE does not carry.";
    LispTruncated "lisp-truncated" "A datagram shorter than the LISP header.";
    LispBadFlags "lisp-bad-flags" "The LISP flags contradict each other, or reserved ones are set.";
    LispNotIp "lisp-not-ip" "LISP carries something else than an IP packet.";
    LispNoEthernet "lisp-no-ethernet" "LISP carries IP packets without Ethernet, and a switch has no use for them.";
}
