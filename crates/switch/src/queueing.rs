//! Queues of a port, as tables QoS and Queue ask for them (`ovs-vswitchd.conf.db(5)`).
//!
//! The kernel shapes what leaves by a device: here a frame only gets the priority that names its class.  What leaves
//! by another port (TAP, tunnel, patch) has no kernel behind it that could delay it; there each queue has a token
//! bucket, and a frame that finds too little in it is lost.

use std::collections::BTreeMap;

use tulle_io::Outgoing;
use tulle_io::clock::monotonic_ns;
use tulle_wire::ethernet::ether_type;
use tulle_wire::{Layers, checksum, ipv4};

use crate::error::SwitchError;
use crate::policing::{Bucket, Limit, admits};
use crate::port::Link;
use crate::switch::Switch;

/// The queue of what has been given none.
const DEFAULT_QUEUE: u32 = 0;
/// The discipline whose classes are meant: 1:0, as everybody calls the first one of a device.
const MAJOR: u32 = 1 << 16;
/// Queues from this one on have no class (`ovs-vswitchd.conf.db(5)`).
const CLASSES: u32 = 0xf000;
const ECN: u8 = 3;

/// One queue as it should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueSettings {
    /// What it gets at least and at most, in tenths of a per cent of the link's rate, where that is known.
    pub rates: (Option<u16>, Option<u16>),
    /// What packets are marked with that were put into this queue.
    pub dscp: Option<u8>,
    /// How much may pass, where the kernel does not see to it; bits.
    pub limit: Option<Limit>,
}

/// The queues of a port as they should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortQueues {
    /// How much may pass by all of them, where the kernel does not see to it; bits.
    pub limit: Option<Limit>,
    /// Bytes at the start of each frame that do not count.
    pub uncounted: u16,
    /// The queues by number.
    pub queues: BTreeMap<u32, QueueSettings>,
    /// The kernel counts what passes; see [`Switch::set_queue_counters`](crate::Switch::set_queue_counters).
    pub kernel_counts: bool,
}

/// What a queue has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounters {
    /// Packets sent.
    pub packets: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Packets lost.
    pub errors: u64,
}

#[derive(Debug)]
pub(crate) struct Queue {
    pub settings: QueueSettings,
    pub counters: QueueCounters,
    /// When it came.
    pub since_ns: u64,
    bucket: Option<Bucket>,
}

/// The queues of a port.
#[derive(Debug)]
pub(crate) struct Queues {
    pub queues: BTreeMap<u32, Queue>,
    bucket: Option<Bucket>,
    uncounted: usize,
    kernel_counts: bool,
}

impl Queues {
    /// What was counted before by queues of the same numbers goes on.
    pub(crate) fn new(wanted: &PortQueues, before: Option<&Queues>, now_ns: u64) -> Queues {
        let each = |(number, settings): (&u32, &QueueSettings)| {
            let old = before.and_then(|before| before.queues.get(number));
            let queue = Queue {
                settings: *settings,
                counters: old.map_or_else(QueueCounters::default, |old| old.counters),
                since_ns: old.map_or(now_ns, |old| old.since_ns),
                bucket: settings.limit.map(Bucket::new),
            };
            (*number, queue)
        };
        Queues {
            queues: wanted.queues.iter().map(each).collect(),
            bucket: wanted.limit.map(Bucket::new),
            uncounted: usize::from(wanted.uncounted),
            kernel_counts: wanted.kernel_counts,
        }
    }

    /// Counts a frame in its queue, the default one where it has none; false where it may not pass.
    #[inline]
    pub(crate) fn admits(&mut self, queue: Option<u32>, bytes: usize, now_ns: u64) -> bool {
        let number = queue.filter(|number| self.queues.contains_key(number)).unwrap_or(DEFAULT_QUEUE);
        let bits = bytes.saturating_sub(self.uncounted) as u64 * 8;
        let Some(queue) = self.queues.get_mut(&number) else {
            return admits([(&mut self.bucket, bits)], now_ns);
        };
        let admitted = admits([(&mut queue.bucket, bits), (&mut self.bucket, bits)], now_ns);
        match admitted {
            _ if self.kernel_counts => {}
            true => {
                queue.counters.packets += 1;
                queue.counters.bytes += bytes as u64;
            }
            false => queue.counters.errors += 1,
        }
        admitted
    }

    /// What to mark packets of a queue with; those that were not put into it expressly are left as they are.
    #[inline]
    pub(crate) fn mark(&self, queue: Option<u32>) -> Option<u8> {
        self.queues.get(&queue?)?.settings.dscp
    }
}

/// The priority by which the kernel finds the class of a queue: the class 1:1 is that of queue 0.  A frame without
/// queue has priority 0, and so the default class.
#[inline]
pub(crate) fn priority(queue: Option<u32>) -> u32 {
    queue.filter(|number| *number < CLASSES).map_or(0, |number| MAJOR | (number + 1))
}

/// Marks an IP packet, and gives what was there; nothing else is touched.
pub(crate) fn set_dscp(frame: &mut [u8], dscp: u8) -> Option<u8> {
    let layers = Layers::parse(frame)?;
    let header = frame.get_mut(layers.network..)?;
    let tos = layers.tos & ECN | dscp << 2;
    if layers.ether_type == ether_type::IPV4 {
        let word = u16::from_be_bytes([header[0], tos]);
        checksum::rewrite_word(header, ipv4::CSUM_AT, 0, word);
    } else {
        header[0] = header[0] & 0xf0 | tos >> 4;
        header[1] = header[1] & 0x0f | tos << 4;
    }
    Some(layers.tos >> 2)
}

impl Switch {
    /// Gives a port queues, or takes them away: then everything is sent as it comes.
    pub fn set_queues(&self, number: u32, wanted: Option<PortQueues>) -> Result<(), SwitchError> {
        self.change_port(number, move |port| {
            let now = monotonic_ns();
            port.queues = wanted.map(|wanted| Box::new(Queues::new(&wanted, port.queues.as_deref(), now)));
        })
    }

    /// Tells what the kernel has counted for the queues of a port; others are ignored.
    pub fn set_queue_counters(
        &self,
        number: u32,
        counted: BTreeMap<u32, QueueCounters>,
    ) -> Result<(), SwitchError> {
        self.change_port(number, move |port| {
            for (number, counters) in counted {
                let queue = port.queues.as_mut().and_then(|queues| queues.queues.get_mut(&number));
                if let Some(queue) = queue {
                    queue.counters = counters;
                }
            }
        })
    }

    /// What the queues of a port have counted.
    pub fn queue_counters(&self, number: u32) -> Result<BTreeMap<u32, QueueCounters>, SwitchError> {
        let found = self.call(move |engine| {
            let queues = engine.wires.port(number)?.queues.as_ref();
            let each = |(number, queue): (&u32, &Queue)| (*number, queue.counters);
            Some(queues.map(|queues| queues.queues.iter().map(each).collect()).unwrap_or_default())
        })?;
        found.ok_or(SwitchError::NoPort(number))
    }

    /// Says whether small frames may go past the queueing discipline of a port's device where it has none.
    pub fn allow_direct(&self, number: u32, allowed: bool) -> Result<(), SwitchError> {
        let way = if allowed { None } else { Some(Outgoing::by_messages()?) };
        // The former way comes back here, so that closing it does not keep the engine from its packets.
        let former = self.call(move |engine| {
            let port = engine.wires.port(number)?;
            port.may_be_direct = allowed && matches!(port.link, Link::Device(_));
            let direct =
                port.lanes().iter().find_map(|lane| lane.device().filter(|device| device.is_direct()));
            Some(match (direct, way) {
                (Some(mut device), Some(way)) => Some(device.replace_outgoing(way)),
                (_, way) => way,
            })
        })?;
        former.map(drop).ok_or(SwitchError::NoPort(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Option<Limit> = Some(Limit { rate: 8000, burst: 80_000 });

    fn limited(kernel_counts: bool) -> Queues {
        let queue = QueueSettings { limit: LIMIT, ..QueueSettings::default() };
        let queues = BTreeMap::from([(0, QueueSettings::default()), (7, queue)]);
        Queues::new(&PortQueues { queues, kernel_counts, ..PortQueues::default() }, None, 0)
    }

    fn passed(queues: &mut Queues, queue: Option<u32>) -> usize {
        (0..20).filter(|_| queues.admits(queue, 1000, 1)).count()
    }

    #[test]
    fn a_queue_that_is_too_fast_leaves_the_others_alone() {
        let mut queues = limited(false);
        assert_eq!(passed(&mut queues, Some(7)), 10, "80,000 bits are ten frames of 1000 bytes");
        assert_eq!(passed(&mut queues, None), 20);
        assert_eq!(passed(&mut queues, Some(9)), 20, "a queue that is not there is the default one");
        let count = |number: &u32| queues.queues[number].counters;
        assert_eq!(count(&7), QueueCounters { packets: 10, bytes: 10_000, errors: 10 });
        assert_eq!(count(&0), QueueCounters { packets: 40, bytes: 40_000, errors: 0 });
    }

    #[test]
    fn what_the_kernel_counts_is_not_counted_twice() {
        let mut queues = limited(true);
        passed(&mut queues, None);
        assert_eq!(queues.queues[&0].counters, QueueCounters::default());
    }

    #[test]
    fn counters_go_on_when_settings_change() {
        let mut queues = limited(false);
        passed(&mut queues, Some(7));
        let wanted = BTreeMap::from([(7, QueueSettings::default())]);
        let wanted = PortQueues { queues: wanted, ..PortQueues::default() };
        let changed = Queues::new(&wanted, Some(&queues), 5);
        assert_eq!(changed.queues[&7].counters.packets, 10);
        assert_eq!(changed.queues[&7].since_ns, 0);
    }

    #[test]
    fn queues_have_the_priorities_of_their_classes() {
        let priorities = [None, Some(0), Some(1), Some(CLASSES - 1), Some(CLASSES), Some(u32::MAX)];
        assert_eq!(priorities.map(priority), [0, 0x1_0001, 0x1_0002, 0x1_f000, 0, 0]);
    }

    #[test]
    fn a_mark_is_put_on_and_taken_off_again() {
        let mut v4 = vec![0; 12];
        v4.extend([8, 0, 0x45, 0b1011, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        let checksum = !checksum::sum(&v4[14..34]);
        v4[24..26].copy_from_slice(&checksum.to_be_bytes());
        let mut v6 = vec![0; 12];
        v6.extend([0x81, 0, 0, 5, 0x86, 0xdd, 0x6a, 0x81, 2, 3, 0, 0, 59, 64]);
        v6.extend([0xfe; 32]);
        for frame in [v4, v6] {
            let mut marked = frame.clone();
            let before = set_dscp(&mut marked, 46).expect("IP");
            assert_eq!(Layers::parse(&marked).expect("IP").tos >> 2, 46);
            assert_eq!(
                Layers::parse(&marked).expect("IP").tos & ECN,
                Layers::parse(&frame).expect("IP").tos & ECN
            );
            assert_eq!(set_dscp(&mut marked, before), Some(46));
            assert_eq!(marked, frame);
        }
        assert_eq!(set_dscp(&mut [0; 60], 46), None);
        assert_eq!(set_dscp(&mut [], 46), None);
    }
}
