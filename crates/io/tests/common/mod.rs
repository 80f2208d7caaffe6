//! Network namespaces for tests. They vanish with the last descriptor, so nothing stays behind.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod frames;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::{Duration, Instant};

use tulle_io::{Arrival, Device, DevicePort, DevicePortOptions, PacketOptions, PacketSocket, Received};
use tulle_wire::vnet::Offload;

/// How long to wait for what must happen, on a machine that is busy.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A network namespace that lives as long as this value.
pub struct Namespace {
    file: File,
}

impl Namespace {
    /// Needs root, and fails without.
    pub fn new() -> Self {
        let made = std::thread::spawn(|| {
            // SAFETY: changes only the namespace of this thread, which ends here.
            let result = unsafe { libc::unshare(libc::CLONE_NEWNET) };
            assert_eq!(result, 0, "these tests need root: {}", std::io::Error::last_os_error());
            File::open("/proc/thread-self/ns/net").expect("the namespace of this thread")
        });
        let namespace = Self { file: made.join().expect("thread") };
        namespace.ip("link set lo up");
        namespace
    }

    /// Runs `body` in a thread inside. Sockets and devices opened there stay there.
    pub fn run<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                // SAFETY: changes only the namespace of this thread, which ends with `body`.
                let result = unsafe { libc::setns(self.file.as_raw_fd(), libc::CLONE_NEWNET) };
                assert_eq!(result, 0, "setns: {}", std::io::Error::last_os_error());
                body()
            });
            inside.join().expect("the body's own message stands above")
        })
    }

    /// Runs a command line inside and wants it to succeed.
    pub fn command(&self, line: &str) {
        let mut words = line.split_whitespace();
        let program = words.next().expect("a command");
        let output = self.run(|| Command::new(program).args(words).output().expect(line));
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line}: {errors}");
    }

    /// Runs `ip` inside.
    pub fn ip(&self, arguments: &str) {
        self.command(&format!("ip {arguments}"));
    }

    /// A path by which `ip link set … netns` finds it.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }

    /// A packet socket on a device inside.
    pub fn packet_socket(&self, device: &str) -> PacketSocket {
        self.packet_socket_with(device, |_| ())
    }

    /// A packet socket on a device inside, with other options.
    pub fn packet_socket_with(
        &self,
        device: &str,
        change: impl FnOnce(&mut PacketOptions) + Send,
    ) -> PacketSocket {
        self.run(|| {
            let device = Device::open(device).expect("device");
            let mut options = PacketOptions::device(device.index());
            change(&mut options);
            PacketSocket::open(&options).expect("packet socket")
        })
    }

    /// A device inside as a port of a switch.
    pub fn port(&self, device: &str, options: DevicePortOptions) -> DevicePort {
        self.run(|| {
            let device = Device::open(device).expect("device");
            DevicePort::open(&device, options).expect("port")
        })
    }
}

/// Two namespaces joined by a veth pair `left` - `right`, both ends up, without IPv6 chatter.
pub struct Pair {
    pub left: Namespace,
    pub right: Namespace,
}

impl Pair {
    pub fn new() -> Self {
        let (left, right) = (Namespace::new(), Namespace::new());
        // With equal indexes at both ends the kernel takes up to a second to activate a veth.
        left.ip(&format!("link add left index 77 type veth peer name right netns {}", right.path()));
        for (namespace, device) in [(&left, "left"), (&right, "right")] {
            namespace.ip(&format!("link set {device} addrgenmode none"));
            namespace.ip(&format!("link set {device} up"));
        }
        let pair = Self { left, right };
        pair.settle();
        pair
    }

    /// Waits until both ends carry frames. Whichever end came up first is activated by the kernel
    /// some time after it has carrier; until then it drops silently. The commands afterwards wait
    /// for the lock under which that is done.
    pub fn settle(&self) {
        for (namespace, name) in [(&self.left, "left"), (&self.right, "right")] {
            let device = namespace.run(|| Device::open(name)).expect("device");
            wait_for("carrier", || device.has_carrier().expect("flags").then_some(()));
            namespace.ip(&format!("link set {name} up"));
        }
    }

    /// As `new`, with 192.0.2.1 on the left and 192.0.2.2 on the right, and neighbours known.
    pub fn with_addresses() -> Self {
        let pair = Self::new();
        pair.left.ip("address add 192.0.2.1/24 dev left");
        pair.right.ip("address add 192.0.2.2/24 dev right");
        let macs = (pair.left_mac(), pair.right_mac());
        pair.left.ip(&format!("neigh replace 192.0.2.2 dev left lladdr {}", text(macs.1)));
        pair.right.ip(&format!("neigh replace 192.0.2.1 dev right lladdr {}", text(macs.0)));
        pair
    }

    pub fn left_mac(&self) -> [u8; 6] {
        self.left.run(|| Device::open("left").and_then(|device| device.mac()).expect("mac"))
    }

    pub fn right_mac(&self) -> [u8; 6] {
        self.right.run(|| Device::open("right").and_then(|device| device.mac()).expect("mac"))
    }
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Calls `attempt` until it gives something; panics with `what` at the deadline.
pub fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "waited {DEADLINE:?} for {what}");
        std::thread::yield_now();
    }
}

/// Waits for one frame.
pub fn receive(socket: &PacketSocket) -> (Vec<u8>, Offload) {
    wait_for("a frame", || {
        let mut arrival = Arrival::new();
        let received = socket.receive(&mut arrival.frame, &mut arrival.offload);
        match received.expect("receive") {
            Received::Frame => Some((arrival.frame.bytes().to_vec(), arrival.offload)),
            Received::Nothing => None,
            other => panic!("expected a frame, got {other:?}"),
        }
    })
}
