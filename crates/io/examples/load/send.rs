//! The generator: as many frames as the device takes, or as many a second as asked for.

use std::time::{Duration, Instant};

use tulle_io::{Device, DevicePort, DevicePortOptions, Sent};
use tulle_wire::vnet::Offload;

use crate::Failure;
use crate::arguments::Arguments;
use crate::frames;

const BATCH: usize = 32;
/// How long a device whose queue is full is left alone.
const RETRY: Duration = Duration::from_micros(50);

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.size < frames::SHORTEST || arguments.flows == 0 {
        return Err(format!("expected a size of at least {} and a flow", frames::SHORTEST).into());
    }
    let device = Device::open(&arguments.device)?;
    let mut port = DevicePort::open(&device, DevicePortOptions { ring_slots: 0, direct: true })?;
    let (start, mut traffic) = (Instant::now(), Traffic::new(arguments));
    let (mut numbered, mut sent) = (0_u64, 0_u64);
    while start.elapsed() < arguments.duration {
        if let Some(rate) = arguments.rate {
            wait_until(start + Duration::from_secs_f64(numbered as f64 / rate));
        }
        sent += send_all(&mut port, traffic.batch(numbered))?;
        numbered += BATCH as u64;
    }
    let seconds = start.elapsed().as_secs_f64();
    let rate = sent as f64 / seconds;
    println!("{{\"packets\": {sent}, \"seconds\": {seconds:.6}, \"packets_per_second\": {rate:.1}}}");
    Ok(())
}

/// The frames of all flows, in turn; at least a batch of them.
struct Traffic {
    bytes: Vec<u8>,
    size: usize,
}

impl Traffic {
    fn new(arguments: &Arguments) -> Self {
        // Whole rounds of all flows, and no frame twice in a batch, where each has its own number.
        let rounds = BATCH.div_ceil(arguments.flows as usize);
        let mut bytes = vec![0; arguments.size * rounds * arguments.flows as usize];
        for (i, frame) in bytes.chunks_exact_mut(arguments.size).enumerate() {
            frames::fill(frame, arguments.destination, i as u32 % arguments.flows);
        }
        Self { bytes, size: arguments.size }
    }

    /// The next frames, numbered from `sequence` on.
    fn batch(&mut self, sequence: u64) -> [&[u8]; BATCH] {
        let count = (self.bytes.len() / self.size) as u64;
        for number in sequence..sequence + BATCH as u64 {
            let at = (number % count) as usize * self.size;
            frames::set_sequence(&mut self.bytes[at..at + self.size], number);
        }
        std::array::from_fn(|i| {
            let at = ((sequence + i as u64) % count) as usize * self.size;
            &self.bytes[at..at + self.size]
        })
    }
}

/// Gives how many the device took.
fn send_all(port: &mut DevicePort, frames: [&[u8]; BATCH]) -> Result<u64, Failure> {
    let mut sent = 0;
    for frame in frames {
        match port.send(frame, &Offload::default())? {
            Sent::Sent => sent += 1,
            Sent::QueueFull => std::thread::sleep(RETRY),
            other => return Err(format!("the device refuses a frame: {other:?}").into()),
        }
    }
    Ok(sent - u64::from(port.flush().frames))
}

/// Sleeps as far as sleeping is exact enough, and spins for the rest.
fn wait_until(due: Instant) {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        match left {
            Duration::ZERO => return,
            left if left > Duration::from_micros(200) => {
                std::thread::sleep(left - Duration::from_micros(100))
            }
            _ => std::hint::spin_loop(),
        }
    }
}
