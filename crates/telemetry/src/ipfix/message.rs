//! Messages: a header, and sets of templates and of records (RFC 7011 section 3).

use super::domains::Domains;
use super::element::Told;
use super::record::{Flow, Key};
use super::shape::Shape;
use crate::datagram::Datagram;
use crate::moment::Clock;

const HEADER_LEN: usize = 16;
const TEMPLATE_SET: u16 = 2;
/// More than the longest record with its template and set headers needs.
const MOST_NEEDED: usize = 780;

/// The message that is being written.
#[derive(Debug)]
pub(super) struct Message {
    clock: Clock,
    virtual_observer: Box<[u8]>,
    domains: Domains,
    datagram: Datagram,
    domain: u32,
    records: u32,
    /// The set that records are added to: where it begins, and its template.
    set: Option<(usize, u16)>,
}

impl Message {
    pub fn new(clock: Clock, virtual_observer: Box<[u8]>) -> Message {
        Message {
            clock,
            virtual_observer,
            domains: Domains::new(),
            datagram: Datagram::new(),
            domain: 0,
            records: 0,
            set: None,
        }
    }

    pub fn set_epoch(&mut self, epoch_ns: u64) {
        self.clock.epoch_ns = epoch_ns;
    }

    /// Adds a record, behind its template where collectors have not heard it of late.
    pub fn record(
        &mut self,
        key: &Key,
        flow: &Flow,
        end_reason: u8,
        now_ns: u64,
        send: &mut impl FnMut(&[u8]),
    ) {
        if self.domain != key.domain || self.datagram.room() < MOST_NEEDED {
            self.flush(now_ns, send);
        }
        if self.datagram.is_empty() {
            self.domain = key.domain;
            self.datagram.zeros(HEADER_LEN);
        }
        let shape = Shape::of(key);
        if self.domains.get(key.domain).needs_template(shape, now_ns) {
            self.write_template(shape);
        }
        self.open_set(shape.template());
        let Message { clock, virtual_observer, datagram, .. } = self;
        let told = Told { key, flow, end_reason, clock, virtual_observer };
        for element in shape.elements(!told.virtual_observer.is_empty()) {
            (element.write)(&told, datagram);
        }
        self.records += 1;
    }

    /// Sends what there is.
    pub fn flush(&mut self, now_ns: u64, send: &mut impl FnMut(&[u8])) {
        if self.datagram.is_empty() {
            return;
        }
        self.close_set();
        let domain = self.domains.get(self.domain);
        let (length, (seconds, _)) = (self.datagram.len() as u16, self.clock.unix(now_ns));
        let out = &mut self.datagram;
        out.set_u16(0, 10);
        out.set_u16(2, length);
        out.set_u32(4, seconds);
        out.set_u32(8, domain.sequence);
        out.set_u32(12, self.domain);
        send(out.bytes());
        domain.sequence = domain.sequence.wrapping_add(self.records);
        self.records = 0;
        self.datagram.clear();
    }

    fn write_template(&mut self, shape: Shape) {
        self.close_set();
        let elements = shape.elements(!self.virtual_observer.is_empty());
        let out = &mut self.datagram;
        let start = out.len();
        out.u16(TEMPLATE_SET);
        out.u16(0);
        out.u16(shape.template());
        out.u16(elements.clone().count() as u16);
        elements.for_each(|element| element.specify(out));
        let length = out.len() - start;
        out.set_u16(start + 2, length as u16);
    }

    fn open_set(&mut self, template: u16) {
        if self.set.is_some_and(|(_, open)| open == template) {
            return;
        }
        self.close_set();
        self.set = Some((self.datagram.len(), template));
        self.datagram.u16(template);
        self.datagram.u16(0);
    }

    fn close_set(&mut self) {
        if let Some((start, _)) = self.set.take() {
            let length = self.datagram.len() - start;
            self.datagram.set_u16(start + 2, length as u16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::SHAPES;
    use super::*;
    use crate::headers::{Address, Transport};
    use crate::ipfix::record::{Direction, Network};
    use crate::packet::TunnelInfo;
    use std::net::Ipv4Addr;

    fn flow() -> Flow {
        let (packets, frame_octets, octets, octets_squared) = (1, 2, 3, 4);
        let (shortest, longest, tcp_flags, first_ns, last_ns) = (5, 6, 7, 8, 9);
        Flow {
            packets,
            frame_octets,
            octets,
            octets_squared,
            shortest,
            longest,
            tcp_flags,
            first_ns,
            last_ns,
        }
    }

    fn key(vlan: bool, network: u8, transport: Transport, tunnel: bool) -> Key {
        let addresses = match network {
            1 => Some((Address::V4([1; 4]), Address::V4([2; 4]))),
            2 => Some((Address::V6([1; 16]), Address::V6([2; 16]))),
            _ => None,
        };
        let network = |(src, dst)| Network { src, dst, protocol: 6, tos: 0, ttl: 64, flow_label: 0 };
        let (src, dst) = (Ipv4Addr::LOCALHOST, Ipv4Addr::BROADCAST);
        let info = TunnelInfo { src, dst, protocol: 17, port: 4789, id: 5, kind: 4 };
        Key {
            domain: 1,
            point: 2,
            direction: Direction::Ingress,
            in_ifindex: 3,
            out_ifindex: 4,
            mac_src: [1; 6],
            mac_dst: [2; 6],
            ethertype: 0x800,
            ethernet_len: 14,
            vlan: vlan.then_some(5),
            network: addresses.map(network),
            transport,
            tunnel: tunnel.then_some(info),
        }
    }

    fn every_key() -> Vec<Key> {
        let mut keys = Vec::new();
        for (network, transport) in (0..3).flat_map(|one| {
            [Transport::None, Transport::Ports(1, 2), Transport::Icmp(3, 4)].map(|two| (one, two))
        }) {
            for flags in 0..4 {
                keys.push(key(flags & 1 > 0, network, transport, flags & 2 > 0));
            }
        }
        keys
    }

    #[test]
    fn every_shape_has_a_number_of_its_own_and_every_element_the_length_that_its_template_says() {
        let mut seen = [false; SHAPES];
        for key in every_key() {
            let shape = Shape::of(&key);
            assert!(!std::mem::replace(&mut seen[shape.index()], true), "{shape:?}");
            let told = Told {
                key: &key,
                flow: &flow(),
                end_reason: 1,
                clock: &Clock::default(),
                virtual_observer: b"here",
            };
            for element in shape.elements(true) {
                let mut out = Datagram::new();
                (element.write)(&told, &mut out);
                let expected = element.fixed_len().unwrap_or_else(|| 1 + usize::from(out.bytes()[0]));
                assert_eq!(out.len(), expected, "{shape:?}");
            }
        }
        assert!(seen.iter().all(|seen| *seen));
    }

    #[test]
    fn the_longest_record_fits_with_its_template_into_the_room_that_is_asked_for() {
        for key in every_key() {
            let mut message = Message::new(Clock::default(), vec![b'x'; 254].into());
            message.record(&key, &flow(), 1, 0, &mut |_| {});
            let needed = message.datagram.len() - HEADER_LEN;
            assert!(needed <= MOST_NEEDED, "{needed} bytes for {key:?}");
        }
    }
}
