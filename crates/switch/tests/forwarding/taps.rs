//! Several threads at TAP devices: each has a queue of its own, nothing is lost or comes twice, each flow in order.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::network::{Namespace, settle, socket, wait_for};
use super::threads::{FLOWS, arrivals, assert_counted, exchange, frame, received, sleeps};
use super::{WINDOW, forwarding_flows};
use tulle_io::{PacketSocket, Sent};
use tulle_switch::{Switch, TapSettings};
use tulle_wire::vnet::Offload;

/// A switch with two TAP devices, each the device `host` of a host.
struct Workloads {
    switch: Switch,
    left: Namespace,
    right: Namespace,
    _node: Namespace,
}

impl Workloads {
    /// The switch has so many threads when it makes the devices.
    fn new(threads: usize) -> Self {
        Self::named("taps", threads)
    }

    /// With a name of its own, by which its threads are told from those of other tests.
    fn named(name: &str, threads: usize) -> Self {
        let switch = Switch::start(name, 1, 1).expect("a switch");
        switch.set_threads(threads).expect("threads");
        let (left, right, node) = (Namespace::new(), Namespace::new(), Namespace::new());
        for (number, name, host) in [(1, "port1", &left), (2, "port2", &right)] {
            let settings = TapSettings { name: name.to_owned(), mtu: 1500, mac: None, set_up: false };
            node.run(|| switch.add_tap(number, &settings)).expect("a tap");
            node.give(name, host, "host");
            host.set_up("host");
        }
        settle(&[(&left, "host"), (&right, "host")]);
        forwarding_flows(&switch);
        Self { switch, left, right, _node: node }
    }

    fn sockets(&self) -> (PacketSocket, PacketSocket) {
        (socket(&self.left), socket(&self.right))
    }

    /// The queues of the left device.
    fn queues(&self) -> usize {
        self.left.output("ls /sys/class/net/host/queues").matches("rx-").count()
    }
}

#[test]
fn four_threads_forward_every_frame_of_a_tap_once_and_each_flow_in_order() {
    let workloads = Workloads::named("queues", 4);
    assert_eq!(workloads.queues(), 4);
    let before = wait_for("names of threads", || Some(sleeps("queues")).filter(|found| found.len() == 4));
    let (left, right) = workloads.sockets();
    exchange(&left, &right);
    exchange(&right, &left);
    assert_counted(&workloads.switch, "four threads");
    let after = sleeps("queues");
    assert!(before.iter().all(|(name, count)| after[name] > count + 2), "{before:?} {after:?}");
}

#[test]
fn a_tap_that_was_made_for_one_thread_is_shared_by_turn() {
    let workloads = Workloads::new(1);
    workloads.switch.set_threads(3).expect("threads");
    assert_eq!(workloads.queues(), 1);
    let (left, right) = workloads.sockets();
    exchange(&left, &right);
    exchange(&right, &left);
    assert_counted(&workloads.switch, "by turn");
}

#[test]
fn a_tap_has_as_many_queues_as_there_are_threads_although_it_has_moved() {
    let workloads = Workloads::new(2);
    for threads in [5, 1, 3] {
        workloads.switch.set_threads(threads).expect("threads");
        assert_eq!(workloads.queues(), threads);
    }
    let (left, right) = workloads.sockets();
    exchange(&left, &right);
    assert_eq!(workloads.switch.drops().expect("drops"), []);
}

/// Sends frames of all flows, no more than a window at once, until it is over and all have come; how often each has.
fn exchange_until(
    is_over: &AtomicBool,
    from: &PacketSocket,
    to: &PacketSocket,
) -> (u32, HashMap<(u32, u32), u32>) {
    let (mut arrivals, mut seen, mut sent) = (arrivals(), HashMap::new(), 0);
    loop {
        let is_last = is_over.load(Ordering::Relaxed);
        while !is_last && sent - (seen.len() as u32) < WINDOW {
            let bytes = frame(sent % FLOWS, sent / FLOWS);
            assert_eq!(from.send(&bytes, &Offload::default()).expect("send"), Sent::Sent);
            sent += 1;
        }
        if seen.len() as u32 == sent {
            return (sent, seen);
        }
        let what = format!("one of {sent} frames, of which {} have come", seen.len());
        let some = wait_for(&what, || Some(received(to, &mut arrivals)).filter(|some| !some.is_empty()));
        some.into_iter().for_each(|one| *seen.entry(one).or_insert(0) += 1);
    }
}

#[test]
fn while_threads_come_and_go_no_frame_of_a_tap_is_lost_or_comes_twice() {
    let workloads = Workloads::new(2);
    let ((left, right), is_over) = (workloads.sockets(), AtomicBool::new(false));
    let (sent, seen) = std::thread::scope(|scope| {
        let exchanging = scope.spawn(|| exchange_until(&is_over, &left, &right));
        for count in [4, 1, 3, 2, 1, 4, 2, 3, 1] {
            workloads.switch.set_threads(count).expect("threads");
        }
        is_over.store(true, Ordering::Relaxed);
        exchanging.join().expect("all of them")
    });
    assert!(sent > 1000 && seen.values().all(|count| *count == 1), "{sent} frames");
    assert_eq!(workloads.switch.drops().expect("drops"), []);
}
