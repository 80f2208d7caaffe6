//! Two hosts at a switch: three network namespaces joined by veth pairs.  Needs root, and fails without.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tulle_io::thread::enter_network_namespace;
use tulle_io::{Device, PacketOptions, PacketSocket};

/// How long to wait for what must happen, on a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(60);
static MADE: AtomicU32 = AtomicU32::new(0);

/// A network namespace, deleted with this value.
pub struct Namespace {
    name: String,
}

impl Namespace {
    pub fn new() -> Self {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("tulle-fwd-{}-{number}", std::process::id());
        ip(&format!("netns add {name}"));
        Self { name }
    }

    /// Runs `body` in a thread inside.
    pub fn run<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let file = File::open(format!("/run/netns/{}", self.name)).expect("a namespace");
                enter_network_namespace(&file).expect("needs root");
                body()
            });
            inside.join().expect("the body's own message stands above")
        })
    }

    /// Runs a command line inside and wants it to succeed.
    pub fn command(&self, line: &str) {
        run(&format!("ip netns exec {} {line}", self.name));
    }

    /// What a command line prints inside.
    pub fn output(&self, line: &str) -> String {
        run(&format!("ip netns exec {} {line}", self.name))
    }

    /// Moves a device into another namespace, where it has another name.
    pub fn give(&self, device: &str, other: &Namespace, name: &str) {
        ip(&format!("-n {} link set {device} netns {} name {name}", self.name, other.name));
    }

    /// Sets a device up, without addresses.
    pub fn set_up(&self, device: &str) {
        ip(&format!("-n {} link set {device} addrgenmode none", self.name));
        ip(&format!("-n {} link set {device} up", self.name));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&format!("netns del {}", self.name));
    }
}

/// `left` and `right` are the hosts, whose devices are `host`; `node` has `port1` and `port2`.
pub struct Network {
    pub left: Namespace,
    pub node: Namespace,
    pub right: Namespace,
}

impl Network {
    pub fn new() -> Self {
        let network = Self { left: Namespace::new(), node: Namespace::new(), right: Namespace::new() };
        for (i, host) in [(1, &network.left), (2, &network.right)] {
            cable((host, "host", 70 + i), (&network.node, &format!("port{i}"), 80 + i));
        }
        network.settle();
        network
    }

    /// Waits until all devices carry frames: the kernel activates them some time after they have
    /// carrier, under the lock that the command afterwards waits for.
    pub fn settle(&self) {
        let ends =
            [(&self.left, "host"), (&self.right, "host"), (&self.node, "port1"), (&self.node, "port2")];
        settle(&ends);
    }

    /// tcpdump on a device for one outgoing UDP packet, and the lines that it prints.
    pub fn tcpdump(&self, namespace: &Namespace, device: &str) -> (Child, Receiver<String>) {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &namespace.name, "timeout", "30", "tcpdump"])
            .args(["-c", "1", "-l", "-n", "-Q", "out", "-i", device, "udp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("tcpdump");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let (sender, receiver) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        (child, receiver)
    }

    /// A packet socket on a host's device.
    pub fn socket(&self, host: &Namespace) -> PacketSocket {
        socket(host)
    }
}

/// A packet socket on the device `host` of a namespace.
pub fn socket(host: &Namespace) -> PacketSocket {
    host.run(|| {
        let device = Device::open("host").expect("device");
        PacketSocket::open(&PacketOptions::device(device.index())).expect("packet socket")
    })
}

/// Waits until devices carry frames, as [`Network::settle`] does.
pub fn settle(ends: &[(&Namespace, &str)]) {
    for (namespace, name) in ends {
        let device = namespace.run(|| Device::open(name)).expect("device");
        wait_for("carrier", || device.has_carrier().expect("flags").then_some(()));
        namespace.set_up(name);
    }
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

/// Joins devices of two namespaces by names and indexes.  With equal indexes at both ends the kernel takes up to a
/// second to activate a veth.
pub fn cable(one: (&Namespace, &str, u32), other: (&Namespace, &str, u32)) {
    let peer = format!("peer name {} netns {} index {}", other.1, other.0.name, other.2);
    ip(&format!("-n {} link add {} index {} type veth {peer}", one.0.name, one.1, one.2));
    for (namespace, device, _) in [one, other] {
        namespace.set_up(device);
    }
}

fn ip(arguments: &str) {
    run(&format!("ip {arguments}"));
}

fn run(line: &str) -> String {
    let mut words = line.split_whitespace();
    let program = words.next().expect("a command");
    let output = Command::new(program).args(words).output().expect(line);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
