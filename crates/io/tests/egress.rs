//! What stands between a socket and a device, as a real kernel tells it.

mod common;

use std::collections::HashSet;

use common::{Namespace, Pair, wait_for};
use tulle_io::{Device, DevicePort, DevicePortOptions, Egress, Listeners, Way};

const PORT: DevicePortOptions = DevicePortOptions { ring_slots: 64, direct: false };
const LEFT: u32 = 77;

fn egress(namespace: &Namespace) -> Egress {
    namespace.run(Egress::open).expect("egress")
}

#[test]
fn a_veth_is_plain_until_a_discipline_or_a_filter_stands_there() {
    let pair = Pair::new();
    let egress = egress(&pair.left);
    let look = || egress.look(LEFT).expect("the device");
    let plain = Way { is_plain: true, mtu: 1500 };
    assert_eq!(look(), plain);
    let obstacles = [
        ("tc qdisc add dev left root pfifo", "tc qdisc del dev left root"),
        ("tc qdisc add dev left clsact", "tc qdisc del dev left clsact"),
    ];
    for (add, remove) in obstacles {
        pair.left.command(add);
        assert!(!look().is_plain, "{add}");
        pair.left.command(remove);
        assert_eq!(look(), plain, "{remove}");
    }
    pair.left.command("tc qdisc add dev left ingress");
    assert_eq!(look(), plain, "only filters what comes in");
    pair.left.ip("link set left mtu 1400");
    assert_eq!(look().mtu, 1400);
}

#[test]
fn a_device_with_several_queues_is_not_plain() {
    let namespace = Namespace::new();
    namespace.ip("link add wide index 78 numtxqueues 2 numrxqueues 2 type veth peer name other");
    namespace.ip("link set wide up");
    assert!(!egress(&namespace).look(78).expect("the device").is_plain);
}

#[test]
fn a_device_that_does_not_exist_is_an_error() {
    let error = egress(&Namespace::new()).look(4711).expect_err("no such device");
    assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
}

#[test]
fn whoever_listens_is_known_except_oneself() {
    let pair = Pair::new();
    let mut egress = egress(&pair.left);
    let port = pair.left.port("left", PORT);
    let own = HashSet::from([port.inode().expect("inode")]);
    assert!(egress.listeners(&HashSet::new()).expect("listeners").listen_on(LEFT));
    assert_eq!(egress.listeners(&own).expect("listeners"), Listeners::default());
    let tcpdump = pair.left.packet_socket("left");
    assert!(egress.listeners(&own).expect("listeners").listen_on(LEFT));
    assert!(!egress.listeners(&own).expect("listeners").listen_on(LEFT + 1));
    drop(tcpdump);
    // The kernel takes a socket off its list some time after it is closed.
    wait_for("the list to be empty", || {
        (egress.listeners(&own).expect("listeners") == Listeners::default()).then_some(())
    });
    pair.right.run(|| {
        let device = Device::open("right").expect("device");
        let _elsewhere = DevicePort::open(&device, PORT).expect("port");
        assert_eq!(egress.listeners(&own).expect("listeners"), Listeners::default());
    });
}
