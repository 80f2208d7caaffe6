//! The counter: lets the kernel count, or looks at every frame itself.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use tulle_io::{Arrival, Device, Filter, PacketOptions, PacketSocket, Poller};

use crate::Failure;
use crate::arguments::Arguments;
use crate::frames;

const BATCH: usize = 32;
/// The kernel's counter has 32 bits, so it is read before it could wrap.
const READ_EVERY: Duration = Duration::from_millis(100);

/// Counts without reading a frame: the socket's buffer is always full and the kernel counts what does
/// not fit, which costs the packet's path next to nothing.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let socket = open(arguments, 0)?;
    let (start, mut packets) = (Instant::now(), 0_u64);
    while start.elapsed() < arguments.duration {
        let left = arguments.duration.saturating_sub(start.elapsed());
        std::thread::sleep(READ_EVERY.min(left));
        packets += u64::from(socket.counters()?.frames);
    }
    report(packets, start.elapsed(), "");
    Ok(())
}

/// Reads every frame, and looks whether each flow's come in order.
pub(crate) fn verify(arguments: &Arguments) -> Result<(), Failure> {
    let socket = open(arguments, 256 << 20)?;
    let poller = Poller::new()?;
    poller.add(socket.as_fd(), 0)?;
    let mut arrivals: Vec<Arrival> = (0..BATCH).map(|_| Arrival::new()).collect();
    let (mut flows, mut events) = (HashMap::new(), Vec::new());
    let (mut packets, mut reordered, mut unread) = (0_u64, 0_u64, 0_u64);
    let start = Instant::now();
    while start.elapsed() < arguments.duration {
        let (count, _) = socket.receive_batch(&mut arrivals)?;
        for arrival in &arrivals[..count] {
            let Some((flow, sequence)) = frames::identity(arrival.frame.bytes()) else { continue };
            packets += 1;
            let last = flows.insert(flow, sequence);
            reordered += u64::from(last.is_some_and(|last| last >= sequence));
        }
        unread += u64::from(socket.counters()?.drops);
        if count == 0 {
            let left = arguments.duration.saturating_sub(start.elapsed());
            poller.wait(&mut events, Some(left))?;
        }
    }
    let flows = flows.len();
    let rest = format!(", \"flows\": {flows}, \"reordered\": {reordered}, \"unread\": {unread}");
    report(packets, start.elapsed(), &rest);
    Ok(())
}

fn open(arguments: &Arguments, receive_buffer_bytes: u32) -> Result<PacketSocket, Failure> {
    let device = Device::open(&arguments.device)?;
    let filter = Some(Filter::udp_packets(frames::PORT));
    let options = PacketOptions {
        filter,
        receive_buffer_bytes,
        promiscuous: true,
        ..PacketOptions::device(device.index())
    };
    let socket = PacketSocket::open(&options)?;
    socket.counters()?;
    Ok(socket)
}

fn report(packets: u64, time: Duration, rest: &str) {
    let seconds = time.as_secs_f64();
    let rate = packets as f64 / seconds;
    println!(
        "{{\"packets\": {packets}, \"seconds\": {seconds:.6}, \"packets_per_second\": {rate:.1}{rest}}}"
    );
}
