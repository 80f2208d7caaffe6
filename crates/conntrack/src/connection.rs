//! One connection as it is kept: 192 bytes, and two words of the table (see `MEMORY_PER_CONNECTION`).

use tulle_wire::protocol;

use crate::config::{Timeout, Timeouts};
use crate::list::Links;
use crate::request::Alg;
use crate::sctp::Sctp;
use crate::sequence::Adjustment;
use crate::tcp::{Adopted, Claims, Segment, Tcp};
use crate::tuple::{Direction, Endpoints, Tuple};

/// What a connection carries in rare cases only.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// The connection that announced this one.
    pub parent: Option<Endpoints>,
    /// The control protocol to listen to.
    pub alg: Option<Alg>,
    /// The connection that it has announced last.
    pub expected: Option<Tuple>,
    /// How far sequence numbers have moved because payload grew or shrank.
    pub adjustment: Adjustment,
    /// Until then segments beyond the window may move it, since another tracker has seen some (0: never).
    pub lenient_until_ns: u64,
    /// What such segments said that nothing has confirmed yet.
    pub claims: Claims,
    /// Where an association of SCTP stands.
    pub sctp: Option<Sctp>,
}

/// Three cache lines: what every packet needs comes first, then replies, then TCP.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Connection {
    /// Packets in the original direction, as they came.
    pub original: Tuple,
    pub expires_at_ns: u64,
    pub mark: u32,
    /// The tick at which the wheel looks at it.
    pub due: u32,
    /// A packet in the reply direction has been seen.
    pub replied: bool,
    /// In the list of those that may be given up.
    pub evictable: bool,
    /// It came as another one had announced.
    pub related: bool,
    /// The original source, or destination, is translated.
    pub snat: bool,
    pub dnat: bool,
    /// Packets in the reply direction, as they come: the reverse of what `original` is translated to.
    pub reply: Tuple,
    pub extra: Option<Box<Extra>>,
    label: [u64; 2],
    pub tcp: Tcp,
    /// By list: the wheel's slot, and the connections that may be given up for new ones.
    pub links: [Links; 2],
}

const _: () = assert!(size_of::<Option<Connection>>() == 192);

impl Connection {
    pub fn new(original: Tuple, reply: Tuple, tcp: Tcp) -> Self {
        Self {
            original,
            reply,
            tcp,
            expires_at_ns: 0,
            label: [0; 2],
            mark: 0,
            links: [Links::NONE; 2],
            due: 0,
            replied: false,
            evictable: false,
            related: false,
            snat: false,
            dnat: false,
            extra: None,
        }
    }

    /// Takes over what the connection that announced it has.
    pub fn inherit(&mut self, parent: &Self) {
        self.related = true;
        self.mark = parent.mark;
        self.label = parent.label;
        self.extra_mut().parent = Some(parent.original.endpoints());
    }

    pub fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_with(Box::default)
    }

    pub fn alg(&self) -> Option<Alg> {
        self.extra.as_ref().and_then(|extra| extra.alg)
    }

    pub fn parent(&self) -> Option<Endpoints> {
        self.extra.as_ref().and_then(|extra| extra.parent)
    }

    pub fn sctp(&self) -> Option<&Sctp> {
        self.extra.as_ref().and_then(|extra| extra.sctp.as_ref())
    }

    #[inline]
    pub fn tuple(&self, direction: Direction) -> &Tuple {
        match direction {
            Direction::Original => &self.original,
            Direction::Reply => &self.reply,
        }
    }

    /// What the tuple of packets of this direction is translated to.
    #[inline]
    pub fn translated(&self, direction: Direction) -> Tuple {
        self.tuple(direction.opposite()).reversed()
    }

    /// A segment with what it acknowledges as the other side has counted it.
    #[inline]
    pub fn own_numbers(&self, direction: Direction, segment: &Segment) -> Segment {
        match &self.extra {
            Some(extra) => {
                let acknowledgment = extra.adjustment.back(direction, segment.acknowledgment);
                Segment { acknowledgment, ..*segment }
            }
            None => *segment,
        }
    }

    /// Takes in a segment that does not fit, if another tracker may have seen what came before it.
    #[cold]
    pub fn adopt(&mut self, direction: Direction, segment: &Segment, now_ns: u64) -> Adopted {
        match &mut self.extra {
            Some(extra) if extra.lenient_until_ns > now_ns => {
                self.tcp.adopt(direction, segment, &mut extra.claims)
            }
            _ => Adopted::Refused,
        }
    }

    #[inline]
    pub fn label(&self) -> u128 {
        u128::from(self.label[1]) << 64 | u128::from(self.label[0])
    }

    pub fn set_label(&mut self, label: u128) {
        self.label = [label as u64, (label >> 64) as u64];
    }

    /// Notes which addresses and ports of the original direction are translated.
    pub fn note_translation(&mut self) {
        let (from, to) = (&self.original, self.translated(Direction::Original));
        let snat = from.source != to.source || from.source_port != to.source_port;
        // Both ports of a query are its identifier, which is the caller's.
        let calls_other_port = !from.is_query() && from.destination_port != to.destination_port;
        let dnat = from.destination != to.destination || calls_other_port;
        (self.snat, self.dnat) = (snat, dnat);
    }

    #[inline]
    pub fn is_translated(&self) -> bool {
        self.snat | self.dnat
    }

    /// Whether it may be given up for a new one: opened by one side only, or over.
    pub fn is_expendable(&self) -> bool {
        let is_open = match self.original.protocol {
            protocol::TCP => self.tcp.is_open(),
            protocol::SCTP => self.sctp().is_none_or(Sctp::is_open),
            _ => true,
        };
        !is_open || !self.replied
    }

    /// How long it lives from now on without a packet.
    #[inline]
    pub fn timeout_ns(&self, timeouts: &Timeouts) -> u64 {
        use protocol::{ICMP, ICMPV6, SCTP, TCP, UDP};
        let which = match (self.original.protocol, self.replied) {
            (TCP, _) => self.tcp.timeout(),
            (SCTP, _) => self.sctp().map_or(Timeout::SctpOpen, Sctp::timeout),
            (UDP, false) => Timeout::UdpFirst,
            (UDP, true) => Timeout::UdpStream,
            (ICMP | ICMPV6, false) => Timeout::IcmpFirst,
            (ICMP | ICMPV6, true) => Timeout::IcmpReply,
            (_, false) => Timeout::OtherFirst,
            (_, true) => Timeout::OtherStream,
        };
        timeouts.ns(which)
    }
}
