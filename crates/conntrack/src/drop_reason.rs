//! Why a frame that went through the tracker must not go on.

tulle_wire::drop_reasons! {
    /// Why a frame is lost in connection tracking.  One cause, one reason.
    pub enum DropReason;

    TableFull "ct-table-full" "The table of connections is full of established ones.";
    ZoneFull "ct-zone-full" "The zone has as many connections as its limit allows.";
    NatExhausted "ct-nat-exhausted" "No free address and port is left in the NAT range.";
    NatFamily "ct-nat-family" "The NAT range is of the other IP version.";
    TupleInUse "ct-tuple-in-use" "Replies to the new connection could not be told from those to another.";
    FragmentMalformed "ct-fragment-malformed" "A fragment's offset, length or headers contradict themselves.";
    FragmentOverlap "ct-fragment-overlap" "Fragments overlap, so the whole datagram is dropped.";
    FragmentDuplicate "ct-fragment-duplicate" "The same fragment again; the first one is kept.";
    FragmentTooMany "ct-fragment-too-many" "A datagram in more fragments than any honest sender makes.";
    FragmentEvicted "ct-fragment-evicted" "An incomplete datagram gave its memory to a newer one.";
    FragmentTimeout "ct-fragment-timeout" "A fragment whose datagram never became whole.";
}
