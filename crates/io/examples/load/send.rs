//! The generator: as many frames as the device takes, or as many a second as asked for.

use std::time::{Duration, Instant};

use tulle_io::{Device, PacketOptions, PacketSocket, Sent};
use tulle_wire::vnet::Offload;

use crate::Failure;
use crate::arguments::Arguments;
use crate::frames;

const BATCH: usize = 32;
/// Frames that a device does not take in one go are tried again, so a pause is no loss.
const RETRY: Duration = Duration::from_micros(50);

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.size < frames::SHORTEST || arguments.flows == 0 {
        return Err(format!("expected a size of at least {} and a flow", frames::SHORTEST).into());
    }
    let device = Device::open(&arguments.device)?;
    let options = PacketOptions { qdisc_bypass: true, ..PacketOptions::device(device.index()) };
    let socket = PacketSocket::open(&options)?;
    let (start, mut traffic) = (Instant::now(), Traffic::new(arguments));
    let mut sent: u64 = 0;
    while start.elapsed() < arguments.duration {
        if let Some(rate) = arguments.rate {
            wait_until(start + Duration::from_secs_f64(sent as f64 / rate));
        }
        send_all(&socket, traffic.batch(sent))?;
        sent += BATCH as u64;
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

fn send_all(socket: &PacketSocket, frames: [&[u8]; BATCH]) -> Result<(), Failure> {
    let batch = frames.map(|frame| (frame, Offload::default()));
    let mut done = 0;
    while done < BATCH {
        let (count, outcome) = socket.send_batch(&batch[done..])?;
        done += count;
        match outcome {
            Sent::Sent => {}
            Sent::QueueFull => std::thread::sleep(RETRY),
            other => return Err(format!("the device refuses a frame: {other:?}").into()),
        }
    }
    Ok(())
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
