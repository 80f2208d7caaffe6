//! Opens and closes TCP connections across a path as fast as it lets them, for measurements only.
//!
//! connections CLIENT_DEVICE SERVER_DEVICE [--seconds S] [--window N] [--first F] [--cpu C]
//!
//! Both ends are in this process and speak TCP by themselves, without a kernel's sockets, which would cost more
//! than most switches do: SYN, SYN-ACK, ACK, FIN, FIN, ACK, with right numbers and checksums, a new source
//! port each.  At most N connections are open at a time, few enough for a switch's receive buffer of the usual
//! 200 KB.  Connection F is the first: numbers stand for addresses and ports, and a path may still remember those
//! that it has seen.  Prints one line of JSON.

mod client;
mod segment;
mod wire;

use std::error::Error;
use std::time::{Duration, Instant};

use client::Client;
use tulle_io::Poller;
use wire::Wire;

/// Anything that ends the program with a message.
type Failure = Box<dyn Error>;

const USAGE: &str = "usage: connections CLIENT_DEVICE SERVER_DEVICE [--seconds S] [--window N] [--first F] \
[--cpu C]";
/// How long to wait when nothing comes, so that what is lost is noticed.
const NAP: Duration = Duration::from_millis(5);

struct Arguments {
    client: String,
    server: String,
    duration: Duration,
    window: u32,
    first: u64,
    cpu: Option<usize>,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut device = || words.next().ok_or("expected two devices");
        let (client, server) = (device()?, device()?);
        let mut arguments =
            Self { client, server, duration: Duration::from_secs(1), window: 64, first: 0, cpu: None };
        while let Some(option) = words.next() {
            let value = words.next().ok_or_else(|| format!("{option} needs a value"))?;
            match option.as_str() {
                "--seconds" => arguments.duration = Duration::try_from_secs_f64(value.parse()?)?,
                "--window" => arguments.window = value.parse()?,
                "--first" => arguments.first = value.parse()?,
                "--cpu" => arguments.cpu = Some(value.parse()?),
                _ => return Err(format!("unknown option {option}").into()),
            }
        }
        Ok(arguments)
    }
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse(std::env::args().skip(1)).map_err(|why| format!("{why}\n{USAGE}"))?;
    if let Some(cpu) = arguments.cpu {
        tulle_io::thread::pin_to_cpu(cpu)?;
    }
    let (near, far) = (Wire::open(&arguments.client)?, Wire::open(&arguments.server)?);
    let start = Instant::now();
    let client = run(near, far, &arguments)?;
    let seconds = start.elapsed().as_secs_f64();
    let (done, lost) = (client.done, client.lost);
    let rate = done as f64 / seconds;
    println!(
        "{{\"connections\": {done}, \"lost\": {lost}, \"seconds\": {seconds:.6}, \
         \"connections_per_second\": {rate:.1}}}"
    );
    Ok(())
}

fn run(mut near: Wire, mut far: Wire, arguments: &Arguments) -> Result<Client, Failure> {
    let poller = Poller::new()?;
    poller.add(near.fd(), 0)?;
    poller.add(far.fd(), 1)?;
    let (start, mut events) = (Instant::now(), Vec::new());
    let mut client = Client::new(arguments.window, arguments.first);
    while start.elapsed() < arguments.duration {
        let (mut asked, mut answered) = (0, 0);
        client.open_more(start.elapsed(), |segment| near.send(&segment))?;
        near.flush();
        while let Some(segment) = far.next(&mut asked)? {
            segment.server_reply().map_or(Ok(()), |reply| far.send(&reply))?;
        }
        far.flush();
        while let Some(segment) = near.next(&mut answered)? {
            client.take(&segment, |reply| near.send(&reply))?;
        }
        near.flush();
        if asked + answered == 0 {
            poller.wait(&mut events, Some(NAP))?;
            client.give_up_old(start.elapsed());
        }
    }
    Ok(client)
}
