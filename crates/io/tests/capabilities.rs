//! What the kernel and devices can do, tried and read for real.

mod common;

use common::{Namespace, Pair};
use tulle_io::{Capabilities, Features};

#[test]
fn what_every_supported_kernel_can_is_found_and_nothing_stays_behind() {
    let devices =
        |namespace: &Namespace| namespace.run(|| std::fs::read_to_string("/proc/thread-self/net/dev"));
    let namespace = Namespace::new();
    let before = devices(&namespace).expect("devices");
    let found = namespace.run(Capabilities::probe);
    assert!(found.udp_segmentation && found.udp_merging && found.packet_ring, "{found:?}");
    assert_eq!(devices(&namespace).expect("devices"), before);
    assert_eq!(namespace.run(Capabilities::probe), found, "the same again");
}

#[test]
fn what_taps_and_direct_sending_can_agrees_with_the_kernels_release() {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0_u32));
    let release = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let found = Capabilities::probe();
    assert_eq!(found.tap_udp_segmentation, release >= (6, 2), "{release:?}");
    assert_eq!(found.tap_tunnel_segmentation, release >= (6, 17), "{release:?}");
    assert_eq!(found.tunnel_tap, found.tap_tunnel_segmentation, "{release:?}");
    assert!(!found.direct_checksums || found.direct_sending, "{found:?}");
}

#[test]
fn a_feature_that_is_switched_off_is_missing_and_the_others_stay() {
    let pair = Pair::new();
    let features = || pair.left.run(|| Features::of("left").expect("features"));
    let names = ["tx-tcp-segmentation", "tx-udp-segmentation", "tx-udp_tnl-segmentation"];
    let before = features();
    assert!(names.iter().all(|name| before.has(name)), "{before:?}");
    assert!(!before.has("no-such-feature") && !before.has(""));
    pair.left.command("ethtool -K left tso off");
    assert_eq!(names.map(|name| features().has(name)), [false, true, true]);
    pair.left.command("ethtool -K left tso on");
    assert_eq!(features(), before);
}

#[test]
fn queues_are_counted_where_the_driver_says() {
    let namespace = Namespace::new();
    namespace.ip("link add wide numtxqueues 3 numrxqueues 3 type veth peer name other");
    assert_eq!(namespace.run(|| Features::of("wide").expect("features").queues), Some(3));
    assert_eq!(namespace.run(|| Features::of("lo").expect("features").queues), None);
}

#[test]
fn a_device_that_does_not_exist_is_an_error() {
    let error = Namespace::new().run(|| Features::of("nowhere").expect_err("no such device"));
    assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
}
