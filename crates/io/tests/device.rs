//! Questions to devices and changes of them.

mod common;

use common::Namespace;
use tulle_io::Device;

fn namespace_with_bridge() -> Namespace {
    let namespace = Namespace::new();
    namespace.ip("link add bridge0 address 02:00:00:00:00:07 mtu 1400 type bridge");
    namespace
}

#[test]
fn a_device_tells_what_it_is() {
    let namespace = namespace_with_bridge();
    let device = namespace.run(|| Device::open("bridge0")).expect("device");
    assert_eq!(device.name(), "bridge0");
    assert!(device.index() > 1);
    assert_eq!(device.mac().expect("mac"), [2, 0, 0, 0, 0, 7]);
    assert_eq!(device.mtu().expect("mtu"), 1400);
    assert!(!device.is_up().expect("flags"));
}

#[test]
fn a_device_is_changed_from_outside_its_namespace() {
    let namespace = namespace_with_bridge();
    let device = namespace.run(|| Device::open("bridge0")).expect("device");
    device.set_mtu(1300).expect("mtu");
    device.set_mac([2, 0, 0, 0, 0, 8]).expect("mac");
    device.set_up().expect("up");
    assert_eq!(device.mtu().expect("mtu"), 1300);
    assert_eq!(device.mac().expect("mac"), [2, 0, 0, 0, 0, 8]);
    assert!(device.is_up().expect("flags"));
    device.set_down().expect("down");
    assert!(!device.is_up().expect("flags"));
}

#[test]
fn the_other_end_of_a_pair_gives_carrier() {
    let pair = common::Pair::new();
    let left = pair.left.run(|| Device::open("left")).expect("device");
    let wait_until = |carrier| {
        common::wait_for("the carrier to change", || {
            (left.has_carrier().expect("flags") == carrier).then_some(())
        });
    };
    wait_until(true);
    pair.right.ip("link set right down");
    wait_until(false);
}

#[test]
fn names_that_cannot_be_are_refused() {
    for name in ["", "sixteen-bytes-xx", "nul\0byte"] {
        let error = Device::open(name).expect_err(name);
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{name:?}: {error}");
    }
}

#[test]
fn a_device_that_is_not_there_is_an_error_before_and_after() {
    let namespace = namespace_with_bridge();
    let missing = namespace.run(|| Device::open("nowhere")).expect_err("missing");
    assert_eq!(missing.raw_os_error(), Some(libc::ENODEV));
    let device = namespace.run(|| Device::open("bridge0")).expect("device");
    namespace.ip("link delete bridge0");
    assert_eq!(device.mtu().expect_err("deleted").raw_os_error(), Some(libc::ENODEV));
}
