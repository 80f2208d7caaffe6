//! A connection as others see it, and the line that `ovs-appctl dpctl/dump-conntrack` prints of it.

use std::fmt;

use tulle_wire::protocol;

use crate::config::SECOND_NS;
use crate::connection::Connection;
use crate::request::Alg;
use crate::tuple::Endpoints;

/// A connection as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Packets in the original direction, as they come.
    pub original: Endpoints,
    /// Packets in the reply direction, as they come.
    pub reply: Endpoints,
    /// `ct_zone`.
    pub zone: u16,
    /// `ct_mark`.
    pub mark: u32,
    /// `ct_label`.
    pub label: u128,
    /// Seconds until it is forgotten, if no packet comes.
    pub timeout_s: u64,
    /// Where a TCP connection stands.
    pub tcp_state: Option<&'static str>,
    /// A packet in the reply direction has been seen.
    pub replied: bool,
    /// The control protocol that is listened to.
    pub alg: Option<Alg>,
    /// The connection that announced it.
    pub parent: Option<Endpoints>,
}

impl Entry {
    pub(crate) fn of(connection: &Connection, now_ns: u64) -> Self {
        let is_tcp = connection.original.protocol == protocol::TCP;
        Self {
            original: connection.original.endpoints(),
            reply: connection.reply.endpoints(),
            zone: connection.original.zone,
            mark: connection.mark,
            label: connection.label(),
            timeout_s: connection.expires_at_ns.saturating_sub(now_ns) / SECOND_NS,
            tcp_state: is_tcp.then(|| connection.tcp.name()),
            replied: connection.replied,
            alg: connection.alg(),
            parent: connection.parent(),
        }
    }
}

/// One line; with `{:#}` the timeout too, as `dpctl/dump-conntrack -s`.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.original.protocol {
            protocol::ICMP => f.write_str("icmp")?,
            protocol::TCP => f.write_str("tcp")?,
            protocol::UDP => f.write_str("udp")?,
            protocol::ICMPV6 => f.write_str("icmpv6")?,
            protocol::SCTP => f.write_str("sctp")?,
            other => write!(f, "{other}")?,
        }
        write!(f, ",orig=({}),reply=({})", self.original, self.reply)?;
        if self.zone != 0 {
            write!(f, ",zone={}", self.zone)?;
        }
        if f.alternate() {
            write!(f, ",timeout={}", self.timeout_s)?;
        }
        if self.mark != 0 {
            write!(f, ",mark={}", self.mark)?;
        }
        if self.label != 0 {
            write!(f, ",labels={:#x}", self.label)?;
        }
        if let Some(state) = self.tcp_state {
            write!(f, ",protoinfo=(state={state})")?;
        }
        self.alg.map_or(Ok(()), |alg| write!(f, ",helper={}", alg.name()))
    }
}

impl fmt::Display for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src={},dst={},", self.source, self.destination)?;
        let (source, destination) = (self.source_port, self.destination_port);
        match self.protocol {
            protocol::ICMP | protocol::ICMPV6 => {
                write!(f, "id={},type={source},code={destination}", self.icmp_id)
            }
            _ => write!(f, "sport={source},dport={destination}"),
        }
    }
}
